//! Reading a volume back: that it is one, that its folders are well formed, and that every file lies within it.

use std::collections::BTreeSet;

use super::BLOCK;
use super::directory::IS_FOLDER;
use super::layout::{DESCRIPTORS, FOLDER};

/// The most of a volume's beginning that is kept, in bytes: the folders of some 400,000 files.
const MOST: usize = 64 << 20;
/// The length of a record without its name.
const RECORD: usize = 33;
/// The place of the root's record in the descriptor, and its length (8.4.18).
const ROOT: std::ops::Range<usize> = 156..190;
/// The bits of a mode that say what has it.
const TYPE: u64 = 0o170_000;

/// The beginning of a volume, which has all folders, kept while the volume passes by.
#[derive(Default)]
pub(crate) struct Head {
    bytes: Vec<u8>,
    /// Size of the whole volume, in bytes.
    all: u64,
}

/// A record of a folder.
struct Record<'a> {
    block: u64,
    bytes: u64,
    folder: bool,
    identifier: &'a [u8],
    /// The entries of Rock Ridge.
    more: &'a [u8],
}

impl Head {
    /// Takes what comes next.
    pub(crate) fn take(&mut self, content: &[u8]) {
        self.all += content.len() as u64;
        self.bytes.extend_from_slice(&content[..content.len().min(MOST - self.bytes.len())]);
    }

    /// The first thing that is wrong with the volume.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        self.walk().err()
    }

    fn walk(&self) -> Result<(), &'static str> {
        let mut folders = vec![self.root()?];
        let mut seen = BTreeSet::new();
        while let Some((block, bytes)) = folders.pop() {
            if !seen.insert(block) {
                return Err("a folder of its volume is in two places");
            }
            for (position, record) in self.records(block, bytes)?.iter().enumerate() {
                let end = record.block.saturating_mul(BLOCK).saturating_add(record.bytes);
                match (position, record.identifier) {
                    (0, [0]) if record.folder && (record.block, record.bytes) == (block, bytes) => {}
                    (1, [1]) if record.folder => {}
                    (0 | 1, _) | (_, [0 | 1]) => return Err("a folder of its volume does not begin with itself"),
                    _ if record.folder => folders.push((record.block, record.bytes)),
                    _ if end > self.all => return Err("a file of its volume leads out of it"),
                    _ => {}
                }
                let is_folder = mode(record.more).map(|mode| mode & TYPE == u64::from(FOLDER));
                if is_folder != Some(record.folder) {
                    return Err("a file of its volume has no mode, or that of another kind");
                }
            }
        }
        Ok(())
    }

    /// Where the root is, when the descriptors are right (8.4).
    fn root(&self) -> Result<(u64, u64), &'static str> {
        let none = "there is no volume of ISO 9660 in it";
        let first = self.part(DESCRIPTORS, BLOCK).filter(|first| first.starts_with(b"\x01CD001\x01\0")).ok_or(none)?;
        let last = self.part(DESCRIPTORS + 1, BLOCK).ok_or(none)?;
        if !last.starts_with(b"\xFFCD001\x01") {
            return Err("its volume has other descriptors than one");
        }
        if both(first, 80).map(|blocks| blocks * BLOCK) != Some(self.all) {
            return Err("its volume says another size than it has");
        }
        if first[128..132] != [0, 8, 8, 0] {
            return Err("its volume has blocks of another size than 2048 bytes");
        }
        let root = record(&first[ROOT]).filter(|root| root.folder).ok_or("its volume has no root")?;
        Ok((root.block, root.bytes))
    }

    /// The records of a folder.
    fn records(&self, block: u64, bytes: u64) -> Result<Vec<Record<'_>>, &'static str> {
        let damaged = "a folder of its volume is damaged";
        let folder = self.part(block, bytes).filter(|folder| !folder.is_empty()).ok_or(damaged)?;
        let mut records = Vec::new();
        // No record crosses the end of a block; a zero fills what is left of one.
        for mut rest in folder.chunks(BLOCK as usize) {
            while let Some(length) = rest.first().map(|length| usize::from(*length)).filter(|length| *length > 0) {
                records.push(rest.get(..length).and_then(record).ok_or(damaged)?);
                rest = &rest[length..];
            }
        }
        if records.len() < 2 { Err(damaged) } else { Ok(records) }
    }

    /// So many bytes from a block on.
    fn part(&self, block: u64, bytes: u64) -> Option<&[u8]> {
        let start = usize::try_from(block.checked_mul(BLOCK)?).ok()?;
        self.bytes.get(start..start.checked_add(usize::try_from(bytes).ok()?)?)
    }
}

/// A record (9.1).
fn record(bytes: &[u8]) -> Option<Record<'_>> {
    let name = RECORD + usize::from(*bytes.get(RECORD - 1)?);
    Some(Record {
        block: both(bytes, 2)?,
        bytes: both(bytes, 10)?,
        folder: bytes[25] & IS_FOLDER != 0,
        identifier: bytes.get(RECORD..name)?,
        more: bytes.get(name.next_multiple_of(2)..).unwrap_or_default(),
    })
}

/// The mode among the entries of Rock Ridge (RRIP 4.1.1).
fn mode(mut more: &[u8]) -> Option<u64> {
    while let [first, second, length, ..] = *more {
        if [first, second] == *b"PX" {
            return both(more, 4);
        }
        more = more.get(usize::from(length).max(4)..)?;
    }
    None
}

/// A number that is there in both byte orders (7.3.3).
fn both(bytes: &[u8], at: usize) -> Option<u64> {
    let little = u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
    let big = u32::from_be_bytes(bytes.get(at + 4..at + 8)?.try_into().ok()?);
    (little == big).then_some(little.into())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::Tree;

    /// Whatever is in a volume from elsewhere, the walk ends.
    #[test]
    fn any_byte_may_be_another() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("one/two")).unwrap();
        std::fs::write(folder.path().join("one/file"), "text").unwrap();
        let tree = Tree::read(folder.path()).unwrap();
        let mut bytes = Vec::new();
        super::super::Volume::new(&tree.entries, "a", SystemTime::UNIX_EPOCH).append(&mut bytes, 1 << 20).unwrap();
        let mut head = Head::default();
        head.take(&bytes);
        assert_eq!(head.fault(), None);
        let mut found = 0;
        for (at, whole) in bytes.iter().enumerate().skip((DESCRIPTORS * BLOCK) as usize) {
            for byte in [0, 1, 2, 0x55, 0xFF] {
                head.bytes[at] = byte;
                found += usize::from(head.fault().is_some());
            }
            head.bytes[at] = *whole;
        }
        assert!(found > 500, "{found}");
        for length in (0..bytes.len()).step_by(64) {
            let mut head = Head::default();
            head.take(&bytes[..length]);
            assert!(head.fault().is_some(), "{length}");
        }
    }
}
