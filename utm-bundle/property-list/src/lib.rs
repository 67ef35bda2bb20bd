//! Reads property lists that may say anything: those of a VM for UTM, and those of an app that somebody else made.

use std::io::Cursor;

use plist::stream::{Event, Reader};
use plist::{Dictionary, Value};

/// The largest list that is read, in bytes; those of UTM have some 5,000, and the seal of an app 200 for each file.
pub const LARGEST: u64 = 1 << 20;
/// How deep dictionaries and arrays may lie in one another; those of UTM do so 5 deep.
const DEEPEST: usize = 32;
/// How many values, keys and ends there may be.
const MOST: usize = 100_000;

/// The dictionary that `bytes` are, in XML or binary.
///
/// # Errors
/// When they are something else, or more than is read here; the text is what a file of them is.
pub fn dictionary(bytes: &[u8]) -> Result<Dictionary, String> {
    if bytes.len() as u64 > LARGEST {
        return Err(format!("has {} bytes; more than {LARGEST} are not read", bytes.len()));
    }
    let (mut depth, mut count, mut text) = (0_usize, 0_usize, 0_u64);
    let mut excess = false;
    // The end of the stream is an error for a list that is not complete.
    let events = Reader::new(Cursor::new(bytes)).take_while(|event| {
        count += 1;
        match event {
            Ok(Event::StartArray(_) | Event::StartDictionary(_)) => depth += 1,
            Ok(Event::EndCollection) => depth = depth.saturating_sub(1),
            // A binary list can name a long string many times.
            Ok(Event::String(string)) => text += string.len() as u64,
            Ok(Event::Data(data)) => text += data.len() as u64,
            _ => {}
        }
        excess = depth > DEEPEST || count > MOST || text > LARGEST;
        !excess
    });
    let value = Value::from_events(events);
    if excess {
        return Err("is larger or deeper than any that is read here".to_owned());
    }
    match value.map_err(|error| format!("is no property list: {error}"))? {
        Value::Dictionary(root) => Ok(root),
        _ => Err("is no dictionary".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        dictionary(bytes).unwrap_err()
    }

    #[test]
    fn xml_and_binary_are_the_same() {
        let root = Dictionary::from_iter([("a", Value::from(1)), ("b", Value::from(vec![Value::from(true)]))]);
        let (mut xml, mut binary) = (Vec::new(), Vec::new());
        Value::from(root.clone()).to_writer_xml(&mut xml).unwrap();
        Value::from(root.clone()).to_writer_binary(&mut binary).unwrap();
        assert_eq!((dictionary(&xml).unwrap(), dictionary(&binary).unwrap()), (root.clone(), root));
    }

    #[test]
    fn what_is_no_property_list_is_refused() {
        assert!(refused(b"").contains("is no property list"));
        assert!(refused(b"bplist00").contains("is no property list"));
        assert!(refused(b"<plist><array/></plist>").contains("is no dictionary"));
        assert!(refused(&vec![b' '; LARGEST as usize + 1]).contains("more than 1048576"));
    }

    #[test]
    fn a_deep_list_does_not_overflow_the_stack() {
        let deep = format!("<plist>{}{}</plist>", "<array>".repeat(60_000), "</array>".repeat(60_000));
        assert!(refused(deep.as_bytes()).contains("larger or deeper"));
    }

    /// Each array names the next one twice: 2^30 values in some 120 bytes.
    #[test]
    fn a_list_that_names_itself_again_and_again_does_not_fill_the_memory() {
        let arrays: u8 = 30;
        let mut bytes = b"bplist00".to_vec();
        let mut offsets = Vec::new();
        for index in 0..arrays {
            offsets.push(bytes.len() as u8);
            bytes.extend([0xA2, index + 1, index + 1]);
        }
        offsets.push(bytes.len() as u8);
        bytes.push(0x09);
        let table = bytes.len() as u8;
        bytes.extend(&offsets);
        bytes.extend([0; 6]);
        bytes.extend([1, 1]);
        for number in [u64::from(arrays) + 1, 0, u64::from(table)] {
            bytes.extend(number.to_be_bytes());
        }
        assert!(refused(&bytes).contains("larger or deeper"));
    }
}
