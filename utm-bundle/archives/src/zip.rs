//! The `.zip`: files deflated in pieces on all cores, with Unix modes and symbolic links.
//!
//! The crate `zip` compresses on one thread and takes no data that is compressed already, so it only reads the archive back;
//! the few records of the format are written here. Their source is PKWARE's APPNOTE 6.3.10; the field for the date is
//! Info-ZIP's, and symbolic links are, as there, files whose content is the target.
//!
//! Sizes stand in the header before each file, never in a descriptor behind it: a reader that streams can trust them.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

use crc32fast::Hasher;
use time::OffsetDateTime;

use crate::aside::Aside;
use crate::contents::Reading;
use crate::tree::{Entry, Kind};
use crate::{Error, Tree, deflate, pipeline};

/// How much of a file one thread compresses at a time, in bytes.
const PIECE: usize = 1 << 20;
/// From this size on, in bytes, the sizes of a file have 64 bits. It leaves room for growing in stored blocks.
const LARGE: u64 = 0xFF00_0000;
/// What stands in a field of 32 or 16 bits when the real number is in a field of 64 (4.4.1.4).
const SEE_ZIP64: u32 = 0xFFFF_FFFF;
const SEE_ZIP64_SHORT: u16 = 0xFFFF;
/// The version of the format that a reader must know (4.4.3): 2.0 for deflate, 4.5 for sizes of 64 bits.
const DEFLATE: u16 = 20;
const ZIP64: u16 = 45;
/// Made on Unix (4.4.2.1), by the rules of version 3.0, as Info-ZIP writes it.
const MADE_BY: u16 = 3 << 8 | 30;
/// Names are UTF-8 (4.4.4, bit 11).
const UTF8: u16 = 1 << 11;
/// The types in the upper half of a Unix mode.
const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// Packs a folder, as the one top entry of a `.zip` at `place`.
///
/// `modified` becomes the date of every entry. `progress` is told the bytes that are packed, and those in all.
///
/// # Errors
/// When a file cannot be read or changed since the tree was read, when the archive cannot be written, or when it does not
/// read back as what was put in. There is no new file then, and the earlier one stays.
pub fn write_zip(
    tree: &Tree,
    modified: SystemTime,
    place: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), Error> {
    let aside = Aside::start(place)?;
    let mut archive = Archive::new(&aside, modified, tree.bytes(), progress);
    let mut source = Source { entries: tree.entries.iter(), reading: None };
    pipeline::in_order(|| source.next(), Piece::deflated, |piece| archive.take(piece))?;
    let written = archive.finish()?;
    check(&aside, &written)?;
    aside.finish()
}

/// What goes through the pipeline: every entry, and after it the pieces of its content.
enum Piece<'a> {
    Entry(&'a Entry),
    Raw { content: Vec<u8>, last: bool },
    Packed { content: Vec<u8>, crc: Hasher, raw: u64 },
}

impl Piece<'_> {
    fn deflated(self) -> Self {
        let Self::Raw { content: raw, last } = self else { return self };
        let mut crc = Hasher::new();
        crc.update(&raw);
        let mut content = deflate::blocks(&raw);
        if last {
            content.extend(deflate::LAST_BLOCK);
        }
        Self::Packed { content, crc, raw: raw.len() as u64 }
    }
}

/// Reads the tree from its beginning to its end.
struct Source<'a> {
    entries: std::slice::Iter<'a, Entry>,
    reading: Option<Reading<'a>>,
}

impl<'a> Source<'a> {
    fn next(&mut self) -> Result<Option<Piece<'a>>, Error> {
        if let Some(reading) = &mut self.reading {
            let mut content = Vec::new();
            let last = reading.append(&mut content, PIECE)?;
            if last {
                self.reading = None;
            }
            return Ok(Some(Piece::Raw { content, last }));
        }
        let Some(entry) = self.entries.next() else { return Ok(None) };
        self.reading = entry.content().map(Reading::open).transpose()?;
        Ok(Some(Piece::Entry(entry)))
    }
}

/// An entry that is in the archive.
struct Record {
    name: String,
    mode: u32,
    crc: Hasher,
    raw: u64,
    packed: u64,
    /// Where its header is.
    offset: u64,
    deflated: bool,
}

struct Archive<'a> {
    out: BufWriter<&'a File>,
    aside: &'a Aside,
    modified: OffsetDateTime,
    records: Vec<Record>,
    /// Where the next byte goes.
    offset: u64,
    done: u64,
    all: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl<'a> Archive<'a> {
    fn new(aside: &'a Aside, modified: SystemTime, all: u64, progress: &'a mut dyn FnMut(u64, u64)) -> Self {
        let out = BufWriter::new(aside.file());
        Self { out, aside, modified: modified.into(), records: Vec::new(), offset: 0, done: 0, all, progress }
    }

    fn take(&mut self, piece: Piece<'_>) -> Result<(), Error> {
        match piece {
            Piece::Entry(entry) => self.entry(entry),
            Piece::Packed { content, crc, raw } => {
                self.write(&content)?;
                let record = self.records.last_mut().expect("content comes after its entry");
                record.crc.combine(&crc);
                record.raw += raw;
                record.packed += content.len() as u64;
                self.done += raw;
                (self.progress)(self.done, self.all);
                Ok(())
            }
            Piece::Raw { .. } => unreachable!("the pipeline has packed it"),
        }
    }

    /// Begins an entry. The header has the wrong sizes until the end, when they are known.
    fn entry(&mut self, entry: &Entry) -> Result<(), Error> {
        let (kind, slash, target) = match &entry.kind {
            Kind::Folder => (FOLDER, "/", ""),
            Kind::File(_) => (FILE, "", ""),
            Kind::Link(target) => (LINK, "", target.as_str()),
        };
        let mut crc = Hasher::new();
        crc.update(target.as_bytes());
        let (raw, deflated) = (target.len() as u64, entry.content().is_some());
        let name = format!("{}{slash}", entry.path);
        let record = Record { name, mode: kind | entry.mode, crc, raw, packed: raw, offset: self.offset, deflated };
        // The room for a large file's header depends on its size alone, and that is known.
        let header = Record { raw: entry.bytes().max(raw), crc: Hasher::new(), name: record.name.clone(), ..record };
        self.write(&header.local(self.modified))?;
        self.records.push(record);
        self.write(target.as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.offset += bytes.len() as u64;
        self.out.write_all(bytes).map_err(Error::io("writing", self.aside.path()))
    }

    /// Writes the central directory, and the headers once more.
    fn finish(mut self) -> Result<Vec<Record>, Error> {
        let start = self.offset;
        let records = std::mem::take(&mut self.records);
        for record in &records {
            self.write(&record.central(self.modified))?;
        }
        let end = end(records.len() as u64, start, self.offset);
        self.write(&end)?;
        let file = self.out.into_inner().map_err(|e| Error::io("writing", self.aside.path())(e.into_error()))?;
        for record in &records {
            let header = record.local(self.modified);
            file.write_all_at(&header, record.offset).map_err(Error::io("writing", self.aside.path()))?;
        }
        Ok(records)
    }
}

impl Record {
    fn large(&self) -> bool {
        self.raw >= LARGE
    }

    fn crc(&self) -> u32 {
        self.crc.clone().finalize()
    }

    /// The local file header (4.3.7).
    fn local(&self, modified: OffsetDateTime) -> Vec<u8> {
        let mut extra = Vec::new();
        if self.large() {
            put(&mut extra, &[&[1, 0, 16, 0], &self.raw.to_le_bytes(), &self.packed.to_le_bytes()]);
        }
        extra.extend(date_field(modified));
        let mut header = b"PK\x03\x04".to_vec();
        self.common(&mut header, modified, extra.len());
        put(&mut header, &[self.name.as_bytes(), &extra]);
        header
    }

    /// The header in the central directory (4.3.12).
    fn central(&self, modified: OffsetDateTime) -> Vec<u8> {
        let mut large = Vec::new();
        if self.large() {
            put(&mut large, &[&self.raw.to_le_bytes(), &self.packed.to_le_bytes()]);
        }
        let offset = short_or(self.offset, &mut large);
        let mut extra = Vec::new();
        if !large.is_empty() {
            put(&mut extra, &[&[1, 0, u8::try_from(large.len()).expect("up to 24"), 0], &large]);
        }
        extra.extend(date_field(modified));
        let mut header = b"PK\x01\x02".to_vec();
        put(&mut header, &[&MADE_BY.to_le_bytes()]);
        self.common(&mut header, modified, extra.len());
        // No comment; disk 0; no internal attributes; the mode; where the local header is.
        put(&mut header, &[&[0; 6], &(self.mode << 16).to_le_bytes(), &offset.to_le_bytes()]);
        put(&mut header, &[self.name.as_bytes(), &extra]);
        header
    }

    /// What both headers have, from the version to the lengths.
    fn common(&self, header: &mut Vec<u8>, modified: OffsetDateTime, extra: usize) {
        let version = if self.large() { ZIP64 } else { DEFLATE };
        let method = if self.deflated { 8_u16 } else { 0 };
        let size = |n: u64| if self.large() { SEE_ZIP64 } else { u32::try_from(n).expect("not a large one") };
        let length = |n: usize| u16::try_from(n).expect("paths are short").to_le_bytes();
        put(header, &[&version.to_le_bytes(), &UTF8.to_le_bytes(), &method.to_le_bytes(), &dos_date(modified)]);
        put(header, &[&self.crc().to_le_bytes(), &size(self.packed).to_le_bytes(), &size(self.raw).to_le_bytes()]);
        put(header, &[&length(self.name.len()), &length(extra)]);
    }
}

/// The records at the end (4.3.14 to 4.3.16), for so many entries whose directory is from `start` to `stop`.
fn end(count: u64, start: u64, stop: u64) -> Vec<u8> {
    let mut all = Vec::new();
    let size = stop - start;
    if count >= SEE_ZIP64_SHORT.into() || start >= SEE_ZIP64.into() || size >= SEE_ZIP64.into() {
        put(&mut all, &[b"PK\x06\x06", &44_u64.to_le_bytes(), &MADE_BY.to_le_bytes(), &ZIP64.to_le_bytes(), &[0; 8]]);
        put(&mut all, &[&count.to_le_bytes(), &count.to_le_bytes(), &size.to_le_bytes(), &start.to_le_bytes()]);
        put(&mut all, &[b"PK\x06\x07", &[0; 4], &stop.to_le_bytes(), &1_u32.to_le_bytes()]);
    }
    let entries = u16::try_from(count).unwrap_or(SEE_ZIP64_SHORT).to_le_bytes();
    let short = |n: u64| u32::try_from(n).unwrap_or(SEE_ZIP64).to_le_bytes();
    put(&mut all, &[b"PK\x05\x06", &[0; 4], &entries, &entries, &short(size), &short(start), &[0; 2]]);
    all
}

/// A number in 32 bits, or in the field for large ones.
fn short_or(number: u64, large: &mut Vec<u8>) -> u32 {
    u32::try_from(number).ok().filter(|n| *n != SEE_ZIP64).unwrap_or_else(|| {
        put(large, &[&number.to_le_bytes()]);
        SEE_ZIP64
    })
}

/// The date in seconds since 1970, which no time zone changes (Info-ZIP's extended timestamp).
fn date_field(modified: OffsetDateTime) -> Vec<u8> {
    let seconds = i32::try_from(modified.unix_timestamp()).unwrap_or(i32::MAX);
    [b"UT\x05\x00\x01".as_slice(), &seconds.to_le_bytes()].concat()
}

/// The time and the date of MS-DOS (4.4.6), in UTC, from 1980 to 2107.
fn dos_date(modified: OffsetDateTime) -> [u8; 4] {
    let Ok(years @ 0..=127) = u16::try_from(modified.year() - 1980) else { return [0, 0, 0x21, 0] };
    let time = [(modified.hour().into(), 11), (modified.minute().into(), 5), (u16::from(modified.second()) / 2, 0)];
    let date = [(years, 9), (u8::from(modified.month()).into(), 5), (modified.day().into(), 0)];
    let field = |parts: [(u16, u32); 3]| parts.iter().map(|(n, shift)| n << shift).sum::<u16>().to_le_bytes();
    let ([a, b], [c, d]) = (field(time), field(date));
    [a, b, c, d]
}

fn put(to: &mut Vec<u8>, fields: &[&[u8]]) {
    fields.iter().for_each(|f| to.extend_from_slice(f));
}

/// Reads every entry of what was written, with another implementation, and compares it with what was put in.
fn check(aside: &Aside, written: &[Record]) -> Result<(), Error> {
    let place = aside.place();
    let damaged = |why: String| Error::damaged(place, format!("reading it back: {why}"));
    let file = File::open(aside.path()).map_err(Error::io("reading", aside.path()))?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(e.to_string()))?;
    if archive.len() != written.len() {
        return Err(damaged(format!("{} entries instead of {}", archive.len(), written.len())));
    }
    let mut buffer = vec![0; PIECE];
    for (i, record) in written.iter().enumerate() {
        let mut entry = archive.by_index(i).map_err(|e| damaged(e.to_string()))?;
        if entry.name().is_ok_and(|n| n != record.name)
            || entry.unix_mode() != Some(record.mode)
            || entry.size() != record.raw
        {
            return Err(damaged(format!("{} is another entry", record.name)));
        }
        let mut crc = Hasher::new();
        loop {
            let read = entry.read(&mut buffer).map_err(|e| damaged(format!("{}: {e}", record.name)))?;
            if read == 0 {
                break;
            }
            crc.update(&buffer[..read]);
        }
        if crc.finalize() != record.crc() {
            return Err(damaged(format!("{} has another content", record.name)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_does_not_read_back_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("file"), b"some text ".repeat(100_000)).unwrap();
        let tree = Tree::read(&folder).unwrap();
        let aside = Aside::start(&dir.path().join("a.zip")).unwrap();
        let mut progress = |_, _| ();
        let mut archive = Archive::new(&aside, SystemTime::UNIX_EPOCH, tree.bytes(), &mut progress);
        let mut source = Source { entries: tree.entries.iter(), reading: None };
        pipeline::in_order(|| source.next(), Piece::deflated, |piece| archive.take(piece)).unwrap();
        let mut written = archive.finish().unwrap();
        check(&aside, &written).unwrap();
        written[1].mode = FILE | 0o600;
        check(&aside, &written).unwrap_err();
        written[1].mode = FILE | 0o644;
        written[1].crc.update(b"x");
        check(&aside, &written).unwrap_err();
        let written = &written[..1];
        check(&aside, written).unwrap_err();
    }
}
