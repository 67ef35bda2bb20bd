//! Reading a UDIF: what is written is read back by this, and a file from elsewhere cannot do it harm.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crc32fast::Hasher;

use super::write::{self, Packed};
use super::{FOREIGN, RAW, RUN, RUN_SECTORS, Run, SECTOR, TABLE, TERMINATOR, TRAILER, ZLIB};
use crate::{Error, deflate, iso, pipeline};

/// The largest property list, in bytes: that of a volume of some 200 GiB.
const LIST_BYTES: u64 = 64 << 20;
/// The most tags in it. With one table there are some dozens, and millions in each other would overflow the stack.
const LIST_TAGS: usize = 10_000;
/// The most sectors of a run that are read: `hdiutil` makes larger runs than we do.
const MOST_SECTORS: u64 = 16 * RUN_SECTORS;
/// Where the trailer has the identifier of the segment, and the checksum of the packed data.
const SEGMENT: std::ops::Range<usize> = 64..80;
const DATA_CRC: usize = 88;

/// A `.dmg` with one volume of ISO 9660 in raw and zlib runs, as [`write_disk_image`](crate::write_disk_image) makes it on Linux.
#[derive(Debug)]
pub struct Udif {
    file: File,
    path: PathBuf,
    runs: Vec<Run>,
    /// The checksum that the file says the volume has.
    crc: u32,
    /// The checksum that the file says the packed runs have.
    data_crc: u32,
}

impl Udif {
    /// Opens the file and reads where its runs are. Every number is checked against the file's size, and every field of the table
    /// of runs and of the trailer against those that belong to such runs.
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
        if let Some(what) = foreign(&tables, &trailer) {
            return Err(Error::Foreign { path: path.to_owned(), what });
        }
        let table = tables.first().ok_or_else(|| damaged("its property list has no table of runs"))?;
        let (runs, crc) = runs(table, data).ok_or_else(|| damaged("its table of runs is damaged"))?;
        if let Some(at) = difference(table, &write::table(&runs, crc)) {
            return Err(damaged(&format!("its table of runs (mish) has a wrong field at byte {at}")));
        }
        let data_crc = word(&trailer, DATA_CRC).unwrap_or_default();
        if let Some(at) = difference(&trailer, &write::trailer(&runs, list_bytes, crc, data_crc)) {
            return Err(damaged(&format!("its trailer (koly) has a wrong field at byte {at}")));
        }
        if data + list_bytes != start {
            return Err(damaged("it has bytes that belong to nothing"));
        }
        Ok(Self { file, path: path.to_owned(), runs, crc, data_crc })
    }

    /// Unpacks the volume to `to`, compares it with the checksums in the file, and looks at the folders on it.
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
        let (mut data_crc, mut head) = (Hasher::new(), iso::Head::default());
        let next = || {
            let Some(run) = runs.next() else { return Ok(None) };
            let bytes = usize::try_from(run.bytes).expect("runs are small");
            Ok(Some((*run, bytes_at(&self.file, &self.path, run.offset, bytes)?)))
        };
        pipeline::in_order(
            next,
            |(run, bytes)| Some((run.sectors, unpacked(run, bytes)?)),
            |unpacked| {
                let (number, (content, piece, data)) =
                    unpacked.ok_or_else(|| Error::damaged(&self.path, "a run does not unpack"))?;
                sectors += number;
                crc.combine(&piece);
                data_crc.combine(&data);
                head.take(&content);
                take(&content)
            },
        )?;
        let packed = Packed { sectors, crc: crc.finalize() };
        if packed.crc != self.crc {
            return Err(Error::damaged(&self.path, "the volume has another checksum than the file says"));
        }
        if data_crc.finalize() != self.data_crc {
            return Err(Error::damaged(&self.path, "its packed data has another checksum than the trailer says"));
        }
        head.fault().map_or(Ok(packed), |why| Err(Error::damaged(&self.path, why)))
    }
}

/// A run's content with its checksum, and that of its bytes in the file.
fn unpacked(run: Run, bytes: Vec<u8>) -> Option<(Vec<u8>, Hasher, Hasher)> {
    let size = usize::try_from(run.sectors * SECTOR).expect("runs are small");
    let (mut crc, mut data_crc) = (Hasher::new(), Hasher::new());
    data_crc.update(&bytes);
    let content = if run.kind == ZLIB { deflate::unpack(&bytes, size)? } else { bytes };
    crc.update(&content);
    Some((content, crc, data_crc))
}

/// The first byte that is another one.
fn difference(found: &[u8], wanted: &[u8]) -> Option<usize> {
    let same = found.iter().zip(wanted).take_while(|(found, wanted)| found == wanted).count();
    (found != wanted).then_some(same)
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

/// By what one sees that another program made the image: `hdiutil` writes a table for each partition, knows more ways to store,
/// and gives each segment an identifier.
fn foreign(tables: &[Vec<u8>], trailer: &[u8]) -> Option<String> {
    if !tables.iter().all(|table| table.starts_with(b"mish")) {
        return None;
    }
    let kinds = tables.iter().flat_map(|table| table.get(TABLE..).unwrap_or_default().chunks_exact(RUN));
    let kind = kinds.filter_map(|run| word(run, 0)).find(|kind| FOREIGN.contains(kind));
    match (tables.len(), kind) {
        (2.., _) => Some(format!("{} tables of runs", tables.len())),
        (_, Some(kind)) => Some(format!("runs of the kind {kind:#x}")),
        (1, None) if trailer[SEGMENT] != [0; 16] => Some("a segment with an identifier".to_owned()),
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
        if !fits || long(entry, 8)? != next || run.offset != end || run.offset.checked_add(run.bytes)? > data {
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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::Tree;
    use crate::aside::Aside;

    /// What is said of an image that is right in itself and holds this volume.
    fn said_of(volume: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let aside = Aside::start(&folder.path().join("a.dmg")).unwrap();
        let mut rest = volume;
        let next = |to: &mut Vec<u8>, most: usize| {
            let (now, later) = rest.split_at(most.min(rest.len()));
            to.extend_from_slice(now);
            rest = later;
            Ok(())
        };
        write::write(&aside, next, &mut |_| ()).unwrap();
        match Udif::open(aside.path()).unwrap().check() {
            Ok(_) => "good".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    /// A volume with a folder and two files.
    fn volume() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::fs::write(folder.path().join("inner/one"), vec![1; 5000]).unwrap();
        std::fs::write(folder.path().join("two"), vec![2; 700_000]).unwrap();
        let tree = Tree::read(folder.path()).unwrap();
        let mut volume = iso::Volume::new(&tree.entries, "a", SystemTime::UNIX_EPOCH);
        let mut bytes = Vec::new();
        volume.append(&mut bytes, 1 << 30).unwrap();
        bytes
    }

    #[test]
    fn what_is_no_volume_is_not_good() {
        for seed in [1_u32, 77] {
            let noise: Vec<u8> =
                (0..900_u32 * 512).map(|n| (n.wrapping_mul(2_654_435_761 + seed) >> 13) as u8).collect();
            assert!(said_of(&noise).ends_with("there is no volume of ISO 9660 in it"));
        }
        assert!(said_of(&[0; 4096]).ends_with("there is no volume of ISO 9660 in it"));
    }

    #[test]
    fn a_volume_is_right_in_its_folders_too() {
        let whole = volume();
        assert_eq!(said_of(&whole), "good");
        let spoilt = |at: usize, byte: u8| {
            let mut volume = whole.clone();
            volume[at] ^= byte;
            said_of(&volume)
        };
        let first = 16 * 2048;
        let root = u32::from_le_bytes(whole[first + 158..][..4].try_into().unwrap()) as usize * 2048;
        // Behind the root's records of itself and its parent.
        let other = root + usize::from(whole[root]);
        let other = other + usize::from(whole[other]);
        for (at, byte, what) in [
            (first + 80, 1, "its volume says another size than it has"),
            (first + 128, 1, "its volume has blocks of another size"),
            (first + 2048, 1, "its volume has other descriptors"),
            (first + 158, 4, "its volume has no root"),
            (first + 156 + 25, 2, "its volume has no root"),
            (root + 33, 1, "a folder of its volume does not begin with itself"),
            (root, 1, "a folder of its volume is damaged"),
            (other + 2, 4, "a folder of its volume is damaged"),
            (other + 25, 2, "a file of its volume"),
        ] {
            let said = spoilt(at, byte);
            assert!(said.contains(what), "byte {at}: {said}, not {what}");
        }
        // A volume that is cut off, and one in which something follows.
        assert!(said_of(&whole[..whole.len() - 2048]).contains("says another size"));
        assert!(said_of(&[&whole[..], &[0; 2048]].concat()).contains("says another size"));
    }
}
