//! The tables of the specification say what the code does.

use std::path::Path;

use helix_frame_protocol::limits::*;
use helix_frame_protocol::*;

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
