//! Bytes in any slices, cut anywhere, with anything in them.

use helix_frame_protocol::limits::{MAX_BODY, MAX_PIXELS, MAX_UNKNOWN};
use helix_frame_protocol::*;

use crate::samples::{SIZE, all, bytes, frame, pixels};

/// A header with these lengths.
fn header(number: u16, request: u64, body: u32, data: u32) -> Vec<u8> {
    let ping = Envelope { stream: 0, request: request.max(1), message: Message::Ping };
    let mut wire = bytes(&ping, &[]);
    wire[6..8].copy_from_slice(&number.to_le_bytes());
    wire[16..24].copy_from_slice(&request.to_le_bytes());
    wire[24..28].copy_from_slice(&body.to_le_bytes());
    wire[28..32].copy_from_slice(&data.to_le_bytes());
    wire
}

#[test]
fn a_message_cut_at_any_byte_is_no_message_and_goes_on_with_the_rest() {
    for sample in all() {
        let wire = bytes(&sample.envelope, &sample.data);
        let body_end = wire.len() - sample.data.len();
        for cut in 0..body_end {
            let mut decoder = Decoder::new();
            assert_eq!(decoder.feed(&mut &wire[..cut]), Ok(None), "{} cut at {cut}", sample.name);
            assert_eq!(decoder.between_messages(), cut == 0);
            assert_eq!(decoder.feed(&mut &wire[cut..]), Ok(Some(sample.envelope.clone())), "{}", sample.name);
            assert_eq!(decoder.data_left(), sample.data.len());
        }
    }
}

#[test]
fn lengths_are_refused_by_the_header_alone() {
    for kind in Kind::ALL {
        for (body, data) in [(kind.max_body() + 1, 0), (u32::MAX, 0), (0, kind.max_data() + 1), (u32::MAX, u32::MAX)] {
            let wire = header(kind.number(), u64::MAX, body, data);
            let error = Decoder::new().feed(&mut &wire[..]).expect_err("too long");
            assert!(matches!(error, Error::TooLong { message, .. } if message == kind.number()), "{error}");
        }
    }
}

#[test]
fn a_body_of_any_other_length_is_refused() {
    for sample in all().into_iter().filter(|sample| sample.name != "hello") {
        let kind = sample.envelope.message.kind().expect("a known type");
        let wire = bytes(&sample.envelope, &sample.data);
        let length = (wire.len() - sample.data.len() - 32) as u32;
        for other in (0..=kind.max_body().min(length + 8)).filter(|other| *other != length) {
            let mut wire = [&wire[..], &[0; 8]].concat();
            wire[24..28].copy_from_slice(&other.to_le_bytes());
            assert!(Decoder::new().feed(&mut &wire[..]).is_err(), "{} with {other}", sample.name);
        }
    }
}

#[test]
fn hello_may_grow_and_offer_what_is_not_known() {
    let sample = all().remove(0);
    let mut wire = bytes(&sample.envelope, &[]);
    wire.extend([1, 2, 3]);
    wire[24] += 3;
    // The highest bits of ways, formats and profiles.
    for at in [39, 43, 47] {
        wire[at] |= 0x80;
    }
    assert_eq!(Decoder::new().feed(&mut &wire[..]), Ok(Some(sample.envelope)));
}

#[test]
fn unknown_types_are_skipped_and_requests_among_them_answered() {
    for (number, request, answered) in [(0x0777, 5, true), (0x8777, 5, false), (0x0777, 0, false)] {
        let mut wire = header(number, request, 5000, 3);
        wire.extend([0xee; 5003]);
        wire.extend(header(7, 6, 0, 0));
        let (mut decoder, mut rest) = (Decoder::new(), &wire[..]);
        let unknown = decoder.feed(&mut rest).expect("skipped").expect("told");
        assert_eq!(unknown.message, Message::Unknown(number));
        assert_eq!(unknown.refusal().map(|refusal| refusal.request), answered.then_some(request));
        assert!(Outgoing::new(&unknown, &mut Vec::new(), &[]).is_err(), "it is never sent");
        let next = decoder.feed(&mut rest).expect("a message").expect("a message");
        assert_eq!((next.message, next.request, rest.len()), (Message::Ping, 6, 0));
    }
    let half = (MAX_UNKNOWN / 2) as u32;
    assert!(Decoder::new().feed(&mut &header(0x777, 1, half, half)[..]).is_ok());
    assert!(Decoder::new().feed(&mut &header(0x777, 1, half, half + 1)[..]).is_err());
}

#[test]
fn data_goes_to_the_callers_buffer_or_is_skipped() {
    let message = Envelope { stream: 1, request: 1, message: pixels() };
    let data: Vec<u8> = (0..message.message.data_length()).map(|i| i as u8).collect();
    let wire = [bytes(&message, &data), header(7, 2, 0, 0)].concat();
    for read in [0, 1, data.len() - 1, data.len()] {
        let (mut decoder, mut rest) = (Decoder::new(), &wire[..]);
        assert_eq!(decoder.feed(&mut rest), Ok(Some(message.clone())));
        assert_eq!((decoder.data_left(), rest.get(..data.len())), (data.len(), Some(&data[..])));
        decoder.data_advance(read);
        rest = &rest[read..];
        assert_eq!(decoder.between_messages(), read == data.len());
        assert!(matches!(decoder.feed(&mut rest), Ok(Some(Envelope { request: 2, .. }))));
    }
}

#[test]
fn a_decoder_holds_no_more_than_header_and_body() {
    let frame = Kind::Frame;
    let mut decoder = Decoder::new();
    assert!(decoder.space().len() <= 32);
    decoder.feed(&mut &header(frame.number(), 1, frame.max_body(), MAX_PIXELS)[..]).expect("a header");
    assert_eq!(decoder.space().len(), frame.max_body() as usize);
    let mut decoder = Decoder::new();
    decoder.feed(&mut &header(0x777, 1, MAX_UNKNOWN as u32, 0)[..]).expect("a header");
    assert_eq!(decoder.space().len(), 32 + MAX_BODY as usize);
}

#[test]
fn the_sum_of_the_data_must_be_what_the_message_says() {
    let message = Envelope { stream: 1, request: 1, message: pixels() };
    let length = message.message.data_length() as usize;
    let data = vec![7; length + 1];
    let mut prefix = Vec::new();
    assert!(Outgoing::new(&message, &mut prefix, &[&data]).is_err());
    assert!(Outgoing::new(&message, &mut prefix, &[&data[2..]]).is_err());
    let outgoing = Outgoing::new(&message, &mut prefix, &[&data[..5], &[], &data[5..length]]).expect("in parts");
    assert_eq!((outgoing.left(), outgoing.slices().len()), (32 + 80 + length, 3));
    assert_eq!(outgoing.slices()[1].as_ptr(), data.as_ptr(), "pixels are not copied");
}

#[test]
fn sizes_from_the_smallest_to_the_largest_in_all_formats() {
    for format in PixelFormat::ALL.iter().copied() {
        for (width, height, good) in
            [(16, 16, true), (17, 4095, true), (8192, 8192, true), (15, 16, false), (16, 8193, false), (0, 16, false)]
        {
            let message = frame(format, Size { width: width.max(1), height });
            let Message::Frame(frame) = message else { unreachable!() };
            let message = Message::Frame(Frame { size: Size { width, height }, ..frame });
            // What was encoded wrongly cannot be sent, so the length is only looked at.
            let mut prefix = Vec::new();
            let error = Outgoing::new(&Envelope { stream: 1, request: 1, message }, &mut prefix, &[]);
            let told = error.expect_err("there are no data").to_string();
            assert_eq!(told.contains("the message says"), good, "{format} {width}x{height}: {told}");
        }
    }
    assert_eq!(PixelFormat::Nv12.packed_length(SIZE), 17 * 19 + 18 * 10);
    assert_eq!(PixelFormat::I420.packed_length(SIZE), 17 * 19 + 9 * 10 * 2);
    assert_eq!(PixelFormat::Bgra.packed_length(SIZE), 17 * 19 * 4);
}

#[test]
fn the_token_of_a_hello_is_not_shown() {
    let shown = format!("{:?}", all().remove(0).envelope);
    assert!(shown.contains("vsockenc") && !shown.contains("secret") && !shown.contains("115, 101"), "{shown}");
}
