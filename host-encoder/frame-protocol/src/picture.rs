//! Sizes of frames, and where their planes lie.

use std::fmt;

use crate::code::{FrameWay, PixelFormat};
use crate::limits::{MAX_SIDE, MAX_STRIDE, MIN_SIDE, PIXELS_SLACK};

/// The modifier of rows that follow one another, `DRM_FORMAT_MOD_LINEAR` in Linux's `drm_fourcc.h`.
pub const MODIFIER_LINEAR: u64 = 0;

/// Width and height in pixels, each from 16 to 8192. Odd ones are allowed in all formats: chroma rounds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// The width in pixels.
    pub width: u32,
    /// The height in pixels.
    pub height: u32,
}

impl Size {
    /// Whether neither side is longer than that of `limit`.
    pub fn fits(self, limit: Self) -> bool {
        self.width <= limit.width && self.height <= limit.height
    }

    pub(crate) fn fault(self) -> Option<String> {
        let sides = MIN_SIDE..=MAX_SIDE;
        let good = sides.contains(&self.width) && sides.contains(&self.height);
        (!good).then(|| format!("it is {self}, each side must be {MIN_SIDE} to {MAX_SIDE}"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// Where a plane lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plane {
    /// Where its first row begins, in bytes from the beginning of the data, blob or resource.
    pub offset: u32,
    /// From one row to the next, in bytes.
    pub stride: u32,
}

impl PixelFormat {
    /// How many planes a frame has: 1 to 3.
    pub const fn planes(self) -> usize {
        match self {
            Self::Bgrx | Self::Bgra | Self::Rgbx | Self::Rgba => 1,
            Self::Nv12 => 2,
            Self::I420 => 3,
        }
    }

    /// How many bytes of a row are pixels, and how many rows there are, in the given plane.
    pub const fn rows(self, size: Size, plane: usize) -> (u32, u32) {
        let (width, height) = (size.width, size.height);
        match (self, plane) {
            (Self::Bgrx | Self::Bgra | Self::Rgbx | Self::Rgba, _) => (4 * width, height),
            (Self::Nv12 | Self::I420, 0) => (width, height),
            (Self::Nv12, _) => (2 * width.div_ceil(2), height.div_ceil(2)),
            (Self::I420, _) => (width.div_ceil(2), height.div_ceil(2)),
        }
    }

    /// The size of a frame without padding, in bytes.
    pub fn packed_length(self, size: Size) -> u32 {
        (0..self.planes()).map(|plane| self.rows(size, plane)).map(|(bytes, rows)| bytes * rows).sum()
    }
}

/// The planes of a frame without padding, one after the other. What the format does not have is zero.
pub fn packed_planes(format: PixelFormat, size: Size) -> [Plane; 3] {
    let (mut planes, mut offset) = ([Plane::default(); 3], 0);
    for (index, plane) in planes.iter_mut().enumerate().take(format.planes()) {
        let (stride, rows) = format.rows(size, index);
        *plane = Plane { offset, stride };
        offset += stride * rows;
    }
    planes
}

/// Where the pixels of a frame are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A virtio-gpu resource.
    Resource {
        /// Its id, not 0; a GEM handle is no resource id.
        id: u32,
        /// How it is laid out, as `drm_fourcc.h` has it; the same for all planes.
        modifier: u64,
    },
    /// A virtio-gpu blob in guest memory.
    Blob {
        /// Its resource id, not 0.
        id: u32,
        /// Its size in bytes. Planes must end within it; the host compares it with what the blob has.
        size: u32,
    },
    /// The data after the message.
    Pixels {
        /// How many bytes there are: at most twice the packed size and 65,536.
        length: u32,
    },
}

impl Source {
    /// The way that the frame travels.
    pub const fn way(self) -> FrameWay {
        match self {
            Self::Resource { .. } => FrameWay::Resource,
            Self::Blob { .. } => FrameWay::Blob,
            Self::Pixels { .. } => FrameWay::Pixels,
        }
    }

    /// The name and the value of what planes must end within; nothing where only the host knows.
    const fn bound(self) -> Option<u32> {
        match self {
            Self::Resource { .. } => None,
            Self::Blob { size, .. } => Some(size),
            Self::Pixels { length } => Some(length),
        }
    }
}

/// The field that is wrong, and why.
type Fault = (&'static str, String);

/// Looks whether the planes lie within their source.
pub(crate) fn check_layout(format: PixelFormat, size: Size, planes: &[Plane; 3], source: Source) -> Result<(), Fault> {
    check_source(format, size, source)?;
    for (index, plane) in planes.iter().enumerate() {
        if index < format.planes() {
            check_plane(format, size, index, *plane, source)?;
        } else if *plane != Plane::default() {
            return Err(("planes", format!("plane {index} must be zero: {format} has {}", format.planes())));
        }
    }
    Ok(())
}

fn check_source(format: PixelFormat, size: Size, source: Source) -> Result<(), Fault> {
    match source {
        Source::Resource { id: 0, .. } | Source::Blob { id: 0, .. } => {
            Err(("resource", "it is 0, which is no resource".into()))
        }
        Source::Pixels { length } => {
            let limit = 2 * format.packed_length(size) + PIXELS_SLACK;
            let reason = || format!("it is {length}, at most {limit} for {format} of {size}");
            if length <= limit { Ok(()) } else { Err(("data length", reason())) }
        }
        Source::Resource { .. } | Source::Blob { .. } => Ok(()),
    }
}

fn check_plane(format: PixelFormat, size: Size, index: usize, plane: Plane, source: Source) -> Result<(), Fault> {
    let (bytes, rows) = format.rows(size, index);
    // What a stride means in a tiled resource is known to its driver only.
    let tiled = matches!(source, Source::Resource { modifier, .. } if modifier != MODIFIER_LINEAR);
    let least = if tiled { 0 } else { bytes };
    if !(least..=MAX_STRIDE).contains(&plane.stride) {
        let reason = format!("that of plane {index} is {}, must be {least} to {MAX_STRIDE}", plane.stride);
        return Err(("stride", reason));
    }
    let end = u64::from(plane.offset) + u64::from(plane.stride) * u64::from(rows - 1) + u64::from(bytes);
    match source.bound() {
        Some(bound) if end > u64::from(bound) => {
            Err(("planes", format!("plane {index} ends at {end}, beyond the {bound} bytes of its {}", source.way())))
        }
        _ => Ok(()),
    }
}
