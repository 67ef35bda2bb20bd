//! A DMA-BUF of virtio-gpu: only its resource id travels.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;

use gst_video::VideoMeta;
use helix_frame_protocol::limits::MAX_STRIDE;
use helix_frame_protocol::{FrameWay, MODIFIER_LINEAR, Plane, Source};

use super::{Carrier, Data, Gpu, Load, LoadError, Picture};

/// Looks up the resource of each frame's DMA-BUF.
pub(super) struct Resources {
    gpu: Arc<Gpu>,
}

impl Resources {
    pub(super) fn new(gpu: Arc<Gpu>) -> Self {
        Self { gpu }
    }

    fn resource(&self, picture: &Picture<'_>) -> Result<u32, String> {
        if picture.buffer.n_memory() != 1 {
            return Err(format!("a frame has {} memories, one is needed", picture.buffer.n_memory()));
        }
        let memory = picture.buffer.peek_memory(0).downcast_memory_ref::<gst_allocators::DmaBufMemory>();
        let memory = memory.ok_or("a frame is no DMA-BUF")?;
        #[allow(unsafe_code)]
        // SAFETY: The memory, which is borrowed, owns the descriptor.
        let fd = unsafe { BorrowedFd::borrow_raw(memory.fd().as_raw_fd()) };
        self.gpu.resource_of(fd).map_err(|e| format!("asking virtio-gpu for the resource of a DMA-BUF: {e}"))
    }
}

impl Carrier for Resources {
    /// GStreamer 1.22 has no word for modifiers in caps: `memory:DMABuf` stands for linear rows there.
    fn load(&mut self, picture: &Picture<'_>) -> Result<Load, LoadError> {
        let way = FrameWay::Resource;
        let id = self.resource(picture).map_err(|reason| LoadError::Way { way, reason })?;
        let source = Source::Resource { id, modifier: MODIFIER_LINEAR };
        let planes = planes(picture).map_err(|reason| LoadError::Way { way, reason })?;
        // The resource lives as long as its buffer.
        let data = Data::Held(Box::new(picture.buffer.clone()));
        Ok(Load { source, planes, data })
    }
}

/// Where the planes are, as the buffer says, or else as its caps do.
fn planes(picture: &Picture<'_>) -> Result<[Plane; 3], String> {
    let meta = picture.buffer.meta::<VideoMeta>();
    let (offsets, strides) = match &meta {
        Some(meta) => (meta.offset(), meta.stride()),
        None => (picture.info.offset(), picture.info.stride()),
    };
    // The memory need not begin where the DMA-BUF does.
    let begin = picture.buffer.peek_memory(0).offset();
    let mut planes = [Plane::default(); 3];
    for (plane, (offset, stride)) in planes.iter_mut().zip(offsets.iter().zip(strides)).take(picture.format.planes()) {
        let offset = u32::try_from(offset + begin).map_err(|_| format!("a plane begins at {offset}"))?;
        let stride = u32::try_from(*stride).map_err(|_| format!("a stride is {stride}"))?;
        *plane = Plane { offset, stride };
    }
    for (index, plane) in planes.iter().enumerate().take(picture.format.planes()) {
        let (row, _) = picture.format.rows(picture.size, index);
        if !(row..=MAX_STRIDE).contains(&plane.stride) {
            return Err(format!("a row of {row} bytes has a stride of {}, at most {MAX_STRIDE} can be", plane.stride));
        }
    }
    Ok(planes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_video::{VideoFormat, VideoFrameFlags, VideoInfo};
    use helix_frame_protocol::{PixelFormat, Size};

    #[test]
    fn rows_that_the_wire_forbids_are_no_resource() {
        gst::init().expect("GStreamer");
        let info = VideoInfo::builder(VideoFormat::Bgrx, 64, 48).build().expect("video info");
        let found = |stride: i32| {
            let mut buffer = gst::Buffer::with_size(64 * 48 * 4).expect("a buffer");
            let writable = buffer.get_mut().expect("a buffer of its own");
            let flags = VideoFrameFlags::empty();
            VideoMeta::add_full(writable, flags, VideoFormat::Bgrx, 64, 48, &[0], &[stride]).expect("metadata");
            let size = Size { width: 64, height: 48 };
            planes(&Picture { info: &info, format: PixelFormat::Bgrx, size, buffer: &buffer })
        };
        assert_eq!(found(256).expect("planes")[0], Plane { offset: 0, stride: 256 });
        for stride in [-256, 0, 255, MAX_STRIDE as i32 + 1] {
            assert!(found(stride).is_err(), "{stride}");
        }
    }
}
