//! The test vectors: files of hexadecimal digits, for this implementation and others.

use std::path::{Path, PathBuf};

use helix_frame_protocol::{ATTACH, Attach, Decoder, Envelope, Finder};

use crate::samples::{all, bytes};

/// Set, it makes the test write the vectors instead of comparing them.
const UPDATE: &str = "HELIX_UPDATE_VECTORS";
const ATTACH_VECTOR: &str = "attach";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// A file: comments, then 32 bytes a line.
fn text(about: &str, what: &str, bytes: &[u8]) -> String {
    let lines: Vec<String> = bytes.chunks(32).map(hex::encode).collect();
    format!("# {about}\n# {what}\n{}\n", lines.join("\n"))
}

fn compare(name: &str, expected: &str) {
    let file = folder().join(format!("{name}.hex"));
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&file, expected).expect("a vector");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(found, expected, "{}: after a change that is meant, set {UPDATE}=1 and run again", file.display());
}

fn read(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.hex"))).expect("a vector");
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    hex::decode(digits).expect("hexadecimal digits")
}

#[test]
fn every_good_vector_is_what_is_encoded_and_decodes_to_the_same() {
    for sample in all() {
        let what = format!("stream {}, request {}", sample.envelope.stream, sample.envelope.request);
        compare(sample.name, &text(sample.about, &what, &bytes(&sample.envelope, &sample.data)));
        let wire = read(sample.name);
        let (mut decoder, mut rest) = (Decoder::new(), &wire[..]);
        assert_eq!(decoder.feed(&mut rest), Ok(Some(sample.envelope)), "{}", sample.name);
        assert_eq!(rest, sample.data, "{}", sample.name);
    }
}

/// A sample with some bytes replaced.
fn broken(name: &str, changes: &[(usize, &[u8])]) -> Vec<u8> {
    let sample = all().into_iter().find(|sample| sample.name == name).expect("a sample");
    let mut wire = bytes(&sample.envelope, &sample.data);
    for (at, new) in changes {
        wire[*at..at + new.len()].copy_from_slice(new);
    }
    wire
}

fn bad() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let max = &u32::MAX.to_le_bytes()[..];
    let case = |name, about, of, changes: &[(usize, &[u8])]| (name, about, broken(of, changes));
    vec![
        case("bad-magic", "Another magic.", "ping", &[(0, b"HTTP")]),
        case("bad-version", "Another version.", "ping", &[(4, &[3])]),
        case("bad-flags", "A flag that ping does not have.", "ping", &[(8, &[1])]),
        case("bad-body-length", "A body of 2^32-1 bytes.", "hello", &[(24, max)]),
        case("bad-data-length", "Data of 2^32-1 bytes.", "frame-pixels", &[(28, max)]),
        case("bad-data-of-ping", "Data where there is none.", "ping", &[(28, &[1])]),
        case("bad-unknown-length", "An unknown type that is too long.", "ping", &[(6, &[0x77]), (24, max), (28, max)]),
        case("bad-body-short", "A body that ends before its fields.", "configure", &[(24, &[36])]),
        case("bad-data-short", "Data that ends before the last plane.", "frame-pixels", &[(28, &[0, 1])]),
        case("bad-data-long", "Far more data than the frame has pixels.", "frame-pixels", &[(28, &[0, 0, 2])]),
        case("bad-size", "A frame of 15 pixels width.", "frame-pixels", &[(36, &[15])]),
        case("bad-format", "A format that does not exist.", "frame-pixels", &[(33, &[99])]),
        case("bad-stride", "A stride smaller than the row.", "frame-pixels", &[(92, &[16])]),
        case("bad-offset", "A plane that begins beyond its data.", "frame-pixels", &[(88, max)]),
        case("bad-plane", "A third plane in NV12.", "frame-pixels", &[(104, &[1])]),
        case("bad-blob", "A blob without an id.", "frame-blob", &[(44, &[0])]),
        case("bad-time", "A dts whose bit is clear.", "frame-pixels", &[(72, &[1])]),
        case("bad-pts", "2^64-1 as a pts.", "frame-pixels", &[(64, &[0xff; 8])]),
        case("bad-bitrate", "4,000 bit/s: kbit/s by mistake.", "configure", &[(48, &4000u64.to_le_bytes())]),
        case("bad-level", "There is no level 4.3.", "configure", &[(42, &[43])]),
        case("bad-rate", "A frame rate with the denominator 0.", "configure", &[(60, &[0; 4])]),
        case("bad-matrix", "A matrix that does not exist.", "configure", &[(68, &[3])]),
        case("bad-range", "No range.", "configure", &[(69, &[0])]),
        case("bad-text", "An escape sequence in a name.", "configured", &[(38, b"\x1b[2J")]),
        case("bad-utf8", "A name that is no UTF-8.", "configured", &[(38, b"\xff")]),
        case("bad-in-flight", "No frame in flight.", "configured", &[(35, &[0])]),
        case("bad-empty-unit", "An access unit without data.", "access-unit", &[(28, &[0])]),
        case("bad-reserved", "A reserved byte that is not zero.", "skipped", &[(33, &[1])]),
    ]
}

#[test]
fn every_bad_vector_is_refused_with_what_is_wrong_and_where() {
    for (name, about, wire) in bad() {
        let mut decoder = Decoder::new();
        let error = decoder.feed(&mut &wire[..]).expect_err(name);
        compare(name, &text(about, &error.to_string(), &wire));
        assert_eq!(read(name), wire);
        assert_eq!(decoder.feed(&mut &wire[..]), Err(error), "an error stays");
        let answer = Envelope::fatal(decoder.request(), helix_frame_protocol::ErrorCode::Protocol, "x");
        assert!(answer.request == 0 || name != "bad-magic");
    }
}

/// A program is killed in the middle of a frame, the next one in its attach, and a third one comes.
#[test]
fn the_attach_vector_is_found_behind_what_was_cut() {
    let sample = all().into_iter().find(|sample| sample.name == "frame-pixels").expect("a sample");
    let frame = bytes(&sample.envelope, &sample.data);
    let attach = Attach::new(std::array::from_fn(|index| index as u8));
    let wire = [&frame[..100], &ATTACH, &[0x77; 9], attach.bytes()].concat();
    let about = "A frame that is cut, an attach that is cut, an attach. The last one counts.";
    compare(ATTACH_VECTOR, &text(about, "its mark counts from 0 to 15", &wire));
    let (mut finder, wire) = (Finder::default(), read(ATTACH_VECTOR));
    let (cut, end) = finder.find(&wire).expect("one with the beginning of the next for its mark");
    assert_ne!(cut, attach);
    assert_eq!(finder.find(&wire[end..]), Some((attach, wire.len() - end)));
}

#[test]
fn there_is_no_vector_that_nothing_tests() {
    let known = all().into_iter().map(|s| s.name).chain(bad().into_iter().map(|b| b.0)).chain([ATTACH_VECTOR]);
    let known: Vec<String> = known.map(String::from).collect();
    for entry in std::fs::read_dir(folder()).expect("vectors") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        let stem = name.strip_suffix(".hex").unwrap_or_default();
        assert!(known.iter().any(|k| k == stem), "{name}");
    }
}
