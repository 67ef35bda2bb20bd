//! What comes out, and what is asked of the host.

use std::time::Duration;

use gst::prelude::*;
use gst_video::{DownstreamForceKeyUnitEvent, UpstreamForceKeyUnitEvent, VideoFormat, VideoInfo};
use helix_frame_protocol::{Matrix, limits};

use crate::host::{Host, Manners, Seen, sum_of};
use crate::support::*;

#[test]
fn every_frame_comes_out_with_its_times_and_pixels() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[("bitrate", "3000"), ("key-int-max", "60")]);
    for index in 0..20 {
        let sum = encoder.push(index);
        let unit = encoder.harness.pull().expect("an access unit");
        assert_eq!(sum_of(&bytes(&unit)), sum);
        assert_eq!(is_keyframe(&unit), index == 0);
        let time = gst::ClockTime::SECOND * index / 30;
        assert_eq!((unit.pts(), unit.dts()), (Some(time), Some(time)));
        assert_eq!(unit.duration(), Some(gst::ClockTime::SECOND / 30));
    }
    let configure = host.configures()[0];
    assert_eq!(configure.bitrate, 3_000_000, "the wire has bit/s");
    assert_eq!((configure.keyframe_interval, configure.low_latency), (60, true));
    assert_eq!((configure.rate.numerator, configure.rate.denominator), (30, 1));
    assert_eq!(encoder.stat::<u64>("frames"), 20);
    assert_eq!(encoder.stat::<u64>("access-units"), 20);
    assert_eq!(encoder.stat::<String>("way"), "pixels");
    assert_eq!(encoder.stat::<String>("encoder"), "sums");
}

#[test]
fn the_output_caps_have_profile_and_level() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[]);
    encoder.harness.set_sink_caps_str("video/x-h264, profile=(string)main, level=(string)3.1");
    encoder.caps(&info(VideoFormat::Bgrx, 64, 48));
    let (buffer, _) = frame(&info(VideoFormat::Bgrx, 64, 48), 0);
    encoder.harness.push(buffer).expect("a frame");
    encoder.harness.pull().expect("an access unit");
    let caps = encoder.harness.sinkpad().and_then(|pad| pad.current_caps()).expect("caps");
    let caps = caps.structure(0).expect("a structure").to_owned();
    for (name, value) in [("stream-format", "byte-stream"), ("alignment", "au"), ("profile", "main"), ("level", "3.1")]
    {
        assert_eq!(caps.get::<&str>(name), Ok(value));
    }
    assert_eq!((caps.get::<i32>("width"), caps.get::<i32>("height")), (Ok(64), Ok(48)));
    assert_eq!(caps.get::<gst::Fraction>("framerate"), Ok(gst::Fraction::new(30, 1)));
}

#[test]
fn the_output_caps_have_the_colours_that_the_host_was_told() {
    let host = Host::start(Manners::default());
    let cases = [
        (VideoFormat::Nv12, "bt601", "bt601"),
        (VideoFormat::Nv12, "smpte240m", "bt709"),
        (VideoFormat::Bgrx, "sRGB", "bt709"),
    ];
    for (format, frames, stream) in cases {
        let colours = frames.parse::<gst_video::VideoColorimetry>().expect("colorimetry");
        let picture = VideoInfo::builder(format, 64, 48).colorimetry(&colours).build().expect("video info");
        let mut encoder = Encoder::new(&host.transport(), &[]);
        encoder.caps(&picture);
        encoder.harness.push_and_pull(frame(&picture, 0).0).expect("an access unit");
        let caps = encoder.harness.sinkpad().and_then(|pad| pad.current_caps()).expect("caps");
        assert_eq!(caps.structure(0).expect("a structure").get::<&str>("colorimetry"), Ok(stream), "{frames}");
    }
    let matrices: Vec<_> = host.configures().iter().map(|configure| configure.colorimetry.matrix).collect();
    assert_eq!(matrices, [Matrix::Bt601, Matrix::Bt709, Matrix::Bt709]);
}

#[test]
fn rates_that_the_host_does_not_take_become_the_nearest() {
    let host = Host::start(Manners::default());
    for (bitrate, interval) in [("1", "2147483647"), ("2048000", "65536")] {
        let mut encoder = Encoder::with(&host, &[("bitrate", bitrate), ("key-int-max", interval)]);
        encoder.push(0);
        encoder.harness.pull().expect("an access unit");
    }
    let configures = host.configures();
    let rates: Vec<_> = configures.iter().map(|configure| (configure.bitrate, configure.keyframe_interval)).collect();
    let longest = limits::MAX_KEYFRAME_INTERVAL;
    assert_eq!(rates, [(limits::MIN_BITRATE, longest), (240_000_000, longest)]);
}

#[test]
fn frames_without_pts_and_pts_that_jump_back_stay_what_they_are() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[]);
    let times = [Some(5000), None, Some(100), Some(0), None].map(|ms| ms.map(gst::ClockTime::from_mseconds));
    for (index, time) in times.into_iter().enumerate() {
        let (mut buffer, _) = frame(&info(VideoFormat::Nv12, 64, 48), index as u64);
        buffer.get_mut().expect("a buffer of its own").set_pts(time);
        let unit = encoder.harness.push_and_pull(buffer).expect("an access unit");
        assert_eq!(unit.pts(), time, "frame {index}");
    }
    let sent: Vec<_> = host.frames().iter().map(|(frame, _)| frame.pts_ns).collect();
    assert_eq!(sent, times.map(|time| time.map(gst::ClockTime::nseconds)));
}

#[test]
fn frames_of_a_rate_that_varies_come_out() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::new(&host.transport(), &[]);
    let varies = VideoInfo::builder(VideoFormat::Nv12, 64, 48).fps(gst::Fraction::new(0, 1)).build();
    encoder.caps(&varies.expect("video info"));
    for index in 0..3 {
        let sum = encoder.push(index);
        assert_eq!(sum_of(&bytes(&encoder.harness.pull().expect("an access unit"))), sum);
    }
}

#[test]
fn a_frame_a_minute_comes_out_at_once() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[]);
    for minute in 0..5 {
        let (mut buffer, _) = frame(&info(VideoFormat::Nv12, 64, 48), 0);
        buffer.get_mut().expect("a buffer of its own").set_pts(gst::ClockTime::SECOND * 60 * minute);
        let unit = within(SLACK, "a frame", || encoder.harness.push_and_pull(buffer)).expect("an access unit");
        assert_eq!(unit.pts(), Some(gst::ClockTime::SECOND * 60 * minute));
    }
}

#[test]
fn a_new_format_takes_effect_between_two_frames() {
    let host = Host::start(Manners { hold: 3, ..Manners::default() });
    let mut encoder = Encoder::with(&host, &[]);
    let mut sums = vec![encoder.push(0), encoder.push(1)];
    let large = info(VideoFormat::I420, 320, 240);
    encoder.caps(&large);
    for index in 2..5 {
        let (buffer, sum) = frame(&large, index);
        encoder.harness.push(buffer).expect("a frame");
        sums.push(sum);
    }
    encoder.harness.push_event(gst::event::Eos::new());
    let units: Vec<_> = (0..5).map(|_| encoder.harness.pull().expect("an access unit")).collect();
    assert_eq!(units.iter().map(|unit| sum_of(&bytes(unit))).collect::<Vec<_>>(), sums);
    assert!(is_keyframe(&units[2]), "the first of the new format");
    let caps = encoder.harness.sinkpad().and_then(|pad| pad.current_caps()).expect("caps");
    assert_eq!(caps.structure(0).expect("a structure").get::<i32>("width"), Ok(320));
    assert_eq!(host.connections(), 1);
}

#[test]
fn frames_that_come_while_one_is_written_are_sent() {
    let host = Host::start(Manners { hold: 3, slow: Duration::from_millis(5), ..Manners::default() });
    let mut encoder = Encoder::new(&host.transport(), &[]);
    // More than a socket takes at once.
    let large = info(VideoFormat::Nv12, 1280, 720);
    encoder.caps(&large);
    for round in 0..3 {
        let (frames, sums): (Vec<_>, Vec<_>) = (3 * round..3 * round + 3).map(|index| frame(&large, index)).unzip();
        for buffer in frames {
            encoder.harness.push(buffer).expect("a frame");
            // Into the time in which the one before is written, and not so close that both are sent at once.
            std::thread::sleep(Duration::from_millis(10));
        }
        let units: Vec<_> = (0..3).map(|_| encoder.harness.pull().expect("an access unit")).collect();
        assert_eq!(units.iter().map(|unit| sum_of(&bytes(unit))).collect::<Vec<_>>(), sums);
    }
    assert_eq!(host.connections(), 1);
}

#[test]
fn a_new_bitrate_is_told_the_host() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[]);
    encoder.push(0);
    encoder.harness.pull().expect("an access unit");
    encoder.element.set_property("bitrate", 900_u32);
    encoder.push(1);
    encoder.harness.pull().expect("an access unit");
    let rates: Vec<_> = host.configures().iter().map(|configure| configure.bitrate).collect();
    assert_eq!(rates, [2_048_000, 900_000]);
}

#[test]
fn keyframes_are_made_when_they_are_asked_for() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[]);
    let push = |encoder: &mut Encoder, index| {
        encoder.push(index);
        is_keyframe(&encoder.harness.pull().expect("an access unit"))
    };
    assert!(push(&mut encoder, 0) && !push(&mut encoder, 1));
    encoder.harness.push_upstream_event(UpstreamForceKeyUnitEvent::builder().all_headers(true).count(1).build());
    assert!(push(&mut encoder, 2) && !push(&mut encoder, 3));
    encoder.harness.push_event(DownstreamForceKeyUnitEvent::builder().count(2).build());
    assert!(push(&mut encoder, 4) && !push(&mut encoder, 5));
    let events = std::iter::from_fn(|| encoder.harness.try_pull_event());
    let counts: Vec<_> =
        events.filter_map(|event| DownstreamForceKeyUnitEvent::parse(&event).ok()).map(|e| e.count).collect();
    assert_eq!(counts, [1, 2], "downstream is told of both");
}

#[test]
fn a_keyframe_that_the_host_skips_is_asked_for_again() {
    let host = Host::start(Manners { skip_every: 2, ..Manners::default() });
    let mut encoder = Encoder::with(&host, &[]);
    encoder.push(0);
    encoder.harness.pull().expect("an access unit");
    encoder.harness.push_upstream_event(UpstreamForceKeyUnitEvent::builder().build());
    encoder.push(1);
    until("the skipped frame", || encoder.stat::<u64>("dropped") == 1);
    encoder.push(2);
    assert!(is_keyframe(&encoder.harness.pull().expect("an access unit")));
}

#[test]
fn the_latency_is_that_of_the_frames_under_way() {
    let host = Host::start(Manners { in_flight: 3, ..Manners::default() });
    let mut encoder = Encoder::with(&host, &[]);
    encoder.push(0);
    encoder.harness.pull().expect("an access unit");
    let mut query = gst::query::Latency::new();
    encoder.harness.set_upstream_latency(gst::ClockTime::ZERO);
    assert!(encoder.harness.sinkpad().expect("a pad").peer_query(&mut query));
    let (_, min, max) = query.result();
    let frame = gst::ClockTime::SECOND.mul_div_ceil(1, 30).expect("a time");
    assert_eq!(min, frame);
    assert!(max.is_none_or(|max| max >= frame * 3), "{max:?}");
}

#[test]
fn the_end_of_the_stream_waits_for_every_frame() {
    for hold in [4, 100] {
        let host = Host::start(Manners { hold, in_flight: 8, ..Manners::default() });
        let mut encoder = Encoder::with(&host, &[]);
        let sums: Vec<_> = (0..3).map(|index| encoder.push(index)).collect();
        assert_eq!(encoder.harness.try_pull(), None);
        assert!(within(SLACK, "the end", || encoder.harness.push_event(gst::event::Eos::new())));
        let units: Vec<_> =
            std::iter::from_fn(|| encoder.harness.try_pull()).map(|unit| sum_of(&bytes(&unit))).collect();
        assert_eq!(units, sums);
        assert!(host.seen().iter().any(|seen| matches!(seen, Seen::EndOfStream)));
    }
}

#[test]
fn the_end_without_any_frame_is_passed_on() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[]);
    assert!(within(SLACK, "the end", || encoder.harness.push_event(gst::event::Eos::new())));
}

#[test]
fn a_flush_forgets_frames_and_goes_on_with_a_keyframe() {
    let host = Host::start(Manners { hold: 3, in_flight: 8, ..Manners::default() });
    let mut encoder = Encoder::with(&host, &[]);
    encoder.push(0);
    encoder.push(1);
    until("both frames", || host.frames().len() == 2);
    within(SLACK, "the flush", || {
        encoder.harness.push_event(gst::event::FlushStart::new());
        encoder.harness.push_event(gst::event::FlushStop::new(true));
    });
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    encoder.harness.push_event(gst::event::Segment::new(&segment));
    let sum = encoder.push(2);
    let unit = encoder.harness.pull().expect("an access unit");
    assert_eq!(sum_of(&bytes(&unit)), sum, "what was before the flush does not come out");
    assert!(is_keyframe(&unit));
}

#[test]
fn frames_that_come_too_late_are_dropped_if_that_is_asked_for() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[("qos", "true")]);
    encoder.push(0);
    encoder.harness.pull().expect("an access unit");
    let late = gst::event::Qos::builder(gst::QOSType::Underflow, 2.0, gst::ClockTime::SECOND.nseconds() as i64)
        .timestamp(gst::ClockTime::from_mseconds(10))
        .build();
    encoder.harness.push_upstream_event(late);
    // A keyframe that is asked for with a frame that is dropped is still wanted.
    encoder.harness.push_upstream_event(UpstreamForceKeyUnitEvent::builder().build());
    encoder.push(1);
    let sum = encoder.push(90);
    let unit = encoder.harness.pull().expect("an access unit");
    assert_eq!(sum_of(&bytes(&unit)), sum);
    assert!(is_keyframe(&unit));
    assert_eq!(host.frames().len(), 2);
    assert_eq!(encoder.stat::<u64>("dropped"), 1);
}

#[test]
fn the_token_may_be_in_a_file() {
    let host = Host::start(Manners { token: Some(b"a secret"), ..Manners::default() });
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut file, b"a secret\n").expect("written");
    let path = file.path().to_str().expect("a path").to_owned();
    for (name, value) in [("token", "a secret"), ("token-file", path.as_str())] {
        let mut encoder = Encoder::with(&host, &[(name, value)]);
        encoder.push(0);
        encoder.harness.pull().expect("an access unit");
    }
}

#[test]
fn the_host_is_told_when_the_pipeline_stops() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[]);
    encoder.push(0);
    encoder.harness.pull().expect("an access unit");
    within(SLACK, "the stop", || encoder.element.set_state(gst::State::Null)).expect("stopped");
    until("the goodbye", || host.seen().iter().any(|seen| matches!(seen, Seen::Goodbye)));
    assert_eq!(encoder.stat::<u64>("access-units"), 1, "figures can be read afterwards");
}

#[test]
fn an_element_that_nobody_needs_is_gone() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[]);
    encoder.push(0);
    encoder.harness.pull().expect("an access unit");
    let (element, bus) = (encoder.element.downgrade(), encoder.bus.downgrade());
    encoder.element.set_state(gst::State::Null).expect("stopped");
    drop(encoder);
    assert!(element.upgrade().is_none());
    assert!(bus.upgrade().is_none());
}
