//! Writing a UDIF.

use std::fs::File;
use std::io::{BufWriter, Write};

use crc32fast::Hasher;
use plist::{Dictionary, Value};

use super::{CRC32, CRC32_BITS, RAW, RUN, RUN_SECTORS, Run, SECTOR, TABLE, TERMINATOR, TRAILER, ZLIB};
use crate::aside::Aside;
use crate::{Error, deflate, pipeline};

/// What was packed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    /// Size of the volume, in sectors.
    pub(crate) sectors: u64,
    /// The CRC-32 of the volume.
    pub(crate) crc: u32,
}

/// A run, packed, with the checksums of its content and of its bytes.
struct Piece {
    kind: u32,
    sectors: u64,
    content: Vec<u8>,
    raw_crc: Hasher,
    crc: Hasher,
}

impl Piece {
    fn packed(raw: Vec<u8>) -> Self {
        let (raw_crc, sectors) = (hashed(&raw), raw.len() as u64 / SECTOR);
        let (kind, content) = deflate::zlib(&raw).map_or((RAW, raw), |packed| (ZLIB, packed));
        Self { kind, sectors, crc: hashed(&content), content, raw_crc }
    }
}

fn hashed(bytes: &[u8]) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher
}

/// Packs the volume that `next` gives: it appends up to so many bytes, always whole sectors, and nothing at the end.
/// `progress` is told how many bytes of the volume are packed.
pub(crate) fn write(
    aside: &Aside,
    mut next: impl FnMut(&mut Vec<u8>, usize) -> Result<(), Error>,
    progress: &mut dyn FnMut(u64),
) -> Result<Packed, Error> {
    let mut file = UdifFile::new(aside);
    let size = usize::try_from(RUN_SECTORS * SECTOR).expect("a quarter of a MiB");
    let read = || {
        let mut raw = Vec::with_capacity(size);
        next(&mut raw, size)?;
        Ok(Some(raw).filter(|raw| !raw.is_empty()))
    };
    pipeline::in_order(read, Piece::packed, |piece| {
        file.piece(&piece)?;
        progress(file.sectors * SECTOR);
        Ok(())
    })?;
    file.finish()
}

struct UdifFile<'a> {
    out: BufWriter<&'a File>,
    aside: &'a Aside,
    runs: Vec<Run>,
    sectors: u64,
    bytes: u64,
    raw_crc: Hasher,
    crc: Hasher,
}

impl<'a> UdifFile<'a> {
    fn new(aside: &'a Aside) -> Self {
        let out = BufWriter::new(aside.file());
        Self { out, aside, runs: Vec::new(), sectors: 0, bytes: 0, raw_crc: Hasher::new(), crc: Hasher::new() }
    }

    fn piece(&mut self, piece: &Piece) -> Result<(), Error> {
        let bytes = piece.content.len() as u64;
        self.runs.push(Run { kind: piece.kind, sectors: piece.sectors, offset: self.bytes, bytes });
        self.raw_crc.combine(&piece.raw_crc);
        self.crc.combine(&piece.crc);
        self.sectors += piece.sectors;
        self.bytes += bytes;
        self.write(&piece.content)
    }

    fn finish(mut self) -> Result<Packed, Error> {
        let crc = self.raw_crc.clone().finalize();
        let list = property_list(table(&self.runs, crc));
        self.write(&list)?;
        let data_crc = self.crc.clone().finalize();
        self.write(&trailer(&self.runs, list.len() as u64, crc, data_crc))?;
        self.out.flush().map_err(Error::io("writing", self.aside.path()))?;
        Ok(Packed { sectors: self.sectors, crc })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out.write_all(bytes).map_err(Error::io("writing", self.aside.path()))
    }
}

/// Sectors and bytes of runs that follow each other from 0 on.
fn sizes(runs: &[Run]) -> (u64, u64) {
    (runs.iter().map(|run| run.sectors).sum(), runs.iter().map(|run| run.bytes).sum())
}

/// The table of runs (`BLKXTable` of libdmg-hfsplus), with the volume's checksum.
pub(super) fn table(runs: &[Run], crc: u32) -> Vec<u8> {
    let (sectors, bytes) = sizes(runs);
    let mut table = Vec::with_capacity(TABLE + RUN * (runs.len() + 1));
    table.extend(b"mish\0\0\0\x01");
    // From sector 0, all of them, the data from 0 in the file.
    [0, sectors, 0].iter().for_each(|n: &u64| table.extend(n.to_be_bytes()));
    // Sectors of a buffer that holds a run and what zlib may add; the table is about the whole device.
    let buffer = u32::try_from(RUN_SECTORS + 8).expect("small");
    [buffer, 0xFFFF_FFFE].iter().for_each(|n| table.extend(n.to_be_bytes()));
    table.extend([0; 24]);
    table.extend(checksum(crc));
    table.extend(u32::try_from(runs.len() + 1).expect("the volume is below 1024 TiB").to_be_bytes());
    let mut start = 0;
    for run in runs {
        put_run(&mut table, run, start);
        start += run.sectors;
    }
    put_run(&mut table, &Run { kind: TERMINATOR, sectors: 0, offset: bytes, bytes: 0 }, start);
    table
}

/// The trailer (`UDIFResourceFile` of libdmg-hfsplus) behind a property list of `list` bytes, with the checksums of the volume and
/// of the packed data.
pub(super) fn trailer(runs: &[Run], list: u64, crc: u32, data_crc: u32) -> Vec<u8> {
    let (sectors, bytes) = sizes(runs);
    let mut trailer = b"koly".to_vec();
    let words = |to: &mut Vec<u8>, all: &[u32]| all.iter().for_each(|n| to.extend(n.to_be_bytes()));
    let longs = |to: &mut Vec<u8>, all: &[u64]| all.iter().for_each(|n| to.extend(n.to_be_bytes()));
    // Version, size of the trailer, flags (flattened: one file).
    words(&mut trailer, &[4, 512, 1]);
    // The running offset, the data fork from 0, no resource fork.
    longs(&mut trailer, &[0, 0, bytes, 0, 0]);
    // Segment 1 of 1, with no identifier.
    words(&mut trailer, &[1, 1, 0, 0, 0, 0]);
    trailer.extend(checksum(data_crc));
    longs(&mut trailer, &[bytes, list]);
    trailer.extend([0; 120]);
    // Of the tables' checksums, of which there is one.
    trailer.extend(checksum(hashed(&crc.to_be_bytes()).finalize()));
    // A volume without a partition map.
    words(&mut trailer, &[2]);
    longs(&mut trailer, &[sectors]);
    trailer.resize(TRAILER, 0);
    trailer
}

/// Kind, comment, first sector, sectors, offset, bytes.
fn put_run(table: &mut Vec<u8>, run: &Run, start: u64) {
    table.extend(run.kind.to_be_bytes());
    table.extend([0; 4]);
    [start, run.sectors, run.offset, run.bytes].iter().for_each(|n| table.extend(n.to_be_bytes()));
}

/// Type, size in bits, and 128 bytes for the value.
fn checksum(crc: u32) -> Vec<u8> {
    let mut field = [CRC32, CRC32_BITS, crc].map(u32::to_be_bytes).concat();
    field.resize(8 + 128, 0);
    field
}

/// The resources that `hdiutil` looks for.
fn property_list(table: Vec<u8>) -> Vec<u8> {
    let name = || Value::from("whole disk (unknown partition : 0)");
    let fields = [
        ("Attributes", Value::from("0x0050")),
        ("CFName", name()),
        ("Data", Value::Data(table)),
        ("ID", Value::from("0")),
        ("Name", name()),
    ];
    let dictionary = |fields: Vec<(&str, Value)>| {
        Value::Dictionary(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Dictionary>())
    };
    let tables = Value::Array(vec![dictionary(fields.into())]);
    let list = dictionary(vec![("resource-fork", dictionary(vec![("blkx", tables)]))]);
    let mut xml = Vec::new();
    plist::to_writer_xml(&mut xml, &list).expect("memory takes it");
    xml
}
