//! Any bytes are a disk image, whose volume then unpacks to its size and checksum, or are refused.
#![no_main]

use helix_archives::Udif;
use helix_fuzz::shared_memory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir_in(shared_memory()).expect("a folder");
    let file = folder.path().join("image.dmg");
    std::fs::write(&file, bytes).expect("the image");
    let Ok(image) = Udif::open(&file) else { return };
    let mut volume = Vec::new();
    if image.unpack(&mut volume).is_ok() {
        // Deflate makes nothing smaller than a thousandth.
        assert!(volume.len() % 512 == 0 && volume.len() <= bytes.len() * 1100);
    }
});
