//! Where everything is: descriptors, path tables, folders, files.

use std::collections::HashMap;

use time::OffsetDateTime;

use super::BLOCK;
use super::directory::{Directory, Extent, Record, attributes, extension, link, name, sharing, timestamp};
use super::fields::{both, both16, date7, date17, short};
use crate::tree::{Content, Entry, Kind};

/// The types in the upper half of a Unix mode.
pub(super) const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
/// Permissions of the volume's root.
const ROOT: u32 = 0o755;
/// The first descriptor's block (6.2.1); what is before it is not ours.
pub(super) const DESCRIPTORS: u64 = 16;

/// A folder. Folder 0 is the root.
struct Folder<'a> {
    parent: usize,
    mode: u32,
    /// The name in ISO 9660: a number among its siblings.
    identifier: Vec<u8>,
    /// What is in it, in the order of names; for a folder with its number.
    inside: Vec<(&'a Entry, Option<usize>)>,
    extent: Extent,
}

pub(super) struct Layout<'a> {
    /// By level, then by parent, then by name, as the path table has them.
    folders: Vec<Folder<'a>>,
    /// Files that have bytes, in their order on the volume.
    files: Vec<&'a Content>,
    /// Where they are, by their paths. Empty files and links are nowhere.
    places: HashMap<&'a str, Extent>,
    modified: OffsetDateTime,
    /// Blocks of one path table, of all before the files, and in all.
    table: u64,
    head: u64,
    end: u64,
}

impl<'a> Layout<'a> {
    pub(super) fn new(entries: &'a [Entry], modified: OffsetDateTime) -> Self {
        let folders = folders(entries);
        let (files, places) = (Vec::new(), HashMap::new());
        let mut layout = Self { folders, files, places, modified, table: 0, head: 0, end: 0 };
        layout.table = (layout.path_table(u32::to_le_bytes).len() as u64).div_ceil(BLOCK);
        layout.place_folders();
        layout.place_files();
        layout
    }

    /// The size of the volume, in blocks.
    pub(super) fn blocks(&self) -> u64 {
        self.end
    }

    /// The contents that follow the head, each padded to whole blocks.
    pub(super) fn into_files(self) -> Vec<&'a Content> {
        self.files
    }

    fn place_folders(&mut self) {
        // Two descriptors, two path tables.
        let mut block = DESCRIPTORS + 2 + 2 * self.table;
        for i in 0..self.folders.len() {
            let directory = self.directory(i);
            let bytes = directory.records.len() as u64;
            self.folders[i].extent = Extent { block, bytes };
            block += (bytes + directory.continuation.len() as u64) / BLOCK;
        }
        self.head = block;
    }

    fn place_files(&mut self) {
        let mut block = self.head;
        for (entry, _) in self.folders.iter().flat_map(|f| &f.inside) {
            let Some(content) = entry.content() else { continue };
            let bytes = content.bytes();
            self.places.insert(&entry.path, Extent { block, bytes });
            self.files.push(content);
            block += bytes.div_ceil(BLOCK);
        }
        self.end = block;
    }

    /// Everything before the files.
    pub(super) fn head(&self, volume: &str) -> Vec<u8> {
        let mut head = vec![0; (DESCRIPTORS * BLOCK) as usize];
        head.extend(self.primary_descriptor(volume));
        let mut end = b"\xFFCD001\x01".to_vec();
        end.resize(BLOCK as usize, 0);
        head.extend(end);
        for order in [u32::to_le_bytes, u32::to_be_bytes] {
            let mut table = self.path_table(order);
            table.resize((self.table * BLOCK) as usize, 0);
            head.extend(table);
        }
        for i in 0..self.folders.len() {
            let directory = self.directory(i);
            head.extend(directory.records);
            head.extend(directory.continuation);
        }
        assert_eq!(head.len() as u64, self.head * BLOCK, "lengths do not depend on places");
        head
    }

    /// The primary volume descriptor (8.4).
    fn primary_descriptor(&self, volume: &str) -> Vec<u8> {
        let text = |text: &str, length: usize| format!("{text:length$}").into_bytes();
        let table = self.path_table(u32::to_le_bytes).len() as u64;
        let first = DESCRIPTORS + 2;
        let date = date17(self.modified);
        let never = [b"0".repeat(16), vec![0]].concat();
        let fields: [&[u8]; 22] = [
            b"\x01CD001\x01\0",
            &text("", 32),
            &text(volume, 32),
            &[0; 8],
            &both(self.end),
            &[0; 32],
            // One volume in the set, the first, with blocks of this size.
            &both16(1),
            &both16(1),
            &both16(BLOCK as u16),
            &both(table),
            // The path tables in both orders, each without a copy.
            &short(first).to_le_bytes(),
            &[0; 4],
            &short(first + self.table).to_be_bytes(),
            &[0; 4],
            &self.root_record(),
            // Set, publisher, preparer, application; then three names of files.
            &text("", 4 * 128),
            &text("", 3 * 37),
            // Made and changed; it does not expire, and is valid from the beginning.
            &[&date[..], &date[..]].concat(),
            &[&never[..], &never[..]].concat(),
            // The version of the structure, and what applications may use.
            &[1, 0],
            &[0; 512],
            &[0; 653],
        ];
        fields.concat()
    }

    /// The record of the root in the descriptor, which has no room for Rock Ridge.
    fn root_record(&self) -> Vec<u8> {
        let root = self.folders[0].extent;
        let (block, bytes) = (both(root.block), both(root.bytes));
        [&[34, 0], &block[..], &bytes, &date7(self.modified), &[2, 0, 0], &both16(1), &[1, 0]].concat()
    }

    /// The path table (9.4), with numbers in one byte order.
    fn path_table(&self, order: fn(u32) -> [u8; 4]) -> Vec<u8> {
        let little = order(1)[0] == 1;
        let mut table = Vec::new();
        for folder in &self.folders {
            let parent = u16::try_from(folder.parent + 1).expect("the number of folders was checked");
            table.extend([u8::try_from(folder.identifier.len()).expect("numbers are short"), 0]);
            table.extend(order(short(folder.extent.block)));
            table.extend(if little { parent.to_le_bytes() } else { parent.to_be_bytes() });
            table.extend(&folder.identifier);
            table.resize(table.len().next_multiple_of(2), 0);
        }
        table
    }

    fn directory(&self, number: usize) -> Directory {
        let folder = &self.folders[number];
        let mut records = vec![self.itself(number, 0), self.itself(folder.parent, 1)];
        if number == 0 {
            records[0].entries.insert(0, sharing());
            records[0].entries.push(extension());
        }
        records.extend(folder.inside.iter().enumerate().map(|(i, (entry, child))| self.record(i, entry, *child)));
        Directory::new(&records, folder.extent.block, self.modified)
    }

    /// The record of a folder in itself (identifier 0), or of a folder's parent (identifier 1).
    fn itself(&self, number: usize, identifier: u8) -> Record {
        let entries = vec![self.folder_attributes(number), timestamp(self.modified)];
        Record { identifier: vec![identifier], folder: true, extent: self.folders[number].extent, entries }
    }

    fn record(&self, position: usize, entry: &Entry, child: Option<usize>) -> Record {
        let (attributes, extent) = match (&entry.kind, child) {
            (_, Some(number)) => (self.folder_attributes(number), self.folders[number].extent),
            (Kind::Link(_), _) => (attributes(LINK | entry.mode, 1), Extent::default()),
            _ => (attributes(FILE | entry.mode, 1), self.places.get(entry.path.as_str()).copied().unwrap_or_default()),
        };
        let mut entries = vec![attributes, timestamp(self.modified)];
        entries.extend(name(last(&entry.path)));
        if let Kind::Link(target) = &entry.kind {
            entries.extend(link(target));
        }
        let identifier = match child {
            Some(number) => self.folders[number].identifier.clone(),
            None => [number(position), b".;1".to_vec()].concat(),
        };
        Record { identifier, folder: child.is_some(), extent, entries }
    }

    /// A folder has a link in its parent, one in itself, and one in each folder that is in it.
    fn folder_attributes(&self, number: usize) -> Vec<u8> {
        let folder = &self.folders[number];
        let inside = folder.inside.iter().filter(|(_, child)| child.is_some()).count();
        attributes(FOLDER | folder.mode, 2 + inside as u64)
    }
}

/// Eight digits: the order of numbers is that of names.
fn number(position: usize) -> Vec<u8> {
    format!("{position:08}").into_bytes()
}

fn last(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The folders of a tree in the order of the path table.
fn folders(entries: &[Entry]) -> Vec<Folder<'_>> {
    let mut inside: HashMap<&str, Vec<&Entry>> = HashMap::new();
    for entry in entries {
        let parent = entry.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        inside.entry(parent).or_default().push(entry);
    }
    let folder = |parent, mode, identifier| {
        let (inside, extent) = (Vec::new(), Extent::default());
        Folder { parent, mode, identifier, inside, extent }
    };
    let mut paths = vec![""];
    let mut all = vec![folder(0, ROOT, vec![0])];
    let mut next = 0;
    while next < all.len() {
        for (position, entry) in inside.remove(paths[next]).unwrap_or_default().into_iter().enumerate() {
            let child = matches!(entry.kind, Kind::Folder).then_some(all.len());
            all[next].inside.push((entry, child));
            if child.is_some() {
                paths.push(&entry.path);
                all.push(folder(next, entry.mode, number(position)));
            }
        }
        next += 1;
    }
    all
}
