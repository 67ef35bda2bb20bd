//! A file in the making: it gets its name when it is whole, or vanishes.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// The file `.NAME.partial` beside its place. What a killed process left under that name is written over.
#[derive(Debug)]
pub(crate) struct Aside {
    file: File,
    path: PathBuf,
    place: PathBuf,
}

impl Aside {
    pub(crate) fn start(place: &Path) -> Result<Self, Error> {
        let missing = || Error::io("writing", place)(std::io::Error::other("this is no name of a file"));
        let name = place.file_name().and_then(|n| n.to_str()).ok_or_else(missing)?;
        let path = place.with_file_name(format!(".{name}.partial"));
        let file = locked(&path, place)?;
        file.set_len(0).map_err(Error::io("writing", &path))?;
        Ok(Self { file, path, place: place.to_owned() })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file that it becomes.
    pub(crate) fn place(&self) -> &Path {
        &self.place
    }

    /// Flushes the file and gives it its name.
    pub(crate) fn finish(self) -> Result<(), Error> {
        self.file.sync_all().map_err(Error::io("flushing", &self.path))?;
        std::fs::rename(&self.path, &self.place).map_err(Error::io("naming", &self.place))?;
        let folder = folder_of(&self.place);
        let flushed = File::open(folder).and_then(|f| f.sync_all()).map_err(Error::io("flushing", folder));
        // The name is taken now; there is nothing left to remove.
        std::mem::forget(self);
        flushed
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // An error is already under way, and the next run writes over the file.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Opens and locks. Whoever had the lock before may have given the file its final name, so what was locked must still be
/// what the path leads to.
fn locked(path: &Path, place: &Path) -> Result<File, Error> {
    loop {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(Error::io("writing", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { path: place.to_owned() }),
            Err(TryLockError::Error(e)) => return Err(Error::io("locking", path)(e)),
        }
        let inode = file.metadata().map_err(Error::io("reading", path))?.ino();
        if std::fs::symlink_metadata(path).is_ok_and(|m| m.ino() == inode) {
            return Ok(file);
        }
    }
}
