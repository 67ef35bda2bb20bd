//! What all tests need: an element in a harness, and frames whose sums are known.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::sync::Once;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_allocators::prelude::*;
use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo, VideoMeta};

use crate::host::Host;

pub(crate) fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().expect("GStreamer");
        gstvsockenc::plugin_register_static().expect("the plugin");
    });
}

pub(crate) const TIMEOUT: Duration = Duration::from_millis(600);
/// A machine that is busy with other things does not fail a test.
pub(crate) const SLACK: Duration = Duration::from_millis(1500);

/// An encoder in a harness, with the messages that it posts.
pub(crate) struct Encoder {
    pub(crate) harness: Harness,
    pub(crate) element: gst::Element,
    pub(crate) bus: gst::Bus,
}

impl Encoder {
    pub(crate) fn new(transport: &str, properties: &[(&str, &str)]) -> Self {
        init();
        let mut builder = gst::ElementFactory::make("vsockenc").property("transport", transport);
        builder = builder.property("timeout", TIMEOUT.as_millis() as u32);
        for (name, value) in properties {
            builder = builder.property_from_str(name, value);
        }
        Self::around(builder.build().expect("the element"))
    }

    /// Starts the element.
    pub(crate) fn around(element: gst::Element) -> Self {
        let bus = gst::Bus::new();
        let harness = Harness::with_element(&element, Some("sink"), Some("src"));
        element.set_bus(Some(&bus));
        Self { harness, element, bus }
    }

    /// With a host and NV12 frames of 64×48 pixels, 30 a second.
    pub(crate) fn with(host: &Host, properties: &[(&str, &str)]) -> Self {
        let mut encoder = Self::new(&host.transport(), properties);
        encoder.caps(&info(VideoFormat::Nv12, 64, 48));
        encoder
    }

    pub(crate) fn caps(&mut self, info: &VideoInfo) {
        self.harness.set_src_caps(info.to_caps().expect("caps"));
    }

    /// Pushes a frame and returns its sum.
    pub(crate) fn push(&mut self, index: u64) -> u64 {
        let (buffer, sum) = frame(&info(VideoFormat::Nv12, 64, 48), index);
        self.harness.push(buffer).expect("a frame that is taken");
        sum
    }

    pub(crate) fn stat<T: for<'a> gst::glib::value::FromValue<'a> + 'static>(&self, name: &str) -> T {
        let stats: gst::Structure = self.element.property("stats");
        stats.value(name).expect("a field").get::<T>().expect("its type")
    }

    /// The error that was posted, after waiting for it, and its text for developers.
    pub(crate) fn error(&self) -> (gst::glib::Error, String) {
        let message = self.bus.timed_pop_filtered(gst::ClockTime::from_seconds(10), &[gst::MessageType::Error]);
        match message.expect("an error message").view() {
            gst::MessageView::Error(error) => (error.error(), error.debug().unwrap_or_default().to_string()),
            other => panic!("no error: {other:?}"),
        }
    }
}

impl Drop for Encoder {
    /// Messages that nobody took have the element, which has the bus.
    fn drop(&mut self) {
        self.bus.set_flushing(true);
    }
}

pub(crate) fn info(format: VideoFormat, width: u32, height: u32) -> VideoInfo {
    init();
    VideoInfo::builder(format, width, height).fps(gst::Fraction::new(30, 1)).build().expect("video info")
}

/// A frame with pixels that depend on `index`, in the layout of `info`.
pub(crate) fn frame(info: &VideoInfo, index: u64) -> (gst::Buffer, u64) {
    let strides: Vec<usize> = info.stride().iter().map(|stride| *stride as usize).collect();
    laid_out(info, index, info.size(), info.offset(), &strides)
}

/// A frame in any layout; what lies between the rows is noise.
pub(crate) fn laid_out(
    info: &VideoInfo,
    index: u64,
    length: usize,
    offsets: &[usize],
    strides: &[usize],
) -> (gst::Buffer, u64) {
    let mut bytes = vec![0xee; length];
    let mut hasher = DefaultHasher::new();
    let mut value = index as u8;
    for plane in 0..info.n_planes() as usize {
        let (row, rows) = rows(info, plane);
        for y in 0..rows {
            let begin = offsets[plane] + y * strides[plane];
            let pixels = &mut bytes[begin..begin + row];
            for pixel in pixels.iter_mut() {
                value = value.wrapping_mul(31).wrapping_add(7);
                *pixel = value;
            }
            hasher.write(pixels);
        }
    }
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    let time = gst::ClockTime::SECOND * index / 30;
    let writable = buffer.get_mut().expect("a buffer of its own");
    writable.set_pts(time);
    writable.set_duration(gst::ClockTime::SECOND / 30);
    let strides: Vec<i32> = strides.iter().map(|stride| *stride as i32).collect();
    let flags = gst_video::VideoFrameFlags::empty();
    VideoMeta::add_full(writable, flags, info.format(), info.width(), info.height(), offsets, &strides)
        .expect("metadata");
    (buffer, hasher.finish())
}

/// The same frame as a DMA-BUF. There is no exporter of them in every test machine; a memfd in a DMA-BUF's memory is mapped
/// in the same way.
pub(crate) fn dma_buf(frame: &gst::Buffer) -> gst::Buffer {
    let pixels = bytes(frame);
    let file = rustix::fs::memfd_create("frame", rustix::fs::MemfdFlags::CLOEXEC).expect("a memfd");
    assert_eq!(rustix::io::write(&file, &pixels), Ok(pixels.len()));
    #[allow(unsafe_code)]
    // SAFETY: The descriptor is owned, and its file has so many bytes.
    let memory = unsafe { gst_allocators::DmaBufAllocator::new().alloc_dmabuf(file, pixels.len()) }.expect("memory");
    let mut buffer = gst::Buffer::new();
    let writable = buffer.get_mut().expect("a buffer of its own");
    writable.append_memory(memory);
    writable.set_pts(frame.pts());
    buffer
}

fn rows(info: &VideoInfo, plane: usize) -> (usize, usize) {
    let (width, height) = (info.width() as usize, info.height() as usize);
    match (info.format(), plane) {
        (VideoFormat::Nv12, 0) | (VideoFormat::I420, 0) => (width, height),
        (VideoFormat::Nv12, _) => (2 * width.div_ceil(2), height.div_ceil(2)),
        (VideoFormat::I420, _) => (width.div_ceil(2), height.div_ceil(2)),
        _ => (4 * width, height),
    }
}

pub(crate) fn bytes(buffer: &gst::Buffer) -> Vec<u8> {
    buffer.map_readable().expect("a buffer").to_vec()
}

pub(crate) fn is_keyframe(buffer: &gst::Buffer) -> bool {
    let keyframe = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
    assert_eq!(keyframe, bytes(buffer)[4] == 0x65, "the flag is that of the access unit");
    keyframe
}

/// Does it, and fails if it takes longer.
pub(crate) fn within<T>(limit: Duration, what: &str, action: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = action();
    let took = begun.elapsed();
    assert!(took < limit, "{what} took {took:?}, at most {limit:?} are allowed");
    result
}

/// Waits until it is so.
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(10), "waiting for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A seed for random points, which is printed; `HELIX_SEED` sets it.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("HELIX_SEED").ok().map(|text| text.parse().expect("HELIX_SEED is a number"));
    let seed = given.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos() as u64);
    println!("seed: HELIX_SEED={seed}");
    seed
}
