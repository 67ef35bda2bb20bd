//! The fields of a qcow2 file, as the writer and the reader both need them.

/// Marks a qcow2 file.
pub(super) const MAGIC: [u8; 4] = *b"QFI\xfb";
/// The version written and read.
pub(super) const VERSION: u32 = 3;
/// The length of a header with a compression type, in bytes.
pub(super) const HEADER_LENGTH: u32 = 112;
/// The length of a version 3 header without one, in bytes.
pub(super) const HEADER_LENGTH_LEAST: u32 = 104;
/// Incompatible feature: clusters are not compressed by deflate.
pub(super) const FEATURE_COMPRESSION_TYPE: u64 = 1 << 3;
/// Compression type zstd.
pub(super) const COMPRESSION_ZSTD: u8 = 1;
/// Log2 of the width of a reference count, in bits.
pub(super) const REFCOUNT_ORDER: u32 = 4;
/// Compressed data are counted in these units, in bytes.
pub(super) const SECTOR: u64 = 512;
/// The most that QEMU takes for a level 1 table, in bytes.
pub(super) const MAX_L1_BYTES: u64 = 32 << 20;
/// The length of an entry of a table, in bytes.
pub(super) const ENTRY: u64 = 8;

/// Bits 9 to 55 of an entry: a position in the file.
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
const ZERO: u64 = 1;

/// The header, without the fields that are zero in every image read or written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Log2 of the length of a cluster in bytes.
    pub(super) cluster_bits: u32,
    /// The size of the disk, in bytes.
    pub(super) size: u64,
    /// Entries in the level 1 table.
    pub(super) l1_entries: u32,
    /// Where the level 1 table is, in bytes.
    pub(super) l1_offset: u64,
    /// Where the reference count table is, in bytes.
    pub(super) refcount_table_offset: u64,
    /// The length of the reference count table, in clusters.
    pub(super) refcount_table_clusters: u32,
}

impl Header {
    /// The header as it is stored, zstd being the compression type; the end of header extensions follows.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LENGTH as usize + 8);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend([0; 12]);
        bytes.extend(self.cluster_bits.to_be_bytes());
        bytes.extend(self.size.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.l1_entries.to_be_bytes());
        bytes.extend(self.l1_offset.to_be_bytes());
        bytes.extend(self.refcount_table_offset.to_be_bytes());
        bytes.extend(self.refcount_table_clusters.to_be_bytes());
        bytes.extend([0; 12]);
        bytes.extend(FEATURE_COMPRESSION_TYPE.to_be_bytes());
        bytes.extend([0; 16]);
        bytes.extend(REFCOUNT_ORDER.to_be_bytes());
        bytes.extend(HEADER_LENGTH.to_be_bytes());
        bytes.push(COMPRESSION_ZSTD);
        bytes.resize(HEADER_LENGTH as usize + 8, 0);
        bytes
    }
}

/// What an entry of a level 2 table says of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mapping {
    /// Nothing is stored.
    Unallocated,
    /// The cluster is known to be zeros.
    Zero,
    /// The cluster is stored as it is at this position.
    Standard(u64),
    /// The cluster is compressed; its data begin at this position and end within so many sectors after that one.
    Compressed { offset: u64, more_sectors: u64 },
}

impl Mapping {
    /// The entry, for clusters of `1 << cluster_bits` bytes.
    pub(super) fn encode(self, cluster_bits: u32) -> u64 {
        match self {
            Self::Unallocated => 0,
            Self::Zero => ZERO,
            Self::Standard(offset) => COPIED | offset,
            Self::Compressed { offset, more_sectors } => COMPRESSED | more_sectors << split(cluster_bits) | offset,
        }
    }

    /// The meaning of an entry; nothing if it sets bits that have none.
    pub(super) fn decode(entry: u64, cluster_bits: u32) -> Option<Self> {
        if entry & COMPRESSED != 0 {
            let offset = entry & ((1 << split(cluster_bits)) - 1);
            let more_sectors = (entry & !(COMPRESSED | COPIED)) >> split(cluster_bits);
            return (entry & COPIED == 0 && offset < 1 << 56).then_some(Self::Compressed { offset, more_sectors });
        }
        let offset = entry & OFFSET_MASK;
        match entry & !(COPIED | OFFSET_MASK) {
            0 if offset == 0 && entry == 0 => Some(Self::Unallocated),
            0 if offset != 0 => Some(Self::Standard(offset)),
            ZERO => Some(Self::Zero),
            _ => None,
        }
    }
}

/// Where a compressed cluster descriptor is divided: "x" of the specification.
fn split(cluster_bits: u32) -> u32 {
    62 - (cluster_bits - 8)
}

/// The entry of a level 1 table for a level 2 table at `offset`, 0 for none.
pub(super) fn encode_l1(offset: u64) -> u64 {
    if offset == 0 { 0 } else { COPIED | offset }
}

/// The position that an entry of a level 1 table points to, 0 for none; nothing if it sets bits that have no meaning.
pub(super) fn decode_l1(entry: u64) -> Option<u64> {
    (entry & !(COPIED | OFFSET_MASK) == 0).then_some(entry & OFFSET_MASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_survive_their_encoding() {
        for bits in [9, 16, 21] {
            let compressed = Mapping::Compressed { offset: 0x1_2345_6789, more_sectors: (1 << (bits - 8)) - 1 };
            for mapping in [Mapping::Unallocated, Mapping::Zero, Mapping::Standard(0x7_0000_0000), compressed] {
                assert_eq!(Mapping::decode(mapping.encode(bits), bits), Some(mapping));
            }
        }
    }

    #[test]
    fn a_compressed_descriptor_is_divided_as_the_specification_says() {
        let mapping = Mapping::Compressed { offset: 0x5_0123, more_sectors: 3 };
        assert_eq!(mapping.encode(16), 1 << 62 | 3 << 54 | 0x5_0123);
    }

    #[test]
    fn reserved_bits_are_not_accepted() {
        for entry in [2, 1 << 56, 1 << 63, 1 << 63 | 0x100, 1 << 62 | 1 << 63] {
            assert_eq!(Mapping::decode(entry, 16), None, "{entry:#x}");
        }
        assert_eq!(decode_l1(1 << 60), None);
    }
}
