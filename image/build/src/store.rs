//! The cache: everything that was made, under the key of its inputs.
//!
//! An entry is made aside and renamed when it is whole and on the disk, so that a half-made one is never taken for a
//! whole one; a lock per entry keeps two builds from making the same one at once.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use helix_rootfs::fetch::Blobs;

use crate::Error;
use crate::key::Inputs;

/// The kinds of entries, each a folder of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Package files, by sha256.
    Packages,
    /// Artifacts, by sha256.
    Blobs,
    /// Trees and what was made from them, by key.
    Trees,
    /// Tools trees, by key.
    Tools,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Packages, Self::Trees, Self::Tools, Self::Blobs];

    /// The folder's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Packages => "packages",
            Self::Blobs => "blobs",
            Self::Trees => "trees",
            Self::Tools => "tools",
        }
    }
}

/// The cache folder.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// Prefix of entries in the making.
pub(crate) const PARTIAL: &str = ".partial-";

impl Store {
    /// Opens the cache at `root`, which is made.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: &Path) -> Result<Self, Error> {
        for dir in Kind::ALL.map(Kind::name).into_iter().chain(["locks", "last", "apt", "run"]) {
            let path = root.join(dir);
            std::fs::create_dir_all(&path).map_err(|e| Error::io("making the cache folder", &path, e))?;
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The folder of one kind of entries, or of the cache's own files (`locks`, `last`, `apt`, `run`).
    pub fn dir(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Files by digest.
    pub fn blobs(&self, kind: Kind, offline: bool) -> Blobs {
        Blobs::new(&self.dir(kind.name()), offline)
    }

    /// The entry, if it is there and whole; this marks it as used.
    pub fn get(&self, kind: Kind, key: &str) -> Option<PathBuf> {
        let path = self.dir(kind.name()).join(key);
        let marker = File::options().write(true).open(path.join("inputs.json")).ok()?;
        // When an entry was last used decides what `cache gc` removes; failing to note it harms nothing.
        let _ = marker.set_modified(SystemTime::now());
        Some(path)
    }

    /// The entry, made by `make` in an empty folder when it is not there yet.
    ///
    /// # Errors
    /// Those of `make`; and when the entry cannot be written.
    pub fn get_or_make(
        &self,
        kind: Kind,
        inputs: &Inputs,
        make: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<PathBuf, Error> {
        let key = inputs.key();
        if let Some(path) = self.get(kind, &key) {
            return Ok(path);
        }
        let _lock = self.lock(&format!("{}-{key}", kind.name()))?;
        if let Some(path) = self.get(kind, &key) {
            return Ok(path);
        }
        let folder = self.dir(kind.name());
        let aside = folder.join(format!("{PARTIAL}{key}"));
        // We hold the lock: whoever left this behind is gone.
        remove_tree(&aside)?;
        std::fs::create_dir(&aside).map_err(|e| Error::io("making", &aside, e))?;
        make(&aside)?;
        let marker = aside.join("inputs.json");
        std::fs::write(&marker, inputs.to_json()).map_err(|e| Error::io("writing", &marker, e))?;
        flush(&aside)?;
        let path = folder.join(&key);
        std::fs::rename(&aside, &path).map_err(|e| Error::io("finishing", &path, e))?;
        Ok(path)
    }

    /// Takes the lock of this name, waiting for another build that holds it.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub fn lock(&self, name: &str) -> Result<File, Error> {
        let path = self.dir("locks").join(name);
        let file = File::create(&path).map_err(|e| Error::io("making the lock", &path, e))?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                tracing::info!("waiting for another build that is making the same ({name})")
            }
            Err(TryLockError::Error(e)) => return Err(Error::io("locking", &path, e)),
        }
        file.lock().map_err(|e| Error::io("locking", &path, e))?;
        Ok(file)
    }

    /// Takes the lock of a folder that results go into.
    pub(crate) fn lock_output(&self, folder: &Path) -> Result<File, Error> {
        let name = blake3::hash(folder.as_os_str().as_encoded_bytes()).to_hex();
        self.lock(&format!("output-{}", &name[..16]))
    }

    /// Whether somebody holds the lock of this name now.
    pub(crate) fn is_locked(&self, name: &str) -> bool {
        File::open(self.dir("locks").join(name))
            .is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// The inputs that a step had the last time, for `plan`.
    pub fn last(&self, name: &str) -> Option<Inputs> {
        Inputs::read(&self.dir("last").join(name))
    }

    /// Notes the inputs of a step that is done.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub fn set_last(&self, name: &str, inputs: &Inputs) -> Result<(), Error> {
        let path = self.dir("last").join(name);
        std::fs::write(&path, inputs.to_json()).map_err(|e| Error::io("writing", &path, e))
    }
}

/// Removes a folder with all it holds; nothing there is fine.
pub(crate) fn remove_tree(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("removing", path, e)),
        _ => Ok(()),
    }
}

/// Brings everything on the file system of `path` to the disk.
pub(crate) fn flush(path: &Path) -> Result<(), Error> {
    let file = File::open(path).map_err(|e| Error::io("flushing", path, e))?;
    rustix::fs::syncfs(&file).map_err(|e| Error::io("flushing", path, e.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_made_once_and_a_failed_one_leaves_nothing_that_counts() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let inputs = Inputs::of("test", 1);
        let failed = store.get_or_make(Kind::Trees, &inputs, |path| {
            std::fs::write(path.join("half"), "").unwrap();
            Err(Error::Usage("no".into()))
        });
        assert!(failed.is_err() && store.get(Kind::Trees, &inputs.key()).is_none());
        let path = store
            .get_or_make(Kind::Trees, &inputs, |path| {
                assert!(!path.join("half").exists(), "what a failed try left must be gone");
                std::fs::write(path.join("whole"), "").unwrap();
                Ok(())
            })
            .unwrap();
        assert!(path.join("whole").exists());
        let again = store.get_or_make(Kind::Trees, &inputs, |_| panic!("it is there already")).unwrap();
        assert_eq!(path, again);
    }

    #[test]
    fn two_builds_make_an_entry_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let made = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    store.get_or_make(Kind::Trees, &Inputs::of("test", 2), |path| {
                        made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_millis(50));
                        std::fs::write(path.join("x"), "").map_err(|e| Error::io("writing", path, e))
                    })
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }
}
