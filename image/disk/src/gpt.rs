//! GUID partition tables as the few bytes that they are: a head and a tail of the disk.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use gptman::{GPT, GPTPartitionEntry};
use uuid::{Uuid, uuid};

/// Bytes in a sector; every disk of this project has sectors of this size.
pub const SECTOR: u64 = 512;
/// Where partitions begin and end, in bytes: every disk and file system in use divides this.
pub const ALIGNMENT: u64 = 1 << 20;
/// What the table takes at the beginning of the disk, in bytes: protective MBR, header, 128 entries.
pub const HEAD: u64 = 34 * SECTOR;
/// What the table takes at the end of the disk, in bytes: 128 entries, header.
pub const TAIL: u64 = 33 * SECTOR;
/// The longest name of a partition, in UTF-16 code units (UEFI specification 2.10, table 5-6).
const MAX_NAME: usize = 36;

/// Type of an EFI system partition (UEFI specification 2.10, table 5-7).
pub const TYPE_ESP: Uuid = uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
/// Type of an arm64 root partition (UAPI group, Discoverable Partitions Specification).
pub const TYPE_ROOT_ARM64: Uuid = uuid!("b921b045-1df0-41c3-af44-4c6f280d3fae");
/// Type of an x86-64 root partition (UAPI group, Discoverable Partitions Specification).
pub const TYPE_ROOT_AMD64: Uuid = uuid!("4f68bce3-e8cd-4db1-96e7-fbcaf984b709");

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk is no multiple of 512 bytes, or too small for a table.
    #[error("a disk of {0} bytes: the size must be a multiple of 512 that has room for a partition table")]
    DiskSize(u64),
    /// A partition is empty, not aligned to 1 MiB, or reaches into the table or another partition.
    #[error("partition {name} at {}..{}: empty, not aligned to 1 MiB, or in the way of something else", range.start, range.end)]
    Range {
        /// The name of the partition.
        name: String,
        /// The range asked for, in bytes.
        range: Range<u64>,
    },
    /// The name of a partition is longer than 36 UTF-16 code units.
    #[error("partition name {0:?} is longer than 36 UTF-16 code units")]
    Name(String),
    /// The library refused the table.
    #[error("cannot make a partition table: {0}")]
    Table(#[from] gptman::Error),
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition<'a> {
    /// Its name, at most 36 UTF-16 code units.
    pub name: &'a str,
    /// What it is for.
    pub type_guid: Uuid,
    /// Its own GUID (PARTUUID).
    pub guid: Uuid,
    /// The bytes that it covers, aligned to [`ALIGNMENT`].
    pub range: Range<u64>,
}

/// A partition table and its backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The first [`HEAD`] bytes of the disk.
    pub head: Vec<u8>,
    /// The last [`TAIL`] bytes of the disk.
    pub tail: Vec<u8>,
}

impl Table {
    /// The table of a disk of `disk_size` bytes. Partitions are numbered from 1, in the order given.
    ///
    /// # Errors
    /// When the disk, a range or a name is at fault; partitions must be in the order of their places.
    pub fn new(disk_size: u64, disk_guid: Uuid, partitions: &[Partition<'_>]) -> Result<Self, Error> {
        if !disk_size.is_multiple_of(SECTOR) || disk_size < HEAD + TAIL + ALIGNMENT {
            return Err(Error::DiskSize(disk_size));
        }
        let mut ends = Ends::new(disk_size);
        let mut table = GPT::new_from(&mut ends, SECTOR, disk_guid.to_bytes_le())?;
        let mut free_from = HEAD;
        for (number, partition) in (1..).zip(partitions) {
            table[number] = partition.entry(free_from..disk_size - TAIL)?;
            free_from = partition.range.end;
        }
        GPT::write_protective_mbr_into(&mut ends, SECTOR)?;
        table.write_into(&mut ends)?;
        Ok(Self { head: ends.head, tail: ends.tail })
    }
}

impl Partition<'_> {
    fn entry(&self, free: Range<u64>) -> Result<GPTPartitionEntry, Error> {
        let Range { start, end } = self.range;
        let aligned = start.is_multiple_of(ALIGNMENT) && end.is_multiple_of(ALIGNMENT);
        if !aligned || start >= end || start < free.start || end > free.end {
            return Err(Error::Range { name: self.name.into(), range: self.range.clone() });
        }
        if self.name.encode_utf16().count() > MAX_NAME {
            return Err(Error::Name(self.name.into()));
        }
        Ok(GPTPartitionEntry {
            partition_type_guid: self.type_guid.to_bytes_le(),
            unique_partition_guid: self.guid.to_bytes_le(),
            starting_lba: start / SECTOR,
            ending_lba: end / SECTOR - 1,
            attribute_bits: 0,
            partition_name: self.name.into(),
        })
    }
}

/// A disk of which only the two ends exist, for a library that wants to seek on a whole one.
struct Ends {
    size: u64,
    position: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Ends {
    fn new(size: u64) -> Self {
        Self { size, position: 0, head: vec![0; HEAD as usize], tail: vec![0; TAIL as usize] }
    }

    /// What lies between the current position and the end of its region.
    fn region(&mut self) -> io::Result<&mut [u8]> {
        let tail = self.size - TAIL;
        let region = match self.position {
            position if position >= tail => self.tail.get_mut((position - tail) as usize..),
            position => self.head.get_mut(position as usize..),
        };
        region.ok_or_else(|| io::Error::other("a partition table reaches into the middle of the disk"))
    }
}

impl Read for Ends {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (&*self.region()?).read(buffer)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Write for Ends {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.region()?.write(bytes)?;
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Ends {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const GUID: Uuid = uuid!("00112233-4455-6677-8899-aabbccddeeff");

    fn partition(name: &str, range: Range<u64>) -> Partition<'_> {
        Partition { name, type_guid: TYPE_ESP, guid: Uuid::from_u128(range.start.into()), range }
    }

    #[test]
    fn both_copies_of_the_table_are_read_back() {
        let size = 4 * MIB;
        let table = Table::new(size, GUID, &[partition("esp", MIB..2 * MIB), partition("root", 2 * MIB..3 * MIB)]);
        let Table { head, tail } = table.unwrap();
        assert_eq!((head.len() as u64, tail.len() as u64), (HEAD, TAIL));
        assert_eq!(head[510..512], [0x55, 0xaa]);

        let mut disk = vec![0; size as usize];
        disk[..HEAD as usize].copy_from_slice(&head);
        disk[(size - TAIL) as usize..].copy_from_slice(&tail);
        let primary = GPT::read_from(&mut io::Cursor::new(&mut disk), SECTOR).unwrap();
        assert_eq!(primary.header.disk_guid, GUID.to_bytes_le());
        assert_eq!((primary[2].starting_lba, primary[2].ending_lba), (4096, 6143));
        assert_eq!(primary[2].partition_name.as_str(), "root");
        disk[512] = 0;
        let backup = GPT::read_from(&mut io::Cursor::new(&mut disk), SECTOR).unwrap();
        assert!(backup.is_backup() && backup[1] == primary[1]);
    }

    #[test]
    fn guids_are_stored_in_the_order_that_uefi_wants() {
        let table = Table::new(4 * MIB, GUID, &[partition("esp", MIB..2 * MIB)]).unwrap();
        let stored = [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];
        assert_eq!(table.head[1024..1040], stored);
    }

    #[test]
    fn a_table_of_a_huge_disk_is_as_small_as_any() {
        let table = Table::new(64 << 40, GUID, &[partition("root", MIB..(64 << 40) - MIB)]).unwrap();
        assert_eq!(table.head.len() + table.tail.len(), 67 * 512);
    }

    #[test]
    fn faults_name_the_partition() {
        let one = |range| Table::new(4 * MIB, GUID, &[partition("root", range)]).unwrap_err();
        for range in [0..MIB, MIB..MIB, MIB..4 * MIB, MIB + 512..2 * MIB, MIB..2 * MIB + 512, 9 * MIB..10 * MIB] {
            assert!(matches!(one(range), Error::Range { .. }));
        }
        let two = [partition("a", 2 * MIB..3 * MIB), partition("b", MIB..2 * MIB)];
        assert!(Table::new(4 * MIB, GUID, &two).unwrap_err().to_string().starts_with("partition b "));
        let long = "x".repeat(37);
        let error = Table::new(4 * MIB, GUID, &[partition(&long, MIB..2 * MIB)]).unwrap_err();
        assert!(matches!(error, Error::Name(_)));
        assert!(matches!(Table::new(MIB + 1, GUID, &[]), Err(Error::DiskSize(_))));
    }
}
