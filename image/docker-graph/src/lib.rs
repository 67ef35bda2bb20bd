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
mod store;
mod tar_split;
mod tar_stream;
mod tree;
mod v1;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

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
    complete(&store, &mut missing)?;
    let staging = store.staging()?;
    let (staged, LeftOut(mut left_out)) = stage::stage(&store, staging.path(), &missing, options)?;
    store.sync()?;
    store.commit(&staged, &missing)?;
    store.sync()?;
    left_out.sort();
    left_out.dedup();
    Ok(Report { added: missing.into_iter().map(|image| image.id).collect(), layers: staged.len(), left_out })
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
