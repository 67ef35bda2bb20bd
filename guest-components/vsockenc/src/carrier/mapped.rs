//! A frame's planes in memory.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use gst_video::VideoFrame;
use gst_video::prelude::*;
use gst_video::video_frame::Readable;
use helix_frame_protocol::Plane;
use helix_frame_protocol::limits::{MAX_STRIDE, PIXELS_SLACK};
use rustix::io::Errno;
use rustix::ioctl::{Setter, ioctl, opcode};

use super::{LoadError, Picture};

/// A frame that is mapped for reading, with the part of each plane that has pixels.
pub(super) struct Mapped {
    /// What of each plane the pixels take, in bytes, and how far its rows are apart.
    extents: Vec<(usize, u32)>,
    // Unmapped first, then the read access of a DMA-BUF ends.
    frame: VideoFrame<Readable>,
    _access: Vec<ReadAccess>,
}

impl Mapped {
    /// Maps the picture. The planes may lie in any of the buffer's memories, at any offset.
    pub(super) fn new(picture: &Picture<'_>) -> Result<Self, LoadError> {
        let access =
            (0..picture.buffer.n_memory()).filter_map(|index| ReadAccess::of(picture.buffer.peek_memory(index)));
        let access = access.collect::<Result<_, _>>().map_err(|e| LoadError::Frame(format!("its DMA-BUF: {e}")))?;
        let frame = VideoFrame::from_buffer_readable(picture.buffer.clone(), picture.info)
            .map_err(|_| LoadError::Frame(format!("its buffer of {} bytes is not a frame", picture.buffer.size())))?;
        let mut mapped = Self { extents: Vec::new(), frame, _access: access };
        for plane in 0..picture.format.planes() {
            let extent = mapped.extent(picture, plane).map_err(LoadError::Frame)?;
            mapped.extents.push(extent);
        }
        Ok(mapped)
    }

    /// Metadata of the buffer say where a plane lies; whether that is within its memory is checked here.
    fn extent(&self, picture: &Picture<'_>, plane: usize) -> Result<(usize, u32), String> {
        let (row, rows) = picture.format.rows(picture.size, plane);
        let stride = self.frame.plane_stride()[plane];
        let stride = u32::try_from(stride).map_err(|_| format!("the stride of plane {plane} is {stride}"))?;
        if stride < row {
            return Err(format!("the stride of plane {plane} is {stride}, its rows have {row} bytes"));
        }
        let length = stride as usize * (rows as usize - 1) + row as usize;
        let there = self.bytes_behind(plane);
        if length > there {
            return Err(format!("plane {plane} has {there} bytes, {length} are needed"));
        }
        Ok((length, stride))
    }

    /// How many bytes are mapped from the beginning of the plane on.
    fn bytes_behind(&self, plane: usize) -> usize {
        #[allow(unsafe_code)]
        // SAFETY: The frame is mapped as long as it lives, and its raw structure is only read.
        let raw = unsafe { &*self.frame.as_ptr() };
        // A buffer without metadata about its planes is mapped as a whole, by the first map; the others hold nothing then.
        let map = if raw.meta.is_null() { &raw.map[0] } else { &raw.map[plane] };
        let offset = (raw.data[plane] as usize).checked_sub(map.data as usize);
        offset.and_then(|offset| map.size.checked_sub(offset)).unwrap_or(0)
    }

    /// The bytes of each plane, from the first pixel to the last.
    pub(super) fn planes(&self) -> impl Iterator<Item = &[u8]> {
        self.extents.iter().enumerate().map(|(plane, (length, _))| {
            #[allow(unsafe_code)]
            // SAFETY: `extent` has checked that so many bytes are mapped from there on, as long as the frame lives.
            unsafe {
                std::slice::from_raw_parts((*self.frame.as_ptr()).data[plane].cast::<u8>(), *length)
            }
        })
    }

    /// Where the planes are when they are sent one after the other; nothing if the protocol allows no such rows.
    pub(super) fn layout(&self, packed_length: u32) -> Option<([Plane; 3], u32)> {
        let (mut planes, mut length) = ([Plane::default(); 3], 0_u64);
        for (plane, (bytes, stride)) in planes.iter_mut().zip(&self.extents) {
            *plane = Plane { offset: u32::try_from(length).ok()?, stride: *stride };
            length += *bytes as u64;
        }
        let fits = length <= 2 * u64::from(packed_length) + u64::from(PIXELS_SLACK);
        let narrow = self.extents.iter().all(|(_, stride)| *stride <= MAX_STRIDE);
        (fits && narrow).then_some((planes, length as u32))
    }

    /// Copies the rows, without what is between them, one plane behind the other.
    pub(super) fn pack(&self, picture: &Picture<'_>, target: &mut [u8]) {
        let mut target = target;
        for (plane, bytes) in self.planes().enumerate() {
            let (row, _) = picture.format.rows(picture.size, plane);
            for source in bytes.chunks(self.extents[plane].1 as usize) {
                let (now, rest) = target.split_at_mut(row as usize);
                now.copy_from_slice(&source[..row as usize]);
                target = rest;
            }
        }
    }
}

/// The time in which the processor reads a DMA-BUF, which the kernel has to know for its caches.
struct ReadAccess(OwnedFd);

/// `struct dma_buf_sync` of Linux's `dma-buf.h`.
#[repr(C)]
struct DmaBufSync {
    flags: u64,
}

const SYNC_READ: u64 = 1;
const SYNC_END: u64 = 1 << 2;

impl ReadAccess {
    /// Begins to read; nothing if the memory is no DMA-BUF.
    fn of(memory: &gst::MemoryRef) -> Option<std::io::Result<Self>> {
        let memory = memory.downcast_memory_ref::<gst_allocators::DmaBufMemory>()?;
        #[allow(unsafe_code)]
        // SAFETY: The memory, which is borrowed, owns the descriptor.
        let fd = unsafe { BorrowedFd::borrow_raw(memory.fd().as_raw_fd()) };
        Some(fd.try_clone_to_owned().and_then(Self::begin))
    }

    fn begin(fd: OwnedFd) -> std::io::Result<Self> {
        match sync(&fd, SYNC_READ) {
            // Exporters without caches to look after do not know the call.
            Ok(()) | Err(Errno::NOTTY) => Ok(Self(fd)),
            Err(e) => Err(e.into()),
        }
    }
}

impl Drop for ReadAccess {
    fn drop(&mut self) {
        // There is nobody to tell; the frame was read.
        let _ = sync(&self.0, SYNC_READ | SYNC_END);
    }
}

fn sync(fd: &OwnedFd, flags: u64) -> Result<(), Errno> {
    #[allow(unsafe_code)]
    // SAFETY: The opcode is DMA_BUF_IOCTL_SYNC, and the structure is the kernel's.
    unsafe {
        ioctl(fd, Setter::<{ opcode::write::<DmaBufSync>(b'b', 0) }, _>::new(DmaBufSync { flags }))
    }
}
