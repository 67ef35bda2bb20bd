//! Any bytes are a file that can be signed, a signature, or neither; none does harm.
#![no_main]

use helix_macho::{MachO, Unsigned};
use helix_signing::Signature;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(signature) = Signature::read(input) {
        let _ = signature.signer();
    }
    let Ok(mut file) = Unsigned::read(input.to_vec()) else { return };
    let _ = Signature::read(&input[file.code.len()..]);
    file.make_room(64);
    file.code.resize(file.code.len() + 64, 0);
    // The signature is one of zeros, which is told; the load commands lead to it.
    let signed = MachO::read(&file.code).map(|file| file.signature);
    assert!(!matches!(signed, Ok(None)), "the load command of the signature is gone");
    let again = Unsigned::read(file.code).expect("what was taken apart can be taken apart again");
    assert_eq!(again.text, file.text);
});
