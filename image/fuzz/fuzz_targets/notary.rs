//! Any bytes are one of the answers of Apple's notary service or of its store, or none; and none is an answer of both.
#![no_main]

use helix_notary::kinds_of_answer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // The hash is that in the ticket among the seeds.
    let kinds = kinds_of_answer(input, &[0xab; 20]);
    let stores = kinds.iter().filter(|kind| kind.contains("upload")).count();
    assert!(stores <= 1 && (stores == 0 || kinds.len() == 1), "{kinds:?}");
});
