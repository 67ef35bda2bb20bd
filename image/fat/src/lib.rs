//! Deterministic FAT volumes from a list of files: the EFI system partition and the first-boot seed.
//!
//! The same files, label, volume ID and time stamp give the same bytes, on every machine and in whatever order the files
//! are named. Nothing is mounted and no program is run, so the crate works on a Mac as it does on Linux. A volume is
//! written once, in full: every file and folder is one run of clusters.
//!
//! The format: Microsoft, "FAT: General Overview of On-Disk Format", version 1.03, called "the FAT specification" here.

mod date;
mod entry;
mod geometry;
mod names;
mod plan;
mod short;
mod system;
mod volume;

pub use names::NameFault;
pub use volume::{Content, Error, File, Report, Volume};

/// Bytes in a sector; every disk of this project has sectors of this size.
const SECTOR: u64 = 512;
