//! What the elements before and behind ask for: a stream that they take, or an error that says why not.

use gst::prelude::*;
use gst_video::VideoFormat;

use crate::auto::{auto, canned, chosen};
use crate::host::{Host, Manners};
use crate::support::*;

/// What caps state of the stream that came out.
fn stated<T: for<'a> gst::glib::value::FromValue<'a> + 'static>(encoder: &Encoder, field: &str) -> T {
    let caps = encoder.harness.sinkpad().and_then(|pad| pad.current_caps()).expect("caps");
    let value = caps.structure(0).expect("a structure").value(field).unwrap_or_else(|e| panic!("{caps}: {e}"));
    value.get::<T>().expect("its type")
}

/// A picture with colours, whose chroma would be worth 4:4:4.
fn coloured(format: VideoFormat) -> (gst_video::VideoInfo, gst::Buffer) {
    let info = info(format, 96, 80);
    let buffer = frame(&info, 3).0;
    (info, buffer)
}

fn encode_one(encoder: &mut Encoder, format: VideoFormat) {
    let (info, buffer) = coloured(format);
    encoder.caps(&info);
    encoder.harness.push(buffer).expect("a frame that is taken");
    encoder.harness.pull().expect("an access unit");
}

#[test]
fn software_encoders_make_420_of_every_format() {
    use VideoFormat::{Bgra, Bgrx, I420, Nv12, Rgba, Rgbx};
    for name in ["x264enc", "openh264enc"] {
        for format in [Nv12, I420, Bgrx, Bgra, Rgbx, Rgba] {
            let mut encoder = auto(&[("encoder", name)]);
            encode_one(&mut encoder, format);
            // The parser has it from the SPS.
            assert_eq!(stated::<String>(&encoder, "chroma-format"), "4:2:0", "{name}: {format:?}");
        }
    }
}

#[test]
fn the_stream_stays_420_when_software_takes_over_in_its_middle() {
    let host = Host::start(Manners { canned: canned(), ..Manners::default() });
    let mut encoder = auto(&[("transport", &host.transport())]);
    encode_one(&mut encoder, VideoFormat::Rgbx);
    assert_eq!(chosen(&encoder).0, "vsockenc");
    drop(host);
    within(TIMEOUT * 2 + SLACK * 4, "the change", || {
        while chosen(&encoder).0 == "vsockenc" || encoder.harness.try_pull().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(2));
            encoder.harness.push(coloured(VideoFormat::Rgbx).1).expect("a frame that is taken");
        }
    });
    assert_eq!(stated::<String>(&encoder, "chroma-format"), "4:2:0");
}

#[test]
fn a_level_and_a_profile_that_the_next_element_asks_for_are_stated() {
    for (asked, field, value) in [
        ("video/x-h264,level=(string)3.2", "level", "3.2"),
        ("video/x-h264,level=(string)5", "level", "5"),
        ("video/x-h264,profile=baseline", "profile", "baseline"),
        ("video/x-h264,profile=main", "profile", "main"),
    ] {
        let host = Host::start(Manners::default());
        let mut encoder = Encoder::new(&host.transport(), &[]);
        encoder.harness.set_sink_caps_str(asked);
        encode_one(&mut encoder, VideoFormat::Nv12);
        assert_eq!(stated::<String>(&encoder, field), value, "vsockenc: {asked}");
        let mut encoder = auto(&[("encoder", "x264enc")]);
        encoder.harness.set_sink_caps_str(asked);
        encode_one(&mut encoder, VideoFormat::Nv12);
        assert_eq!(stated::<String>(&encoder, field), value, "helixh264enc: {asked}");
    }
}

#[test]
fn the_best_encoder_makes_avc_for_whoever_asks_for_it() {
    for name in ["x264enc", "openh264enc"] {
        let mut encoder = auto(&[("encoder", name)]);
        encoder.harness.set_sink_caps_str("video/x-h264,stream-format=avc");
        encode_one(&mut encoder, VideoFormat::I420);
        assert_eq!(stated::<String>(&encoder, "stream-format"), "avc", "{name}");
        stated::<gst::Buffer>(&encoder, "codec_data");
    }
}

/// Sends caps, and a frame if they are taken; what the element says then.
fn refused(encoder: &mut Encoder, caps: gst::Caps) -> String {
    encoder.harness.push_event(gst::event::StreamStart::new("refused"));
    encoder.harness.push_event(gst::event::Caps::new(&caps));
    encoder.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    let result = encoder.harness.push(coloured(VideoFormat::Nv12).1);
    assert!(result.is_err(), "{caps}");
    // It is there before the frame is refused.
    let message = encoder.bus.pop_filtered(&[gst::MessageType::Error]).expect("an error");
    text(&message)
}

/// What a message says, to users and to developers.
fn text(message: &gst::Message) -> String {
    let (said, debug) = match message.view() {
        gst::MessageView::Error(error) => (error.error(), error.debug()),
        gst::MessageView::Warning(warning) => (warning.error(), warning.debug()),
        other => panic!("{other:?}"),
    };
    format!("{said}: {}", debug.unwrap_or_default())
}

#[test]
fn what_cannot_be_had_is_told_in_words() {
    let host = Host::start(Manners::default());
    let caps = coloured(VideoFormat::Nv12).0.to_caps().expect("caps");
    for (asked, word) in [("video/x-h264,stream-format=avc", "h264parse"), ("video/x-h264,profile=high-10", "high-10")]
    {
        let mut encoder = Encoder::new(&host.transport(), &[]);
        encoder.harness.set_sink_caps_str(asked);
        let text = refused(&mut encoder, caps.clone());
        assert!(text.contains(word) && text.contains("the next element takes"), "{text}");
    }
    let mut encoder = auto(&[("encoder", "openh264enc")]);
    encoder.harness.set_sink_caps_str("video/x-h264,profile=high-10");
    let text = refused(&mut encoder, caps);
    assert!(text.contains("the next element takes") && text.contains("high-10"), "{text}");
}

#[test]
fn the_first_error_of_a_pipeline_says_what_the_next_element_takes() {
    init();
    let host = Host::start(Manners::default());
    let text = format!("videotestsrc ! vsockenc transport={} ! capsfilter name=wish ! fakesink", host.transport());
    let pipeline = gst::parse::launch(&text).expect("a pipeline").downcast::<gst::Pipeline>().expect("a pipeline");
    // The elements would not be linked with it.
    let caps = gst::Caps::builder("video/x-h264").field("stream-format", "avc").build();
    pipeline.by_name("wish").expect("the filter").set_property("caps", caps);
    let _ = pipeline.set_state(gst::State::Playing);
    let wait = gst::ClockTime::from_seconds(60);
    let message = pipeline.bus().expect("a bus").timed_pop_filtered(wait, &[gst::MessageType::Error]);
    let said = self::text(&message.expect("an error"));
    pipeline.set_state(gst::State::Null).expect("an end");
    assert!(said.contains("h264parse"), "{said}");
}

#[test]
fn interlaced_frames_are_refused_in_words() {
    let host = Host::start(Manners::default());
    for mode in ["interleaved", "mixed"] {
        let mut caps = coloured(VideoFormat::Nv12).0.to_caps().expect("caps");
        caps.make_mut().set("interlace-mode", mode);
        for mut encoder in [Encoder::new(&host.transport(), &[]), auto(&[("encoder", "x264enc")])] {
            let text = refused(&mut encoder, caps.clone());
            assert!(text.contains("interlaced") && text.contains("deinterlace"), "{mode}: {text}");
        }
    }
}

#[test]
fn a_bitrate_that_no_level_has_is_clamped_and_told() {
    let host = Host::start(Manners::default());
    for (asked, sink, used) in
        [("2", "", 10_000), ("900000", "", 240_000_000), ("30000", "video/x-h264,level=(string)3.1", 14_000_000)]
    {
        let mut encoder = Encoder::new(&host.transport(), &[("bitrate", asked)]);
        if !sink.is_empty() {
            encoder.harness.set_sink_caps_str(sink);
        }
        encode_one(&mut encoder, VideoFormat::Nv12);
        let warning = encoder.bus.pop_filtered(&[gst::MessageType::Warning]).expect("a warning");
        let text = text(&warning);
        assert!(text.contains(&format!("{} kbit/s, not {asked}", used / 1000)), "{text}");
        assert_eq!(last_bitrate(&host), used);
    }
    let mut encoder = Encoder::new(&host.transport(), &[("bitrate", "3000")]);
    encode_one(&mut encoder, VideoFormat::Nv12);
    assert!(encoder.bus.pop_filtered(&[gst::MessageType::Warning]).is_none(), "nothing is clamped");
}

fn last_bitrate(host: &Host) -> u64 {
    let mut configured = host.seen().into_iter().filter_map(|seen| match seen {
        crate::host::Seen::Configure(configure) => Some(configure.bitrate),
        _ => None,
    });
    configured.next_back().expect("a configuration")
}
