//! What can go wrong, apart by what helps.

use std::path::Path;

/// Why nothing was built, or what is wrong with what was.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This machine lacks something; the text has the command that helps.
    #[error("{0}")]
    NotReady(String),
    /// It cannot be built.
    #[error(transparent)]
    Build(#[from] helix_products::Error),
    /// A file cannot be read or written.
    #[error("{doing} {path}: {source}")]
    File {
        /// What was tried, as a gerund.
        doing: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// What it does is not as it must be.
    #[error("{what}:\n  {}", faults.join("\n  "))]
    Faults {
        /// What was looked at.
        what: String,
        /// Everything that is wrong with it.
        faults: Vec<String>,
    },
    /// A check cannot be run to its end.
    #[error("{0}")]
    Unfinished(String),
}

impl Error {
    /// The exit code that stands for it in the table of `cargo xtask`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotReady(_) => 4,
            Self::Build(error) => error.exit_code(),
            Self::File { .. } => 5,
            Self::Faults { .. } => 6,
            Self::Unfinished(_) => 7,
        }
    }

    pub(crate) fn file<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Self + 'a {
        move |source| Self::File { doing, path: path.display().to_string(), source }
    }
}
