//! Any bytes are a qcow2 image, which can then be read all over, or are refused.
#![no_main]

use std::io::Cursor;

use helix_disk::qcow2::Reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut image) = Reader::open(Cursor::new(bytes)) else { return };
    let size = image.virtual_size();
    let mut buffer = [0; 4096];
    // The ends, and some places between that depend on the size only.
    for part in 0..16 {
        let offset = size / 16 * part;
        let length = buffer.len().min(usize::try_from(size - offset).unwrap_or(usize::MAX));
        let _ = image.read_at(offset, &mut buffer[..length]);
    }
    let last = size.saturating_sub(512);
    let _ = image.read_at(last, &mut buffer[..usize::try_from(size - last).unwrap_or(0)]);
    assert!(image.read_at(size, &mut buffer).is_err(), "what lies beyond the end cannot be read");
});
