//! Container images put into a Docker data root on the `vfs` driver, without an engine.
//!
//! The result is what the engine itself would have written, so that it starts with the images there: trees under
//! `vfs/dir`, and under `image/vfs` their configurations, layers and names, with everything that is needed to give each
//! layer back with its original digest.
//!
//! Layers are read in parallel, each once, into a staging folder inside the data root. The tree after each layer is
//! put together in memory, where all looking up of paths is done, and made on the disk of names of the staged files: what
//! a layer does not change is there once. At the end everything is moved to its place, names last. An error leaves the
//! data root as it was; what a killed run leaves is removed by the next.
//!
//! This crate knows of no recipe and of no virtual machine.

mod archive;
mod board;
mod deep;
mod digest;
mod error;
mod image;
mod inode;
mod layer;
mod layout;
mod manifest;
mod pack;
mod packing;
mod plant;
mod registry;
mod stage;
mod stop;
mod store;
mod tar_split;
mod tar_stream;
mod tree;
mod v1;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use crate::archive::{read_archive, read_layout};
pub use crate::digest::Digest;
pub use crate::error::Error;
pub use crate::image::{Blob, Image, Layer};
pub use crate::layer::Limits;
pub use crate::layout::write_layout;
pub use crate::manifest::Platform;
pub use crate::pack::{Packed, compose, flatten, pack};
pub use crate::plant::Sharing;
pub use crate::registry::{BlobCache, News, Patience, digest_of, pull};
pub use crate::tar_split::assemble;
pub use oci_spec::distribution::Reference;

use crate::inode::LeftOut;
use crate::store::Store;

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
    /// Ends the work early once it is set, from a handler of signals for example.
    pub stop: Arc<AtomicBool>,
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
            stop: Arc::default(),
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
    /// What an engine has to know to find the images, if the data root is used in another way too.
    pub note: Option<String>,
}

/// Puts `images` into the data root, which is made if it is not there.
///
/// # Errors
/// When an image is damaged or not what it should be, when the data root is in use, and when the system refuses
/// something; [`Error::Interrupted`] when [`Options::stop`] is set before layers are moved to their places. The data root is
/// as it was then.
pub fn import(data_root: &Path, images: &[Image], options: &Options) -> Result<Report, Error> {
    deep::deep(|| import_deep(data_root, images, options))
}

fn import_deep(data_root: &Path, images: &[Image], options: &Options) -> Result<Report, Error> {
    deep::allow_open_files();
    let mut store = Store::open(data_root)?;
    let mut missing = Vec::new();
    for image in images {
        if !store.has(image)? {
            missing.push(image.clone());
        }
    }
    if missing.is_empty() {
        return Ok(Report { note: store.note(), ..Report::default() });
    }
    complete(&store, &mut missing)?;
    let staging = store.staging()?;
    let staged = stage::stage(&store, staging.path(), &missing, options).and_then(|staged| {
        store.sync()?;
        Ok(staged)
    });
    // What failed meanwhile may have failed because of it. The rest is short, and is not interrupted.
    if options.stop.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    let (staged, LeftOut(mut left_out)) = staged?;
    store.commit(&staged, &missing)?;
    store.sync()?;
    left_out.sort();
    left_out.dedup();
    let added = missing.into_iter().map(|image| image.id).collect();
    Ok(Report { added, layers: staged.len(), left_out, note: store.note() })
}

/// Finds the layers that an archive leaves out: in another of the images, or in the data root, where nothing is missing
/// then.
fn complete(store: &Store, images: &mut [Image]) -> Result<(), Error> {
    let layers = images.iter().flat_map(|image| &image.layers);
    let known: HashMap<Digest, Blob> =
        layers.filter_map(|layer| Some((layer.diff_id.clone(), layer.blob.clone()?))).collect();
    for image in images {
        for (at, chain_id) in image.chain().iter().enumerate() {
            let layer = &mut image.layers[at];
            layer.blob = layer.blob.take().or_else(|| known.get(&layer.diff_id).cloned());
            if layer.blob.is_none() && store.tree(chain_id).is_none() {
                let reason = format!(
                    "layer {} ({}) is left out, and the data root does not have it; add the image that it was made of first",
                    at + 1,
                    layer.diff_id
                );
                return Err(Error::image(&image.origin, reason));
            }
        }
    }
    Ok(())
}

/// The tree of an image in a data root: everything that a container of it begins with. None when the data root has no such
/// image, and when the image has no layers.
pub fn image_tree(data_root: &Path, image: &Image) -> Option<PathBuf> {
    store::tree(data_root, image.chain().last()?)
}
