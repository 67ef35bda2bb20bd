//! The header of an image that may say anything.

use std::io::{Read, Seek, SeekFrom};

use super::format::{self, ENTRY, Header, MAX_L1_BYTES};
use super::reader::{Error, damaged};

/// The smallest and the largest cluster that QEMU opens, as log2 of its length in bytes.
const CLUSTER_BITS: std::ops::RangeInclusive<u32> = 9..=21;

/// The header of an image, field by field.
pub(super) struct Fields {
    bytes: Vec<u8>,
    position: usize,
}

impl Fields {
    /// Reads as much of the header as is there.
    pub(super) fn read(file: &mut (impl Read + Seek), file_size: u64) -> Result<Self, Error> {
        file.seek(SeekFrom::Start(0))?;
        let mut bytes = vec![0; u64::from(format::HEADER_LENGTH).min(file_size) as usize];
        file.read_exact(&mut bytes)?;
        // An image may end right after a header without a compression type, which then counts as 0.
        let complete = bytes.starts_with(&format::MAGIC) && bytes.len() >= format::HEADER_LENGTH_LEAST as usize;
        bytes.resize(format::HEADER_LENGTH as usize, 0);
        if complete { Ok(Self { bytes, position: format::MAGIC.len() }) } else { Err(Error::NotQcow2) }
    }

    fn take<const LENGTH: usize>(&mut self) -> [u8; LENGTH] {
        let start = self.position;
        self.position += LENGTH;
        std::array::from_fn(|index| self.bytes[start + index])
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }

    /// The fields in their order; the flag says that clusters are compressed by zstd.
    pub(super) fn check(&mut self) -> Result<(Header, bool), Error> {
        let unsupported = |what: &str| Err(Error::Unsupported(what.into()));
        let version = self.u32();
        if version != format::VERSION {
            return Err(Error::Unsupported(format!("version {version}")));
        }
        if (self.u64(), self.u32()) != (0, 0) {
            return unsupported("a backing file");
        }
        let (cluster_bits, size) = (self.u32(), self.u64());
        if self.u32() != 0 {
            return unsupported("encryption");
        }
        let (l1_entries, l1_offset, refcount_table_offset) = (self.u32(), self.u64(), self.u64());
        let refcount_table_clusters = self.u32();
        self.take::<12>();
        let incompatible = self.u64();
        self.take::<20>();
        let header_length = self.u32();
        let compression = if header_length >= format::HEADER_LENGTH { self.take::<1>()[0] } else { 0 };

        if !CLUSTER_BITS.contains(&cluster_bits) {
            return Err(damaged(format!("clusters of 2^{cluster_bits} bytes")));
        }
        if header_length < format::HEADER_LENGTH_LEAST || !header_length.is_multiple_of(8) {
            return Err(damaged(format!("a header of {header_length} bytes")));
        }
        if i64::try_from(size).is_err() || u64::from(l1_entries) * ENTRY > MAX_L1_BYTES {
            return Err(damaged(format!("{size} bytes of disk, {l1_entries} level 1 entries")));
        }
        let is_zstd = match (incompatible, compression) {
            (0, 0) => false,
            (format::FEATURE_COMPRESSION_TYPE, format::COMPRESSION_ZSTD) => true,
            (features, kind) => {
                let what = format!("incompatible features {features:#x} and compression type {kind}");
                return Err(Error::Unsupported(what));
            }
        };
        let header =
            Header { cluster_bits, size, l1_entries, l1_offset, refcount_table_offset, refcount_table_clusters };
        Ok((header, is_zstd))
    }
}
