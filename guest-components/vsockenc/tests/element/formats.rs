//! Every format, size and layout arrives as it is.

use gst_video::{VideoFormat, VideoInfo};

use crate::host::{Host, Manners, sum_of};
use crate::support::*;

const FORMATS: [VideoFormat; 6] =
    [VideoFormat::Bgrx, VideoFormat::Bgra, VideoFormat::Rgbx, VideoFormat::Rgba, VideoFormat::Nv12, VideoFormat::I420];

fn passes(encoder: &mut Encoder, buffer: gst::Buffer, sum: u64, what: &str) {
    let unit = encoder.harness.push_and_pull(buffer).expect("an access unit");
    assert_eq!(sum_of(&bytes(&unit)), sum, "{what}");
}

#[test]
fn all_formats_in_small_odd_and_large_sizes() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[]);
    for (width, height) in [(16, 16), (17, 19), (333, 51), (4096, 2304)] {
        // The largest in one format of each kind: the sums take their time.
        let formats = if width == 4096 { &FORMATS[4..5] } else { &FORMATS[..] };
        for format in formats {
            let info = info(*format, width, height);
            encoder.caps(&info);
            let (buffer, sum) = frame(&info, 7);
            passes(&mut encoder, buffer, sum, &format!("{format:?} {width}x{height}"));
        }
    }
}

#[test]
fn wide_strides_and_planes_anywhere() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[]);
    for format in FORMATS {
        let info = info(format, 35, 21);
        encoder.caps(&info);
        for stride in [160, 4096, 65_536, 100_000] {
            let (buffer, sum) = far_apart(&info, stride);
            passes(&mut encoder, buffer, sum, &format!("{format:?}, stride {stride}"));
        }
    }
    let widest = host.frames().iter().flat_map(|(frame, _)| frame.planes).map(|plane| plane.stride).max();
    assert!(widest.is_some_and(|widest| widest < 65_536), "rows that far apart are packed");
}

/// Planes in the opposite order, with a gap before each.
fn far_apart(info: &VideoInfo, stride: usize) -> (gst::Buffer, u64) {
    let planes = info.n_planes() as usize;
    let area = stride * info.height() as usize + 123;
    let offsets: Vec<_> = (0..planes).rev().map(|place| place * area + 123).collect();
    laid_out(info, 3, area * planes + 123, &offsets, &vec![stride; planes])
}

#[test]
fn buffers_without_metadata_lie_as_their_caps_say() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[]);
    for format in FORMATS {
        let info = info(format, 35, 21);
        encoder.caps(&info);
        let (with, sum) = frame(&info, 9);
        passes(&mut encoder, gst::Buffer::from_mut_slice(bytes(&with)), sum, &format!("{format:?}"));
    }
}

#[test]
fn planes_in_memories_of_their_own() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[]);
    let info = info(VideoFormat::Nv12, 64, 48);
    let (whole, sum) = frame(&info, 5);
    let pixels = bytes(&whole);
    let (luma, chroma) = pixels.split_at(info.offset()[1]);
    let mut buffer = gst::Buffer::new();
    let writable = buffer.get_mut().expect("a buffer of its own");
    writable.append_memory(gst::Memory::from_slice(luma.to_vec()));
    writable.append_memory(gst::Memory::from_slice(chroma.to_vec()));
    let flags = gst_video::VideoFrameFlags::empty();
    gst_video::VideoMeta::add_full(writable, flags, VideoFormat::Nv12, 64, 48, info.offset(), info.stride())
        .expect("metadata");
    passes(&mut encoder, buffer, sum, "two memories");
}

#[test]
fn frames_that_are_no_frames_are_dropped_and_the_next_comes_out() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[]);
    encoder.harness.push(gst::Buffer::from_mut_slice(vec![0; 100])).expect("taken, as any buffer");
    let sum = encoder.push(1);
    assert_eq!(sum_of(&bytes(&encoder.harness.pull().expect("an access unit"))), sum);
    assert_eq!(encoder.stat::<u64>("dropped"), 1);
}

#[test]
fn dma_bufs_are_mapped_for_a_host_that_takes_pixels_only() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[]);
    let info = info(VideoFormat::Bgrx, 64, 48);
    let mut caps = info.to_caps().expect("caps");
    caps.make_mut().set_features_simple(Some(gst::CapsFeatures::new([gst_allocators::CAPS_FEATURE_MEMORY_DMABUF])));
    encoder.harness.set_src_caps(caps);
    let (whole, sum) = frame(&info, 5);
    passes(&mut encoder, dma_buf(&whole), sum, "a DMA-BUF");
}
