//! Any message, in any slices.

use helix_frame_protocol::limits::{MAX_BITRATE, MAX_NAME, MIN_BITRATE};
use helix_frame_protocol::*;
use proptest::prelude::*;

use crate::samples::{bytes, hello};

fn size() -> impl Strategy<Value = Size> {
    (16u32..=300, 16u32..=300).prop_map(|(width, height)| Size { width, height })
}

fn one<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(all)
}

fn some<T: Code + std::fmt::Debug>(all: &'static [T]) -> impl Strategy<Value = Set<T>> {
    proptest::sample::subsequence(all, 1..=all.len()).prop_map(|some| some.into_iter().collect())
}

fn text() -> impl Strategy<Value = String> {
    "[ -~äß€😀]{0,32}".prop_filter("not too long", |text| text.len() <= MAX_NAME)
}

fn time() -> impl Strategy<Value = Option<u64>> {
    proptest::option::of(0..u64::MAX)
}

fn level() -> impl Strategy<Value = Level> {
    one(&Level::ALL).prop_map(|idc| Level::new(idc).expect("a level"))
}

fn capabilities() -> impl Strategy<Value = Capabilities> {
    (some(FrameWay::ALL), some(PixelFormat::ALL), some(Profile::ALL), size(), 1u32..=64).prop_map(
        |(ways, formats, profiles, max_size, max_streams)| Capabilities {
            ways,
            formats,
            profiles,
            max_size,
            max_streams,
        },
    )
}

fn any_hello() -> impl Strategy<Value = Message> {
    let token = proptest::option::of(proptest::collection::vec(any::<u8>(), 1..=256));
    (any::<[u16; 2]>(), capabilities(), text(), token).prop_map(|(mut versions, capabilities, name, token)| {
        versions.sort();
        let [min_version, max_version] = versions;
        let token = token.map(|bytes| Token::new(bytes).expect("a token"));
        Message::Hello(Hello { min_version, max_version, capabilities, name, token })
    })
}

fn any_welcome() -> impl Strategy<Value = Message> {
    (capabilities(), text(), text()).prop_map(|(capabilities, name, reason)| {
        let refused = Set::<FrameWay>::all().without(capabilities.ways).iter();
        let refused = refused.map(|way| Refusal { way, reason: reason.clone() }).collect();
        Message::Welcome(Welcome { version: VERSION, capabilities, refused, name })
    })
}

fn any_configure() -> impl Strategy<Value = Message> {
    let codec = (one(PixelFormat::ALL), one(Profile::ALL), proptest::option::of(level()), any::<bool>());
    let color = (one(Matrix::ALL), one(Range::ALL));
    let rate = (0u32..=1000, 1u32..=1_000_000);
    (size(), (codec, color), rate, 0u32..=65_535, MIN_BITRATE..=MAX_BITRATE, some(FrameWay::ALL)).prop_map(
        |(
            size,
            ((format, profile, level, low_latency), (matrix, range)),
            (numerator, denominator),
            keyframe_interval,
            bitrate,
            ways,
        )| {
            let rate = FrameRate { numerator, denominator };
            Message::Configure(Configure {
                size,
                format,
                colorimetry: Colorimetry { matrix, range },
                profile,
                level,
                low_latency,
                rate,
                keyframe_interval,
                bitrate,
                ways,
            })
        },
    )
}

fn any_frame() -> impl Strategy<Value = Message> {
    let source = (1u32.., any::<u64>(), 0u32..3);
    (one(PixelFormat::ALL), size(), [time(), time(), time()], any::<bool>(), source, 0u32..64).prop_map(
        |(format, size, [pts_ns, dts_ns, duration_ns], keyframe, (id, modifier, way), wider)| {
            let (mut planes, mut end) = ([Plane::default(); 3], 0);
            for (index, plane) in planes.iter_mut().enumerate().take(format.planes()) {
                let (bytes, rows) = format.rows(size, index);
                *plane = Plane { offset: end + wider, stride: bytes + wider };
                end = plane.offset + plane.stride * rows;
            }
            let source = match way {
                0 => Source::Resource { id, modifier },
                1 => Source::Blob { id, size: end },
                _ => Source::Pixels { length: end },
            };
            Message::Frame(Frame { size, format, pts_ns, dts_ns, duration_ns, keyframe, source, planes })
        },
    )
}

fn any_message() -> impl Strategy<Value = Message> {
    let configured = (one(Profile::ALL), level(), one(FrameWay::ALL), 1u8..=64, text()).prop_map(
        |(profile, level, way, max_in_flight, encoder)| {
            Message::Configured(Configured { profile, level, way, max_in_flight, encoder })
        },
    );
    let unit = (time(), time(), any::<bool>(), 1u32..5000).prop_map(|(pts_ns, dts_ns, keyframe, length)| {
        Message::AccessUnit(AccessUnit { pts_ns, dts_ns, keyframe, length })
    });
    let statistics = any::<[u64; 6]>().prop_map(|[frames, bytes, encode_total_ns, encode_max_ns, dropped, queued]| {
        Message::Statistics(Statistics { frames, bytes, encode_total_ns, encode_max_ns, dropped, queued })
    });
    let failure = (one(ErrorCode::ALL), any::<bool>(), any::<String>())
        .prop_map(|(code, fatal, text)| Message::Error(Failure::new(code, fatal, &text)));
    let empty = proptest::sample::select(vec![
        Message::ForceKeyframe,
        Message::KeyframeForced,
        Message::GetStatistics,
        Message::Ping,
        Message::Pong,
        Message::EndOfStream,
        Message::Drained,
        Message::Close,
        Message::Closed,
    ]);
    let skipped = one(SkipReason::ALL).prop_map(Message::Skipped);
    prop_oneof![
        any_hello(),
        any_welcome(),
        any_configure(),
        configured,
        any_frame(),
        unit,
        statistics,
        failure,
        skipped,
        empty
    ]
}

proptest! {
    #[test]
    fn any_messages_come_back_from_any_slices(
        messages in proptest::collection::vec((any::<u32>(), any::<u64>(), any_message()), 1..4),
        sizes in proptest::collection::vec(1usize..3000, 1..20),
    ) {
        let envelope = |(stream, request, message)| Envelope { stream, request, message };
        let messages: Vec<Envelope> = messages.into_iter().map(envelope).collect();
        let data = |envelope: &Envelope| vec![0xd5; envelope.message.data_length() as usize];
        let wire: Vec<u8> = messages.iter().flat_map(|envelope| bytes(envelope, &data(envelope))).collect();
        let (mut decoder, mut got, mut rest, mut sizes) = (Decoder::new(), Vec::new(), &wire[..], sizes.iter().cycle());
        while !rest.is_empty() {
            let (mut slice, after) = rest.split_at(rest.len().min(*sizes.next().expect("it has no end")));
            rest = after;
            while !slice.is_empty() {
                let count = decoder.data_left().min(slice.len());
                prop_assert!(slice[..count].iter().all(|byte| *byte == 0xd5));
                decoder.data_advance(count);
                slice = &slice[count..];
                got.extend(if slice.is_empty() { None } else { decoder.feed(&mut slice)? });
            }
        }
        prop_assert!(decoder.between_messages());
        prop_assert_eq!(got, messages);
    }

    #[test]
    fn any_bytes_are_refused_or_read_and_nothing_panics(
        number in one(&Kind::ALL), flags in 0u32..4, body in proptest::collection::vec(any::<u8>(), 0..200), data: u32,
    ) {
        let mut wire = bytes(&Envelope { stream: 0, request: 1, message: hello() }, &[]);
        wire.truncate(32);
        wire[6..8].copy_from_slice(&number.number().to_le_bytes());
        wire[8..12].copy_from_slice(&flags.to_le_bytes());
        wire[24..28].copy_from_slice(&(body.len() as u32).to_le_bytes());
        wire[28..32].copy_from_slice(&data.to_le_bytes());
        wire.extend(body);
        let mut decoder = Decoder::new();
        if let Ok(Some(envelope)) = decoder.feed(&mut &wire[..]) {
            prop_assert!(decoder.data_left() as u32 == envelope.message.data_length());
            prop_assert!(envelope.message.data_length() <= number.max_data());
        }
    }
}
