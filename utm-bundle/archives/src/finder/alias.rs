//! An alias record: how the view of a folder names its picture.
//!
//! Apple has not published the format. The source is `mac_alias` of dmgbuild, version 2 of the record. There are no catalogue
//! numbers on ISO 9660, so what leads to the file is its path, on a volume with this name.

use time::OffsetDateTime;

use super::{BACKGROUND, hfs_seconds};

/// The size of the record before its tagged fields, in bytes.
const HEAD: usize = 150;
/// Tags of fields.
const FOLDER_NAME: i16 = 0;
const VOLUME_DATE: i16 = 16;
const FILE_DATE: i16 = 17;
const UNICODE_FILE_NAME: i16 = 14;
const UNICODE_VOLUME_NAME: i16 = 15;
const PATH: i16 = 18;
const MOUNT_POINT: i16 = 19;
const END: i16 = -1;

/// The picture's alias, on a volume of such a name and date.
pub(super) fn background(volume: &str, created: OffsetDateTime) -> Vec<u8> {
    let (folder, file) = BACKGROUND;
    let seconds = hfs_seconds(created);
    let mut record = vec![0; 6];
    // Version 2; a file.
    record.extend([0, 2, 0, 0]);
    record.extend(pascal(volume, 28));
    record.extend(seconds.to_be_bytes());
    // HFS+ on an ejectable disk, as on every disk image; no number of the folder.
    record.extend(*b"H+\0\x05\0\0\0\0");
    record.extend(pascal(file, 64));
    record.extend([0; 4]);
    record.extend(seconds.to_be_bytes());
    // No creator or type, no relative path, no attributes, no file system's identifier.
    record.extend([0; 8]);
    record.extend([0xFF; 4]);
    record.extend([0; 16]);
    assert_eq!(record.len(), HEAD, "every field has its size");
    tag(&mut record, FOLDER_NAME, folder.as_bytes());
    tag(&mut record, VOLUME_DATE, &(u64::from(seconds) << 16).to_be_bytes());
    tag(&mut record, FILE_DATE, &(u64::from(seconds) << 16).to_be_bytes());
    tag(&mut record, UNICODE_FILE_NAME, &counted_utf16(file));
    tag(&mut record, UNICODE_VOLUME_NAME, &counted_utf16(volume));
    tag(&mut record, PATH, format!("/{folder}/{file}").as_bytes());
    tag(&mut record, MOUNT_POINT, format!("/Volumes/{volume}").as_bytes());
    tag(&mut record, END, b"");
    let length = u16::try_from(record.len()).expect("names are short");
    record[4..6].copy_from_slice(&length.to_be_bytes());
    record
}

/// A text with its length before it, in a field of such a size.
fn pascal(text: &str, size: usize) -> Vec<u8> {
    let mut field = vec![u8::try_from(text.len()).expect("names are short")];
    field.extend(text.as_bytes());
    assert!(field.len() <= size, "the name fits");
    field.resize(size, 0);
    field
}

fn tag(record: &mut Vec<u8>, tag: i16, value: &[u8]) {
    record.extend(tag.to_be_bytes());
    record.extend(u16::try_from(value.len()).expect("fields are short").to_be_bytes());
    record.extend(value);
    record.resize(record.len().next_multiple_of(2), 0);
}

fn counted_utf16(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let count = u16::try_from(units.len()).expect("names are short");
    [count].iter().chain(&units).flat_map(|u| u.to_be_bytes()).collect()
}
