//! How a frame travels. Each way is a [`Carrier`]; the host chooses among those that are offered.

mod blob;
mod mapped;
#[cfg(test)]
pub(crate) mod memory;
mod nodes;
mod pixels;
mod resource;
mod virtgpu;

use std::sync::Arc;

use gst_video::VideoInfo;
use helix_frame_protocol::{FrameWay, PixelFormat, Plane, Set, Size, Source};

pub(crate) use nodes::{Vendor, render_nodes};
pub(crate) use virtgpu::Gpu;

use blob::Blobs;
use mapped::Mapped;
use pixels::Pixels;
use resource::Resources;

/// A frame that is about to be sent.
pub(crate) struct Picture<'a> {
    pub(crate) info: &'a VideoInfo,
    pub(crate) format: PixelFormat,
    pub(crate) size: Size,
    pub(crate) buffer: &'a gst::Buffer,
}

/// A frame that is ready to be sent. What the host reads it from is kept until this is dropped.
pub(crate) struct Load {
    pub(crate) source: Source,
    pub(crate) planes: [Plane; 3],
    data: Data,
}

/// What a load has to keep.
enum Data {
    /// Planes that are sent as they lie in memory.
    Planes(Box<Mapped>),
    /// Rows that were too far apart, packed.
    Packed(Vec<u8>),
    /// The memory in which the host finds the frame.
    #[expect(dead_code, reason = "it is kept for its drop, after the host's answer")]
    Held(Box<dyn Send>),
}

impl Load {
    /// What travels behind the message.
    pub(crate) fn slices(&self) -> Vec<&[u8]> {
        match &self.data {
            Data::Planes(mapped) => mapped.planes().collect(),
            Data::Packed(bytes) => vec![bytes],
            Data::Held(_) => Vec::new(),
        }
    }

    /// What has to be kept until the answer; pixels are with the host once they are sent.
    pub(crate) fn sent(self) -> Option<Self> {
        matches!(self.data, Data::Held(_)).then_some(self)
    }
}

/// Why a frame cannot travel this way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The buffer is not what its caps say. No way is better.
    #[error("the frame cannot be read: {0}")]
    Frame(String),
    /// The way is of no use here.
    #[error("frames cannot travel as {way}: {reason}")]
    Way {
        /// Which one.
        way: FrameWay,
        /// Why.
        reason: String,
    },
}

/// One way for frames to travel.
pub(crate) trait Carrier: Send {
    /// Makes a frame ready.
    fn load(&mut self, picture: &Picture<'_>) -> Result<Load, LoadError>;
}

/// The carrier of `way`. Ways that need virtio-gpu are offered only where there is one.
pub(crate) fn carrier(way: FrameWay, gpu: Option<&Arc<Gpu>>) -> Box<dyn Carrier> {
    match (way, gpu) {
        (FrameWay::Resource, Some(gpu)) => Box::new(Resources::new(gpu.clone())),
        (FrameWay::Blob, Some(gpu)) => Box::new(Blobs::new(gpu.clone())),
        _ => Box::new(Pixels),
    }
}

/// The ways that this machine has.
pub(crate) fn ways(gpu: Option<&Arc<Gpu>>) -> Set<FrameWay> {
    let mut ways = vec![FrameWay::Pixels];
    if let Some(gpu) = gpu {
        ways.push(FrameWay::Resource);
        ways.extend(gpu.has_blobs().then_some(FrameWay::Blob));
    }
    ways.into_iter().collect()
}

/// The ways for frames of this memory: what is no DMA-BUF has no resource, and what is one needs no blob.
pub(crate) fn ways_of(dmabuf: bool) -> Set<FrameWay> {
    if dmabuf { [FrameWay::Resource, FrameWay::Pixels].into() } else { [FrameWay::Blob, FrameWay::Pixels].into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_virtio_gpu_only_pixels_are_offered() {
        assert_eq!(ways(None), Set::from([FrameWay::Pixels]));
        assert!(!ways_of(true).contains(FrameWay::Blob) && !ways_of(false).contains(FrameWay::Resource));
    }
}
