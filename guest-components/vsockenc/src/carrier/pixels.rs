//! Pixels behind the message: correct everywhere, and without a copy on this side.

use helix_frame_protocol::{Source, packed_planes};

use super::{Carrier, Data, Load, LoadError, Mapped, Picture};

/// Sends the planes as they lie in memory, and packs rows that are further apart than the protocol allows.
pub(super) struct Pixels;

impl Carrier for Pixels {
    fn load(&mut self, picture: &Picture<'_>) -> Result<Load, LoadError> {
        let mapped = Mapped::new(picture)?;
        let packed_length = picture.format.packed_length(picture.size);
        if let Some((planes, length)) = mapped.layout(packed_length) {
            return Ok(Load { source: Source::Pixels { length }, planes, data: Data::Planes(Box::new(mapped)) });
        }
        let mut bytes = vec![0; packed_length as usize];
        mapped.pack(picture, &mut bytes);
        let planes = packed_planes(picture.format, picture.size);
        Ok(Load { source: Source::Pixels { length: packed_length }, planes, data: Data::Packed(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_video::{VideoFormat, VideoFrameFlags, VideoInfo, VideoMeta};
    use helix_frame_protocol::{PixelFormat, Plane, Size};

    const SIZE: Size = Size { width: 17, height: 19 };

    fn info() -> VideoInfo {
        gst::init().expect("GStreamer");
        VideoInfo::builder(VideoFormat::Nv12, SIZE.width, SIZE.height).build().expect("video info")
    }

    /// A frame of `length` bytes that count upwards, with these offsets and strides.
    fn buffer(length: usize, offsets: [usize; 2], strides: [i32; 2]) -> gst::Buffer {
        let bytes: Vec<u8> = (0..length).map(|index| index as u8).collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        let meta = buffer.get_mut().map(|buffer| {
            let (flags, format) = (VideoFrameFlags::empty(), VideoFormat::Nv12);
            VideoMeta::add_full(buffer, flags, format, SIZE.width, SIZE.height, &offsets, &strides).map(drop)
        });
        meta.expect("a buffer of its own").expect("metadata");
        buffer
    }

    fn load(buffer: &gst::Buffer) -> Result<(Load, VideoInfo), LoadError> {
        let info = info();
        let picture = Picture { info: &info, format: PixelFormat::Nv12, size: SIZE, buffer };
        Ok((Pixels.load(&picture)?, info.clone()))
    }

    #[test]
    fn planes_are_sent_from_where_they_are() {
        info();
        let (luma, chroma) = (32 * 18 + 17, 24 * 9 + 18);
        let buffer = buffer(1000 + luma, [1000, 7], [32, 24]);
        let (load, _) = load(&buffer).expect("a load");
        let slices = load.slices();
        assert_eq!(slices.iter().map(|slice| slice.len()).collect::<Vec<_>>(), [luma, chroma]);
        assert_eq!((slices[0][0], slices[1][0]), (1000_usize as u8, 7));
        let plane = |offset, stride| Plane { offset, stride };
        assert_eq!(load.planes, [plane(0, 32), plane(luma as u32, 24), Plane::default()]);
        assert!(matches!(load.data, Data::Planes(_)));
    }

    #[test]
    fn rows_too_far_apart_are_packed() {
        info();
        let stride = 70_000;
        let buffer = buffer(stride * 30, [0, stride * 19], [stride as i32, stride as i32]);
        let (load, _) = load(&buffer).expect("a load");
        let bytes = load.slices().concat();
        assert_eq!(bytes.len(), 17 * 19 + 18 * 10);
        assert_eq!(bytes[17], stride as u8, "the second row");
        assert_eq!(bytes[17 * 19], (stride * 19) as u8, "the first row of chroma");
    }

    #[test]
    fn planes_that_end_beyond_the_buffer_are_refused() {
        info();
        let whole = 32 * 19 + 24 * 9 + 18;
        assert!(load(&buffer(whole, [0, 32 * 19], [32, 24])).is_ok(), "the last row needs no padding");
        let error = load(&buffer(whole - 1, [0, 32 * 19], [32, 24])).err().expect("too short");
        assert!(error.to_string().contains("plane 1"), "{error}");
        let error = load(&buffer(whole, [0, 32 * 19], [16, 24])).err().expect("too narrow");
        assert!(error.to_string().contains("stride"), "{error}");
    }
}
