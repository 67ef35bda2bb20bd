//! Folder entries: one short entry for each file, folder and label, and long entries in front of it.

use crate::date::Stamp;
use crate::short::{self, ShortName};

/// The length of an entry, in bytes.
pub(crate) const LENGTH: u64 = 32;
/// UTF-16 code units of a long name in one entry.
const UNITS: usize = 13;
/// Marks the entry that comes first and holds the end of the name.
const LAST_LONG: u8 = 0x40;
const ATTRIBUTE_LABEL: u8 = 0x08;
const ATTRIBUTE_FOLDER: u8 = 0x10;
const ATTRIBUTE_ARCHIVE: u8 = 0x20;
const ATTRIBUTE_LONG: u8 = 0x0f;

/// What an entry stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Label,
    /// A folder that starts at this cluster, 0 for the root.
    Folder {
        cluster: u64,
    },
    /// A file that starts at this cluster, 0 when it is empty.
    File {
        cluster: u64,
        size: u32,
    },
}

/// How many entries a file or folder of this name takes.
pub(crate) fn count(name: &str) -> u64 {
    1 + if short::exact(name).is_some() { 0 } else { long_count(name) as u64 }
}

fn long_count(name: &str) -> usize {
    name.encode_utf16().count().div_ceil(UNITS)
}

/// Appends the long entries of `name`, if it needs any, and its short entry.
pub(crate) fn push(folder: &mut Vec<u8>, name: &str, short: ShortName, target: Target, stamp: Stamp) {
    if short::exact(name).is_none() {
        push_long(folder, name, &short);
    }
    push_short(folder, short, target, stamp);
}

/// Appends a short entry alone.
pub(crate) fn push_short(folder: &mut Vec<u8>, short: ShortName, target: Target, stamp: Stamp) {
    let (attribute, cluster, size) = match target {
        Target::Label => (ATTRIBUTE_LABEL, 0, 0),
        Target::Folder { cluster } => (ATTRIBUTE_FOLDER, cluster as u32, 0),
        Target::File { cluster, size } => (ATTRIBUTE_ARCHIVE, cluster as u32, size),
    };
    folder.extend(short);
    folder.extend([attribute, 0, 0]);
    folder.extend(stamp.time.to_le_bytes());
    folder.extend(stamp.date.to_le_bytes());
    folder.extend(stamp.date.to_le_bytes());
    folder.extend(((cluster >> 16) as u16).to_le_bytes());
    folder.extend(stamp.time.to_le_bytes());
    folder.extend(stamp.date.to_le_bytes());
    folder.extend((cluster as u16).to_le_bytes());
    folder.extend(size.to_le_bytes());
}

/// The end of the name comes first; it is closed by a zero and filled up with ones if it leaves room.
fn push_long(folder: &mut Vec<u8>, name: &str, short: &ShortName) {
    let count = long_count(name);
    let padding = std::iter::once(0).chain(std::iter::repeat(0xffff));
    let units = name.encode_utf16().chain(padding).take(count * UNITS).collect::<Vec<_>>();
    for (index, part) in units.chunks(UNITS).enumerate().rev() {
        let bytes = part.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<_>>();
        let order = index as u8 + 1;
        folder.push(if index + 1 == count { order | LAST_LONG } else { order });
        folder.extend(&bytes[..10]);
        folder.extend([ATTRIBUTE_LONG, 0, checksum(short)]);
        folder.extend(&bytes[10..22]);
        folder.extend([0, 0]);
        folder.extend(&bytes[22..]);
    }
}

/// Ties long entries to their short one (FAT specification, "Checksum").
fn checksum(short: &ShortName) -> u8 {
    short.iter().fold(0, |sum: u8, &byte| sum.rotate_right(1).wrapping_add(byte))
}
