//! What a decoder that comes in the middle of a stream needs: SPS and PPS before each IDR. Read here once more, apart from
//! the encoders' own code.

/// Types of NAL units (H.264, table 7-1).
const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;

/// Whether an access unit is an IDR.
///
/// # Errors
/// When it is none of Annex B, or an IDR without SPS and PPS before it.
pub(crate) fn is_keyframe(unit: &[u8]) -> Result<bool, String> {
    if !unit.starts_with(&[0, 0, 1]) && !unit.starts_with(&[0, 0, 0, 1]) {
        return Err("an access unit begins with no start code".to_owned());
    }
    let types: Vec<u8> = unit.windows(4).filter(|bytes| bytes[..3] == [0, 0, 1]).map(|bytes| bytes[3] & 0x1f).collect();
    let Some(idr) = types.iter().position(|found| *found == IDR) else { return Ok(false) };
    let missing = |wanted, name| (!types[..idr].contains(&wanted)).then_some(name);
    match [missing(SPS, "SPS"), missing(PPS, "PPS")].into_iter().flatten().collect::<Vec<_>>()[..] {
        [] => Ok(true),
        ref names => Err(format!("an IDR has no {} before it", names.join(" and no "))),
    }
}
