//! Container images put into a Docker data root on the `vfs` driver, without an engine.
//!
//! The result is what the engine itself would have written, so that it starts with the images there: trees under
//! `vfs/dir`, and under `image/vfs` their configurations, layers and names, with everything that is needed to give each
//! layer back with its original digest.
//!
//! Layers are read in parallel, each once, into a staging folder inside the data root. The tree after each layer is then
//! put together in memory, where all looking up of paths is done, and made on the disk of names of the staged files: what
//! a layer does not change is there once. At the end everything is moved to its place, names last. An error leaves the
//! data root as it was; what a killed run leaves is removed by the next.
//!
//! This crate knows of no recipe and of no virtual machine.

mod archive;
mod digest;
mod error;
mod image;
mod inode;
mod layer;
mod layout;
mod manifest;
mod pack;
mod plant;
mod registry;
mod store;
mod tar_split;
mod tar_stream;
mod tree;

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use crate::archive::{read_archive, read_layout};
pub use crate::digest::Digest;
pub use crate::error::Error;
pub use crate::image::{Blob, Image, Layer};
pub use crate::layer::Limits;
pub use crate::layout::write_layout;
pub use crate::manifest::Platform;
pub use crate::pack::{Packed, compose, flatten, pack};
pub use crate::plant::Sharing;
pub use crate::registry::{BlobCache, Patience, digest_of, pull};
pub use crate::tar_split::assemble;
pub use oci_spec::distribution::Reference;

use crate::error::Fault;
use crate::inode::{Content, Inode, LeftOut, Place};
use crate::layer::Extracted;
use crate::store::{Staged, Store};
use crate::tar_split::Inline;
use crate::tar_stream::{Meta, Time};
use crate::tree::Tree;

/// The most files that a layer may change by hard links to them: each is copied, and looked for in the whole tree.
const MAX_REMADE: u32 = 10_000;

/// How images are put into a data root.
#[derive(Debug, Clone)]
pub struct Options {
    /// How layers share what is the same in them.
    pub sharing: Sharing,
    /// How many layers are read and made at the same time.
    pub threads: NonZeroUsize,
    /// Bounds for each layer.
    pub limits: Limits,
    /// Whether device nodes are made. Where they are not, the image works without them, and its layers still come back
    /// with their digests.
    pub devices: bool,
    /// The time of the root folder of each tree, which no layer states, in seconds since 1970.
    pub time: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sharing: Sharing::default(),
            // One more than there are processors, because now and then one waits for the disk.
            threads: std::thread::available_parallelism().map_or(NonZeroUsize::MIN, |n| n.saturating_add(1)),
            limits: Limits::default(),
            devices: true,
            time: 0,
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The images that were put into the data root; the others were there.
    pub added: Vec<Digest>,
    /// How many layers were added.
    pub layers: usize,
    /// What the disk does not have although an image states it, with the image: device nodes, extended attributes.
    pub left_out: Vec<String>,
}

/// Puts `images` into the data root, which is made if it is not there.
///
/// # Errors
/// When an image is damaged or not what it should be, when the data root is in use, and when the system refuses
/// something. The data root is as it was then.
pub fn import(data_root: &Path, images: &[Image], options: &Options) -> Result<Report, Error> {
    let mut store = Store::open(data_root)?;
    let mut missing = Vec::new();
    for image in images {
        if !store.has(image)? {
            missing.push(image.clone());
        }
    }
    if missing.is_empty() {
        return Ok(Report::default());
    }
    let staging = store.staging()?;
    let mut work = Import { store: &store, staging: staging.path(), options, left_out: LeftOut::default() };
    let extracted = work.extract(&missing)?;
    // The disk writes what was read while the trees are made.
    let staged = std::thread::scope(|scope| {
        scope.spawn(|| store.sync());
        let planned = work.plan(&missing, &extracted)?;
        work.plant(&planned)
    })?;
    let mut left_out = work.left_out.0;
    store.sync()?;
    store.commit(&staged, &missing)?;
    store.sync()?;
    left_out.sort();
    left_out.dedup();
    Ok(Report { added: missing.into_iter().map(|image| image.id).collect(), layers: staged.len(), left_out })
}

/// A layer whose tree is known.
struct Planned<'a> {
    origin: &'a str,
    chain_id: Digest,
    parent: Option<Digest>,
    extracted: &'a Extracted,
    tree: Tree,
}

struct Import<'a> {
    store: &'a Store,
    staging: &'a Path,
    options: &'a Options,
    left_out: LeftOut,
}

impl Import<'_> {
    /// Reads all layers that the store does not have, each once, however many images hold it.
    fn extract(&mut self, images: &[Image]) -> Result<HashMap<Digest, Extracted>, Error> {
        let mut wanted: Vec<(&Image, usize)> = Vec::new();
        let mut seen = HashSet::new();
        for image in images {
            for (at, chain_id) in image.chain().iter().enumerate() {
                if self.store.tree(chain_id).is_none() && seen.insert(&image.layers[at].diff_id) {
                    wanted.push((image, at));
                }
            }
        }
        // The largest first, so that no thread is left with it at the end.
        wanted.sort_by_key(|(image, at)| std::cmp::Reverse(image.layers[*at].blob.length));
        let results = parallel(&wanted, self.options.threads, |(image, at)| {
            let layer = &image.layers[*at];
            let told = |fault: Fault| {
                Error::of_fault(&image.origin, fault.at(format_args!("layer {} ({})", at + 1, layer.diff_id)))
            };
            let folder = self.staging.join(layer.diff_id.hex());
            std::fs::create_dir(&folder).map_err(Error::io("making", &folder))?;
            let extracted =
                layer::extract(&layer.blob, &layer.diff_id, &folder, self.options.limits, self.options.devices)
                    .map_err(told)?;
            if extracted.diff_id != layer.diff_id {
                return Err(told(format!("it unpacks to {}; nothing of it was used", extracted.diff_id).into()));
            }
            Ok((layer.diff_id.clone(), extracted, image.origin.clone()))
        });
        let mut extracted = HashMap::new();
        for result in results {
            let (diff_id, mut layer, origin) = result?;
            let noted = std::mem::take(&mut layer.left_out.0);
            self.left_out.0.extend(noted.into_iter().map(|what| format!("{origin}: {what}")));
            extracted.insert(diff_id, layer);
        }
        Ok(extracted)
    }

    /// Puts the trees together.
    fn plan<'e>(
        &self,
        images: &'e [Image],
        extracted: &'e HashMap<Digest, Extracted>,
    ) -> Result<Vec<Planned<'e>>, Error> {
        let mut planned: Vec<Planned<'e>> = Vec::new();
        let time = Time { seconds: self.options.time, nanoseconds: 0 };
        for image in images {
            let chain = image.chain();
            let mut tree: Option<Tree> = None;
            for (at, chain_id) in chain.iter().enumerate() {
                if let Some(done) = planned.iter().find(|p| p.chain_id == *chain_id) {
                    tree = Some(done.tree.clone());
                    continue;
                }
                if let Some(there) = self.store.tree(chain_id) {
                    // Only the tree that something is put on has to be read.
                    let next_is_missing = chain.get(at + 1).is_some_and(|next| self.store.tree(next).is_none());
                    if next_is_missing {
                        tree = Some(Tree::read(&there).map_err(Error::io("reading", &there))?);
                    }
                    continue;
                }
                let layer = &extracted[&image.layers[at].diff_id];
                let mut next = tree.take().unwrap_or_else(|| Tree::new(time));
                let (mut remade, mut copied) = (0, 0);
                let mut remake = |inode: &Inode, meta: &Meta| {
                    remade += 1;
                    copied += inode.path().symlink_metadata().map_or(0, |stat| stat.len());
                    if remade > MAX_REMADE || copied > self.options.limits.bytes {
                        return Err("the layer changes too many files by hard links".into());
                    }
                    let path = self.staging.join(format!("{}-{remade}", chain_id.hex()));
                    remake(inode, meta, path)
                };
                next.apply(&layer.changes, &mut remake).map_err(|fault| {
                    Error::of_fault(&image.origin, fault.at(format_args!("layer {} ({})", at + 1, layer.diff_id)))
                })?;
                tree = Some(next.clone());
                let parent = at.checked_sub(1).map(|below| chain[below].clone());
                let (origin, chain_id) = (image.origin.as_str(), chain_id.clone());
                planned.push(Planned { origin, chain_id, parent, extracted: layer, tree: next });
            }
        }
        Ok(planned)
    }

    /// Makes the trees and the files about their layers.
    fn plant(&mut self, planned: &[Planned<'_>]) -> Result<Vec<Staged>, Error> {
        let results = parallel(planned, self.options.threads, |layer| {
            let folder = self.staging.join(format!("layer-{}", layer.chain_id.hex()));
            let staged =
                Staged { chain_id: layer.chain_id.clone(), tree: folder.join("tree"), about: folder.join("about") };
            std::fs::create_dir_all(&staged.about).map_err(Error::io("making", &staged.about))?;
            let mut left_out = LeftOut::default();
            plant::plant(&layer.tree, &staged.tree, self.options.sharing, &mut left_out)
                .map_err(|fault| Error::of_fault(layer.origin, fault))?;
            let (diff_id, parent) = (&layer.extracted.diff_id, layer.parent.as_ref());
            store::write_about(&staged.about, &layer.chain_id, diff_id, parent, layer.extracted.size)?;
            describe(layer, &staged.about.join("tar-split.json.gz"))?;
            Ok((staged, left_out))
        });
        let mut staged = Vec::new();
        for result in results {
            let (layer, left_out) = result?;
            staged.push(layer);
            self.left_out.0.extend(left_out.0);
        }
        Ok(staged)
    }
}

/// Writes the description of a layer's stream: as it was read, if the engine will find all contents by their names.
fn describe(layer: &Planned<'_>, target: &Path) -> Result<(), Error> {
    let lost: Vec<Inline> = layer
        .extracted
        .named
        .iter()
        .filter(|named| !tree::finds(&layer.tree, &named.name, &named.inode))
        .map(|named| Inline { position: named.position, content: named.inode.path() })
        .collect();
    let from = &layer.extracted.tar_split;
    let result = if lost.is_empty() {
        // Two chains may hold the same layer.
        std::fs::hard_link(from, target).or_else(|_| std::fs::copy(from, target).map(drop))
    } else {
        tar_split::inline(from, target, &lost)
    };
    result.map_err(Error::io("writing", target))
}

/// A copy of an inode with another owner, mode and time.
fn remake(inode: &Inode, meta: &Meta, path: PathBuf) -> Result<std::sync::Arc<Inode>, Fault> {
    let told = |e: std::io::Error| Fault::from(e).at(format_args!("copying {}", inode.path().display()));
    let mut left_out = LeftOut::default();
    let mut meta = meta.clone();
    match &inode.content {
        Content::Symlink(target) => {
            use std::os::unix::ffi::OsStrExt;
            std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(target), &path).map_err(told)?;
            meta.mtime = inode.meta.mtime;
        }
        Content::File => inode::duplicate(&inode.path(), &path, false).map_err(told)?,
        Content::Special | Content::Missing => return Err("changes a device by a hard link".into()),
    }
    if inode.content == Content::File {
        // A change of owner takes a file's capabilities away: they are set anew, after it.
        meta.xattrs = tree::merged(&inode::xattrs_of(&inode.path()).map_err(told)?, &meta.xattrs);
    }
    inode::set_meta(&path, &meta, b"", &mut left_out).map_err(told)?;
    Ok(std::sync::Arc::new(Inode { place: Place::At(path), content: inode.content.clone(), meta }))
}

/// Does `work` on all `items`, some at the same time; results in the order of the items. After an error, what is not
/// begun is left.
fn parallel<T: Sync, R: Send>(
    items: &[T],
    threads: NonZeroUsize,
    work: impl Fn(&T) -> Result<R, Error> + Sync,
) -> Vec<Result<R, Error>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.get().min(items.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let result = work(item);
                    if result.is_err() {
                        next.store(items.len(), Ordering::Relaxed);
                    }
                    results.lock().expect("no holder panics").push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no holder panics");
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
