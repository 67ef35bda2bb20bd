//! Where pixels come from: the wire, or the machine's memory through a provider.

use helix_frame_protocol::{Frame, FrameWay, PixelFormat, Plane, Set, Size, Source, packed_planes};

use crate::convert::Picture;

/// The pixels of one frame, for an encoder.
pub trait FrameSource {
    /// The pixels in memory.
    ///
    /// # Errors
    /// When they are not to be had.
    fn picture(&mut self) -> Result<Picture<'_>, SourceError>;
}

/// Why pixels are not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// A virtio-gpu resource as a frame names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// Its id.
    pub id: u32,
    /// How it is laid out, as `drm_fourcc.h` has it.
    pub modifier: u64,
    /// The size of the frame, in pixels.
    pub size: Size,
    /// How its pixels lie.
    pub format: PixelFormat,
    /// Where its planes are in the resource.
    pub planes: [Plane; 3],
}

/// Gives the pixels of frames that do not travel on the wire: the part of the virtual machine monitor.
///
/// Pixels are copied, not lent: the guest can write its memory at any time, and a picture that changes while it is read is
/// no memory that safe code may see. Calls come from the threads of streams, several at once; one that blocks holds up its
/// own stream only.
pub trait FrameProvider: Send + Sync {
    /// Which of resources and blobs it has. What it says of pixels is ignored, they are on the wire.
    fn ways(&self) -> Set<FrameWay>;

    /// Copies bytes of a blob, from `offset` on, as many as `into` is long.
    ///
    /// # Errors
    /// When there is no blob with this id, its size is less than `size` bytes, or the bytes are not within it.
    fn read_blob(&self, id: u32, size: u32, offset: u32, into: &mut [u8]) -> Result<(), SourceError>;

    /// Copies the pixels of a resource, packed: plane after plane, without padding.
    ///
    /// # Errors
    /// When there is no such resource, or it is not what the frame says.
    fn read_resource(&self, resource: &Resource, into: &mut [u8]) -> Result<(), SourceError>;
}

/// A frame and where its pixels are.
pub(crate) struct Located<'a> {
    pub(crate) frame: &'a Frame,
    /// The data of the wire; for other ways memory that is used again.
    pub(crate) data: &'a mut Vec<u8>,
    pub(crate) provider: Option<&'a dyn FrameProvider>,
}

impl FrameSource for Located<'_> {
    fn picture(&mut self) -> Result<Picture<'_>, SourceError> {
        let planes = match self.frame.source {
            Source::Pixels { .. } => self.frame.planes,
            Source::Blob { id, size } => self.blob(id, size)?,
            Source::Resource { id, modifier } => self.resource(id, modifier)?,
        };
        let picture = Picture::new(self.frame.format, self.frame.size, &planes, self.data);
        picture.ok_or_else(|| SourceError("the planes are not within their data".into()))
    }
}

impl Located<'_> {
    fn provider(&self) -> Result<&dyn FrameProvider, SourceError> {
        self.provider.ok_or_else(|| SourceError("this host has no resources or blobs".into()))
    }

    /// Makes room for the packed picture; its planes.
    fn make_room(&mut self) -> [Plane; 3] {
        let Frame { format, size, .. } = *self.frame;
        self.data.resize(format.packed_length(size) as usize, 0);
        packed_planes(format, size)
    }

    /// Copies the rows of a blob without what is between them, so that a wide stride costs no memory.
    fn blob(&mut self, id: u32, blob_size: u32) -> Result<[Plane; 3], SourceError> {
        let packed = self.make_room();
        let Frame { format, size, planes, .. } = *self.frame;
        let mut data = std::mem::take(self.data);
        let provider = self.provider()?;
        for (index, (from, to)) in planes.iter().zip(&packed).enumerate().take(format.planes()) {
            let (bytes, rows) = format.rows(size, index);
            // Rows without gaps are one piece.
            let (length, pieces) = if from.stride == bytes { (bytes * rows, 1) } else { (bytes, rows) };
            let into = data[to.offset as usize..].chunks_exact_mut(length as usize).take(pieces as usize);
            for (piece, into) in into.enumerate() {
                provider.read_blob(id, blob_size, from.offset + from.stride * piece as u32, into)?;
            }
        }
        *self.data = data;
        Ok(packed)
    }

    fn resource(&mut self, id: u32, modifier: u64) -> Result<[Plane; 3], SourceError> {
        let packed = self.make_room();
        let Frame { format, size, planes, .. } = *self.frame;
        let mut data = std::mem::take(self.data);
        self.provider()?.read_resource(&Resource { id, modifier, size, format, planes }, &mut data)?;
        *self.data = data;
        Ok(packed)
    }
}
