//! The folder of a bundle: it is made aside, and takes its name when it is whole.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Only a bundle has both in it.
const MARKS: [&str; 2] = [helix_provenance::STATEMENT, crate::make::APP];

/// A bundle in the making. What an interrupted attempt left is removed.
#[derive(Debug)]
pub(crate) struct Output {
    place: PathBuf,
    aside: PathBuf,
    old: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

impl Output {
    /// Makes the folder aside.
    pub(crate) fn start(place: &Path) -> Result<Self, Error> {
        let place = std::path::absolute(place).map_err(Error::io("looking for", place))?;
        let refuse = |why| Error::Place { path: place.clone(), why };
        let name = place.file_name().and_then(|name| name.to_str()).ok_or(refuse("this is no name of a folder"))?;
        let parent = place.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).map_err(Error::io("making", parent))?;
        let beside = |end: &str| place.with_file_name(format!(".{name}.{end}"));
        let lock = beside("lock");
        let file = File::create(&lock).map_err(Error::io("opening", &lock))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(refuse("is being made by another process; wait for it, or choose another --output"));
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("locking", &lock)(error)),
        }
        if place.symlink_metadata().is_ok() && !is_bundle_or_empty(&place) {
            return Err(refuse("is there and is no bundle; remove it, or choose another --output"));
        }
        let (aside, old) = (beside("new"), beside("old"));
        if old.exists() && !place.exists() {
            // It was interrupted between the two steps of taking its name.
            fs::rename(&old, &place).map_err(Error::io("giving back its name to", &place))?;
        }
        remove(&aside)?;
        fs::create_dir(&aside).map_err(Error::io("making", &aside))?;
        Ok(Self { place, aside, old, _lock: file })
    }

    /// The folder in which everything is made.
    pub(crate) fn folder(&self) -> &Path {
        &self.aside
    }

    /// Puts it in the place of an earlier bundle, and says where it is.
    pub(crate) fn finish(&self) -> Result<&Path, Error> {
        remove(&self.old)?;
        if self.place.exists() {
            fs::rename(&self.place, &self.old).map_err(Error::io("moving away", &self.place))?;
        }
        fs::rename(&self.aside, &self.place).map_err(Error::io("giving its name to", &self.place))?;
        let parent = self.place.parent().unwrap_or(Path::new("/"));
        File::open(parent).and_then(|folder| folder.sync_all()).map_err(Error::io("flushing", parent))?;
        remove(&self.old)?;
        Ok(&self.place)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // An error is already under way, and the next run removes what is left.
        let _ = fs::remove_dir_all(&self.aside);
    }
}

fn is_bundle_or_empty(place: &Path) -> bool {
    MARKS.iter().all(|mark| place.join(mark).exists())
        || fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_none())
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("removing", folder)(error)),
        _ => Ok(()),
    }
}
