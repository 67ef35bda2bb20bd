//! In any stream of bytes, sliced anyhow, every beginning of a connection is found once, where a search through the whole
//! stream finds it. The first byte says how the stream is sliced; a byte from 224 on stands for a part of an attach.
#![no_main]

use helix_frame_protocol::{ATTACH, Attach, Finder, has_attach};
use libfuzzer_sys::fuzz_target;

/// The length of the mark.
const MARK: usize = 16;

/// Chance alone would not come upon 32 fixed bytes.
fn stream(input: &[u8]) -> Vec<u8> {
    let of = |byte: &u8| match byte.checked_sub(224) {
        Some(last) => ATTACH[..=usize::from(last)].to_vec(),
        None => vec![*byte],
    };
    input.iter().flat_map(of).collect()
}

/// All that are there, with where they end.
fn expected(stream: &[u8]) -> Vec<(Attach, usize)> {
    let whole = stream.windows(ATTACH.len() + MARK).enumerate().filter(|(_, part)| part.starts_with(&ATTACH));
    let attach = |(at, part): (usize, &[u8])| {
        let mark = part[ATTACH.len()..].try_into().expect("a mark");
        (Attach::new(mark), at + part.len())
    };
    whole.map(attach).collect()
}

fn found(stream: &[u8], slice: usize) -> Vec<(Attach, usize)> {
    let (mut finder, mut found) = (Finder::default(), Vec::new());
    for (index, mut bytes) in stream.chunks(slice).enumerate() {
        let mut at = index * slice;
        while let Some((attach, end)) = finder.find(bytes) {
            at += end;
            found.push((attach, at));
            bytes = &bytes[end..];
        }
    }
    found
}

fuzz_target!(|input: &[u8]| {
    let Some((slice, bytes)) = input.split_first() else { return };
    let (slice, stream) = (usize::from(*slice).max(1), stream(bytes));
    assert_eq!(found(&stream, slice), expected(&stream));
    // Data lie between a field that ends with a zero and whatever comes next.
    let parts: Vec<&[u8]> = stream.chunks(slice).collect();
    let around = [&[0], &stream[..], &[0; MARK]].concat();
    assert_eq!(has_attach(&parts), !expected(&around).is_empty());
});
