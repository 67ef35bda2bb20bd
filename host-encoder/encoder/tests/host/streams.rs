//! Streams that an independent decoder decodes.

use helix_frame_protocol::*;

use crate::client::{Client, Got, Host, frame, wanted};
use crate::pictures::{decode, draw, expected, is_keyframe, worst_psnr};

/// Encodes frames of the pattern with the given layout, and checks that what is decoded is the pattern.
fn round_trip(client: &mut Client, wanted: &Configure, layout: [Plane; 3], length: u32, frames: u32) {
    let configured = client.configure(1, wanted);
    let mut stream = Vec::new();
    for index in 0..frames {
        let source = Source::Pixels { length };
        let pts_ns = Some(u64::from(index) * 33_000_000);
        let frame = Frame { planes: layout, source, ..frame(wanted, pts_ns) };
        let data = draw(wanted.format, wanted.size, &layout, length as usize, index, wanted.colorimetry);
        let (unit, data) = client.encode(1, frame, &data);
        assert_eq!((unit.pts_ns, unit.dts_ns), (pts_ns, None));
        assert_eq!(unit.keyframe, is_keyframe(&data));
        assert_eq!(unit.keyframe, index == 0);
        stream.extend(data);
    }
    let decoded = decode(&stream);
    let even = |side: u32| side.next_multiple_of(2);
    assert_eq!(decoded.size, Size { width: even(wanted.size.width), height: even(wanted.size.height) });
    assert_eq!(decoded.frames.len(), frames as usize);
    for (index, found) in decoded.frames.iter().enumerate() {
        let psnr = worst_psnr(decoded.size, found, &expected(wanted.size, index as u32, wanted.colorimetry));
        assert!(psnr > 35.0, "{} {} frame {index}: {psnr} dB", wanted.size, wanted.format);
    }
    let Colorimetry { matrix, range } = wanted.colorimetry;
    assert_eq!(decoded.says("color_range"), if range == Range::Full { "pc" } else { "tv" });
    assert_eq!(decoded.says("color_space"), if matrix == Matrix::Bt601 { "smpte170m" } else { "bt709" });
    assert_eq!(decoded.says("profile"), "Constrained Baseline");
    assert_eq!(decoded.says("level"), configured.level.idc().to_string());
}

#[test]
fn all_formats_in_usual_and_odd_and_smallest_sizes() {
    let host = Host::of("openh264");
    for (width, height) in [(320, 180), (333, 187), (16, 16), (17, 16), (1280, 720)] {
        for format in PixelFormat::ALL.iter().copied() {
            let wanted = wanted(format, width, height);
            let layout = packed_planes(format, wanted.size);
            round_trip(&mut host.hello(), &wanted, layout, format.packed_length(wanted.size), 4);
        }
    }
}

#[test]
fn the_level_that_a_client_asks_for_is_in_the_stream() {
    let host = Host::of("openh264");
    for idc in [32, 41, 50] {
        let wanted = Configure { level: Level::new(idc), ..wanted(PixelFormat::I420, 320, 180) };
        assert_eq!(host.hello().configure(1, &wanted).level.idc(), idc);
        let layout = packed_planes(wanted.format, wanted.size);
        round_trip(&mut host.hello(), &wanted, layout, wanted.format.packed_length(wanted.size), 2);
    }
}

#[test]
fn every_matrix_and_range_is_applied_and_written_into_the_stream() {
    let host = Host::of("openh264");
    for matrix in Matrix::ALL.iter().copied() {
        for range in Range::ALL.iter().copied() {
            for format in [PixelFormat::Bgrx, PixelFormat::I420] {
                let wanted = Configure { colorimetry: Colorimetry { matrix, range }, ..wanted(format, 320, 180) };
                let layout = packed_planes(format, wanted.size);
                round_trip(&mut host.hello(), &wanted, layout, format.packed_length(wanted.size), 3);
            }
        }
    }
}

#[test]
fn wide_strides_and_offsets_of_planes() {
    let host = Host::of("openh264");
    for format in PixelFormat::ALL.iter().copied() {
        let wanted = wanted(format, 318, 178);
        let (mut layout, mut end) = ([Plane::default(); 3], 0);
        for (index, plane) in layout.iter_mut().enumerate().take(format.planes()) {
            let (bytes, rows) = format.rows(wanted.size, index);
            *plane = Plane { offset: end + 52, stride: bytes + 66 - index as u32 };
            end = plane.offset + plane.stride * (rows - 1) + bytes;
        }
        round_trip(&mut host.hello(), &wanted, layout, end, 3);
    }
}

#[test]
fn the_largest_size_of_openh264_and_what_is_beyond() {
    let host = Host::of("openh264");
    for (width, height) in [(3840, 2160), (4096, 2304), (2304, 4096)] {
        let wanted = wanted(PixelFormat::Nv12, width, height);
        let layout = packed_planes(wanted.format, wanted.size);
        round_trip(&mut host.hello(), &wanted, layout, wanted.format.packed_length(wanted.size), 2);
    }
    let wanted = wanted(PixelFormat::Nv12, 4096, 2304);
    let mut client = host.hello();
    let beyond = Configure { size: Size { width: 4096, height: 2320 }, ..wanted };
    client.ask(1, Message::Configure(beyond), &[]);
    assert_eq!(client.answer().failure().code, ErrorCode::Unsupported);
    assert_eq!(client.configure(1, &wanted).way, FrameWay::Pixels);
}

#[test]
fn the_largest_frames_of_a_mac_cross_the_wire() {
    let host = Host::of("discard");
    for format in [PixelFormat::Bgrx, PixelFormat::Nv12] {
        let wanted = wanted(format, 4096, 2304);
        let mut client = host.hello();
        let configured = client.configure(1, &wanted);
        assert!(configured.max_in_flight >= 2);
        let data = vec![7; format.packed_length(wanted.size) as usize];
        client.encode(1, frame(&wanted, None), &data);
    }
}

#[test]
fn times_are_those_of_the_frames_whatever_they_are() {
    let host = Host::of("openh264");
    let (mut client, wanted) = (host.hello(), wanted(PixelFormat::Nv12, 64, 64));
    client.configure(1, &wanted);
    let data = vec![90; wanted.format.packed_length(wanted.size) as usize];
    let times = [Some(5_000_000_000), None, Some(0), Some(u64::MAX - 1), Some(60_000_000_000), Some(1)];
    for (pts_ns, dts_ns) in times.iter().zip(times.iter().rev()) {
        let frame = Frame { dts_ns: *dts_ns, ..frame(&wanted, *pts_ns) };
        let (unit, _) = client.encode(1, frame, &data);
        assert_eq!((unit.pts_ns, unit.dts_ns), (*pts_ns, *dts_ns));
    }
}

#[test]
fn keyframes_come_when_asked_for_and_at_their_interval() {
    let host = Host::of("openh264");
    let (mut client, wanted) = (host.hello(), wanted(PixelFormat::I420, 64, 64));
    client.configure(1, &Configure { keyframe_interval: 10, ..wanted });
    let data = vec![90; wanted.format.packed_length(wanted.size) as usize];
    let mut keyframes = Vec::new();
    for index in 0..25 {
        if index == 3 {
            client.ask(1, Message::ForceKeyframe, &[]);
            assert_eq!(client.answer().message, Message::KeyframeForced);
        }
        let frame = Frame { keyframe: index == 6, ..frame(&wanted, None) };
        let (unit, data) = client.encode(1, frame, &data);
        assert_eq!(unit.keyframe, is_keyframe(&data));
        keyframes.extend(unit.keyframe.then_some(index));
    }
    assert_eq!(keyframes, [0, 3, 6, 16], "an interval counts from the last keyframe");
}

#[test]
fn the_end_of_a_stream_delivers_every_frame_and_the_stream_goes_on_with_a_keyframe() {
    let host = Host::of("openh264");
    let (mut client, wanted) = (host.hello(), wanted(PixelFormat::Nv12, 640, 360));
    let in_flight = client.configure(1, &wanted).max_in_flight;
    assert!(in_flight >= 2);
    let data = vec![90; wanted.format.packed_length(wanted.size) as usize];
    for _ in 0..2 {
        for _ in 0..in_flight {
            client.ask(1, Message::Frame(frame(&wanted, None)), &data);
        }
        client.ask(1, Message::EndOfStream, &[]);
        for index in 0..in_flight {
            assert_eq!(client.answer().unit().0.keyframe, index == 0);
        }
        assert_eq!(client.answer().message, Message::Drained);
    }
    client.ask(1, Message::GetStatistics, &[]);
    let Message::Statistics(figures) = client.answer().message else { panic!("no figures") };
    assert_eq!((figures.frames, figures.dropped, figures.queued), (2 * u64::from(in_flight), 0, 0));
    assert!(figures.bytes > 0 && figures.encode_max_ns <= figures.encode_total_ns);
    client.ask(1, Message::Close, &[]);
    assert_eq!(client.answer().message, Message::Closed);
}

#[test]
fn size_and_format_change_in_mid_stream_with_frames_in_flight() {
    let host = Host::of("openh264");
    let mut client = host.hello();
    let sizes = [(PixelFormat::Nv12, 320, 180), (PixelFormat::Bgrx, 333, 187), (PixelFormat::I420, 64, 64)];
    // The access units of each configuration.
    let mut streams: Vec<Vec<Got>> = Vec::new();
    for (format, width, height) in sizes {
        let wanted = wanted(format, width, height);
        client.ask(1, Message::Configure(wanted), &[]);
        // The answers to the frames before come first.
        let in_flight = loop {
            let got = client.answer();
            match got.message {
                Message::AccessUnit(_) => streams.last_mut().expect("a configuration").push(got),
                Message::Configured(configured) => break configured.max_in_flight,
                other => panic!("{other:?}"),
            }
        };
        streams.push(Vec::new());
        let layout = packed_planes(format, wanted.size);
        let length = format.packed_length(wanted.size) as usize;
        for index in 0..in_flight {
            let data = draw(format, wanted.size, &layout, length, index.into(), wanted.colorimetry);
            client.ask(1, Message::Frame(frame(&wanted, None)), &data);
        }
    }
    client.ask(1, Message::EndOfStream, &[]);
    loop {
        let got = client.answer();
        match got.message {
            Message::AccessUnit(_) => streams.last_mut().expect("a configuration").push(got),
            Message::Drained => break,
            other => panic!("{other:?}"),
        }
    }
    for (units, (_, width, height)) in streams.into_iter().zip(sizes) {
        let keyframes: Vec<bool> = units.iter().map(|got| is_keyframe(&got.data)).collect();
        assert!(keyframes.len() >= 2 && keyframes[0] && !keyframes[1..].contains(&true), "{keyframes:?}");
        let decoded = decode(&units.iter().flat_map(|got| got.data.clone()).collect::<Vec<_>>());
        assert_eq!(decoded.frames.len(), keyframes.len());
        let even = Size { width: width.next_multiple_of(2), height: height.next_multiple_of(2) };
        assert_eq!(decoded.size, even);
    }
}

#[test]
fn noise_at_the_highest_bitrates_is_encoded_too() {
    let host = Host::of("openh264");
    for (size, bitrate) in [((16, 16), 10_000_000), ((320, 180), 200_000_000), ((1280, 720), 240_000_000)] {
        let wanted = Configure { bitrate, ..wanted(PixelFormat::I420, size.0, size.1) };
        let mut client = host.hello();
        client.configure(1, &wanted);
        let (mut seed, length) = (7u32, wanted.format.packed_length(wanted.size));
        let mut stream = Vec::new();
        for _ in 0..10 {
            let noise = |_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            };
            let data: Vec<u8> = (0..length).map(noise).collect();
            stream.extend(client.encode(1, frame(&wanted, None), &data).1);
        }
        assert_eq!(decode(&stream).frames.len(), 10);
    }
}

/// Nobody mistakes kbit/s for bit/s, and nobody leaves frames out to keep the bitrate.
#[test]
fn the_bitrate_is_near_what_was_asked_for() {
    let host = Host::of("openh264");
    for (bitrate, rate) in [(300_000u64, 30), (1_200_000, 30), (2_000_000, 120)] {
        let rate = FrameRate { numerator: rate, denominator: 1 };
        let wanted = Configure { bitrate, rate, ..wanted(PixelFormat::I420, 320, 180) };
        let (layout, length) = (packed_planes(wanted.format, wanted.size), wanted.format.packed_length(wanted.size));
        let mut client = host.hello();
        client.configure(1, &wanted);
        let mut bytes = 0;
        for index in 0..90u32 {
            let mut data = draw(wanted.format, wanted.size, &layout, length as usize, index, wanted.colorimetry);
            // Some grain, so that there is something to spend bits on.
            let grain = |at: usize| (at as u32).wrapping_mul(7919).wrapping_mul(index + 1) >> 13 & 7;
            data.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= grain(at) as u8);
            bytes += client.encode(1, frame(&wanted, None), &data).1.len() as u64;
        }
        let found = bytes * 8 * u64::from(rate.numerator) / 90;
        println!("{bitrate} bit/s were asked for, {found} came");
        assert!(found > bitrate / 2 && found < bitrate * 3 / 2, "{found}");
    }
}
