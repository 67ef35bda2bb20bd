//! Reads images, of which it believes nothing that it has not checked.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::fields::Fields;
use super::format::{self, ENTRY, Header, Mapping, SECTOR};

/// The largest window that a zstd frame may ask for, as log2 of its length in bytes: what RFC 8878 asks of decoders.
const WINDOW_BITS: u32 = 23;

/// Why an image cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is something else.
    #[error("this is not a qcow2 image")]
    NotQcow2,
    /// The image uses something that is not supported.
    #[error("qcow2 images with {0} are not supported")]
    Unsupported(String),
    /// A field contradicts the format, the rest of the image, or the length of the file.
    #[error("the qcow2 image is damaged: {0}")]
    Damaged(String),
    /// More was asked for than there is.
    #[error("{length} bytes at {offset} pass the end of the virtual disk at {size}")]
    Beyond {
        /// Where reading was to begin, in bytes.
        offset: u64,
        /// How much was to be read, in bytes.
        length: u64,
        /// The size of the virtual disk, in bytes.
        size: u64,
    },
    /// The file cannot be read.
    #[error("cannot read the qcow2 image: {0}")]
    Read(#[from] io::Error),
}

/// An error about something that the image says.
pub(super) fn damaged(what: impl Into<String>) -> Error {
    Error::Damaged(what.into())
}

/// An open image: version 3, no backing file, no encryption, no external data, zstd where clusters are compressed.
///
/// Whatever the file holds, memory is bounded: 96 MiB for checking the largest possible level 1 table, 20 MiB
/// besides.
pub struct Reader<T> {
    file: T,
    file_size: u64,
    cluster_bits: u32,
    size: u64,
    is_zstd: bool,
    /// Positions of level 2 tables, 0 for none.
    l1: Vec<u64>,
    /// The level 2 table read last, and its place in the level 1 table.
    l2: Option<(u64, Vec<u64>)>,
    /// The cluster decompressed last, and its number on the disk.
    cluster: Option<(u64, Vec<u8>)>,
}

impl<T: Read + Seek> Reader<T> {
    /// Opens an image and checks all that can be checked without going through its clusters.
    ///
    /// # Errors
    /// When this is no image, or one that is damaged or not supported.
    pub fn open(mut file: T) -> Result<Self, Error> {
        let file_size = file.seek(SeekFrom::End(0))?;
        let mut fields = Fields::read(&mut file, file_size)?;
        let (header, is_zstd) = fields.check()?;
        let mut reader = Self {
            file,
            file_size,
            cluster_bits: header.cluster_bits,
            size: header.size,
            is_zstd,
            l1: Vec::new(),
            l2: None,
            cluster: None,
        };
        reader.l1 = reader.read_l1(&header)?;
        Ok(reader)
    }

    /// The size of the virtual disk, in bytes.
    pub fn virtual_size(&self) -> u64 {
        self.size
    }

    /// Fills `buffer` with what the virtual disk holds from `offset` on.
    ///
    /// # Errors
    /// When that passes the end of the disk, or the image is damaged there.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        let length = buffer.len() as u64;
        let end = offset.checked_add(length).filter(|&end| end <= self.size);
        let end = end.ok_or(Error::Beyond { offset, length, size: self.size })?;
        let mut position = offset;
        while position < end {
            let number = position >> self.cluster_bits;
            let stop = ((number + 1) << self.cluster_bits).min(end);
            let part = &mut buffer[(position - offset) as usize..(stop - offset) as usize];
            self.read_part(number, position & (self.cluster_size() - 1), part)?;
            position = stop;
        }
        Ok(())
    }

    /// The first range at or after `offset` for which the image stores anything, in bytes of the virtual disk.
    ///
    /// # Errors
    /// When the image is damaged.
    pub fn allocated_after(&mut self, offset: u64) -> Result<Option<Range<u64>>, Error> {
        if offset >= self.size {
            return Ok(None);
        }
        let clusters = self.size.div_ceil(self.cluster_size());
        let mut number = offset >> self.cluster_bits;
        while number < clusters && !self.is_allocated(number)? {
            number = self.skip(number);
        }
        if number >= clusters {
            return Ok(None);
        }
        let start = (number << self.cluster_bits).max(offset);
        while number < clusters && self.is_allocated(number)? {
            number += 1;
        }
        Ok(Some(start..(number << self.cluster_bits).min(self.size)))
    }

    /// All ranges for which the image stores anything, in order.
    pub fn allocated_ranges(&mut self) -> impl Iterator<Item = Result<Range<u64>, Error>> {
        let mut next = Some(0);
        std::iter::from_fn(move || {
            let found = self.allocated_after(next?).transpose();
            next = found.as_ref().and_then(|range| range.as_ref().ok()).map(|range| range.end);
            found
        })
    }

    fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Log2 of the entries in a level 2 table.
    fn l2_bits(&self) -> u32 {
        self.cluster_bits - ENTRY.trailing_zeros()
    }

    /// The cluster after this one, which is not allocated, that may be.
    fn skip(&self, number: u64) -> u64 {
        let index = number >> self.l2_bits();
        if self.l1[index as usize] == 0 { (index + 1) << self.l2_bits() } else { number + 1 }
    }

    fn is_allocated(&mut self, number: u64) -> Result<bool, Error> {
        Ok(matches!(self.mapping(number)?, Mapping::Standard(_) | Mapping::Compressed { .. }))
    }

    /// Reads the level 1 table and checks that it has one level 2 table in each place, so that going through all of
    /// them takes no longer than reading the file.
    fn read_l1(&mut self, header: &Header) -> Result<Vec<u64>, Error> {
        let needed = self.size.div_ceil(self.cluster_size()).div_ceil(1 << self.l2_bits());
        if u64::from(header.l1_entries) < needed {
            return Err(damaged("the level 1 table is too short for the disk"));
        }
        let entries = self.read_table(header.l1_offset, needed)?;
        let decode = |entry| format::decode_l1(entry).ok_or_else(|| damaged("a level 1 entry sets reserved bits"));
        let l1 = entries.into_iter().map(decode).collect::<Result<Vec<_>, _>>()?;
        let mut sorted = l1.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1] && pair[0] != 0) {
            return Err(damaged("two level 1 entries point to one level 2 table"));
        }
        Ok(l1)
    }

    /// Reads a table of so many entries, once it is known to lie within the file.
    fn read_table(&mut self, offset: u64, entries: u64) -> Result<Vec<u64>, Error> {
        self.check_aligned(offset)?;
        let mut bytes = vec![0; self.check_within(offset, entries * ENTRY)?];
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read_exact(&mut bytes)?;
        let (entries, _) = bytes.as_chunks::<{ ENTRY as usize }>();
        Ok(entries.iter().map(|entry| u64::from_be_bytes(*entry)).collect())
    }

    fn check_aligned(&self, offset: u64) -> Result<(), Error> {
        let aligned = offset.is_multiple_of(self.cluster_size());
        if aligned { Ok(()) } else { Err(damaged(format!("{offset:#x} is not aligned to a cluster"))) }
    }

    /// The length as a size in memory, if that many bytes are in the file at `offset`.
    fn check_within(&self, offset: u64, length: u64) -> Result<usize, Error> {
        let fits = offset.checked_add(length).is_some_and(|end| end <= self.file_size);
        if fits { Ok(length as usize) } else { Err(damaged(format!("{offset:#x} points past the end of the file"))) }
    }

    /// Where a cluster of the virtual disk, which must exist, is stored.
    fn mapping(&mut self, number: u64) -> Result<Mapping, Error> {
        let index = number >> self.l2_bits();
        let offset = self.l1[index as usize];
        if offset == 0 {
            return Ok(Mapping::Unallocated);
        }
        if self.l2.as_ref().is_none_or(|(cached, _)| *cached != index) {
            self.l2 = Some((index, self.read_table(offset, 1 << self.l2_bits())?));
        }
        let table = self.l2.as_ref().map_or(&[][..], |(_, table)| table);
        let entry = table[(number & ((1 << self.l2_bits()) - 1)) as usize];
        Mapping::decode(entry, self.cluster_bits).ok_or_else(|| damaged("a level 2 entry sets reserved bits"))
    }

    /// Reads a part of one cluster.
    fn read_part(&mut self, number: u64, within: u64, part: &mut [u8]) -> Result<(), Error> {
        match self.mapping(number)? {
            Mapping::Unallocated | Mapping::Zero => part.fill(0),
            Mapping::Standard(offset) => {
                self.check_aligned(offset)?;
                self.check_within(offset, self.cluster_size())?;
                self.file.seek(SeekFrom::Start(offset + within))?;
                self.file.read_exact(part)?;
            }
            Mapping::Compressed { offset, more_sectors } => {
                let cluster = self.decompressed(number, offset, more_sectors)?;
                part.copy_from_slice(&cluster[within as usize..within as usize + part.len()]);
            }
        }
        Ok(())
    }

    fn decompressed(&mut self, number: u64, offset: u64, more_sectors: u64) -> Result<&[u8], Error> {
        let (cached, cluster) = self.cluster.take().unwrap_or((u64::MAX, Vec::new()));
        let cluster = if cached == number { cluster } else { self.decompress(offset, more_sectors, cluster)? };
        Ok(&self.cluster.insert((number, cluster)).1)
    }

    /// Decompresses a cluster into the memory of `cluster`.
    fn decompress(&mut self, offset: u64, more_sectors: u64, mut cluster: Vec<u8>) -> Result<Vec<u8>, Error> {
        if !self.is_zstd {
            return Err(Error::Unsupported("clusters compressed by deflate".into()));
        }
        // The last sector may be counted in full where the file ends within it.
        let end = ((offset / SECTOR + 1 + more_sectors) * SECTOR).min(self.file_size);
        let mut packed = vec![0; self.check_within(offset, end.saturating_sub(offset))?];
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read_exact(&mut packed)?;
        cluster.resize(self.cluster_size() as usize, 0);
        unpack(&packed, &mut cluster).map_err(|error| damaged(format!("a cluster at {offset:#x}: {error}")))?;
        Ok(cluster)
    }
}

/// Decompresses until `cluster` is full; other data may follow.
fn unpack(packed: &[u8], cluster: &mut [u8]) -> io::Result<()> {
    let length = cluster.len();
    let mut decoder = Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(WINDOW_BITS))?;
    let (mut input, mut output) = (InBuffer::around(packed), OutBuffer::around(cluster));
    loop {
        let before = (input.pos(), output.pos());
        decoder.run(&mut input, &mut output)?;
        if output.pos() == length {
            return Ok(());
        }
        if (input.pos(), output.pos()) == before {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
