//! UDIF, the container of a `.dmg`: a volume in compressed runs, a property list that says where they are, a trailer.
//!
//! Apple has not published the format. The sources are libdmg-hfsplus, by which Bitcoin Core made its `.dmg` files of
//! ISO 9660, and 7-Zip's reader. All numbers are big-endian.
//!
//! The volume has no partition map: one table describes "the whole disk". Runs have the size that both sources use.

mod read;
mod write;

pub use self::read::Udif;
pub(crate) use self::write::write;

/// The unit of all positions in the volume, in bytes.
const SECTOR: u64 = 512;
/// Sectors in a run.
const RUN_SECTORS: u64 = 512;
/// Size of the trailer, in bytes.
const TRAILER: usize = 512;
/// Size of a table before its runs, and of a run, in bytes.
const TABLE: usize = 204;
const RUN: usize = 40;
/// Ways in which a run is stored.
const RAW: u32 = 0x0000_0001;
const ZLIB: u32 = 0x8000_0005;
/// Ways that only other programs use: zeros, gaps, remarks, ADC, bzip2, LZFSE and LZMA.
const FOREIGN: [u32; 7] = [0, 0x0000_0002, 0x7FFF_FFFE, 0x8000_0004, 0x8000_0006, 0x8000_0007, 0x8000_0008];
const TERMINATOR: u32 = 0xFFFF_FFFF;
/// The checksum is a CRC-32, of so many bits.
const CRC32: u32 = 2;
const CRC32_BITS: u32 = 32;

/// A run of the volume, as it is stored.
#[derive(Debug, Clone, Copy)]
struct Run {
    kind: u32,
    sectors: u64,
    /// Where its bytes are in the file, and how many they are.
    offset: u64,
    bytes: u64,
}
