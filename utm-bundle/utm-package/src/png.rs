//! As much of PNG as tells a picture from something else: <https://www.w3.org/TR/png-3/#5PNG-file-signature>.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The signature, and the beginning of the header chunk that must follow it.
const BEGINNING: [u8; 16] = *b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";

/// What is wrong with the picture in `path`.
pub(crate) fn fault(path: &Path) -> Option<String> {
    let mut bytes = [0; 24];
    if let Err(error) = File::open(path).and_then(|mut file| file.read_exact(&mut bytes)) {
        return Some(format!("is no picture in PNG: {error}"));
    }
    let (width, height) = (&bytes[16..20], &bytes[20..24]);
    let good = bytes.starts_with(&BEGINNING) && width != [0; 4] && height != [0; 4];
    (!good).then(|| "is no picture in PNG".to_owned())
}
