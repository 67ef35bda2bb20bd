//! The volume in a `.dmg`: ISO 9660 with Rock Ridge, which keeps names, modes and symbolic links.
//!
//! The standards are ECMA-119, SUSP 1.10 (IEEE P1281) and RRIP 1.09 (IEEE P1282). The reader that matters is that of macOS,
//! of which Apple published the source once, in xnu (`bsd/isofs/cd9660`). By it is decided what they leave open:
//!
//! - The extension's name is `RRIP_1991A`, entries have version 1, continuations do not cross blocks: it takes no other.
//! - Folders are not moved up when they are deep (`RR_MOVED`): it does not count, as xorriso and genisoimage's `-D` do not.
//! - Folders come before all files: it knows a file by the position of its record in 32 bits.
//! - A file has one extent, and so less than 4 GiB: it reads no more than one, and would show the file cut.
//!
//! The names of ISO 9660 itself are numbers; every reader above shows those of Rock Ridge.

mod directory;
mod fields;
mod layout;
mod read;

use std::time::SystemTime;

use time::OffsetDateTime;

use self::layout::Layout;
pub(crate) use self::read::Head;
use crate::contents::Reading;
use crate::tree::{Content, Entry, Kind};
use crate::{Error, Fault};

/// A logical block, in bytes.
const BLOCK: u64 = 2048;
/// The largest file, in bytes: the length of an extent has 32 bits.
pub(crate) const LARGEST: u64 = 0xFFFF_FFFF;
/// The most folders: their numbers in the path table have 16 bits.
const MOST_FOLDERS: usize = 0xFFFF;

/// A volume that can be read from its beginning to its end.
pub(crate) struct Volume<'a> {
    /// Descriptors, path tables and folders.
    head: Vec<u8>,
    /// What of the head was read.
    read: usize,
    files: std::vec::IntoIter<&'a Content>,
    reading: Option<Reading<'a>>,
    /// Size in bytes.
    pub(crate) bytes: u64,
}

/// Everything that a volume cannot have.
pub(crate) fn faults(entries: &[Entry]) -> Vec<Fault> {
    let large = entries.iter().filter(|e| e.bytes() > LARGEST);
    let why = |bytes: u64| {
        format!(
            "has {bytes} bytes, and a Mac reads files below 4 GiB from ISO 9660 only; make a .zip only, or the .dmg on a Mac"
        )
    };
    let mut faults: Vec<_> = large.map(|e| Fault { path: e.path.clone(), why: why(e.bytes()) }).collect();
    let links = entries.iter().filter(|e| matches!(&e.kind, Kind::Link(to) if to.contains("//") || to.ends_with('/')));
    faults.extend(links.map(|e| Fault { path: e.path.clone(), why: "leads to a path with empty names".into() }));
    let folders = entries.iter().filter(|e| matches!(e.kind, Kind::Folder)).count();
    if folders >= MOST_FOLDERS {
        faults.push(Fault {
            path: String::new(),
            why: format!("has {folders} folders; ISO 9660 can have {MOST_FOLDERS}"),
        });
    }
    faults
}

impl<'a> Volume<'a> {
    /// Lays out the entries of a tree without [`faults`], in a volume with such a name.
    pub(crate) fn new(entries: &'a [Entry], name: &str, modified: SystemTime) -> Self {
        let layout = Layout::new(entries, OffsetDateTime::from(modified));
        let (head, bytes) = (layout.head(name), layout.blocks() * BLOCK);
        Self { head, read: 0, files: layout.into_files().into_iter(), reading: None, bytes }
    }

    /// Appends up to `most` bytes; a multiple of blocks if `most` is. Nothing is appended at the end.
    pub(crate) fn append(&mut self, to: &mut Vec<u8>, most: usize) -> Result<(), Error> {
        let end = to.len() + most;
        let head = &self.head[self.read..];
        let now = head.len().min(most);
        to.extend_from_slice(&head[..now]);
        self.read += now;
        while to.len() < end {
            if self.reading.is_none() {
                let Some(file) = self.files.next() else { return Ok(()) };
                self.reading = Some(Reading::open(file)?);
            }
            let reading = self.reading.as_mut().expect("set above");
            if reading.append(to, end - to.len())? {
                self.reading = None;
                // Calls begin at whole blocks, and so the padding never goes beyond the end.
                to.resize(to.len().next_multiple_of(usize::try_from(BLOCK).expect("small")), 0);
            }
        }
        Ok(())
    }
}
