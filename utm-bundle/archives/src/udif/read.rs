//! Reading a UDIF: what is written is read back by this, and a file from elsewhere cannot do it harm.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crc32fast::Hasher;

use super::write::Packed;
use super::{FOREIGN, RAW, RUN, RUN_SECTORS, SECTOR, TABLE, TERMINATOR, TRAILER, ZLIB};
use crate::{Error, deflate, pipeline};

/// The largest property list, in bytes: that of a volume of some TiB.
const LIST_BYTES: u64 = 1 << 30;
/// The most tags in it. With one table there are some dozens, and millions in each other would overflow the stack.
const LIST_TAGS: usize = 10_000;
/// The most sectors of a run that are read: `hdiutil` makes larger runs than we do.
const MOST_SECTORS: u64 = 16 * RUN_SECTORS;

/// A `.dmg` with one volume in raw and zlib runs, as [`write_disk_image`](crate::write_disk_image) makes it on Linux.
#[derive(Debug)]
pub struct Udif {
    file: File,
    path: PathBuf,
    runs: Vec<Run>,
    /// The checksum that the file says the volume has.
    crc: u32,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    kind: u32,
    sectors: u64,
    offset: u64,
    bytes: u64,
}

impl Udif {
    /// Opens the file and reads where its runs are. Every number is checked against the file's size.
    ///
    /// # Errors
    /// When the file cannot be read, or is none of these.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("reading", path))?;
        let size = file.metadata().map_err(Error::io("reading", path))?.len();
        let damaged = |why: &str| Error::damaged(path, why);
        let start = size.checked_sub(TRAILER as u64).ok_or_else(|| damaged("it is too short for a .dmg"))?;
        let trailer = bytes_at(&file, path, start, TRAILER)?;
        if !trailer.starts_with(b"koly") {
            return Err(damaged("it does not end with a UDIF trailer"));
        }
        let (data, list, list_bytes) = (long(&trailer, 32), long(&trailer, 216), long(&trailer, 224));
        let (Some(data), Some(list), Some(list_bytes)) = (data, list, list_bytes) else {
            return Err(damaged("its trailer is short"));
        };
        if data > start || list.checked_add(list_bytes).is_none_or(|end| end > start) || list_bytes > LIST_BYTES {
            return Err(damaged("its trailer points outside of the file"));
        }
        let length = usize::try_from(list_bytes).expect("checked above");
        let list = bytes_at(&file, path, list, length)?;
        let tables = tables(&list).ok_or_else(|| damaged("its property list has no tables of runs"))?;
        if let Some(what) = foreign(&tables) {
            return Err(Error::Foreign { path: path.to_owned(), what });
        }
        let table = tables.first().ok_or_else(|| damaged("its property list has no table of runs"))?;
        let (runs, crc) = runs(table, data).ok_or_else(|| damaged("its table of runs is damaged"))?;
        Ok(Self { file, path: path.to_owned(), runs, crc })
    }

    /// Unpacks the volume to `to`, and compares it with the checksum in the file.
    ///
    /// # Errors
    /// When the file is damaged, or `to` does not take the volume.
    pub fn unpack(&self, to: &mut dyn Write) -> Result<(), Error> {
        self.each(&mut |content| to.write_all(content).map_err(Error::io("unpacking", &self.path)))?;
        Ok(())
    }

    /// Unpacks the volume to nowhere: its size and checksum.
    pub(crate) fn check(&self) -> Result<Packed, Error> {
        self.each(&mut |_| Ok(()))
    }

    fn each(&self, take: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<Packed, Error> {
        let (mut runs, mut sectors, mut crc) = (self.runs.iter(), 0, Hasher::new());
        let next = || {
            let Some(run) = runs.next() else { return Ok(None) };
            let bytes = usize::try_from(run.bytes).expect("runs are small");
            Ok(Some((*run, bytes_at(&self.file, &self.path, run.offset, bytes)?)))
        };
        pipeline::in_order(
            next,
            |(run, bytes)| Some((run.sectors, unpacked(run, bytes)?)),
            |unpacked| {
                let (number, (content, piece)) =
                    unpacked.ok_or_else(|| Error::damaged(&self.path, "a run does not unpack"))?;
                sectors += number;
                crc.combine(&piece);
                take(&content)
            },
        )?;
        let packed = Packed { sectors, crc: crc.finalize() };
        if packed.crc != self.crc {
            return Err(Error::damaged(&self.path, "the volume has another checksum than the file says"));
        }
        Ok(packed)
    }
}

/// A run's content with its checksum.
fn unpacked(run: Run, bytes: Vec<u8>) -> Option<(Vec<u8>, Hasher)> {
    let size = usize::try_from(run.sectors * SECTOR).expect("runs are small");
    let content = if run.kind == ZLIB { deflate::unpack(&bytes, size)? } else { bytes };
    let mut crc = Hasher::new();
    crc.update(&content);
    Some((content, crc))
}

fn bytes_at(file: &File, path: &Path, offset: u64, bytes: usize) -> Result<Vec<u8>, Error> {
    let mut buffer = vec![0; bytes];
    file.read_exact_at(&mut buffer, offset).map_err(Error::io("reading", path))?;
    Ok(buffer)
}

/// The tables of the property list.
fn tables(list: &[u8]) -> Option<Vec<Vec<u8>>> {
    if list.iter().filter(|b| **b == b'<').count() > LIST_TAGS {
        return None;
    }
    let list = plist::Value::from_reader_xml(list).ok()?;
    let tables = list.as_dictionary()?.get("resource-fork")?.as_dictionary()?.get("blkx")?.as_array()?;
    tables.iter().map(|table| Some(table.as_dictionary()?.get("Data")?.as_data()?.to_vec())).collect()
}

/// By what one sees that another program made the image: `hdiutil` writes a table for each partition, and knows more ways to store.
fn foreign(tables: &[Vec<u8>]) -> Option<String> {
    if !tables.iter().all(|table| table.starts_with(b"mish")) {
        return None;
    }
    let kinds = tables.iter().flat_map(|table| table.get(TABLE..).unwrap_or_default().chunks_exact(RUN));
    let kind = kinds.filter_map(|run| word(run, 0)).find(|kind| FOREIGN.contains(kind));
    match (tables.len(), kind) {
        (2.., _) => Some(format!("{} tables of runs", tables.len())),
        (_, Some(kind)) => Some(format!("runs of the kind {kind:#x}")),
        _ => None,
    }
}

/// The runs of a table, one after the other without a gap, within so many bytes of data; and the volume's checksum. No byte is
/// in two runs, so that a small file is no huge volume.
fn runs(table: &[u8], data: u64) -> Option<(Vec<Run>, u32)> {
    let entries = table.get(TABLE..)?;
    let count = usize::try_from(word(table, 200)?).ok()?;
    if !table.starts_with(b"mish") || entries.len() != count.checked_mul(RUN)? {
        return None;
    }
    let (mut all, mut next, mut end) = (Vec::new(), 0, 0);
    for entry in entries.chunks_exact(RUN) {
        let kind = word(entry, 0)?;
        let run = Run { kind, sectors: long(entry, 16)?, offset: long(entry, 24)?, bytes: long(entry, 32)? };
        if kind == TERMINATOR {
            break;
        }
        let size = run.sectors.checked_mul(SECTOR).filter(|_| run.sectors <= MOST_SECTORS)?;
        let fits = match kind {
            RAW => run.bytes == size,
            ZLIB => run.bytes <= size,
            _ => false,
        };
        if !fits || long(entry, 8)? != next || run.offset < end || run.offset.checked_add(run.bytes)? > data {
            return None;
        }
        next += run.sectors;
        end = run.offset + run.bytes;
        all.push(run);
    }
    (long(table, 16)? == next).then_some((all, word(table, 72)?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
