//! How a volume of a given size is divided.

use crate::SECTOR;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// FAT32 begins here: 65,525 clusters (the least that makes a volume FAT32) of 4 KiB, and room for the tables.
const FAT32_FROM: u64 = 260 * MIB;
/// FAT16 begins here: below, 4,085 clusters (the least that makes a volume FAT16) of 512 bytes are not sure to fit.
const FAT16_FROM: u64 = 4 * MIB;
/// The smallest volume that is written: enough for the tables and a few files.
const SMALLEST: u64 = 64 << 10;
/// Entries in the root folder of FAT12 and FAT16; 512 is what the FAT specification recommends.
pub(crate) const ROOT_ENTRIES: u64 = 512;
/// The first cluster that has a place on the volume.
pub(crate) const FIRST_CLUSTER: u64 = 2;
/// Copies of the allocation table; readers are only sure to accept two.
pub(crate) const TABLES: u64 = 2;

/// The width of an entry of the allocation table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Fat12,
    Fat16,
    Fat32,
}

impl Kind {
    /// The width in bits.
    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::Fat12 => 12,
            Self::Fat16 => 16,
            Self::Fat32 => 32,
        }
    }
}

/// The division of a volume. All positions and lengths are in bytes unless their names say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) kind: Kind,
    pub(crate) sectors: u32,
    pub(crate) cluster: u64,
    /// Sectors before the first allocation table.
    pub(crate) reserved_sectors: u64,
    pub(crate) table_sectors: u64,
    /// How many clusters there are.
    pub(crate) clusters: u64,
}

impl Geometry {
    /// Divides a volume of `size` bytes; nothing if there is no volume of that size.
    pub(crate) fn new(size: u64) -> Option<Self> {
        if size < SMALLEST || !size.is_multiple_of(SECTOR) {
            return None;
        }
        let sectors = u32::try_from(size / SECTOR).ok()?;
        let (kind, cluster) = kind_and_cluster(size);
        let reserved_sectors = if kind == Kind::Fat32 { 32 } else { 1 };
        let mut new = Self { kind, sectors, cluster, reserved_sectors, table_sectors: 1, clusters: 0 };
        // A longer table leaves fewer clusters, so the first length that is enough is found from below.
        loop {
            new.clusters = (size - new.data()) / cluster;
            let needed = ((new.clusters + FIRST_CLUSTER) * u64::from(kind.bits())).div_ceil(8 * SECTOR);
            if needed <= new.table_sectors {
                return Some(new);
            }
            new.table_sectors = needed;
        }
    }

    /// Where table number `index` starts.
    pub(crate) fn table(&self, index: u64) -> u64 {
        (self.reserved_sectors + index * self.table_sectors) * SECTOR
    }

    /// Where the fixed root folder of FAT12 and FAT16 starts.
    pub(crate) fn root(&self) -> u64 {
        self.table(TABLES)
    }

    /// How many entries the fixed root folder has; none on FAT32, whose root folder is a chain of clusters.
    pub(crate) fn root_entries(&self) -> u64 {
        if self.kind == Kind::Fat32 { 0 } else { ROOT_ENTRIES }
    }

    /// Where the first cluster starts.
    fn data(&self) -> u64 {
        self.root() + self.root_entries() * crate::entry::LENGTH
    }

    /// Where `cluster` starts.
    pub(crate) fn position(&self, cluster: u64) -> u64 {
        self.data() + (cluster - FIRST_CLUSTER) * self.cluster
    }
}

/// The kind of a volume of `size` bytes, and its cluster size.
///
/// The kind follows from the number of clusters, so the cluster size has to keep that number within the kind's bounds;
/// the sizes from 8 GiB on are those of the FAT specification's table for FAT32.
fn kind_and_cluster(size: u64) -> (Kind, u64) {
    let at_most = |clusters| size.div_ceil(clusters).next_power_of_two().max(SECTOR);
    match size {
        0..FAT16_FROM => (Kind::Fat12, at_most(4_084)),
        FAT16_FROM..FAT32_FROM => (Kind::Fat16, at_most(65_524)),
        _ if size <= 8 * GIB => (Kind::Fat32, 4 << 10),
        _ if size <= 16 * GIB => (Kind::Fat32, 8 << 10),
        _ if size <= 32 * GIB => (Kind::Fat32, 16 << 10),
        _ => (Kind::Fat32, 32 << 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_clusters_makes_the_kind() {
        let near = |size: u64| [size - SECTOR, size, size + SECTOR];
        let sizes =
            [MIB, 2 * MIB, FAT16_FROM, 32 * MIB, 128 * MIB, FAT32_FROM, 512 * MIB, 8 * GIB, 32 * GIB, 2000 * GIB];
        for size in sizes.into_iter().flat_map(near).chain([SMALLEST]) {
            let geometry = Geometry::new(size).unwrap();
            let kind = match geometry.clusters {
                0..4_085 => Kind::Fat12,
                4_085..65_525 => Kind::Fat16,
                _ => Kind::Fat32,
            };
            assert_eq!(geometry.kind, kind, "{size}: {geometry:?}");
            assert!(geometry.clusters < 0x0fff_fff5, "{size}: {geometry:?}");
            assert!(geometry.position(geometry.clusters + FIRST_CLUSTER) <= size, "{size}: {geometry:?}");
        }
    }

    #[test]
    fn sizes_that_no_volume_has_are_refused() {
        for size in [0, SECTOR, SMALLEST - SECTOR, MIB + 1, 2 << 40] {
            assert_eq!(Geometry::new(size), None);
        }
    }
}
