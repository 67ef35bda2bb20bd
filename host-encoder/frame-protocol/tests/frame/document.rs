//! The tables of the specification say what the code does.

use std::path::Path;

use helix_frame_protocol::limits::*;
use helix_frame_protocol::*;

use crate::samples::bytes;

/// The rows of the table below a heading, without its own two lines; each a list of cells.
fn table(heading: &str) -> Vec<Vec<String>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/protocol.md");
    let text = std::fs::read_to_string(file).expect("the specification");
    let lines =
        text.lines().skip_while(|line| line.trim_start_matches('#').trim() != heading || !line.starts_with('#'));
    let lines = lines.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = lines.skip(2).map(cells).collect();
    assert!(!rows.is_empty(), "there is a table below {heading:?}");
    rows
}

#[test]
fn the_attach() {
    let rows = table("Transports without connections");
    assert!(rows[0][3].contains(&hex::encode(ATTACH)));
    let length: usize = rows.iter().map(|row| row[1].parse::<usize>().expect("a size")).sum();
    assert_eq!(Attach::new([0; 16]).bytes().len(), length);
}

#[test]
fn types_and_their_bounds() {
    let stream = |kind: Kind| match kind {
        Kind::Hello | Kind::Welcome | Kind::Ping | Kind::Pong => "0",
        Kind::Error => "any",
        _ => "id",
    };
    let row = |kind: &Kind| {
        let from = format!("{:?}", kind.sender()).to_lowercase();
        let number = format!("{:#06x}", kind.number());
        [number, kind.to_string(), from, stream(*kind).into(), kind.max_body().to_string(), kind.max_data().to_string()]
    };
    let expected: Vec<_> = Kind::ALL.iter().map(row).collect();
    let found: Vec<Vec<String>> = table("Types").into_iter().map(|row| row[..6].to_vec()).collect();
    assert_eq!(found, expected);
}

#[test]
fn numbered_choices() {
    fn check<T: Code + std::fmt::Display>(heading: &str) {
        let expected: Vec<_> = T::CHOICES.iter().map(|c| [c.bit().ilog2().to_string(), c.to_string()]).collect();
        let found: Vec<Vec<String>> = table(heading).into_iter().map(|row| row[..2].to_vec()).collect();
        assert_eq!(found, expected, "{heading}");
    }
    check::<FrameWay>("Frame ways");
    check::<PixelFormat>("Pixel formats");
    check::<Matrix>("Matrices");
    check::<Range>("Ranges");
    check::<Profile>("Profiles");
    check::<SkipReason>("Skip reasons");
    check::<ErrorCode>("Error codes");
}

#[test]
fn limits() {
    let expected: Vec<(&str, u64)> = vec![
        ("header", HEADER as u64),
        ("body of any type", MAX_BODY.into()),
        ("body and data of an unknown type", MAX_UNKNOWN),
        ("smallest side", MIN_SIDE.into()),
        ("largest side", MAX_SIDE.into()),
        ("stride", MAX_STRIDE.into()),
        ("data of a frame beyond twice its packed size", PIXELS_SLACK.into()),
        ("token", MAX_TOKEN as u64),
        ("name, reason", MAX_NAME as u64),
        ("text of an error", MAX_ERROR_TEXT as u64),
        ("streams of a connection", MAX_STREAMS.into()),
        ("frames of a stream without an answer", MAX_IN_FLIGHT.into()),
        ("requests of one end without an answer", MAX_PENDING as u64),
        ("lowest bitrate", MIN_BITRATE),
        ("highest bitrate", MAX_BITRATE),
        ("term of the frame rate", MAX_RATE_TERM.into()),
        ("frame rate", MAX_RATE.into()),
        ("keyframe interval", MAX_KEYFRAME_INTERVAL.into()),
    ];
    compare("Limits", &expected);
    let timeouts = [
        ("handshake", HANDSHAKE_TIMEOUT),
        ("message", MESSAGE_TIMEOUT),
        ("answer", ANSWER_TIMEOUT),
        ("idle", IDLE_TIMEOUT),
    ];
    compare("Time-outs", &timeouts.map(|(name, time)| (name, time.as_secs())));
}

fn compare(heading: &str, expected: &[(&str, u64)]) {
    let found: Vec<(String, u64)> =
        table(heading).into_iter().map(|row| (row[0].clone(), row[1].parse().expect("a number"))).collect();
    let expected: Vec<(String, u64)> = expected.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    assert_eq!(found, expected);
}

/// Fields follow one another without gaps, and bodies without texts end where the type says.
#[test]
fn offsets_of_all_fields() {
    let end = |heading: &str| {
        table(heading).iter().fold(0, |at, row| {
            assert_eq!(row[0], at.to_string(), "{heading}: {}", row[2]);
            at + row[1].parse::<u32>().expect("a size")
        })
    };
    assert_eq!(end("Header") as usize, HEADER);
    for kind in [Kind::Configure, Kind::Frame, Kind::AccessUnit, Kind::Skipped, Kind::Statistics] {
        assert_eq!(end(kind.name()), kind.max_body());
    }
    let texts = |fixed: u32, texts: usize| fixed + 2 + texts as u32;
    assert_eq!(texts(end("configured"), MAX_NAME), Kind::Configured.max_body());
    assert_eq!(texts(end("error"), MAX_ERROR_TEXT), Kind::Error.max_body());
    let refused = 3 * (1 + 2 + MAX_NAME);
    assert!(texts(end("welcome"), MAX_NAME + refused) <= Kind::Welcome.max_body());
    assert!(texts(texts(end("hello"), MAX_NAME), MAX_TOKEN) <= Kind::Hello.max_body());
}

/// The messages of the example, without their data.
fn example() -> Vec<(u32, u64, Message)> {
    let size = Size { width: 16, height: 16 };
    let capabilities = Capabilities {
        ways: Set::from([FrameWay::Pixels]),
        formats: Set::from([PixelFormat::Nv12]),
        profiles: Set::from([Profile::H264ConstrainedBaseline]),
        max_size: Size { width: 1920, height: 1080 },
        max_streams: 1,
    };
    let hello = Hello { min_version: 2, max_version: 2, capabilities, name: "example".into(), token: None };
    let configure = Configure {
        size,
        format: PixelFormat::Nv12,
        colorimetry: Colorimetry { matrix: Matrix::Bt709, range: Range::Limited },
        profile: Profile::H264ConstrainedBaseline,
        level: None,
        low_latency: true,
        rate: FrameRate { numerator: 30, denominator: 1 },
        keyframe_interval: 0,
        bitrate: 1_000_000,
        ways: capabilities.ways,
    };
    let configured = Configured {
        profile: Profile::H264ConstrainedBaseline,
        level: Level::new(10).expect("level 1"),
        way: FrameWay::Pixels,
        max_in_flight: 4,
        encoder: "openh264".into(),
    };
    let frame = Frame {
        size,
        format: PixelFormat::Nv12,
        pts_ns: Some(0),
        dts_ns: None,
        duration_ns: None,
        keyframe: true,
        source: Source::Pixels { length: PixelFormat::Nv12.packed_length(size) },
        planes: packed_planes(PixelFormat::Nv12, size),
    };
    let unit = AccessUnit { pts_ns: Some(0), dts_ns: None, keyframe: true, length: 5 };
    vec![
        (0, 1, Message::Hello(hello)),
        (0, 1, Message::Welcome(Welcome { version: 2, capabilities, refused: vec![], name: "host".into() })),
        (1, 2, Message::Configure(configure)),
        (1, 2, Message::Configured(configured)),
        (1, 3, Message::Frame(frame)),
        (1, 3, Message::AccessUnit(unit)),
        (1, 4, Message::EndOfStream),
        (1, 4, Message::Drained),
        (1, 5, Message::Close),
        (1, 5, Message::Closed),
    ]
}

#[test]
fn the_example_is_what_both_ends_say_and_take() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/protocol.md");
    let text = std::fs::read_to_string(file).expect("the specification");
    let lines = text.lines().skip_while(|line| *line != "## An example").skip(1);
    let lines: Vec<&str> = lines.take_while(|line| !line.starts_with('#')).filter(|l| l.starts_with("    ")).collect();
    let messages = lines.split(|line| line.starts_with("    # ")).skip(1);
    let found: Vec<String> = messages.map(|lines| lines.iter().map(|line| line.trim()).collect()).collect();
    let said: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("    # ")).collect();
    assert_eq!((found.len(), said.len()), (example().len(), example().len()));
    let (mut client, mut server) = (Session::new(Role::Client), Session::new(Role::Server));
    for ((said, digits), (stream, request, message)) in said.into_iter().zip(found).zip(example()) {
        let envelope = Envelope { stream, request, message };
        let kind = envelope.message.kind().expect("a known type");
        assert!(said.contains(kind.name()), "{said}");
        let data = vec![0; envelope.message.data_length() as usize];
        let wire = bytes(&envelope, &data);
        assert_eq!(digits, hex::encode(&wire[..wire.len() - data.len()]), "{said}");
        let (from, to) =
            if said.starts_with("client") { (&mut client, &mut server) } else { (&mut server, &mut client) };
        from.sending(&envelope).expect("it is in order");
        to.receiving(&envelope).expect("it is in order");
    }
}
