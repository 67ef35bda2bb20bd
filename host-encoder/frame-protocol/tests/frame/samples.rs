//! Messages of every type.

use helix_frame_protocol::*;

/// A message that is also a test vector.
pub(crate) struct Sample {
    /// The name of its file.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) envelope: Envelope,
    pub(crate) data: Vec<u8>,
}

pub(crate) const SIZE: Size = Size { width: 17, height: 19 };

pub(crate) fn capabilities() -> Capabilities {
    Capabilities {
        ways: Set::all(),
        formats: Set::all(),
        profiles: Set::all(),
        max_size: Size { width: 4096, height: 2304 },
        max_streams: 4,
    }
}

pub(crate) fn hello() -> Message {
    let token = Some(Token::new(*b"secret").expect("a token"));
    Message::Hello(Hello {
        min_version: 1,
        max_version: 3,
        capabilities: capabilities(),
        name: "vsockenc 0.1".into(),
        token,
    })
}

pub(crate) fn welcome() -> Message {
    let ways = Set::from([FrameWay::Blob, FrameWay::Pixels]);
    let capabilities = Capabilities { ways, max_streams: 2, ..capabilities() };
    let refused = vec![Refusal { way: FrameWay::Resource, reason: "no virgl renderer".into() }];
    Message::Welcome(Welcome { version: 2, capabilities, refused, name: "helix-host-encoder 0.1".into() })
}

pub(crate) fn configure() -> Message {
    Message::Configure(Configure {
        size: SIZE,
        format: PixelFormat::Nv12,
        colorimetry: Colorimetry { matrix: Matrix::Bt601, range: Range::Full },
        profile: Profile::H264Main,
        level: Level::new(42),
        low_latency: true,
        rate: FrameRate { numerator: 30_000, denominator: 1001 },
        keyframe_interval: 250,
        bitrate: 4_000_000,
        ways: Set::from([FrameWay::Blob, FrameWay::Pixels]),
    })
}

pub(crate) fn configured() -> Message {
    Message::Configured(Configured {
        profile: Profile::H264ConstrainedBaseline,
        level: Level::new(9).expect("level 1b"),
        way: FrameWay::Pixels,
        max_in_flight: 2,
        encoder: "openh264".into(),
    })
}

pub(crate) fn frame(format: PixelFormat, size: Size) -> Message {
    let length = format.packed_length(size);
    let (planes, source) = (packed_planes(format, size), Source::Pixels { length });
    let (pts_ns, dts_ns, duration_ns) = (Some(0), None, Some(33_366_666));
    Message::Frame(Frame { size, format, pts_ns, dts_ns, duration_ns, keyframe: true, source, planes })
}

pub(crate) fn pixels() -> Message {
    frame(PixelFormat::Nv12, SIZE)
}

fn elsewhere(source: Source) -> Message {
    let Message::Frame(packed) = frame(PixelFormat::I420, SIZE) else { unreachable!() };
    let plane = |offset| Plane { offset, stride: 32 };
    let planes = [plane(64), plane(64 + 32 * 19), plane(64 + 32 * 29)];
    Message::Frame(Frame { source, planes, pts_ns: None, duration_ns: None, keyframe: false, ..packed })
}

pub(crate) fn access_unit(length: u32) -> Message {
    Message::AccessUnit(AccessUnit { pts_ns: Some(1 << 40), dts_ns: Some(7), keyframe: true, length })
}

pub(crate) fn failure(code: ErrorCode, fatal: bool) -> Message {
    Message::Error(Failure::new(code, fatal, "nothing but a test"))
}

pub(crate) fn statistics() -> Message {
    Message::Statistics(Statistics {
        frames: 1,
        bytes: 2,
        encode_total_ns: 3,
        encode_max_ns: 4,
        dropped: 5,
        queued: u64::MAX,
    })
}

pub(crate) fn all() -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut add = |name, about, stream, request, message: Message| {
        let data = (0..message.data_length()).map(|i| i as u8).collect();
        samples.push(Sample { name, about, envelope: Envelope { stream, request, message }, data });
    };
    add("hello", "Versions 1 to 3, everything offered, with a token.", 0, 1, hello());
    add("welcome", "Version 2; resources are refused.", 0, 1, welcome());
    add(
        "configure",
        "17x19 NV12, BT.601 in full range, main profile, level 4.2, 30000/1001 frames per second.",
        1,
        2,
        configure(),
    );
    add("configured", "Constrained baseline, level 1b, pixels, two frames in flight.", 1, 2, configured());
    add("frame-pixels", "NV12 of odd size; pts 0, no dts, with a duration; a keyframe is asked for.", 1, 3, pixels());
    let blob = elsewhere(Source::Blob { id: 9, size: 64 + 32 * 39 });
    add("frame-blob", "I420 in a blob, strides wider than rows, no time at all.", 1, 4, blob);
    let modifier = 0x00ff_ffff_ffff_ffff;
    let resource = elsewhere(Source::Resource { id: 10, modifier });
    add("frame-resource", "I420 in a resource whose modifier is not known (DRM_FORMAT_MOD_INVALID).", 1, 5, resource);
    add("access-unit", "A keyframe of five bytes with pts and dts.", 1, 3, access_unit(5));
    add("skipped", "Left out by rate control.", 1, 4, Message::Skipped(SkipReason::RateControl));
    add("force-keyframe", "An empty body.", 1, 6, Message::ForceKeyframe);
    add("keyframe-forced", "An empty body.", 1, 6, Message::KeyframeForced);
    add("get-statistics", "An empty body.", 1, 7, Message::GetStatistics);
    add("statistics", "Each figure another number.", 1, 7, statistics());
    add("ping", "The highest request id.", 0, u64::MAX, Message::Ping);
    add("pong", "The highest request id.", 0, u64::MAX, Message::Pong);
    add("end-of-stream", "An empty body.", u32::MAX, 8, Message::EndOfStream);
    add("drained", "An empty body.", u32::MAX, 8, Message::Drained);
    add("close", "An empty body.", 1, 9, Message::Close);
    add("closed", "An empty body.", 1, 9, Message::Closed);
    add("error", "Ends the connection, answers nothing.", 0, 0, failure(ErrorCode::Unauthorized, true));
    samples
}

pub(crate) fn bytes(envelope: &Envelope, data: &[u8]) -> Vec<u8> {
    let (mut prefix, mut wire) = (Vec::new(), Vec::new());
    let outgoing = Outgoing::new(envelope, &mut prefix, &[data]).expect("a good message");
    outgoing.write_all(&mut wire, std::time::Duration::MAX).expect("memory");
    wire
}
