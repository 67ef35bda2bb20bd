//! Blobs, of which a signature is made: a number that says the kind, the length, and content; all numbers are big-endian.

/// A signature: a table of blobs.
const SUPER_BLOB: u32 = 0xfade_0cc0;
/// The hashes of everything, and what is signed.
pub(crate) const CODE_DIRECTORY: u32 = 0xfade_0c02;
const REQUIREMENTS: u32 = 0xfade_0c01;
const ENTITLEMENTS: u32 = 0xfade_7171;
const ENTITLEMENTS_DER: u32 = 0xfade_7172;
pub(crate) const CMS: u32 = 0xfade_0b01;

/// Places in the table; those below 8 are the numbers of their hashes in the code directory too.
pub(crate) const SLOT_DIRECTORY: u32 = 0;
pub(crate) const SLOT_INFO: u32 = 1;
pub(crate) const SLOT_REQUIREMENTS: u32 = 2;
pub(crate) const SLOT_RESOURCES: u32 = 3;
pub(crate) const SLOT_ENTITLEMENTS: u32 = 5;
pub(crate) const SLOT_ENTITLEMENTS_DER: u32 = 7;
pub(crate) const SLOT_CMS: u32 = 0x1_0000;

/// More blobs than any signature has.
const MOST: u32 = 16;

/// A blob of this kind.
pub(crate) fn blob(magic: u32, content: &[u8]) -> Vec<u8> {
    let length = (content.len() + 8) as u32;
    [&magic.to_be_bytes()[..], &length.to_be_bytes(), content].concat()
}

/// The blobs of a signature besides its code directory and the message of its signer, with their slots.
pub(crate) fn beside_directory(requirements: &[u8], plist: Option<&[u8]>, der: Option<&[u8]>) -> Vec<(u32, Vec<u8>)> {
    let mut blobs = vec![(SLOT_REQUIREMENTS, blob(REQUIREMENTS, requirements))];
    blobs.extend(plist.map(|text| (SLOT_ENTITLEMENTS, blob(ENTITLEMENTS, text))));
    blobs.extend(der.map(|der| (SLOT_ENTITLEMENTS_DER, blob(ENTITLEMENTS_DER, der))));
    blobs
}

/// A whole signature.
pub(crate) fn table(blobs: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut index = (blobs.len() as u32).to_be_bytes().to_vec();
    let mut at = 12 + 8 * blobs.len();
    for (slot, blob) in blobs {
        index.extend(slot.to_be_bytes());
        index.extend((at as u32).to_be_bytes());
        at += blob.len();
    }
    index.extend(blobs.iter().flat_map(|(_, blob)| blob));
    blob(SUPER_BLOB, &index)
}

/// The number at `at`.
pub(crate) fn number(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// The slots and blobs of a signature, in their order; each blob as long as it says.
pub(crate) fn parse(data: &[u8]) -> Result<Vec<(u32, &[u8])>, &'static str> {
    const CUT: &str = "the signature is cut off";
    if number(data, 0) != Some(SUPER_BLOB) {
        return Err("the signature begins with a wrong number");
    }
    let data = number(data, 4).and_then(|length| data.get(..length as usize)).ok_or(CUT)?;
    let count = number(data, 8).ok_or(CUT)?;
    if count > MOST {
        return Err("the signature has more parts than any");
    }
    let entry = |index: u32| {
        let at = 12 + 8 * index as usize;
        let blob = data.get(number(data, at + 4)? as usize..)?;
        Some((number(data, at)?, blob.get(..number(blob, 4)? as usize)?))
    };
    (0..count).map(|index| entry(index).ok_or("a part leads out of the signature")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let blobs = beside_directory(&[0; 4], Some(b"plist"), Some(b"der"));
        let whole = table(&blobs);
        let read: Vec<(u32, Vec<u8>)> = parse(&whole).unwrap().iter().map(|(slot, b)| (*slot, b.to_vec())).collect();
        assert_eq!(read, blobs);
    }

    proptest::proptest! {
        #[test]
        fn foreign_bytes_do_no_harm(bytes: Vec<u8>, at in 0_usize..53, value: u8) {
            let _ = parse(&bytes);
            let mut whole = table(&beside_directory(&[0; 4], Some(b"plist"), None));
            whole[at] = value;
            let _ = parse(&whole);
        }
    }
}
