//! H.264 as bytes: NAL units with start codes (Annex B of ITU-T H.264) or with lengths (AVCC, ISO/IEC 14496-15).

use std::ops::Range;

/// `nal_unit_type` of a slice of an IDR picture.
pub const IDR: u8 = 5;
/// `nal_unit_type` of a sequence parameter set.
pub const SPS: u8 = 7;
/// `nal_unit_type` of a picture parameter set.
pub const PPS: u8 = 8;

const START: [u8; 4] = [0, 0, 0, 1];

/// Why bytes are no access unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AvccError {
    /// Lengths have 1, 2 or 4 bytes.
    #[error("lengths of NAL units have {0} bytes, which no format has")]
    LengthSize(usize),
    /// A NAL unit ends beyond the data, or is empty.
    #[error("the NAL unit at byte {at} says {length} bytes, {left} are left")]
    Length {
        /// Where its length is.
        at: usize,
        /// The length that it states, in bytes.
        length: usize,
        /// How many bytes there are, in bytes.
        left: usize,
    },
    /// An IDR has no parameter sets, and none are known.
    #[error("there are no parameter sets for an IDR")]
    NoParameterSets,
}

/// An access unit as a byte stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteStream {
    /// NAL units with start codes.
    pub data: Vec<u8>,
    /// Whether there is an IDR.
    pub keyframe: bool,
}

/// The `nal_unit_type` of a NAL unit without its start code.
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |byte| byte & 0x1f)
}

/// The NAL units of a byte stream, without start codes.
pub fn nal_units(bytes: &[u8]) -> Vec<&[u8]> {
    let starts = start_codes(bytes);
    let mut units = Vec::new();
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).map_or(bytes.len(), |next| next.start);
        let unit = &bytes[start.end..end];
        // Zeros before a start code belong to it.
        let length = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if length > 0 {
            units.push(&unit[..length]);
        }
    }
    units
}

fn start_codes(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at + 3 <= bytes.len() {
        if bytes[at..at + 3] == START[1..] {
            found.push(at..at + 3);
            at += 3;
        } else {
            at += 1;
        }
    }
    found
}

/// Converts an access unit with lengths to a byte stream. Before an IDR that has no parameter sets of its own come
/// `parameter_sets`, each without a start code.
///
/// # Errors
/// When lengths do not fit, or an IDR would be without parameter sets.
pub fn from_avcc(avcc: &[u8], length_size: usize, parameter_sets: &[Vec<u8>]) -> Result<ByteStream, AvccError> {
    let units = split_avcc(avcc, length_size)?;
    let has = |wanted: u8| units.iter().any(|unit| nal_type(unit) == wanted);
    let mut data = Vec::with_capacity(avcc.len() + 128);
    let mut put = |unit: &[u8]| {
        data.extend_from_slice(&START);
        data.extend_from_slice(unit);
    };
    let keyframe = has(IDR);
    let lacks = keyframe && !(has(SPS) && has(PPS));
    if lacks && parameter_sets.is_empty() {
        return Err(AvccError::NoParameterSets);
    }
    // An access unit delimiter, if there is one, stays in front.
    let first = units.iter().take_while(|unit| nal_type(unit) == 9).count();
    units[..first].iter().for_each(|unit| put(unit));
    if lacks {
        parameter_sets.iter().for_each(|set| put(set));
    }
    units[first..].iter().for_each(|unit| put(unit));
    Ok(ByteStream { data, keyframe })
}

fn split_avcc(avcc: &[u8], length_size: usize) -> Result<Vec<&[u8]>, AvccError> {
    if !matches!(length_size, 1 | 2 | 4) {
        return Err(AvccError::LengthSize(length_size));
    }
    let (mut units, mut at) = (Vec::new(), 0);
    while at < avcc.len() {
        let fault = |length, left| AvccError::Length { at, length, left };
        let left = avcc.len() - at;
        let bytes = avcc.get(at..at + length_size).ok_or(fault(length_size, left))?;
        let length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let left = left - length_size;
        if length == 0 || length > left {
            return Err(fault(length, left));
        }
        units.push(&avcc[at + length_size..][..length]);
        at += length_size + length;
    }
    Ok(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn avcc(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&(unit.len() as u32).to_be_bytes()[..], unit].concat()).collect()
    }

    const SETS: [&[u8]; 2] = [&[0x67, 1], &[0x68, 2]];

    fn sets() -> Vec<Vec<u8>> {
        SETS.map(<[u8]>::to_vec).to_vec()
    }

    #[test]
    fn an_idr_gets_parameter_sets_once() {
        let idr: &[u8] = &[0x65, 9, 9];
        let bytes = from_avcc(&avcc(&[idr]), 4, &sets()).expect("good");
        assert_eq!(nal_units(&bytes.data), [SETS[0], SETS[1], idr]);
        let bytes = from_avcc(&avcc(&[SETS[0], SETS[1], idr]), 4, &sets()).expect("good");
        assert_eq!(nal_units(&bytes.data), [SETS[0], SETS[1], idr]);
        let (delimiter, other): (&[u8], &[u8]) = (&[9, 0x10], &[0x41, 7]);
        let bytes = from_avcc(&avcc(&[delimiter, idr]), 4, &sets()).expect("good");
        assert_eq!(nal_units(&bytes.data), [delimiter, SETS[0], SETS[1], idr]);
        let bytes = from_avcc(&avcc(&[other]), 4, &[]).expect("good");
        assert_eq!(nal_units(&bytes.data), [other]);
        assert_eq!(from_avcc(&avcc(&[idr]), 4, &[]), Err(AvccError::NoParameterSets));
    }

    #[test]
    fn lengths_are_not_trusted() {
        let good = avcc(&[&[0x41, 1, 2], &[0x41, 3]]);
        for cut in 1..good.len() {
            let result = from_avcc(&good[..cut], 4, &[]);
            assert_eq!(result.is_ok(), cut == 7, "{cut}");
        }
        for bytes in [&[0, 0, 0, 0][..], &[0xff; 8], &[0, 0, 0, 5, 1]] {
            assert!(matches!(from_avcc(bytes, 4, &[]), Err(AvccError::Length { .. })));
        }
        assert_eq!(from_avcc(&good, 3, &[]), Err(AvccError::LengthSize(3)));
        assert_eq!(nal_units(&from_avcc(&[0, 2, 0x41, 1], 2, &[]).expect("good").data), [[0x41, 1]]);
    }

    #[test]
    fn start_codes_of_both_lengths_and_zeros_between() {
        let bytes = [&[0u8, 0, 0, 1, 0x67, 5][..], &[0, 0, 1, 0x68, 6, 0, 0], &[0, 0, 0, 1, 0x65, 7]].concat();
        assert_eq!(nal_units(&bytes), [[0x67, 5], [0x68, 6], [0x65, 7]]);
        assert!(nal_units(&[0, 0, 1]).is_empty() && nal_units(&[]).is_empty());
    }
}
