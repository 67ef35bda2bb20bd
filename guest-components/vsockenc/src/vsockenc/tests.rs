//! The element with a virtio-gpu that these tests make: frames travel as resources and blobs.

use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, PoisonError};

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::VideoFormat;
use helix_frame_protocol::Source;

use crate::carrier::memory::MemoryGpu;
use crate::host::{Host, Manners, sum_of};
use crate::support::*;

/// An element with a virtio-gpu, and a host that looks into it.
fn start(manners: Manners) -> (MemoryGpu, Host, Encoder) {
    init();
    let gpu = MemoryGpu::default();
    let (looked_into, found) = (gpu.clone(), gpu.clone());
    let host = Host::start(Manners { memory: Some(Arc::new(move |id| looked_into.bytes(id))), ..manners });
    let element = gst::ElementFactory::make("vsockenc").property("transport", host.transport());
    let element = element.property("timeout", 10_000_u32).build().expect("the element");
    let own = element.downcast_ref::<super::VsockEnc>().expect("its type").imp();
    *own.find_gpu.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(move || Ok(found.gpu()));
    (gpu, host, Encoder::around(element))
}

fn picture() -> gst_video::VideoInfo {
    info(VideoFormat::Nv12, 64, 48)
}

/// With frames that are DMA-BUFs.
fn start_with_dma_bufs(manners: Manners) -> (MemoryGpu, Host, Encoder) {
    let (gpu, host, mut encoder) = start(manners);
    let mut caps = picture().to_caps().expect("caps");
    caps.make_mut().set_features_simple(Some(gst::CapsFeatures::new([gst_allocators::CAPS_FEATURE_MEMORY_DMABUF])));
    encoder.harness.set_src_caps(caps);
    (gpu, host, encoder)
}

/// Pushes a frame as a DMA-BUF; its sum, and its file's number.
fn push_dma_buf(encoder: &mut Encoder, index: u64) -> (u64, u64) {
    let (plain, sum) = frame(&picture(), index);
    let buffer = dma_buf(&plain);
    let memory = buffer.peek_memory(0).downcast_memory_ref::<gst_allocators::DmaBufMemory>().expect("a DMA-BUF");
    let file = std::fs::metadata(format!("/proc/self/fd/{}", memory.fd().as_raw_fd())).expect("its file").ino();
    encoder.harness.push(buffer).expect("a frame that is taken");
    (sum, file)
}

/// How many descriptors of it this process has.
fn descriptors(file: u64) -> usize {
    let all = std::fs::read_dir("/proc/self/fd").expect("a list").flatten();
    all.filter(|entry| std::fs::metadata(entry.path()).is_ok_and(|found| found.ino() == file)).count()
}

fn pull(encoder: &mut Encoder) -> u64 {
    sum_of(&bytes(&encoder.harness.pull().expect("an access unit")))
}

fn flush(encoder: &mut Encoder) {
    encoder.harness.push_event(gst::event::FlushStart::new());
    encoder.harness.push_event(gst::event::FlushStop::new(true));
    encoder.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
}

#[test]
fn dma_bufs_travel_as_resources() {
    let (gpu, host, mut encoder) = start_with_dma_bufs(Manners::default());
    for index in 0..5 {
        let (sum, _) = push_dma_buf(&mut encoder, index);
        assert_eq!(pull(&mut encoder), sum);
    }
    assert_eq!(encoder.stat::<String>("way"), "resource");
    assert!(host.frames().iter().all(|(frame, _)| matches!(frame.source, Source::Resource { .. })));
    assert_eq!((gpu.handles(), gpu.blobs()), (0, 0), "a handle is closed as soon as the resource is known");
}

#[test]
fn a_dma_buf_is_held_until_the_host_answers_also_when_the_pipeline_forgot_it() {
    let (_gpu, host, mut encoder) = start_with_dma_bufs(Manners { hold: 2, ..Manners::default() });
    let (_, file) = push_dma_buf(&mut encoder, 0);
    until("the frame", || host.frames().len() == 1);
    flush(&mut encoder);
    // The host has one, through its virtio-gpu.
    assert_eq!(descriptors(file), 2);
    let (sum, _) = push_dma_buf(&mut encoder, 1);
    assert_eq!(pull(&mut encoder), sum, "what was flushed does not come out");
    until("the end of the first buffer", || descriptors(file) == 1);
}

#[test]
fn ordinary_frames_travel_in_blobs_that_are_used_again() {
    let (gpu, host, mut encoder) = start(Manners { hold: 3, in_flight: 3, ..Manners::default() });
    encoder.caps(&picture());
    for round in 0..4 {
        let sums: Vec<_> = (3 * round..3 * round + 3).map(|index| encoder.push(index)).collect();
        // Each would have the pixels of the last, had the host not been waited for.
        assert_eq!((0..3).map(|_| pull(&mut encoder)).collect::<Vec<_>>(), sums);
    }
    assert_eq!(encoder.stat::<String>("way"), "blob");
    assert!(host.frames().iter().all(|(frame, _)| matches!(frame.source, Source::Blob { .. })));
    assert_eq!(gpu.blobs(), 3, "as many as there were frames without an answer");
    encoder.element.set_state(gst::State::Null).expect("stopped");
    assert_eq!(gpu.handles(), 0);
}

#[test]
fn a_new_size_has_blobs_of_its_own() {
    let (gpu, _host, mut encoder) = start(Manners::default());
    for (index, side) in [(0, 64), (1, 128), (2, 128)] {
        let picture = info(VideoFormat::I420, side, side);
        encoder.caps(&picture);
        let (buffer, sum) = frame(&picture, index);
        encoder.harness.push(buffer).expect("a frame that is taken");
        assert_eq!(pull(&mut encoder), sum);
    }
    until("the end of the first blob", || gpu.handles() == 1);
    assert!((2..=3).contains(&gpu.blobs()), "{}", gpu.blobs());
}

#[test]
fn pixels_follow_where_the_host_does_not_find_the_resource() {
    let (_gpu, host, mut encoder) = start_with_dma_bufs(Manners { missing: 1, ..Manners::default() });
    push_dma_buf(&mut encoder, 0);
    until("the frame that is lost", || encoder.stat::<u64>("dropped") == 1);
    let (sum, _) = push_dma_buf(&mut encoder, 1);
    let unit = encoder.harness.pull().expect("an access unit");
    assert_eq!((sum_of(&bytes(&unit)), is_keyframe(&unit)), (sum, true));
    assert_eq!((encoder.stat::<String>("way").as_str(), host.connections()), ("pixels", 1));
}

#[test]
fn pixels_follow_where_the_host_does_not_find_the_blob() {
    let (_gpu, host, mut encoder) = start(Manners { missing: 1, ..Manners::default() });
    encoder.caps(&picture());
    encoder.push(0);
    until("the frame that is lost", || encoder.stat::<u64>("dropped") == 1);
    let sum = encoder.push(1);
    assert_eq!(pull(&mut encoder), sum);
    assert_eq!((encoder.stat::<String>("way").as_str(), host.connections()), ("pixels", 1));
    let ways: Vec<_> = host.configures().iter().map(|configure| configure.ways.to_string()).collect();
    assert_eq!(ways.len(), 2, "{ways:?}");
}
