//! Layers that the store lacks become trees in the staging folder.
//!
//! Layers are read from the lowest to the highest, some at the same time. As soon as a layer and all below it are read,
//! the tree after it is put together in memory and then made on the disk, while others are still being read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::board::{self, Done, Hands, Planned, Step, Trees};
use crate::error::{Error, Fault};
use crate::image::Image;
use crate::inode::{self, Content, Inode, LeftOut, Place};
use crate::layer::{self, Extracted, Memory};
use crate::stop::Stop;
use crate::store::{self, Staged, Store};
use crate::tar_split::{self, Inline};
use crate::tar_stream::{Meta, Time};
use crate::tree::{self, Tree};
use crate::{Digest, Options, plant};

/// The most files that a layer may change by hard links to them: each is copied, and looked for in the whole tree.
const MAX_REMADE: u32 = 10_000;

/// Reads what the store does not have of `images`, and makes its trees in `staging`; what the disk will not have comes
/// with them.
pub(crate) fn stage(
    store: &Store,
    staging: &Path,
    images: &[Image],
    options: &Options,
) -> Result<(Vec<Staged>, LeftOut), Error> {
    let steps = steps(store, images);
    let stop = Stop::new(options.stop.clone());
    let disk = Disk { store, staging, options, memory: Memory::default(), stop: &stop };
    let Done { staged, left_out } = board::work(&steps, options.threads, &disk, &stop)?;
    // All files have their names in the trees now.
    let read: HashSet<&Digest> = steps.iter().map(Step::diff_id).collect();
    remove_all(read.into_iter().map(|diff_id| staging.join(diff_id.hex())))?;
    Ok((staged, left_out))
}

/// Every layer that is missing, each once, those below before those above.
fn steps<'a>(store: &Store, images: &'a [Image]) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    let mut seen = HashSet::new();
    for image in images {
        let chain = image.chain();
        for (at, chain_id) in chain.iter().enumerate() {
            if store.tree(chain_id).is_none() && seen.insert(chain_id.clone()) {
                let parent = at.checked_sub(1).map(|below| chain[below].clone());
                steps.push(Step { image, at, chain_id: chain_id.clone(), parent });
            }
        }
    }
    steps
}

/// Does the work in a staging folder.
struct Disk<'a> {
    store: &'a Store,
    staging: &'a Path,
    options: &'a Options,
    memory: Memory,
    stop: &'a Stop,
}

impl Hands for Disk<'_> {
    fn read(&self, step: &Step<'_>) -> Result<Extracted, Error> {
        let folder = self.staging.join(step.diff_id().hex());
        std::fs::create_dir(&folder).map_err(Error::io("making", &folder))?;
        let Options { limits, devices, .. } = *self.options;
        let bounds = layer::Bounds { limits, memory: &self.memory, stop: self.stop };
        let extracted = layer::extract(step.blob(), step.diff_id(), &folder, bounds, devices);
        let extracted = extracted.map_err(|fault| step.fault(fault))?;
        if extracted.diff_id != *step.diff_id() {
            return Err(step.fault(format!("it unpacks to {}; nothing of it was used", extracted.diff_id).into()));
        }
        Ok(extracted)
    }

    fn plan(&self, trees: &Trees<'_>, step: &Step<'_>, extracted: &Extracted) -> Result<Tree, Error> {
        let mut tree = match &step.parent {
            None => Tree::new(Time { seconds: self.options.time, nanoseconds: 0 }),
            Some(parent) => match trees.get(parent) {
                Some(tree) => tree.clone(),
                None => {
                    let there = self.store.tree(parent).expect("what is below a layer is there or before it");
                    Tree::read(&there).map_err(Error::io("reading", &there))?
                }
            },
        };
        let (mut remade, mut copied) = (0, 0);
        let mut remake = |inode: &Inode, meta: &Meta| {
            remade += 1;
            copied += inode.path().symlink_metadata().map_or(0, |stat| stat.len());
            if remade > MAX_REMADE || copied > self.options.limits.bytes {
                return Err("the layer changes too many files by hard links".into());
            }
            let path = self.staging.join(format!("{}-{remade}", step.chain_id.hex()));
            remake(inode, meta, path)
        };
        tree.apply(&extracted.changes, &self.memory, &mut remake).map_err(|fault| step.fault(fault))?;
        Ok(tree)
    }

    fn plant(&self, planned: &Planned<'_>) -> Result<(Staged, LeftOut), Error> {
        let Planned { step, extracted, tree, .. } = planned;
        let folder = self.staging.join(format!("layer-{}", step.chain_id.hex()));
        let staged = Staged { chain_id: step.chain_id.clone(), tree: folder.join("tree"), about: folder.join("about") };
        std::fs::create_dir_all(&staged.about).map_err(Error::io("making", &staged.about))?;
        let mut left_out = LeftOut::default();
        plant::plant(tree, &staged.tree, self.options.sharing, self.stop, &mut left_out)
            .map_err(|fault| Error::of_fault(&step.image.origin, fault))?;
        store::write_about(&staged.about, &step.chain_id, &extracted.diff_id, step.parent.as_ref(), extracted.size)?;
        describe(extracted, tree, &staged.about.join("tar-split.json.gz"))?;
        Ok((staged, left_out))
    }

    fn flush(&self) -> Result<(), Error> {
        self.store.sync()
    }
}

/// Writes the description of a layer's stream: as it was read, if the engine will find all contents by their names.
fn describe(extracted: &Extracted, tree: &Tree, target: &Path) -> Result<(), Error> {
    let lost: Vec<Inline> = extracted
        .named
        .iter()
        .filter(|named| !tree::finds(tree, &named.name, &named.inode))
        .map(|named| Inline { position: named.position, content: named.inode.path() })
        .collect();
    let from = &extracted.tar_split;
    let result = if lost.is_empty() {
        // Two chains may hold the same layer.
        std::fs::hard_link(from, target).or_else(|_| std::fs::copy(from, target).map(drop))
    } else {
        tar_split::inline(from, target, &lost)
    };
    result.map_err(Error::io("writing", target))?;
    store::set_mode(target, 0o644)
}

/// A copy of an inode with another owner, mode and time.
fn remake(inode: &Inode, meta: &Meta, path: PathBuf) -> Result<Arc<Inode>, Fault> {
    let told = |e: std::io::Error| Fault::from(e).at(format_args!("copying {}", inode.path().display()));
    let mut left_out = LeftOut::default();
    let mut meta = meta.clone();
    if matches!(inode.content, Content::Symlink(_)) {
        meta.mtime = inode.meta.mtime;
    }
    inode.duplicate(&path, false).map_err(told)?;
    if inode.content == Content::File {
        // A change of owner takes a file's capabilities away: they are set anew, after it.
        meta.xattrs = tree::merged(&inode::xattrs_of(&inode.path()).map_err(told)?, &meta.xattrs);
    }
    inode::set_meta(&path, &meta, b"", &mut left_out).map_err(told)?;
    Ok(Arc::new(Inode { place: Place::At(path), content: inode.content.clone(), meta }))
}

/// Removes folders, all at the same time.
fn remove_all(folders: impl Iterator<Item = PathBuf>) -> Result<(), Error> {
    std::thread::scope(|scope| {
        let remove = |folder: PathBuf| move || std::fs::remove_dir_all(&folder).map_err(Error::io("removing", &folder));
        let removals: Vec<_> = folders.map(|folder| scope.spawn(remove(folder))).collect();
        removals.into_iter().try_for_each(|removal| removal.join().expect("a removal does not panic"))
    })
}
