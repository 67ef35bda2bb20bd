//! Why nothing was published.

use std::io;
use std::path::{Path, PathBuf};

/// Nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// These files cannot be published together, or not under their names.
    #[error("these files cannot be published:{}", listed(.0))]
    Files(Vec<String>),
    /// The secret key cannot be used.
    #[error("the secret key {}: {why}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what helps.
        why: String,
    },
    /// A file could not be signed.
    #[error("signing {}: {why}", path.display())]
    Sign {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The image's manifest cannot be read for what it is.
    #[error("the image {}: manifest.json: {why}; build it anew with\n  cargo xtask build-image", folder.display())]
    Image {
        /// The image's folder.
        folder: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The system refused something on a file.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn listed(faults: &[String]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}

impl Error {
    /// An [`Error::Io`], for `map_err`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
