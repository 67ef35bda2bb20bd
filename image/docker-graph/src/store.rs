//! Docker's data root on the `vfs` driver, as the engine itself lays it out: `image/vfs` with configurations, layers and
//! names, `vfs/dir` with a tree for each layer.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FlockOperation, StatxFlags};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::Error;
use crate::image::{Image, familiar, familiar_name};

/// What our own folders in a data root begin with.
const STAGING: &str = ".helix-docker-graph-";
/// The driver, as the engine calls it.
const DRIVER: &str = "vfs";
/// The folders that layers and images are put into, with the engine's modes.
const FOLDERS: [(&str, u32); 12] = [
    ("image", 0o700),
    ("image/vfs", 0o700),
    ("image/vfs/distribution", 0o700),
    ("image/vfs/imagedb", 0o700),
    ("image/vfs/imagedb/content", 0o700),
    ("image/vfs/imagedb/content/sha256", 0o700),
    ("image/vfs/imagedb/metadata", 0o700),
    ("image/vfs/imagedb/metadata/sha256", 0o700),
    ("image/vfs/layerdb", 0o700),
    ("image/vfs/layerdb/sha256", 0o755),
    ("vfs", 0o710),
    ("vfs/dir", 0o710),
];
/// The largest file of the engine's that is read, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// A data root that nobody else uses.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    /// The folders of it that were made and hold nothing yet.
    made: Vec<PathBuf>,
    /// Other drivers with which an engine has used it.
    others: Vec<String>,
    /// Holds the lock.
    _lock: File,
}

/// Names of images: repository, then reference, then image id.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Repositories {
    #[serde(rename = "Repositories", default)]
    repositories: BTreeMap<String, BTreeMap<String, String>>,
}

/// Where in a registry a layer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    #[serde(rename = "Digest")]
    digest: String,
    #[serde(rename = "SourceRepository")]
    repository: String,
    #[serde(rename = "HMAC", default)]
    hmac: String,
}

/// A layer that is ready to be moved to its place.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) chain_id: Digest,
    /// The tree.
    pub(crate) tree: PathBuf,
    /// The folder with the engine's files about the layer.
    pub(crate) about: PathBuf,
}

impl Store {
    /// Opens the data root and makes its folders.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let made = make_folder(root, 0o710)?;
        let root = root.canonicalize().map_err(Error::io("looking up", root))?;
        let lock = File::open(&root).map_err(Error::io("opening", &root))?;
        let busy = |reason: &str| Error::DataRoot { path: root.clone(), reason: reason.to_owned() };
        if !locked(&lock) {
            return Err(busy("another docker-graph is at work in this data root; try again when it is done"));
        }
        // The engine holds its list of volumes as long as it runs.
        if let Ok(volumes) = File::open(root.join("volumes/metadata.db"))
            && rustix::fs::flock(&volumes, FlockOperation::NonBlockingLockShared).is_err()
        {
            return Err(busy(
                "a Docker engine is running on this data root; stop it first (systemctl stop docker.socket docker)",
            ));
        }
        let others = other_drivers(&root);
        if !others.is_empty() && !root.join("image").join(DRIVER).exists() {
            return Err(busy(&format!(
                "an engine uses this data root with {}, and would not see images of the driver {DRIVER}; name another one, \
                 or start the engine on it once with \"storage-driver\": \"{DRIVER}\" (Docker 29 and newer: and with \
                 \"features\": {{\"containerd-snapshotter\": false}}) in daemon.json, stop it, and try again",
                others.join(" and ")
            )));
        }
        check_mounts(&root)?;
        let made = made.then(|| root.clone()).into_iter().collect();
        let mut store = Self { root, made, others, _lock: lock };
        for (folder, mode) in FOLDERS {
            let folder = store.root.join(folder);
            if make_folder(&folder, mode)? {
                store.made.push(folder);
            }
        }
        store.clear_leftovers()?;
        Ok(store)
    }

    /// What an engine has to know to find the images.
    pub(crate) fn note(&self) -> Option<String> {
        let others = Some(self.others.join(" and ")).filter(|others| !others.is_empty())?;
        Some(format!(
            "{} is used with {others} too: an engine sees the images only with \"storage-driver\": \"{DRIVER}\"",
            self.root.display()
        ))
    }

    /// What killed runs left.
    fn clear_leftovers(&self) -> Result<(), Error> {
        for entry in std::fs::read_dir(&self.root).map_err(Error::io("reading", &self.root))? {
            let entry = entry.map_err(Error::io("reading", &self.root))?;
            if entry.file_name().to_string_lossy().starts_with(STAGING) {
                std::fs::remove_dir_all(entry.path()).map_err(Error::io("removing", &entry.path()))?;
            }
        }
        Ok(())
    }

    /// A folder in the data root for what is not whole yet; it goes with its handle.
    pub(crate) fn staging(&self) -> Result<tempfile::TempDir, Error> {
        tempfile::Builder::new()
            .prefix(STAGING)
            .tempdir_in(&self.root)
            .map_err(Error::io("making a folder in", &self.root))
    }

    fn layer_folder(&self, chain_id: &Digest) -> PathBuf {
        layer_folder(&self.root, chain_id)
    }

    fn config_file(&self, id: &Digest) -> PathBuf {
        id.below(&self.root.join("image/vfs/imagedb/content"))
    }

    fn tree_folder(&self, cache_id: &str) -> PathBuf {
        tree_folder(&self.root, cache_id)
    }

    /// The tree of a layer, if the store has it, whoever made it.
    pub(crate) fn tree(&self, chain_id: &Digest) -> Option<PathBuf> {
        tree(&self.root, chain_id)
    }

    /// Whether image, layers and names are all there already.
    pub(crate) fn has(&self, image: &Image) -> Result<bool, Error> {
        let known = self.repositories()?;
        let named = image.names.iter().all(|name| {
            let there = known.repositories.get(&familiar_name(name));
            familiar(name).iter().all(|f| there.and_then(|r| r.get(f)) == Some(&image.id.to_string()))
        });
        let whole = std::fs::read(self.config_file(&image.id)).is_ok_and(|config| config == image.config);
        Ok(named && whole && image.chain().iter().all(|chain_id| self.tree(chain_id).is_some()))
    }

    fn repositories_file(&self) -> PathBuf {
        self.root.join("image/vfs/repositories.json")
    }

    fn repositories(&self) -> Result<Repositories, Error> {
        let file = self.repositories_file();
        let text = match read_bounded(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Repositories::default()),
            Err(e) => return Err(Error::io("reading", &file)(e)),
        };
        serde_json::from_slice(&text)
            .map_err(|e| Error::DataRoot { path: file, reason: format!("cannot be read: {e}") })
    }

    /// Puts layers and images into their places: first what nothing refers to yet, the names last. After an error
    /// everything is as it was before.
    pub(crate) fn commit(&mut self, layers: &[Staged], images: &[Image]) -> Result<(), Error> {
        let mut undo = Undo(Vec::new());
        for layer in layers {
            let cache_id = cache_id(&layer.chain_id);
            let tree = self.tree_folder(&cache_id);
            // A run that was killed between the two moves leaves a tree that nothing knows of.
            remove_if_there(&tree)?;
            self.place(&layer.tree, &tree, &mut undo)?;
            let about = self.layer_folder(&layer.chain_id);
            remove_if_there(&about)?;
            self.place(&layer.about, &about, &mut undo)?;
        }
        for image in images {
            let file = self.config_file(&image.id);
            if !file.exists() {
                write_whole(&file, &image.config, 0o600)?;
                undo.0.push(file);
            }
            self.note_origins(image, &mut undo)?;
        }
        let mut names = self.repositories()?;
        let before = names.clone();
        for image in images {
            for name in &image.names {
                let list = names.repositories.entry(familiar_name(name)).or_default();
                for familiar in familiar(name) {
                    list.insert(familiar, image.id.to_string());
                }
            }
        }
        let file = self.repositories_file();
        if names != before || !file.exists() {
            write_whole(&file, &serde_json::to_vec(&names).expect("names are plain data"), 0o600)?;
        }
        undo.0.clear();
        self.made.clear();
        Ok(())
    }

    fn place(&self, from: &Path, to: &Path, undo: &mut Undo) -> Result<(), Error> {
        std::fs::rename(from, to).map_err(Error::io("moving a layer to", to))?;
        undo.0.push(to.to_owned());
        Ok(())
    }

    /// Where the layers of a pulled image are in its registry: a later push does not upload them again.
    fn note_origins(&self, image: &Image, undo: &mut Undo) -> Result<(), Error> {
        let Some(from) = &image.pulled_from else { return Ok(()) };
        let repository = format!("{}/{}", from.registry(), from.repository());
        let folder = self.root.join("image/vfs/distribution");
        for layer in &image.layers {
            let Some(digest) = layer.blob.as_ref().and_then(|blob| blob.digest.as_ref()) else { continue };
            let by_digest = digest.below(&folder.join("diffid-by-digest"));
            let by_diff_id = layer.diff_id.below(&folder.join("v2metadata-by-diffid"));
            for file in [&by_digest, &by_diff_id] {
                let parent = file.parent().expect("a file lies in a folder");
                make_folder(parent.parent().expect("below distribution"), 0o755)?;
                make_folder(parent, 0o755)?;
            }
            if !by_digest.exists() {
                write_whole(&by_digest, layer.diff_id.to_string().as_bytes(), 0o644)?;
                undo.0.push(by_digest);
            }
            let known = read_bounded(&by_diff_id).unwrap_or_default();
            let mut origins: Vec<Origin> = serde_json::from_slice(&known).unwrap_or_default();
            let origin = Origin { digest: digest.to_string(), repository: repository.clone(), hmac: String::new() };
            if !origins.contains(&origin) {
                let fresh = origins.is_empty();
                origins.push(origin);
                write_whole(&by_diff_id, &serde_json::to_vec(&origins).expect("origins are plain data"), 0o644)?;
                if fresh {
                    undo.0.push(by_diff_id);
                }
            }
        }
        Ok(())
    }

    /// Makes sure that the disk has everything.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let root = File::open(&self.root).map_err(Error::io("opening", &self.root))?;
        rustix::fs::syncfs(&root).map_err(Error::os("flushing", &self.root))
    }
}

/// Whether the file is locked now. A program that this process starts at the moment has a copy of each open file until it
/// runs, and so of a lock that was just given back: a second is enough for that.
fn locked(file: &File) -> bool {
    (0..20).any(|_| {
        let done = rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive).is_ok();
        if !done {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        done
    })
}

/// The tree of a layer in the data root at `root`, if it is there.
pub(crate) fn tree(root: &Path, chain_id: &Digest) -> Option<PathBuf> {
    let folder = layer_folder(root, chain_id);
    let cache_id = std::fs::read_to_string(folder.join("cache-id")).ok()?;
    let cache_id = cache_id.trim();
    let plain = !cache_id.is_empty() && cache_id.bytes().all(|b| b.is_ascii_alphanumeric());
    let tree = tree_folder(root, cache_id);
    (plain && folder.join("diff").exists() && tree.is_dir()).then_some(tree)
}

fn layer_folder(root: &Path, chain_id: &Digest) -> PathBuf {
    chain_id.below(&root.join("image/vfs/layerdb"))
}

fn tree_folder(root: &Path, cache_id: &str) -> PathBuf {
    root.join("vfs/dir").join(cache_id)
}

/// The name of a layer's tree. The engine draws it at random; here the same layer has the same, for reproducible disks.
pub(crate) fn cache_id(chain_id: &Digest) -> String {
    Digest::of(format!("helix-docker-graph {chain_id}").as_bytes()).hex().to_owned()
}

/// Writes the engine's files about a layer but for the description of its stream.
pub(crate) fn write_about(
    folder: &Path,
    chain_id: &Digest,
    diff_id: &Digest,
    parent: Option<&Digest>,
    size: u64,
) -> Result<(), Error> {
    set_mode(folder, 0o755)?;
    let write = |name: &str, text: String| {
        let file = folder.join(name);
        std::fs::write(&file, text).map_err(Error::io("writing", &file))?;
        set_mode(&file, 0o644)
    };
    write("diff", diff_id.to_string())?;
    write("size", size.to_string())?;
    write("cache-id", cache_id(chain_id))?;
    parent.map_or(Ok(()), |parent| write("parent", parent.to_string()))
}

impl Drop for Store {
    fn drop(&mut self) {
        // After an error the data root is as it was. What others have put in is theirs: it is not empty then.
        for folder in self.made.iter().rev() {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Removes what was put into its place, unless it is emptied.
struct Undo(Vec<PathBuf>);

impl Drop for Undo {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            if let Err(e) = remove_if_there(path) {
                tracing::warn!("{e}");
            }
        }
    }
}

fn remove_if_there(path: &Path) -> Result<(), Error> {
    let result = match path.symlink_metadata() {
        Ok(stat) if stat.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(_) => Ok(()),
    };
    result.map_err(Error::io("removing", path))
}

/// Makes a folder, unless it is there; says whether it was made.
fn make_folder(path: &Path, mode: u32) -> Result<bool, Error> {
    match std::fs::DirBuilder::new().mode(mode).create(path) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        other => {
            other.map_err(Error::io("making", path))?;
            set_mode(path, mode)?;
            Ok(true)
        }
    }
}

/// Sets a mode that does not depend on the umask of this process.
pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(Error::io("setting the mode of", path))
}

/// What an engine has used the data root with, other than this driver. Each graph driver has a folder below `image`; an
/// engine with containerd's image store has none, but has left its own id.
fn other_drivers(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root.join("image")).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut drivers: Vec<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    if drivers.is_empty() && root.join("engine-id").exists() {
        return vec!["containerd's image store".to_owned()];
    }
    drivers.retain(|driver| driver != DRIVER);
    drivers.sort();
    drivers.into_iter().map(|driver| format!("the driver {driver}")).collect()
}

/// Layers are moved to their places when they are whole, and share files: both work within one mount alone.
fn check_mounts(root: &Path) -> Result<(), Error> {
    let own = mount_of(root)?;
    for folder in FOLDERS.iter().map(|(folder, _)| root.join(folder)).filter(|folder| folder.exists()) {
        if mount_of(&folder)? != own {
            let reason = "is on another mount than the data root, and layers cannot be moved from one to the other; \
                          unmount it, or name a data root that is all on one mount";
            return Err(Error::DataRoot { path: folder, reason: reason.to_owned() });
        }
    }
    Ok(())
}

/// Device and mount of a folder. Before Linux 5.8, mounts of the same device look the same.
fn mount_of(folder: &Path) -> Result<(u32, u32, u64), Error> {
    let stat = rustix::fs::statx(CWD, folder, AtFlags::empty(), StatxFlags::BASIC_STATS | StatxFlags::MNT_ID);
    let stat = stat.map_err(Error::os("looking at", folder))?;
    Ok((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_mnt_id))
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut text = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut text)?;
    Ok(text)
}

/// Writes aside and renames.
fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let aside = path.with_extension("helix-partial");
    let write = || -> std::io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(mode).open(&aside)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_data()?;
        std::fs::rename(&aside, path)
    };
    write().map_err(Error::io("writing", path))
}
