//! Where the texts of recipes come from.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest recipe file, in bytes: 1 MiB.
pub const LARGEST: u64 = 1 << 20;

/// Gives the text of a recipe file.
pub trait Loader {
    /// The text of the file at `path`, which is either the path that the caller asked for or that of a parent, joined
    /// to it and without `.` and `..`.
    ///
    /// # Errors
    ///
    /// A [`LoadError`] when there is no such text; it becomes a fault at the place that names the file.
    fn text(&self, path: &Path) -> Result<String, LoadError>;
}

/// Why a recipe file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no such file.
    #[error("the file does not exist")]
    NotFound,
    /// It has more than [`LARGEST`] bytes.
    #[error("the file is larger than 1 MiB")]
    TooLarge,
    /// It is not UTF-8; the line is the first with a wrong byte, counted from 1.
    #[error("the file is not UTF-8 (first seen on line {line})")]
    NotUtf8 {
        /// The 1-based line.
        line: usize,
    },
    /// Anything else.
    #[error("the file cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The recipe was given as text, so that there are no other files.
    #[error("a recipe given as text cannot name another file")]
    Alone,
}

/// Reads files from disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskLoader;

impl Loader for DiskLoader {
    fn text(&self, path: &Path) -> Result<String, LoadError> {
        let file = std::fs::File::open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => LoadError::NotFound,
            _ => LoadError::Io(error),
        })?;
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LARGEST {
            return Err(LoadError::TooLarge);
        }
        String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            LoadError::NotUtf8 { line: 1 + good.iter().filter(|byte| **byte == b'\n').count() }
        })
    }
}

/// Texts by path, for tests and fuzzing.
impl Loader for BTreeMap<PathBuf, String> {
    fn text(&self, path: &Path) -> Result<String, LoadError> {
        self.get(path).cloned().ok_or(LoadError::NotFound)
    }
}

/// One text without files.
pub(crate) struct Alone<'a> {
    pub(crate) name: &'a Path,
    pub(crate) text: &'a str,
}

impl Loader for Alone<'_> {
    fn text(&self, path: &Path) -> Result<String, LoadError> {
        if path == self.name { Ok(self.text.to_owned()) } else { Err(LoadError::Alone) }
    }
}
