//! Blobs of virtio-gpu in guest memory: a frame is copied into one, and its resource id travels.

use std::sync::{Arc, Mutex, PoisonError};

use helix_frame_protocol::{FrameWay, Source, packed_planes};

use rustix::param::page_size;

use super::virtgpu::{Blob, Gpu};
use super::{Carrier, Data, Load, LoadError, Mapped, Picture};

/// Blobs that no frame is in.
type Free = Arc<Mutex<Vec<Blob>>>;

/// A ring of blobs. It grows to as many as there are frames without an answer, which the host bounds.
pub(super) struct Blobs {
    gpu: Arc<Gpu>,
    free: Free,
}

impl Blobs {
    pub(super) fn new(gpu: Arc<Gpu>) -> Self {
        Self { gpu, free: Free::default() }
    }

    /// A blob of this size, an old one if there is one. Those of another size are from before a change of the format.
    fn take(&self, size: u32) -> Result<Blob, LoadError> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.retain(|blob| blob.size() == size);
        if let Some(blob) = free.pop() {
            return Ok(blob);
        }
        let reason = |e| format!("making a blob of {size} bytes: {e}");
        self.gpu.create_blob(size).map_err(|e| LoadError::Way { way: FrameWay::Blob, reason: reason(e) })
    }
}

impl Carrier for Blobs {
    fn load(&mut self, picture: &Picture<'_>) -> Result<Load, LoadError> {
        let mapped = Mapped::new(picture)?;
        // The kernel gives blobs in whole pages, and the host compares the sizes.
        let size = picture.format.packed_length(picture.size).next_multiple_of(page_size() as u32);
        let mut blob = self.take(size)?;
        mapped.pack(picture, blob.bytes());
        let source = Source::Blob { id: blob.resource(), size };
        let lent = Lent { blob: Some(blob), free: self.free.clone() };
        Ok(Load { source, planes: packed_planes(picture.format, picture.size), data: Data::Held(Box::new(lent)) })
    }
}

/// A blob that the host reads. It is free again when this is dropped.
struct Lent {
    blob: Option<Blob>,
    free: Free,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).extend(self.blob.take());
    }
}
