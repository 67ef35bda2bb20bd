//! Any bytes are a certificate with its key, as PEM or PKCS #12, or are refused with a reason.
#![no_main]

use helix_signing::{Identity, Timestamps};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // The password is that of the seeds.
    if let Err(faults) = Identity::from_bytes(input, Some("a long word"), Timestamps::None) {
        assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.contains("a long word")));
    }
});
