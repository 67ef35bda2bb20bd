//! What comes before the files: boot sector, count of free clusters, allocation tables.

use crate::SECTOR;
use crate::geometry::{FIRST_CLUSTER, Geometry, Kind, ROOT_ENTRIES, TABLES};
use crate::plan::{Plan, Run};
use crate::short::ShortName;

/// Where FAT32 keeps its count of free clusters, and the backup of the boot sector (FAT specification, "BPB").
const INFO_SECTOR: u64 = 1;
const BACKUP_SECTOR: u64 = 6;
/// Stands for a fixed disk, in the boot sector and in the first entry of the table.
const MEDIA: u8 = 0xf8;
/// Ends every boot sector.
const SIGNATURE: [u8; 2] = [0x55, 0xaa];

/// Everything before the root folder, as positions in bytes and what to write there.
pub(crate) fn system_area(geometry: &Geometry, plan: &Plan, volume_id: u32, label: ShortName) -> Vec<(u64, Vec<u8>)> {
    let boot = boot_sector(geometry, volume_id, label, plan.folders[0].0);
    let mut area = vec![(0, boot.clone())];
    if geometry.kind == Kind::Fat32 {
        let info = free_space_sector(geometry, plan);
        area.push((INFO_SECTOR * SECTOR, info.clone()));
        area.push((BACKUP_SECTOR * SECTOR, boot));
        area.push(((BACKUP_SECTOR + INFO_SECTOR) * SECTOR, info));
    }
    let table = table(geometry.kind, plan);
    area.extend((0..TABLES).map(|index| (geometry.table(index), table.clone())));
    area
}

/// The boot sector, field by field (FAT specification, "Boot Sector and BPB").
fn boot_sector(geometry: &Geometry, volume_id: u32, label: ShortName, root: Run) -> Vec<u8> {
    let is_fat32 = geometry.kind == Kind::Fat32;
    let short_sectors = u16::try_from(geometry.sectors).ok().filter(|_| !is_fat32);
    let short_table = if is_fat32 { 0 } else { geometry.table_sectors as u16 };
    let root_entries = if is_fat32 { 0 } else { ROOT_ENTRIES as u16 };
    let mut sector = Vec::with_capacity(SECTOR as usize);
    sector.extend([0xeb, if is_fat32 { 0x58 } else { 0x3c }, 0x90]);
    sector.extend(b"MSWIN4.1");
    sector.extend((SECTOR as u16).to_le_bytes());
    sector.push((geometry.cluster / SECTOR) as u8);
    sector.extend((geometry.reserved_sectors as u16).to_le_bytes());
    sector.push(TABLES as u8);
    sector.extend(root_entries.to_le_bytes());
    sector.extend(short_sectors.unwrap_or(0).to_le_bytes());
    sector.push(MEDIA);
    sector.extend(short_table.to_le_bytes());
    // Sectors per track and heads: any geometry will do, nothing has read it for decades.
    sector.extend([63, 0, 255, 0]);
    // Hidden sectors: none, as on any volume that is made apart from its disk.
    sector.extend([0; 4]);
    sector.extend(if short_sectors.is_some() { 0 } else { geometry.sectors }.to_le_bytes());
    if is_fat32 {
        sector.extend((geometry.table_sectors as u32).to_le_bytes());
        sector.extend([0; 4]);
        sector.extend((root.first as u32).to_le_bytes());
        sector.extend((INFO_SECTOR as u16).to_le_bytes());
        sector.extend((BACKUP_SECTOR as u16).to_le_bytes());
        sector.extend([0; 12]);
    }
    sector.extend([0x80, 0, 0x29]);
    sector.extend(volume_id.to_le_bytes());
    sector.extend(label);
    sector.extend(format!("FAT{:<5}", geometry.kind.bits()).bytes());
    sector.resize(SECTOR as usize - SIGNATURE.len(), 0);
    sector.extend(SIGNATURE);
    sector
}

/// The sector that saves a reader of FAT32 counting (FAT specification, "FSInfo").
fn free_space_sector(geometry: &Geometry, plan: &Plan) -> Vec<u8> {
    let free = plan.free() / geometry.cluster;
    let mut sector = b"RRaA".to_vec();
    sector.resize(484, 0);
    sector.extend(b"rrAa");
    sector.extend((free as u32).to_le_bytes());
    sector.extend(if free == 0 { u32::MAX } else { plan.next as u32 }.to_le_bytes());
    sector.resize(SECTOR as usize - SIGNATURE.len(), 0);
    sector.extend(SIGNATURE);
    sector
}

/// The allocation table, as far as anything is allocated.
fn table(kind: Kind, plan: &Plan) -> Vec<u8> {
    const END: u32 = 0x0fff_ffff;
    let mut links = (0..plan.next as u32).map(|cluster| cluster + 1).collect::<Vec<_>>();
    links[0] = END & !0xff | u32::from(MEDIA);
    links[FIRST_CLUSTER as usize - 1] = END;
    let runs = plan.folders.iter().map(|(run, _)| run).chain(&plan.files).filter(|run| run.count > 0);
    runs.for_each(|run| links[(run.first + run.count) as usize - 1] = END);
    pack(kind, &links)
}

fn pack(kind: Kind, links: &[u32]) -> Vec<u8> {
    match kind {
        Kind::Fat32 => links.iter().flat_map(|link| link.to_le_bytes()).collect(),
        Kind::Fat16 => links.iter().flat_map(|link| (*link as u16).to_le_bytes()).collect(),
        Kind::Fat12 => links.chunks(2).flat_map(pack_pair).collect(),
    }
}

/// Two entries of twelve bits are three bytes.
fn pack_pair(pair: &[u32]) -> [u8; 3] {
    let both = pair[0] & 0xfff | (pair.get(1).unwrap_or(&0) & 0xfff) << 12;
    let [low, middle, high, _] = both.to_le_bytes();
    [low, middle, high]
}
