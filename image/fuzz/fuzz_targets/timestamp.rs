//! Any bytes are an authority's answer about a signature, or are refused; and no other time is made of one.
#![no_main]

use helix_signing::read_timestamp;
use libfuzzer_sys::fuzz_target;

/// When the answer among the seeds was given, in seconds since 1970.
const SEED: u64 = 1796058010;

fuzz_target!(|input: &[u8]| {
    // The name of a root is not signed by anybody else.
    if let Ok((time, _)) = read_timestamp(input, b"a signature") {
        assert_eq!(time.as_secs(), SEED);
    }
});
