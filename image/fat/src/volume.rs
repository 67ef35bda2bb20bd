//! The volume as the caller names it, and the writing of it.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crate::date::Stamp;
use crate::geometry::Geometry;
use crate::names::{self, NameFault};
use crate::plan::Plan;
use crate::short::ShortName;
use crate::system::system_area;

/// Why a volume was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The label cannot be stored.
    #[error(r#"volume label {0:?}: 1 to 11 upper-case ASCII letters, digits, "-", "_" and spaces are allowed"#)]
    Label(String),
    /// The size is no multiple of 512 bytes, below 64 KiB, or 2 TiB and more.
    #[error("a FAT volume of {0} bytes: the size must be a multiple of 512, from 64 KiB to below 2 TiB")]
    Size(u64),
    /// Something was in the output already, which would make the result depend on it.
    #[error("the output of a FAT volume must be empty and is {0} bytes long")]
    NotEmpty(u64),
    /// A path cannot be stored.
    #[error("{path}: {fault}")]
    Name {
        /// The path within the volume.
        path: String,
        /// What is wrong with it.
        fault: NameFault,
    },
    /// A file or folder is larger than what is left of the volume, or than FAT can express.
    #[error("{path}: {size} bytes do not fit, the volume has room for {room} more")]
    TooLarge {
        /// The path within the volume.
        path: String,
        /// The size, in bytes.
        size: u64,
        /// What could be stored at this point, in bytes.
        room: u64,
    },
    /// A folder has more entries than it can take; the root folder of FAT12 and FAT16 can take 512.
    #[error("folder {path}: {entries} entries, of which a long name takes several, and {most} are possible")]
    FolderFull {
        /// The path within the volume, with a slash in front.
        path: String,
        /// How many entries it would have.
        entries: u64,
        /// How many it can have.
        most: u64,
    },
    /// The content of a file could not be read.
    #[error("{path}: cannot read {}: {source}", from.display())]
    Read {
        /// The path within the volume.
        path: String,
        /// Where the content was to come from.
        from: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The output could not be written.
    #[error("cannot write the FAT volume: {0}")]
    Write(#[from] io::Error),
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What this file of the host holds.
    Path(PathBuf),
}

/// A file of the volume. The folders on its path are made as needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path within the volume, with `/` between components and none in front: `EFI/BOOT/BOOTAA64.EFI`.
    pub path: String,
    /// What it holds.
    pub content: Content,
}

/// A volume, to be filled and written by [`Volume::write`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The label: 1 to 11 upper-case ASCII letters, digits, `-`, `_` and spaces.
    pub label: String,
    /// The serial number.
    pub volume_id: u32,
    /// The size, in bytes: FAT12 below 4 MiB, FAT16 below 260 MiB, FAT32 from there on.
    pub size: u64,
    /// The time that every file and folder carries, in Unix seconds; clamped to the years 1980 to 2107.
    pub timestamp: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The width of an entry of the allocation table, in bits: 12, 16 or 32.
    pub fat_bits: u8,
    /// The room that is left, in bytes.
    pub free: u64,
}

impl Volume {
    /// Writes the volume with `files` to the empty `out`, whose free space stays a hole if it is a file. The order of
    /// `files` does not matter.
    ///
    /// # Errors
    /// Before anything is written when the label, the size, a path or the space is at fault; later when something
    /// cannot be read or written. What `out` holds after an error is of no use.
    pub fn write<T: Write + Seek>(&self, out: &mut T, files: &[File]) -> Result<Report, Error> {
        let mut files = files.iter().collect::<Vec<_>>();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let label = label(&self.label)?;
        let geometry = Geometry::new(self.size).ok_or(Error::Size(self.size))?;
        names::check(files.iter().map(|file| file.path.as_str()))
            .map_err(|(path, fault)| Error::Name { path: path.into(), fault })?;
        let sizes = files
            .iter()
            .map(|file| file.size().map(|size| (file.path.as_str(), size)))
            .collect::<Result<Vec<_>, _>>()?;
        let plan = Plan::new(geometry, Stamp::new(self.timestamp), label, &sizes)?;
        let length = out.seek(SeekFrom::End(0))?;
        if length != 0 {
            return Err(Error::NotEmpty(length));
        }

        // The last byte first: it gives the output its length, and all that is not written reads as zeros.
        write_at(out, self.size - 1, &[0])?;
        for (position, bytes) in system_area(&geometry, &plan, self.volume_id, label) {
            write_at(out, position, &bytes)?;
        }
        for (run, bytes) in &plan.folders {
            let position = if run.first == 0 { geometry.root() } else { geometry.position(run.first) };
            write_at(out, position, bytes)?;
        }
        for ((file, run), (_, size)) in files.iter().zip(&plan.files).zip(sizes).filter(|((_, run), _)| run.count > 0) {
            out.seek(SeekFrom::Start(geometry.position(run.first)))?;
            file.copy(size, out)?;
        }
        out.flush()?;
        Ok(Report { fat_bits: geometry.kind.bits(), free: plan.free() })
    }
}

impl File {
    fn size(&self) -> Result<u64, Error> {
        match &self.content {
            Content::Bytes(bytes) => Ok(bytes.len() as u64),
            Content::Path(from) => fs::metadata(from).map(|meta| meta.len()).map_err(|source| self.read_error(source)),
        }
    }

    fn copy(&self, size: u64, out: &mut impl Write) -> Result<(), Error> {
        let from = match &self.content {
            Content::Bytes(bytes) => return Ok(out.write_all(bytes)?),
            Content::Path(from) => from,
        };
        let mut input = fs::File::open(from).map_err(|source| self.read_error(source))?;
        let mut buffer = vec![0; 1 << 20];
        let mut left = size;
        while left > 0 {
            let part = &mut buffer[..left.min(1 << 20) as usize];
            input.read_exact(part).map_err(|source| self.read_error(source))?;
            out.write_all(part)?;
            left -= part.len() as u64;
        }
        Ok(())
    }

    fn read_error(&self, source: io::Error) -> Error {
        let Content::Path(from) = &self.content else { unreachable!("bytes in memory cannot fail to be read") };
        Error::Read { path: self.path.clone(), from: from.clone(), source }
    }
}

fn label(label: &str) -> Result<ShortName, Error> {
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-_ ".contains(&byte);
    let mut padded = [b' '; 11];
    let space = padded.get_mut(..label.len()).filter(|_| !label.trim().is_empty() && label.bytes().all(allowed));
    space.ok_or_else(|| Error::Label(label.into()))?.copy_from_slice(label.as_bytes());
    Ok(padded)
}

fn write_at(out: &mut (impl Write + Seek), position: u64, bytes: &[u8]) -> io::Result<()> {
    out.seek(SeekFrom::Start(position))?;
    out.write_all(bytes)
}

#[cfg(test)]
mod tests;
