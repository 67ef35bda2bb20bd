//! A virtio-gpu of files in memory, for tests: what has a resource id is a file, and the host can look into it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::fs::{MemfdFlags, fstat, ftruncate, memfd_create};

use super::virtgpu::{Device, Gpu};

/// It, as the test and its host see it.
#[derive(Clone, Default)]
pub(crate) struct MemoryGpu(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Resource ids of handles that are open.
    handles: BTreeMap<u32, u32>,
    /// A resource has the id of its file.
    files: BTreeMap<u32, File>,
    blobs: usize,
    last_handle: u32,
}

impl State {
    fn open(&mut self, file: OwnedFd) -> io::Result<(u32, u32)> {
        let resource = fstat(&file)?.st_ino as u32;
        self.last_handle += 1;
        self.handles.insert(self.last_handle, resource);
        self.files.insert(resource, file.into());
        Ok((self.last_handle, resource))
    }
}

impl MemoryGpu {
    pub(crate) fn gpu(&self) -> Gpu {
        Gpu::new(Box::new(self.clone()), true)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic")
    }

    /// The bytes of a resource, of which there need not be a handle any more.
    pub(crate) fn bytes(&self, resource: u32) -> Option<Vec<u8>> {
        let state = self.lock();
        let file = state.files.get(&resource)?;
        let mut bytes = vec![0; file.metadata().ok()?.len() as usize];
        file.read_exact_at(&mut bytes, 0).ok()?;
        Some(bytes)
    }

    /// How many blobs were made.
    pub(crate) fn blobs(&self) -> usize {
        self.lock().blobs
    }

    /// How many handles are open.
    pub(crate) fn handles(&self) -> usize {
        self.lock().handles.len()
    }
}

impl Device for MemoryGpu {
    fn handle_of(&self, dmabuf: BorrowedFd<'_>) -> io::Result<u32> {
        Ok(self.lock().open(dmabuf.try_clone_to_owned()?)?.0)
    }

    fn resource_of(&self, handle: u32) -> io::Result<u32> {
        self.lock().handles.get(&handle).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create_blob(&self, size: u32) -> io::Result<(u32, u32)> {
        let file = memfd_create("blob", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, size.into())?;
        let mut state = self.lock();
        state.blobs += 1;
        state.open(file)
    }

    fn memory_of(&self, handle: u32) -> io::Result<(OwnedFd, u64)> {
        let resource = self.resource_of(handle)?;
        Ok((self.lock().files[&resource].as_fd().try_clone_to_owned()?, 0))
    }

    fn close(&self, handle: u32) {
        assert!(self.lock().handles.remove(&handle).is_some(), "the handle {handle} is closed once");
    }
}
