//! Looking after the cache: what is in it, what can go.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use walkdir::WalkDir;

use crate::Error;
use crate::store::{Kind, PARTIAL, Store, remove_tree};

/// How long an entry is kept after its last use.
pub const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);

/// One kind of entries.
#[derive(Debug, Serialize)]
pub struct Usage {
    /// `packages`, `trees`, `tools` or `blobs`.
    pub kind: &'static str,
    /// Number of entries.
    pub entries: u64,
    /// Bytes on the disk.
    pub bytes: u64,
}

/// What is in the cache.
///
/// # Errors
/// When it cannot be read.
pub fn usage(store: &Store) -> Result<Vec<Usage>, Error> {
    Kind::ALL
        .into_iter()
        .map(|kind| {
            let dir = store.dir(kind.name());
            let entries = entries(kind, &dir).len() as u64;
            Ok(Usage { kind: kind.name(), entries, bytes: size(&dir) })
        })
        .collect()
}

/// Removes everything of one kind, or of all kinds; returns the bytes that are free again.
///
/// # Errors
/// When something cannot be removed.
pub fn remove(store: &Store, kind: Option<Kind>) -> Result<u64, Error> {
    let mut freed = 0;
    for kind in Kind::ALL.into_iter().filter(|k| kind.is_none_or(|only| only == *k)) {
        let dir = store.dir(kind.name());
        freed += size(&dir);
        remove_tree(&dir)?;
        std::fs::create_dir_all(&dir).map_err(|e| Error::io("making", &dir, e))?;
    }
    Ok(freed)
}

/// Removes what was not used for [`KEEP`], and what killed builds left behind; returns the bytes that are free again.
///
/// # Errors
/// When something cannot be removed.
pub fn collect_garbage(store: &Store) -> Result<u64, Error> {
    let mut freed = 0;
    let limit = SystemTime::now() - KEEP;
    for kind in Kind::ALL {
        for path in entries(kind, &store.dir(kind.name())) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let old = if let Some(key) = name.strip_prefix(PARTIAL) {
                !store.is_locked(&format!("{}-{key}", kind.name()))
            } else {
                last_used(kind, &path).is_some_and(|used| used < limit)
            };
            if old {
                freed += size(&path);
                if path.is_dir() {
                    remove_tree(&path)?
                } else {
                    std::fs::remove_file(&path).map_err(|e| Error::io("removing", &path, e))?
                }
            }
        }
    }
    let run = store.dir("run");
    for entry in std::fs::read_dir(&run).map_err(|e| Error::io("reading", &run, e))?.filter_map(Result::ok) {
        // Logs of failed builds, and work folders of killed ones; a build that is under way is younger.
        let day = Duration::from_secs(24 * 3600);
        let old = entry.metadata().and_then(|m| m.modified()).is_ok_and(|m| m + day < SystemTime::now());
        if old {
            freed += size(&entry.path());
            let is_dir = entry.file_type().is_ok_and(|t| t.is_dir());
            if is_dir {
                remove_tree(&entry.path())?
            } else {
                std::fs::remove_file(entry.path()).map_err(|e| Error::io("removing", &entry.path(), e))?
            }
        }
    }
    Ok(freed)
}

/// Entries with a key are folders right below; files by digest lie one level deeper.
fn entries(kind: Kind, dir: &Path) -> Vec<std::path::PathBuf> {
    let depth = if matches!(kind, Kind::Packages | Kind::Blobs) { 2 } else { 1 };
    WalkDir::new(dir).min_depth(depth).max_depth(depth).into_iter().filter_map(|e| Some(e.ok()?.into_path())).collect()
}

fn last_used(kind: Kind, path: &Path) -> Option<SystemTime> {
    let marker = if matches!(kind, Kind::Packages | Kind::Blobs) { path.to_owned() } else { path.join("inputs.json") };
    // Reading a package does not mark it; its access time, where the file system keeps one, does.
    let meta = std::fs::metadata(marker).ok()?;
    Some(meta.modified().ok()?.max(meta.accessed().ok()?))
}

fn size(path: &Path) -> u64 {
    WalkDir::new(path).into_iter().filter_map(|e| e.ok()?.metadata().ok()).map(|m| m.blocks() * 512).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Inputs;

    #[test]
    fn old_and_half_made_entries_go_and_fresh_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let make = |n| store.get_or_make(Kind::Trees, &Inputs::of("t", n), |_| Ok(())).unwrap();
        let (fresh, old) = (make(1), make(2));
        let then = SystemTime::now() - KEEP - Duration::from_secs(60);
        let times = std::fs::FileTimes::new().set_modified(then).set_accessed(then);
        std::fs::File::open(old.join("inputs.json")).unwrap().set_times(times).unwrap();
        let half = store.dir("trees").join(format!("{PARTIAL}x"));
        std::fs::create_dir(&half).unwrap();
        collect_garbage(&store).unwrap();
        assert!(fresh.exists() && !old.exists() && !half.exists());
        remove(&store, Some(Kind::Trees)).unwrap();
        assert!(!fresh.exists());
    }
}
