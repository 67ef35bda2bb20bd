//! What is where on a disk: an ESP, then the root file system up to the end.

use std::ops::Range;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::gpt::{self, ALIGNMENT, Partition, TAIL, Table};
use crate::source::{self, Source};
use crate::xfs::RootFs;

/// The least room for a root partition, in bytes: mkfs.xfs refuses to make anything below 300 MiB.
const SMALLEST_ROOT: u64 = 300 << 20;

/// Why there is no such disk.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The sizes do not go together.
    #[error(
        "a disk of {size} bytes with an ESP of {esp_size}: both must be multiples of 1 MiB, the ESP not empty, and \
         300 MiB must be left"
    )]
    Sizes {
        /// The size of the disk, in bytes.
        size: u64,
        /// The size of the ESP, in bytes.
        esp_size: u64,
    },
    /// A file system does not fill its partition exactly.
    #[error("{} is {actual} bytes long and its partition {expected}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length, in bytes.
        actual: u64,
        /// The length of the partition, in bytes.
        expected: u64,
    },
    /// The partition table cannot be made.
    #[error(transparent)]
    Table(#[from] gpt::Error),
    /// A file system cannot be read.
    #[error(transparent)]
    Source(#[from] source::Error),
}

/// The processor that a disk is for; firmware and systemd find the root partition by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// 64-bit ARM.
    Arm64,
    /// 64-bit x86.
    Amd64,
}

impl Architecture {
    /// The type GUID of a root partition.
    pub fn root_type(self) -> Uuid {
        match self {
            Self::Arm64 => gpt::TYPE_ROOT_ARM64,
            Self::Amd64 => gpt::TYPE_ROOT_AMD64,
        }
    }
}

/// Sizes and identities of a disk. Everything that another tool would choose at random is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The processor.
    pub architecture: Architecture,
    /// The size of the disk, in bytes; a multiple of 1 MiB.
    pub size: u64,
    /// The size of the ESP, in bytes; a multiple of 1 MiB.
    pub esp_size: u64,
    /// The GUID of the disk.
    pub disk_guid: Uuid,
    /// The GUID of the ESP (PARTUUID).
    pub esp_guid: Uuid,
    /// The GUID of the root partition (PARTUUID).
    pub root_guid: Uuid,
    /// The UUID of the root file system.
    pub root_uuid: Uuid,
    /// The serial number of the FAT volume on the ESP.
    pub esp_volume_id: u32,
    /// The label of the FAT volume on the ESP.
    pub esp_label: String,
    /// The label of the root file system.
    pub root_label: String,
}

impl Layout {
    /// Checks that the sizes go together; [`Layout::esp_range`] and [`Layout::root_range`] mean nothing if not.
    ///
    /// # Errors
    /// [`Error::Sizes`].
    pub fn check(&self) -> Result<(), Error> {
        let Self { size, esp_size, .. } = *self;
        let aligned = size.is_multiple_of(ALIGNMENT) && esp_size.is_multiple_of(ALIGNMENT);
        let needed = (2 * ALIGNMENT + SMALLEST_ROOT).checked_add(esp_size);
        let fits = needed.is_some_and(|needed| needed <= size);
        if aligned && fits && esp_size > 0 { Ok(()) } else { Err(Error::Sizes { size, esp_size }) }
    }

    /// The bytes of the disk that the ESP covers.
    pub fn esp_range(&self) -> Range<u64> {
        ALIGNMENT..ALIGNMENT + self.esp_size
    }

    /// The bytes of the disk that the root partition covers: all that the ESP and the tables leave.
    pub fn root_range(&self) -> Range<u64> {
        self.esp_range().end..(self.size - TAIL) / ALIGNMENT * ALIGNMENT
    }

    /// The volume for the ESP; its files carry the time `timestamp` (Unix seconds).
    pub fn esp_volume(&self, timestamp: u64) -> helix_fat::Volume {
        let (label, volume_id, size) = (self.esp_label.clone(), self.esp_volume_id, self.esp_size);
        helix_fat::Volume { label, volume_id, size, timestamp }
    }

    /// The file system for the root partition, made from `tree` as the new file `image`; what `tree` does not date
    /// carries the time `timestamp` (Unix seconds).
    pub fn root_fs<'a>(&'a self, tree: &'a Path, image: &'a Path, timestamp: u64) -> RootFs<'a> {
        let range = self.root_range();
        let size = range.end - range.start;
        RootFs { tree, image, size, uuid: self.root_uuid, label: &self.root_label, timestamp }
    }
}

/// Joins the partition table, the ESP in `esp_file` and the root file system in `root_file` to a disk.
///
/// # Errors
/// When the layout contradicts itself, or a file is not exactly as long as its partition or cannot be read.
pub fn assemble(layout: &Layout, esp_file: &Path, root_file: &Path) -> Result<Source, Error> {
    layout.check()?;
    let (esp, root) = (layout.esp_range(), layout.root_range());
    let root_type = layout.architecture.root_type();
    let partitions = [
        Partition { name: "esp", type_guid: gpt::TYPE_ESP, guid: layout.esp_guid, range: esp.clone() },
        Partition { name: "root", type_guid: root_type, guid: layout.root_guid, range: root.clone() },
    ];
    let Table { head, tail } = Table::new(layout.size, layout.disk_guid, &partitions)?;
    let mut disk = Source::new(layout.size);
    disk.add_bytes(0, head)?;
    add_partition(&mut disk, esp, esp_file)?;
    add_partition(&mut disk, root, root_file)?;
    disk.add_bytes(layout.size - TAIL, tail)?;
    Ok(disk)
}

fn add_partition(disk: &mut Source, range: Range<u64>, path: &Path) -> Result<(), Error> {
    let meta = std::fs::metadata(path).map_err(|source| source::Error::Read { path: path.into(), source })?;
    let (actual, expected) = (meta.len(), range.end - range.start);
    if actual != expected {
        return Err(Error::Length { path: path.into(), actual, expected });
    }
    Ok(disk.add_file(range.start, path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn layout(size: u64, esp_size: u64) -> Layout {
        Layout {
            architecture: Architecture::Arm64,
            size,
            esp_size,
            disk_guid: Uuid::from_u128(1),
            esp_guid: Uuid::from_u128(2),
            root_guid: Uuid::from_u128(3),
            root_uuid: Uuid::from_u128(4),
            esp_volume_id: 5,
            esp_label: "ESP".into(),
            root_label: "root".into(),
        }
    }

    fn file(length: u64) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(length).unwrap();
        file
    }

    #[test]
    fn the_root_partition_takes_what_is_left() {
        let layout = layout(4096 * MIB, 512 * MIB);
        assert_eq!(layout.esp_range(), MIB..513 * MIB);
        assert_eq!(layout.root_range(), 513 * MIB..4095 * MIB);
    }

    #[test]
    fn sizes_that_do_not_go_together_are_refused() {
        for (size, esp) in
            [(0, 0), (1024 * MIB, 0), (1024 * MIB, 900 * MIB), (1024 * MIB + 512, 64 * MIB), (MIB, u64::MAX)]
        {
            assert!(matches!(layout(size, esp).check(), Err(Error::Sizes { .. })), "{size} {esp}");
        }
        layout(366 * MIB, 64 * MIB).check().unwrap();
    }

    #[test]
    fn a_disk_has_its_file_systems_between_its_tables() {
        let layout = layout(1024 * MIB, 64 * MIB);
        let (esp, root) = (file(64 * MIB), file(958 * MIB));
        let disk = assemble(&layout, esp.path(), root.path()).unwrap();
        assert_eq!(disk.size(), layout.size);
        let mut signature = [0; 8];
        for offset in [512, layout.size - 512] {
            disk.read_at(offset, &mut signature).unwrap();
            assert_eq!(&signature, b"EFI PART");
        }
        let error = assemble(&layout, root.path(), root.path()).err().unwrap();
        assert!(matches!(error, Error::Length { .. }), "{error}");
    }
}
