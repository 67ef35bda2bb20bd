//! The records of a folder, with what Rock Ridge adds to them.

use time::OffsetDateTime;

use super::BLOCK;
use super::fields::{both, both16, date7};

/// The longest record, and the longest entry of Rock Ridge, in bytes. Records have even lengths.
const RECORD: usize = 254;
const ENTRY: usize = 255;
/// The pointer to a continuation, in bytes.
const CONTINUED: usize = 28;
/// What a record is about (9.1.6, bit 1).
pub(super) const IS_FOLDER: u8 = 2;
/// Of a name, and of a link's target: it goes on in the next entry, or the next component.
const GOES_ON: u8 = 1;
/// The extension: its name, what it is, and whom to ask. The texts are those of RRIP 1.09, 4.3.
const EXTENSION: [&str; 3] = [
    "RRIP_1991A",
    "THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS",
    "PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  SEE PUBLISHER IDENTIFIER IN PRIMARY VOLUME DESCRIPTOR FOR \
     CONTACT INFORMATION.",
];

/// Where something is: its first block, and its length in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extent {
    pub(super) block: u64,
    pub(super) bytes: u64,
}

/// One record to be.
pub(super) struct Record {
    /// The name in ISO 9660.
    pub(super) identifier: Vec<u8>,
    pub(super) folder: bool,
    pub(super) extent: Extent,
    /// Entries of Rock Ridge.
    pub(super) entries: Vec<Vec<u8>>,
}

/// A folder on the volume: its records, and the blocks behind them with what has no room there.
pub(super) struct Directory {
    pub(super) records: Vec<u8>,
    pub(super) continuation: Vec<u8>,
}

impl Directory {
    /// Puts records together, for a folder at such a block. The lengths do not depend on where things are.
    pub(super) fn new(all: &[Record], block: u64, modified: OffsetDateTime) -> Self {
        let count = all.iter().fold(0, |end, r| place(end, r.length()) + r.length()).div_ceil(BLOCK as usize);
        let mut made = Self { records: Vec::new(), continuation: Vec::new() };
        for record in all {
            let start = place(made.records.len(), record.length());
            made.records.resize(start, 0);
            made.push(record, block + count as u64, modified);
        }
        for part in [&mut made.records, &mut made.continuation] {
            part.resize(part.len().next_multiple_of(BLOCK as usize), 0);
        }
        made
    }

    /// Appends a record. Its continuation, if it has one, is in the blocks from `behind` on.
    fn push(&mut self, record: &Record, behind: u64, modified: OffsetDateTime) {
        let mut bytes = vec![0, 0];
        bytes.extend(both(record.extent.block));
        bytes.extend(both(record.extent.bytes));
        bytes.extend(date7(modified));
        bytes.extend([if record.folder { IS_FOLDER } else { 0 }, 0, 0]);
        bytes.extend(both16(1));
        bytes.push(u8::try_from(record.identifier.len()).expect("numbers are short"));
        bytes.extend(&record.identifier);
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        let (here, later) = record.entries.split_at(record.inline());
        bytes.extend(here.concat());
        if !later.is_empty() {
            let later = later.concat();
            let start = place(self.continuation.len(), later.len());
            let (blocks, offset) = (start as u64 / BLOCK, start as u64 % BLOCK);
            let numbers = [behind + blocks, offset, later.len() as u64].map(both).concat();
            bytes.extend(entry(*b"CE", &numbers));
            self.continuation.resize(start, 0);
            self.continuation.extend(later);
        }
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes[0] = u8::try_from(bytes.len()).expect("what is longer is continued");
        self.records.extend(bytes);
    }
}

impl Record {
    /// The length of the record without Rock Ridge.
    fn base(&self) -> usize {
        (33 + self.identifier.len()).next_multiple_of(2)
    }

    /// How many entries are in the record itself.
    fn inline(&self) -> usize {
        let fits = |room: usize| {
            let ends = self.entries.iter().scan(0, |end, e| {
                *end += e.len();
                Some(*end)
            });
            ends.take_while(|end| *end <= room).count()
        };
        let room = RECORD - self.base();
        if fits(room) == self.entries.len() { self.entries.len() } else { fits(room - CONTINUED) }
    }

    fn length(&self) -> usize {
        let inline = self.inline();
        let entries: usize = self.entries[..inline].iter().map(Vec::len).sum();
        let continued = if inline < self.entries.len() { CONTINUED } else { 0 };
        (self.base() + entries + continued).next_multiple_of(2)
    }
}

/// Where something of such a length goes, behind so many bytes: nothing crosses a block's end.
fn place(end: usize, length: usize) -> usize {
    let block = BLOCK as usize;
    if end % block + length > block { end.next_multiple_of(block) } else { end }
}

/// An entry of the system use area: its name, its length, version 1, its content.
fn entry(name: [u8; 2], content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(4 + content.len()).expect("content is cut to the length of an entry");
    [&name[..], &[length, 1], content].concat()
}

/// That there are entries at all, in the first record of the root (SUSP 5.3).
pub(super) fn sharing() -> Vec<u8> {
    entry(*b"SP", &[0xBE, 0xEF, 0])
}

/// Which extension the entries are of (SUSP 5.5).
pub(super) fn extension() -> Vec<u8> {
    let lengths = EXTENSION.map(|text| u8::try_from(text.len()).expect("short"));
    entry(*b"ER", &[&lengths[..], &[1], EXTENSION.concat().as_bytes()].concat())
}

/// The mode with the type, and the number of links; everything is root's (RRIP 4.1.1).
pub(super) fn attributes(mode: u32, links: u64) -> Vec<u8> {
    entry(*b"PX", &[u64::from(mode), links, 0, 0].map(both).concat())
}

/// The date of the last change (RRIP 4.1.6).
pub(super) fn timestamp(modified: OffsetDateTime) -> Vec<u8> {
    entry(*b"TF", &[&[2], &date7(modified)[..]].concat())
}

/// The name (RRIP 4.1.4).
pub(super) fn name(name: &str) -> Vec<Vec<u8>> {
    let mut rest = name.as_bytes().chunks(ENTRY - 5).peekable();
    let mut entries = Vec::new();
    while let Some(part) = rest.next() {
        let flags = if rest.peek().is_some() { GOES_ON } else { 0 };
        entries.push(entry(*b"NM", &[&[flags], part].concat()));
    }
    entries
}

/// Where a link leads (RRIP 4.1.3). A name that is too long for one entry is in two components.
pub(super) fn link(target: &str) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = vec![Vec::new()];
    for component in components(target) {
        let last = parts.last_mut().expect("there is one from the beginning");
        if last.len() + component.len() <= ENTRY - 5 {
            last.extend(component);
        } else {
            parts.push(component);
        }
    }
    let count = parts.len();
    let flags = |i: usize| if i + 1 < count { GOES_ON } else { 0 };
    parts.iter().enumerate().map(|(i, part)| entry(*b"SL", &[&[flags(i)], &part[..]].concat())).collect()
}

/// The components of a path: flags, length, bytes.
fn components(target: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let rest = target.strip_prefix('/').inspect(|_| all.push(vec![8, 0])).unwrap_or(target);
    for name in rest.split('/').filter(|n| !n.is_empty()) {
        match name {
            "." => all.push(vec![2, 0]),
            ".." => all.push(vec![4, 0]),
            _ => {
                let mut chunks = name.as_bytes().chunks(ENTRY - 5 - 2).peekable();
                while let Some(chunk) = chunks.next() {
                    let flags = if chunks.peek().is_some() { GOES_ON } else { 0 };
                    let length = u8::try_from(chunk.len()).expect("chunks are shorter");
                    all.push([&[flags, length], chunk].concat());
                }
            }
        }
    }
    all
}
