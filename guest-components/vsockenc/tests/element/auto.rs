//! `helixh264enc`: what it chooses, and how it goes on when that fails.

use std::sync::Arc;

use gst::prelude::*;
use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo};

use crate::host::{Host, Manners};
use crate::support::*;

fn picture() -> VideoInfo {
    info(VideoFormat::Nv12, 64, 48)
}

pub(crate) fn auto(properties: &[(&str, &str)]) -> Encoder {
    init();
    let mut builder = gst::ElementFactory::make("helixh264enc").property("timeout", TIMEOUT.as_millis() as u32);
    for (name, value) in properties {
        builder = builder.property_from_str(name, value);
    }
    let element = builder.build().expect("the element");
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    // The harness has a bus of its own.
    element.set_bus(Some(&bus));
    harness.play();
    Encoder { harness, element, bus }
}

/// Real access units, each an IDR, as a host would send them.
pub(crate) fn canned() -> Arc<Vec<Vec<u8>>> {
    init();
    let mut harness = Harness::new_parse(
        "x264enc tune=zerolatency key-int-max=1 ! h264parse config-interval=-1 \
         ! capsfilter caps=video/x-h264,stream-format=byte-stream,alignment=au,profile=high",
    );
    harness.set_src_caps(picture().to_caps().expect("caps"));
    let units = (0..5).map(|index| harness.push_and_pull(frame(&picture(), index).0).expect("an access unit"));
    Arc::new(units.map(|unit| bytes(&unit)).collect())
}

pub(crate) fn chosen(encoder: &Encoder) -> (String, String) {
    (encoder.element.property("chosen"), encoder.element.property("reason"))
}

/// Pushes a frame, and waits for an access unit.
fn through(encoder: &mut Encoder, index: u64) -> gst::Buffer {
    within(TIMEOUT * 2 + SLACK * 2, "a frame", || {
        encoder.harness.push(still(index)).expect("a frame that is taken");
        encoder.harness.pull().expect("an access unit")
    })
}

/// The same picture at any time: a new one would be a new scene, which x264 begins with a keyframe.
fn still(index: u64) -> gst::Buffer {
    let (mut buffer, _) = frame(&picture(), 0);
    buffer.get_mut().expect("a buffer of its own").set_pts(gst::ClockTime::SECOND * index / 30);
    buffer
}

fn is_delta(unit: &gst::Buffer) -> bool {
    unit.flags().contains(gst::BufferFlags::DELTA_UNIT)
}

fn output_caps(encoder: &Encoder) -> (String, String) {
    let caps = encoder.harness.sinkpad().and_then(|pad| pad.current_caps()).expect("caps");
    let structure = caps.structure(0).expect("a structure");
    (structure.get("stream-format").expect("a format"), structure.get("alignment").expect("an alignment"))
}

fn has_error(encoder: &Encoder) -> bool {
    encoder.bus.pop_filtered(&[gst::MessageType::Error]).is_some()
}

#[test]
fn without_a_host_it_encodes_in_software_and_says_why() {
    let mut encoder = auto(&[("bitrate", "700")]);
    encoder.caps(&picture());
    for index in 0..5 {
        assert_eq!(is_delta(&through(&mut encoder, index)), index > 0);
    }
    let (name, reason) = chosen(&encoder);
    assert_eq!(name, "x264enc");
    assert!(reason.contains("not vsockenc: nothing says where the host encoder is"), "{reason}");
    assert_eq!(output_caps(&encoder), ("byte-stream".into(), "au".into()));
    let message = encoder.bus.pop_filtered(&[gst::MessageType::Element]).expect("a message");
    let structure = message.structure().expect("a structure").to_owned();
    assert_eq!((structure.name().as_str(), structure.get("encoder")), ("helixh264enc-chosen", Ok("x264enc")));
}

#[test]
fn a_certain_encoder_can_be_asked_for() {
    for name in ["x264enc", "openh264enc"] {
        let mut encoder = auto(&[("encoder", name)]);
        encoder.caps(&info(VideoFormat::Bgrx, 64, 48));
        encoder.harness.push(frame(&info(VideoFormat::Bgrx, 64, 48), 0).0).expect("a frame");
        assert!(!is_delta(&encoder.harness.pull().expect("an access unit")));
        assert_eq!(chosen(&encoder).0, name);
    }
}

#[test]
fn nobody_has_to_wait_for_the_answer_of_a_host() {
    init();
    let host = Host::start(Manners { mute: true, ..Manners::default() });
    let element = gst::ElementFactory::make("helixh264enc").property("transport", host.transport());
    let element = element.build().expect("the element");
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| element.set_state(gst::State::Ready));
        until("the question", || host.connections() == 1);
        let begun = std::time::Instant::now();
        element.set_property_from_str("encoder", "openh264enc");
        starting.join().expect("no panic").expect("an encoder");
        // The host would be waited for a second.
        assert!(begun.elapsed() < std::time::Duration::from_millis(800), "{:?}", begun.elapsed());
    });
    let reason: String = element.property("reason");
    assert_eq!(reason, "the property encoder says so");
    element.set_state(gst::State::Null).expect("stopped");
}

#[test]
fn an_encoder_that_is_asked_for_and_fails_is_an_error() {
    let mut encoder = auto(&[("encoder", "vsockenc"), ("transport", "unix:/nonexistent/host.sock")]);
    encoder.caps(&picture());
    let refused = (0..500).any(|index| {
        std::thread::sleep(std::time::Duration::from_millis(2));
        encoder.harness.push(frame(&picture(), index).0).is_err()
    });
    assert!(refused);
    assert!(encoder.error().1.contains("nonexistent"));
}

#[test]
fn a_host_that_answers_is_chosen_and_replaced_when_it_fails() {
    let host = Host::start(Manners { canned: canned(), ..Manners::default() });
    let transport = host.transport();
    let mut encoder = auto(&[("transport", &transport)]);
    encoder.caps(&picture());
    for index in 0..3 {
        through(&mut encoder, index);
    }
    let (name, reason) = chosen(&encoder);
    assert_eq!(name, "vsockenc");
    assert!(reason.contains("the host of the tests answers"), "{reason}");
    let before = output_caps(&encoder);
    drop(host);
    // Frames on their way to the host may be lost; then the other encoder begins with a keyframe.
    let unit = within(TIMEOUT * 2 + SLACK * 2, "the change", || {
        (3..1000).find_map(|index| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            encoder.harness.push(still(index)).expect("a frame that is taken");
            encoder.harness.try_pull()
        })
    });
    assert!(!is_delta(&unit.expect("an access unit")));
    let (name, reason) = chosen(&encoder);
    assert_eq!(name, "x264enc");
    assert!(reason.contains("vsockenc failed"), "{reason}");
    assert!(is_delta(&through(&mut encoder, 1001)));
    assert_eq!(output_caps(&encoder), before);
    assert!(!has_error(&encoder));
    assert!(encoder.harness.push_event(gst::event::Eos::new()));
}

#[test]
fn a_host_that_freezes_is_replaced_within_its_timeout() {
    let manners =
        Manners { canned: canned(), cut_after: vec![1_000_000], freeze_after: Some(9000), ..Manners::default() };
    let host = Host::start(manners);
    let mut encoder = auto(&[("transport", &host.transport())]);
    encoder.caps(&picture());
    through(&mut encoder, 0);
    within(TIMEOUT * 2 + SLACK * 2, "the change", || {
        let changed = (1..1000).any(|index| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            encoder.harness.push(frame(&picture(), index).0).expect("a frame that is taken");
            chosen(&encoder).0 == "x264enc"
        });
        assert!(changed);
    });
    assert!(!has_error(&encoder));
}

#[test]
fn an_encoder_that_does_not_take_the_frames_is_replaced() {
    let manners = Manners { canned: canned(), refuse_configure: true, ..Manners::default() };
    let host = Host::start(manners);
    let mut encoder = auto(&[("transport", &host.transport())]);
    assert_eq!(chosen(&encoder).0, "vsockenc");
    encoder.caps(&picture());
    within(TIMEOUT * 2 + SLACK * 2, "the change", || {
        let changed = (0..1000).any(|index| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            encoder.harness.push(still(index)).expect("a frame that is taken");
            chosen(&encoder).0 == "x264enc"
        });
        assert!(changed);
    });
    assert!(!has_error(&encoder));
}

#[test]
fn it_can_be_stopped_and_started_again() {
    let mut encoder = auto(&[]);
    for _ in 0..3 {
        encoder.element.set_state(gst::State::Null).expect("stopped");
        assert_eq!(encoder.element.property::<Option<String>>("chosen"), None);
        encoder.element.set_state(gst::State::Playing).expect("started");
        assert_eq!(chosen(&encoder).0, "x264enc");
    }
    encoder.caps(&picture());
    through(&mut encoder, 0);
}

fn dma_buf_caps(info: &VideoInfo) -> gst::Caps {
    let mut caps = info.to_caps().expect("caps");
    caps.make_mut().set_features_simple(Some(gst::CapsFeatures::new([gst_allocators::CAPS_FEATURE_MEMORY_DMABUF])));
    caps
}

#[test]
fn a_stream_of_dma_bufs_goes_on_in_software() {
    let host = Host::start(Manners { canned: canned(), ..Manners::default() });
    let mut encoder = auto(&[("transport", &host.transport())]);
    encoder.harness.set_src_caps(dma_buf_caps(&picture()));
    encoder.harness.push(dma_buf(&still(0))).expect("a frame that is taken");
    encoder.harness.pull().expect("an access unit");
    assert_eq!(chosen(&encoder).0, "vsockenc");
    drop(host);
    let unit = within(TIMEOUT * 2 + SLACK * 2, "the change", || {
        (1..1000).find_map(|index| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            encoder.harness.push(dma_buf(&still(index))).expect("a frame that is taken");
            encoder.harness.try_pull()
        })
    });
    assert!(!is_delta(&unit.expect("an access unit")));
    assert_eq!(chosen(&encoder).0, "x264enc");
    assert!(!has_error(&encoder));
}

#[test]
fn a_host_that_is_back_is_used_again() {
    let host = Host::start(Manners { canned: canned(), ..Manners::default() });
    let mut encoder = auto(&[("transport", &host.transport())]);
    encoder.caps(&picture());
    through(&mut encoder, 0);
    let folder = host.stop();
    let mut index = 0;
    let mut becomes = |encoder: &mut Encoder, name: &str| {
        let begun = std::time::Instant::now();
        let mut last = None;
        while chosen(encoder).0 != name || last.is_none() {
            assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{:?}", chosen(encoder));
            std::thread::sleep(std::time::Duration::from_millis(5));
            index += 1;
            let before = chosen(encoder).0;
            encoder.harness.push(still(index)).expect("a frame that is taken");
            last = last.filter(|_| before == name);
            last = last.or_else(|| encoder.harness.try_pull().filter(|_| before == name));
        }
    };
    becomes(&mut encoder, "x264enc");
    let _host = Host::start_in(folder, Manners { canned: canned(), ..Manners::default() });
    becomes(&mut encoder, "vsockenc");
    assert!(chosen(&encoder).1.contains("the host answers again"), "{:?}", chosen(&encoder));
    assert!(!has_error(&encoder));
}
