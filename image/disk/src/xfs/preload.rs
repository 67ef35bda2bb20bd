//! The library that mkfs.xfs is run with, from its bytes to a file and away again.

use std::io::{self, Write};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

use super::Error;

/// What the library prints to standard output when it is in use.
pub(super) const LOADED: &[u8] = b"sorted-listing: loaded\n";

/// Compiled by `build.rs` from `sorted_listing.rs`.
#[cfg(target_os = "linux")]
const LIBRARY: Option<&[u8]> = Some(include_bytes!(concat!(env!("OUT_DIR"), "/sorted_listing.so")));
/// mkfs.xfs runs on Linux only.
#[cfg(not(target_os = "linux"))]
const LIBRARY: Option<&[u8]> = None;

/// The library as a file, which goes away with this value.
#[derive(Debug)]
pub(super) struct Library {
    file: NamedTempFile,
}

impl Library {
    /// Writes the library into the folder that `image` is in.
    pub(super) fn beside(image: &Path) -> Result<Self, Error> {
        let folder = image.parent().unwrap_or(image);
        let write = || {
            let bytes = LIBRARY.ok_or(io::ErrorKind::Unsupported)?;
            let mut file = Builder::new().prefix("sorted-listing-").suffix(".so").tempfile_in(folder)?;
            file.write_all(bytes)?;
            Ok(Self { file })
        };
        write().map_err(|source| Error::Prepare { path: folder.into(), source })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }
}
