//! The ioctls of virtio-gpu that frames need, as `virtgpu_drm.h` and `drm.h` of Linux have them.
//!
//! A GEM handle means something to this process only. What the host knows is the resource id.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use rustix::ioctl::{Updater, ioctl, opcode};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::{Vendor, render_nodes};

/// `struct drm_gem_close`.
#[repr(C)]
#[derive(Default)]
struct GemClose {
    handle: u32,
    pad: u32,
}

/// `struct drm_prime_handle`.
#[repr(C)]
#[derive(Default)]
struct PrimeHandle {
    handle: u32,
    flags: u32,
    fd: i32,
}

/// `struct drm_virtgpu_map`.
#[repr(C)]
#[derive(Default)]
struct Map {
    offset: u64,
    handle: u32,
    pad: u32,
}

/// `struct drm_virtgpu_getparam`.
#[repr(C)]
#[derive(Default)]
struct GetParam {
    param: u64,
    value: u64,
}

/// `struct drm_virtgpu_resource_info`.
#[repr(C)]
#[derive(Default)]
struct ResourceInfo {
    bo_handle: u32,
    res_handle: u32,
    size: u32,
    blob_mem: u32,
}

/// `struct drm_virtgpu_resource_create_blob`.
#[repr(C)]
#[derive(Default)]
struct CreateBlob {
    blob_mem: u32,
    blob_flags: u32,
    bo_handle: u32,
    res_handle: u32,
    size: u64,
    pad: u32,
    cmd_size: u32,
    cmd: u64,
    blob_id: u64,
}

const PARAM_RESOURCE_BLOB: u64 = 3;
const BLOB_MEM_GUEST: u32 = 1;
const BLOB_FLAG_USE_MAPPABLE: u32 = 1;

/// `'d'`, and the first number of a driver's own ioctls.
const DRM: u8 = b'd';
const COMMAND_BASE: u8 = 0x40;

const GEM_CLOSE: rustix::ioctl::Opcode = opcode::write::<GemClose>(DRM, 0x09);
const PRIME_FD_TO_HANDLE: rustix::ioctl::Opcode = opcode::read_write::<PrimeHandle>(DRM, 0x2e);
const MAP: rustix::ioctl::Opcode = opcode::read_write::<Map>(DRM, COMMAND_BASE + 0x01);
const GETPARAM: rustix::ioctl::Opcode = opcode::read_write::<GetParam>(DRM, COMMAND_BASE + 0x03);
const RESOURCE_INFO: rustix::ioctl::Opcode = opcode::read_write::<ResourceInfo>(DRM, COMMAND_BASE + 0x05);
const CREATE_BLOB: rustix::ioctl::Opcode = opcode::read_write::<CreateBlob>(DRM, COMMAND_BASE + 0x0a);

/// What is asked of a virtio-gpu. Another may answer in its place, where there is none.
pub(super) trait Device: Send + Sync {
    /// A handle of the DMA-BUF, to be closed.
    fn handle_of(&self, dmabuf: BorrowedFd<'_>) -> io::Result<u32>;

    /// The resource id behind a handle.
    fn resource_of(&self, handle: u32) -> io::Result<u32>;

    /// The handle, to be closed, and the resource id of a new blob in guest memory.
    fn create_blob(&self, size: u32) -> io::Result<(u32, u32)>;

    /// The file of which the memory behind a handle is a part, and where in it that begins.
    fn memory_of(&self, handle: u32) -> io::Result<(OwnedFd, u64)>;

    /// A handle that cannot be closed goes with the device.
    fn close(&self, handle: u32);
}

/// A render node.
struct Node(File);

impl Device for Node {
    fn handle_of(&self, dmabuf: BorrowedFd<'_>) -> io::Result<u32> {
        let mut prime = PrimeHandle { fd: dmabuf.as_raw_fd(), ..PrimeHandle::default() };
        call::<PRIME_FD_TO_HANDLE, _>(&self.0, &mut prime)?;
        Ok(prime.handle)
    }

    fn resource_of(&self, handle: u32) -> io::Result<u32> {
        let mut info = ResourceInfo { bo_handle: handle, ..ResourceInfo::default() };
        call::<RESOURCE_INFO, _>(&self.0, &mut info)?;
        Ok(info.res_handle)
    }

    fn create_blob(&self, size: u32) -> io::Result<(u32, u32)> {
        let mut blob = CreateBlob {
            blob_mem: BLOB_MEM_GUEST,
            blob_flags: BLOB_FLAG_USE_MAPPABLE,
            size: size.into(),
            ..CreateBlob::default()
        };
        call::<CREATE_BLOB, _>(&self.0, &mut blob)?;
        Ok((blob.bo_handle, blob.res_handle))
    }

    fn memory_of(&self, handle: u32) -> io::Result<(OwnedFd, u64)> {
        let mut map = Map { handle, ..Map::default() };
        call::<MAP, _>(&self.0, &mut map)?;
        Ok((self.0.try_clone()?.into(), map.offset))
    }

    fn close(&self, handle: u32) {
        let _ = call::<GEM_CLOSE, _>(&self.0, &mut GemClose { handle, pad: 0 });
    }
}

/// A virtio-gpu.
pub(crate) struct Gpu {
    device: Box<dyn Device>,
    has_blobs: bool,
    /// The same DMA-BUF has the same handle in one file, so handles must not be opened and closed at the same time.
    handles: Mutex<()>,
}

impl Gpu {
    /// The machine's first virtio-gpu, or why there is none.
    pub(crate) fn find() -> Result<Self, String> {
        let nodes = render_nodes(Path::new("/"));
        let node = nodes.into_iter().find(|(_, vendor)| *vendor == Vendor::VIRTIO);
        let (path, _) = node.ok_or("there is no render node of a virtio-gpu")?;
        Self::open(&path).map_err(|e| format!("opening {}: {e}", path.display()))
    }

    fn open(path: &Path) -> io::Result<Self> {
        let node = OpenOptions::new().read(true).write(true).open(path)?;
        let has_blobs = param(&node, PARAM_RESOURCE_BLOB)? != 0;
        Ok(Self::new(Box::new(Node(node)), has_blobs))
    }

    pub(super) fn new(device: Box<dyn Device>, has_blobs: bool) -> Self {
        Self { device, has_blobs, handles: Mutex::new(()) }
    }

    pub(crate) fn has_blobs(&self) -> bool {
        self.has_blobs
    }

    /// The resource id of a DMA-BUF.
    pub(super) fn resource_of(&self, dmabuf: BorrowedFd<'_>) -> io::Result<u32> {
        let _guard = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = self.device.handle_of(dmabuf)?;
        let resource = self.device.resource_of(handle);
        self.device.close(handle);
        resource
    }

    /// A new blob in guest memory, mapped.
    pub(super) fn create_blob(self: &Arc<Self>, size: u32) -> io::Result<Blob> {
        let (handle, resource) = self.device.create_blob(size)?;
        let address = self.map(handle, size).inspect_err(|_| self.device.close(handle))?;
        Ok(Blob { gpu: self.clone(), handle, resource, size, address })
    }

    fn map(&self, handle: u32, size: u32) -> io::Result<usize> {
        let (file, offset) = self.device.memory_of(handle)?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        #[allow(unsafe_code)]
        // SAFETY: A new mapping, at an address that the kernel chooses.
        let address =
            unsafe { mmap(std::ptr::null_mut(), size as usize, protection, MapFlags::SHARED, &file, offset) }?;
        Ok(address as usize)
    }
}

/// A buffer in guest memory that the host can read by its resource id.
pub(super) struct Blob {
    gpu: Arc<Gpu>,
    handle: u32,
    resource: u32,
    size: u32,
    /// Where it is mapped, to its drop.
    address: usize,
}

impl Blob {
    pub(super) fn resource(&self) -> u32 {
        self.resource
    }

    pub(super) fn size(&self) -> u32 {
        self.size
    }

    pub(super) fn bytes(&mut self) -> &mut [u8] {
        #[allow(unsafe_code)]
        // SAFETY: So many bytes are mapped there until this is dropped, and nobody else has a reference to them.
        unsafe {
            std::slice::from_raw_parts_mut(self.address as *mut u8, self.size as usize)
        }
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        #[allow(unsafe_code)]
        // SAFETY: It was mapped there, and no reference is left.
        // What cannot be unmapped stays until the process ends; there is nobody to tell.
        let _ = unsafe { munmap(self.address as *mut _, self.size as usize) };
        self.gpu.device.close(self.handle);
    }
}

fn param(node: &File, param: u64) -> Result<i32, Errno> {
    let mut value = 0_i32;
    let mut get = GetParam { param, value: std::ptr::from_mut(&mut value) as u64 };
    call::<GETPARAM, _>(node, &mut get)?;
    Ok(value)
}

fn call<const OPCODE: rustix::ioctl::Opcode, T>(node: &File, argument: &mut T) -> Result<(), Errno> {
    #[allow(unsafe_code)]
    // SAFETY: Each opcode above is made of the structure that it is called with, which is the kernel's.
    unsafe {
        ioctl(node.as_fd(), Updater::<OPCODE, T>::new(argument))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;
    use std::process::Command;

    /// What `cc` finds in the kernel's headers: every size, offset and opcode that is used here.
    const PROGRAM: &str = r#"
        #include <stdio.h>
        #include <stddef.h>
        #include <drm.h>
        #include <virtgpu_drm.h>
        #include <linux/dma-buf.h>
        #define O(type, field) printf("%zu ", offsetof(struct type, field))
        int main(void) {
            O(drm_gem_close, handle);
            O(drm_prime_handle, handle); O(drm_prime_handle, flags); O(drm_prime_handle, fd);
            O(drm_virtgpu_map, offset); O(drm_virtgpu_map, handle);
            O(drm_virtgpu_getparam, param); O(drm_virtgpu_getparam, value);
            O(drm_virtgpu_resource_info, bo_handle); O(drm_virtgpu_resource_info, res_handle);
            O(drm_virtgpu_resource_info, size); O(drm_virtgpu_resource_info, blob_mem);
            O(drm_virtgpu_resource_create_blob, blob_mem); O(drm_virtgpu_resource_create_blob, blob_flags);
            O(drm_virtgpu_resource_create_blob, bo_handle); O(drm_virtgpu_resource_create_blob, res_handle);
            O(drm_virtgpu_resource_create_blob, size); O(drm_virtgpu_resource_create_blob, cmd_size);
            O(drm_virtgpu_resource_create_blob, cmd); O(drm_virtgpu_resource_create_blob, blob_id);
            printf("%lu %lu %lu ", (unsigned long)DRM_IOCTL_GEM_CLOSE, (unsigned long)DRM_IOCTL_PRIME_FD_TO_HANDLE,
                (unsigned long)DRM_IOCTL_VIRTGPU_MAP);
            printf("%lu %lu %lu ", (unsigned long)DRM_IOCTL_VIRTGPU_GETPARAM,
                (unsigned long)DRM_IOCTL_VIRTGPU_RESOURCE_INFO, (unsigned long)DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB);
            printf("%d %d %d %lu", VIRTGPU_PARAM_RESOURCE_BLOB, VIRTGPU_BLOB_MEM_GUEST, VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
                (unsigned long)DMA_BUF_IOCTL_SYNC);
            return 0;
        }"#;

    fn ours() -> Vec<u64> {
        let offsets = [
            offset_of!(GemClose, handle),
            offset_of!(PrimeHandle, handle),
            offset_of!(PrimeHandle, flags),
            offset_of!(PrimeHandle, fd),
            offset_of!(Map, offset),
            offset_of!(Map, handle),
            offset_of!(GetParam, param),
            offset_of!(GetParam, value),
            offset_of!(ResourceInfo, bo_handle),
            offset_of!(ResourceInfo, res_handle),
            offset_of!(ResourceInfo, size),
            offset_of!(ResourceInfo, blob_mem),
            offset_of!(CreateBlob, blob_mem),
            offset_of!(CreateBlob, blob_flags),
            offset_of!(CreateBlob, bo_handle),
            offset_of!(CreateBlob, res_handle),
            offset_of!(CreateBlob, size),
            offset_of!(CreateBlob, cmd_size),
            offset_of!(CreateBlob, cmd),
            offset_of!(CreateBlob, blob_id),
        ];
        let opcodes = [GEM_CLOSE, PRIME_FD_TO_HANDLE, MAP, GETPARAM, RESOURCE_INFO, CREATE_BLOB];
        let values = [PARAM_RESOURCE_BLOB, BLOB_MEM_GUEST.into(), BLOB_FLAG_USE_MAPPABLE.into()];
        let sync = opcode::write::<u64>(b'b', 0);
        let offsets = offsets.into_iter().map(|offset| offset as u64);
        offsets.chain(opcodes.map(u64::from)).chain(values).chain([sync.into()]).collect()
    }

    /// What the program above printed with the headers of Linux 6.12, amd64. Sizes are part of the opcodes.
    const LINUX: [u64; 30] = [
        0,
        0,
        4,
        8,
        0,
        8,
        0,
        8,
        0,
        4,
        8,
        12,
        0,
        4,
        8,
        12,
        16,
        28,
        32,
        40,
        0x4008_6409,
        0xc00c_642e,
        0xc010_6441,
        0xc010_6443,
        0xc010_6445,
        0xc030_644a,
        3,
        1,
        1,
        0x4008_6200,
    ];

    #[test]
    fn structures_and_opcodes_are_those_of_linux() {
        assert_eq!(ours(), LINUX);
    }

    /// Debian 12 has headers from before blobs. `HELIX_DRM_HEADERS` is a folder with newer ones.
    #[test]
    #[ignore = "needs virtgpu_drm.h of Linux 5.12 or later, and libdrm-dev"]
    fn the_headers_say_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, program) = (folder.path().join("print.c"), folder.path().join("print"));
        std::fs::write(&source, PROGRAM).expect("a file");
        let newer = std::env::var("HELIX_DRM_HEADERS").unwrap_or_else(|_| "/usr/include/libdrm".to_owned());
        let mut command = Command::new("cc");
        command.args(["-I", &newer, "-I/usr/include/libdrm"]).arg(&source).arg("-o").arg(&program);
        assert!(command.status().expect("a C compiler").success(), "the headers are too old or not there");
        let output = Command::new(&program).output().expect("the program");
        let text = String::from_utf8(output.stdout).expect("digits");
        let theirs: Vec<u64> = text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        assert_eq!(theirs, LINUX);
    }

    #[test]
    fn what_is_no_virtio_gpu_is_refused() {
        assert!(Gpu::open(Path::new("/dev/null")).is_err());
    }
}
