//! Writes an image once, from front to back: header, level 1 table, clusters with the level 2 tables among them,
//! reference counts.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;

use super::compress::{Batch, Packed, compress};
use super::format::{self, ENTRY, Header, MAX_L1_BYTES, Mapping, SECTOR};
use super::output::Output;
use crate::source::{self, Source};

/// Log2 of the length of a cluster.
const CLUSTER_BITS: u32 = 16;
/// The length of a cluster, in bytes; what QEMU itself chooses.
pub(super) const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// Entries in a level 2 table.
const L2_ENTRIES: u64 = CLUSTER / ENTRY;
/// Reference counts in a block.
const BLOCK_ENTRIES: usize = CLUSTER as usize / 2;

/// Why no image was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source does not fit into the virtual disk.
    #[error("a disk of {virtual_size} bytes is too small for content of {source_size}")]
    Shrinks {
        /// The size asked for, in bytes.
        virtual_size: u64,
        /// The size of the source, in bytes.
        source_size: u64,
    },
    /// QEMU opens no such image: its level 1 table may not be larger than 32 MiB, which is enough for 2 PiB.
    #[error("a virtual disk of {0} bytes is too large for a qcow2 image of 64 KiB clusters")]
    TooLarge(u64),
    /// Something was in the file already, which would make the result depend on it.
    #[error("the file for a qcow2 image must be empty and is {0} bytes long")]
    NotEmpty(u64),
    /// The content could not be read.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// The compressor could not be set up.
    #[error("cannot set up zstd: {0}")]
    Compress(String),
    /// The file could not be written.
    #[error("cannot write the qcow2 image: {0}")]
    Write(#[from] io::Error),
}

/// How an image is written. Only the level has an influence on its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The zstd level; 3 is the default, and what QEMU uses.
    pub level: i32,
    /// How many threads compress. Each holds at most 10 MiB.
    pub threads: NonZeroUsize,
}

impl Default for Options {
    /// Level 3, a thread for each processor.
    fn default() -> Self {
        Self { level: 3, threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN) }
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The length of the file, in bytes.
    pub file_size: u64,
    /// Clusters of 64 KiB that are stored as they are.
    pub data_clusters: u64,
    /// Clusters of 64 KiB that are stored compressed.
    pub compressed_clusters: u64,
    /// Clusters of 64 KiB that hold zeros and take no space.
    pub zero_clusters: u64,
}

/// Writes `source` as a qcow2 image to the empty `file`, and flushes it to the disk.
///
/// The virtual disk has `virtual_size` bytes, rounded up to a multiple of 512 as qemu-img does it; zeros follow the end
/// of the source. The bytes written depend on the content, the size, the level and the version of zstd alone. Memory
/// grows with the file by 32 MiB for each TiB written, and with the virtual disk by 16 KiB for each TiB.
///
/// The header comes last: what a writer that was killed leaves behind is not taken for an image.
///
/// # Errors
/// When the size is not possible, or reading or writing fails; what `file` holds then is of no use.
pub fn write(source: &Source, virtual_size: u64, file: &File, options: &Options) -> Result<Report, Error> {
    if virtual_size < source.size() {
        return Err(Error::Shrinks { virtual_size, source_size: source.size() });
    }
    let length = file.metadata()?.len();
    if length != 0 {
        return Err(Error::NotEmpty(length));
    }
    let mut writer = Writer::new(file, virtual_size)?;
    compress(source, options.level, options.threads, |batch| writer.batch(batch))?;
    let report = writer.finish()?;
    file.sync_all()?;
    Ok(report)
}

/// The level 2 table that is being filled.
struct L2 {
    /// Its place in the level 1 table.
    index: u64,
    entries: Vec<u64>,
}

struct Writer<'a> {
    file: &'a File,
    output: Output<'a>,
    virtual_size: u64,
    l1: Vec<u64>,
    l2: L2,
    /// Of every cluster of the file so far.
    refcounts: Vec<u16>,
    /// Where the next compressed data may go, up to the end of their cluster.
    tail: std::ops::Range<u64>,
    report: Report,
}

impl<'a> Writer<'a> {
    fn new(file: &'a File, virtual_size: u64) -> Result<Self, Error> {
        let virtual_size = virtual_size.checked_next_multiple_of(SECTOR).ok_or(Error::TooLarge(virtual_size))?;
        // QEMU wants a level 1 table even where there is nothing to point to.
        let l1_entries = virtual_size.div_ceil(CLUSTER * L2_ENTRIES).max(1);
        if l1_entries * ENTRY > MAX_L1_BYTES {
            return Err(Error::TooLarge(virtual_size));
        }
        let first_clusters = 1 + (l1_entries * ENTRY).div_ceil(CLUSTER);
        Ok(Self {
            file,
            output: Output::new(file, first_clusters * CLUSTER),
            virtual_size,
            l1: vec![0; l1_entries as usize],
            l2: L2 { index: 0, entries: vec![0; L2_ENTRIES as usize] },
            refcounts: vec![1; first_clusters as usize],
            tail: 0..0,
            report: Report { file_size: 0, data_clusters: 0, compressed_clusters: 0, zero_clusters: 0 },
        })
    }

    /// Stores the clusters of a batch, which comes after all batches before.
    fn batch(&mut self, batch: &Batch) -> Result<(), Error> {
        let mut bytes = &batch.bytes[..];
        for (cluster, packed) in (batch.first..).zip(&batch.clusters) {
            let length = match packed {
                Packed::Zero => continue,
                Packed::Plain => CLUSTER as usize,
                Packed::Compressed(length) => *length,
            };
            let (data, rest) = bytes.split_at(length);
            bytes = rest;
            self.open_l2(cluster / L2_ENTRIES)?;
            let mapping = if *packed == Packed::Plain { self.plain(data)? } else { self.compressed(data)? };
            self.l2.entries[(cluster % L2_ENTRIES) as usize] = mapping.encode(CLUSTER_BITS);
        }
        Ok(())
    }

    fn plain(&mut self, data: &[u8]) -> Result<Mapping, Error> {
        let offset = self.allocate();
        self.output.put(offset, data)?;
        self.report.data_clusters += 1;
        Ok(Mapping::Standard(offset))
    }

    /// Stores compressed data right after those before, across the end of a cluster if the next one is free.
    fn compressed(&mut self, data: &[u8]) -> Result<Mapping, Error> {
        let length = data.len() as u64;
        if length > self.tail.end - self.tail.start {
            let next = self.next();
            if self.tail.end != next {
                self.tail.start = next;
            }
            self.tail.end = next + CLUSTER;
            // No more than a place: what counts is the data below.
            self.refcounts.push(0);
        }
        let offset = self.tail.start;
        self.tail.start += length;
        let last_sector = (offset + length - 1) / SECTOR;
        for cluster in offset / CLUSTER..=last_sector * SECTOR / CLUSTER {
            self.refcounts[cluster as usize] += 1;
        }
        self.output.put(offset, data)?;
        self.report.compressed_clusters += 1;
        Ok(Mapping::Compressed { offset, more_sectors: last_sector - offset / SECTOR })
    }

    /// Where the next cluster of the file begins.
    fn next(&self) -> u64 {
        self.refcounts.len() as u64 * CLUSTER
    }

    /// Takes a cluster for a single use.
    fn allocate(&mut self) -> u64 {
        let offset = self.next();
        self.refcounts.push(1);
        offset
    }

    /// Makes the table with this place in the level 1 table the current one.
    fn open_l2(&mut self, index: u64) -> Result<(), Error> {
        if index != self.l2.index {
            self.close_l2()?;
            self.l2.index = index;
        }
        Ok(())
    }

    /// Stores the current table, if there is anything in it, and empties it.
    fn close_l2(&mut self) -> Result<(), Error> {
        if self.l2.entries.iter().any(|&entry| entry != 0) {
            let offset = self.allocate();
            self.output.put(offset, &big_endian(&self.l2.entries))?;
            self.l1[self.l2.index as usize] = format::encode_l1(offset);
            self.l2.entries.fill(0);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Report, Error> {
        self.close_l2()?;
        let (table_offset, table_clusters) = self.put_refcounts()?;
        self.output.flush()?;
        self.output.put(CLUSTER, &big_endian(&self.l1))?;
        let header = Header {
            cluster_bits: CLUSTER_BITS,
            size: self.virtual_size,
            l1_entries: self.l1.len() as u32,
            l1_offset: CLUSTER,
            refcount_table_offset: table_offset,
            refcount_table_clusters: table_clusters as u32,
        };
        self.report.file_size = self.next();
        self.file.set_len(self.report.file_size)?;
        self.output.put(0, &header.encode())?;
        let stored = self.report.data_clusters + self.report.compressed_clusters;
        self.report.zero_clusters = self.virtual_size.div_ceil(CLUSTER) - stored;
        Ok(self.report)
    }

    /// Stores the reference counts, their own included; returns where their table is and its length in clusters.
    fn put_refcounts(&mut self) -> Result<(u64, u64), Error> {
        let (blocks, table_clusters) = refcount_clusters(self.refcounts.len());
        let first = self.next();
        self.refcounts.resize(self.refcounts.len() + blocks + table_clusters, 1);
        let table = (0..blocks as u64).map(|block| first + block * CLUSTER).collect::<Vec<_>>();
        for (offset, counts) in table.iter().zip(self.refcounts.chunks(BLOCK_ENTRIES)) {
            let mut block = counts.iter().flat_map(|count| count.to_be_bytes()).collect::<Vec<_>>();
            block.resize(CLUSTER as usize, 0);
            self.output.put(*offset, &block)?;
        }
        let table_offset = first + blocks as u64 * CLUSTER;
        self.output.put(table_offset, &big_endian(&table))?;
        Ok((table_offset, table_clusters as u64))
    }
}

fn big_endian(entries: &[u64]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.to_be_bytes()).collect()
}

/// How many blocks of reference counts, and clusters for their table, follow `clusters` clusters so that all are counted.
fn refcount_clusters(clusters: usize) -> (usize, usize) {
    let (mut blocks, mut table) = (1, 1);
    loop {
        let needed = (clusters + blocks + table).div_ceil(BLOCK_ENTRIES);
        let needed_table = (needed * ENTRY as usize).div_ceil(CLUSTER as usize);
        if (needed, needed_table) == (blocks, table) {
            return (blocks, table);
        }
        (blocks, table) = (needed, needed_table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_counts_count_themselves() {
        assert_eq!(refcount_clusters(2), (1, 1));
        assert_eq!(refcount_clusters(BLOCK_ENTRIES - 2), (1, 1));
        assert_eq!(refcount_clusters(BLOCK_ENTRIES - 1), (2, 1));
        let full = BLOCK_ENTRIES * 8192;
        let (blocks, table) = refcount_clusters(full);
        assert!(blocks * BLOCK_ENTRIES >= full + blocks + table && table == 2);
    }

    #[test]
    fn sizes_that_are_not_possible_are_refused() {
        let file = tempfile::tempfile().unwrap();
        let write = |source, size| write(&Source::new(source), size, &file, &Options::default()).unwrap_err();
        assert!(matches!(write(1000, 999), Error::Shrinks { .. }));
        assert!(matches!(write(0, u64::MAX), Error::TooLarge(_)));
        assert!(matches!(write(0, (2 << 50) + 1), Error::TooLarge(_)));
        file.set_len(1).unwrap();
        assert!(matches!(write(0, 1), Error::NotEmpty(1)));
    }
}
