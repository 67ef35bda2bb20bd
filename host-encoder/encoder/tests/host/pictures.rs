//! The pattern of the checking tool, and what a decoder makes of a stream.

pub(crate) use helix_host_encoder_artifacts::decoder::Decoded;
pub(crate) use helix_host_encoder_artifacts::pictures::{draw, expected, worst_psnr};

use helix_host_encoder::annexb::{IDR, PPS, SPS, nal_type, nal_units};

pub(crate) fn decode(stream: &[u8]) -> Decoded {
    helix_host_encoder_artifacts::decoder::decode(stream).unwrap_or_else(|fault| panic!("{fault}"))
}

/// Checks that an access unit with an IDR has SPS and PPS before it, and says whether it is one.
pub(crate) fn is_keyframe(unit: &[u8]) -> bool {
    assert!(unit.starts_with(&[0, 0, 0, 1]) || unit.starts_with(&[0, 0, 1]), "Annex B");
    let types: Vec<u8> = nal_units(unit).into_iter().map(nal_type).collect();
    let Some(idr) = types.iter().position(|t| *t == IDR) else { return false };
    let before = |wanted| types[..idr].contains(&wanted);
    assert!(before(SPS) && before(PPS), "{types:?}");
    true
}
