//! Blobs that are files in memory: what a provider is without a virtual machine.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use helix_frame_protocol::{FrameWay, Set};

use crate::source::{FrameProvider, Resource, SourceError};

/// Blobs by their ids. Each is a file that someone else maps, a memfd or one in `/dev/shm`; it is read, not mapped, so that
/// a file that gets shorter is an error and no signal.
#[derive(Debug, Default)]
pub struct SharedMemory(Mutex<HashMap<u32, File>>);

impl SharedMemory {
    /// Adds a blob, or replaces that of this id.
    pub fn insert(&self, id: u32, blob: File) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, blob);
    }

    /// Forgets a blob.
    pub fn remove(&self, id: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn blob(&self, id: u32) -> Result<File, SourceError> {
        let blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let file = blobs.get(&id).ok_or_else(|| SourceError(format!("there is no blob {id}")))?;
        file.try_clone().map_err(|e| SourceError(format!("blob {id}: {e}")))
    }
}

impl FrameProvider for SharedMemory {
    fn ways(&self) -> Set<FrameWay> {
        Set::from([FrameWay::Blob])
    }

    fn read_blob(&self, id: u32, size: u32, offset: u32, into: &mut [u8]) -> Result<(), SourceError> {
        let fault = |e: std::io::Error| SourceError(format!("blob {id}: {e}"));
        let blob = self.blob(id)?;
        let there = blob.metadata().map_err(fault)?.len();
        if there < size.into() {
            return Err(SourceError(format!("blob {id} has {there} bytes, the frame says {size}")));
        }
        blob.read_exact_at(into, offset.into()).map_err(fault)
    }

    fn read_resource(&self, resource: &Resource, _: &mut [u8]) -> Result<(), SourceError> {
        Err(SourceError(format!("resource {}: there are only blobs", resource.id)))
    }
}
