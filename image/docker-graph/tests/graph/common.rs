//! A folder with a data root, and ways to look at it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use helix_docker_graph::{Digest, Error, Image, Options, Platform, Report, assemble, import, read_archive};

use crate::craft::{Crafted, saved};

/// A data root in a folder of its own.
pub(crate) struct Root {
    dir: tempfile::TempDir,
}

impl Root {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Images of an archive with these bytes.
    pub(crate) fn read(&self, archive: &[u8]) -> Result<Vec<Image>, Error> {
        self.read_one(archive, "", None)
    }

    /// One image of an archive, by what follows the archive's path, with another name.
    pub(crate) fn read_one(&self, archive: &[u8], which: &str, name: Option<&str>) -> Result<Vec<Image>, Error> {
        let file = self.path("archive.tar");
        std::fs::write(&file, archive).expect("an archive");
        let name = name.map(|name| name.parse().expect("a name"));
        read_archive(&self.path(&format!("archive.tar{which}")), name.as_ref(), &platform(), self.dir.path())
    }

    pub(crate) fn import(&self, images: &[Crafted], options: &Options) -> Result<Report, Error> {
        import(&self.data(), &self.read(&saved(images))?, options)
    }

    pub(crate) fn add(&self, images: &[Crafted]) -> Report {
        self.import(images, &Options::default()).unwrap_or_else(|e| panic!("{e}"))
    }

    /// The tree of the layer with this chain id.
    pub(crate) fn tree(&self, chain_id: &Digest) -> PathBuf {
        let cache_id = self.about(chain_id, "cache-id");
        self.data().join("vfs/dir").join(cache_id)
    }

    pub(crate) fn about(&self, chain_id: &Digest, file: &str) -> String {
        let path = self.data().join("image/vfs/layerdb/sha256").join(chain_id.hex()).join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// The uppermost tree of an image.
    pub(crate) fn top(&self, image: &Crafted) -> PathBuf {
        self.tree(chain(image).last().expect("an image has layers"))
    }

    /// All layers of an image give back the bytes that they were made of.
    pub(crate) fn assert_layers_come_back(&self, image: &Crafted) {
        for (chain_id, layer) in chain(image).iter().zip(&image.layers) {
            let folder = self.data().join("image/vfs/layerdb/sha256").join(chain_id.hex());
            let tree = self.tree(chain_id);
            // As the engine does it: the name below the tree, whatever links are on the way.
            let open = |name: &[u8]| {
                let mut path = tree.clone().into_os_string();
                path.push("/");
                path.push(OsStr::from_bytes(name));
                Ok(Box::new(std::fs::File::open(path)?) as Box<dyn Read>)
            };
            let description = std::fs::File::open(folder.join("tar-split.json.gz")).expect("a description");
            let mut stream = Vec::new();
            assemble(description, open, &mut stream).unwrap_or_else(|e| panic!("layer {chain_id}: {e}"));
            assert!(stream == *layer, "layer {chain_id} came back as {} bytes, not {}", stream.len(), layer.len());
        }
    }
}

pub(crate) fn platform() -> Platform {
    Platform { architecture: if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }.to_owned() }
}

/// The chain ids of an image, by the definition in the OCI's image specification.
pub(crate) fn chain(image: &Crafted) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::new();
    for diff_id in image.diff_ids() {
        let next =
            chain.last().map_or_else(|| diff_id.clone(), |below| Digest::of(format!("{below} {diff_id}").as_bytes()));
        chain.push(next);
    }
    chain
}

/// Everything below a folder, a line for each name: kind, mode, owner, time and content.
pub(crate) fn listing(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in walk(folder) {
        let stat = entry.symlink_metadata().expect("a file of the tree");
        let kind = stat.file_type();
        let content = if kind.is_file() {
            Digest::of(&std::fs::read(&entry).expect("a file of the tree")).hex()[..12].to_owned()
        } else if kind.is_symlink() {
            format!("-> {}", std::fs::read_link(&entry).expect("a link").display())
        } else if kind.is_dir() {
            "folder".to_owned()
        } else if kind.is_fifo() {
            "fifo".to_owned()
        } else {
            format!("device {:x}", stat.rdev())
        };
        let name =
            entry.strip_prefix(folder).expect("below the folder").as_os_str().as_bytes().escape_ascii().to_string();
        let mode = stat.permissions().mode() & 0o7777;
        found.insert(
            name,
            format!("{mode:o} {}:{} {}.{:09} {content}", stat.uid(), stat.gid(), stat.mtime(), stat.mtime_nsec()),
        );
    }
    found
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry")) {
        found.push(entry.path());
        if entry.file_type().expect("a kind").is_dir() {
            found.extend(walk(&entry.path()));
        }
    }
    found
}

/// The names below a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    listing(folder).into_keys().collect()
}
