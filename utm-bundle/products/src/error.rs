//! What can go wrong, apart by what helps.

use std::path::Path;

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This machine lacks something; the text has the command that helps.
    #[error("{0}")]
    NotReady(String),
    /// A program failed.
    #[error(transparent)]
    Command(#[from] helix_command::Error),
    /// What products are made of cannot be passed on.
    #[error(transparent)]
    Licences(#[from] helix_licences::Error),
    /// Something does not compile or link.
    #[error("{source}\n{hint}")]
    Compile {
        /// What the compiler said.
        source: helix_command::Error,
        /// Where to look.
        hint: String,
    },
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
    /// What was built is not as it must be.
    #[error("{what}:\n  {}", faults.join("\n  "))]
    Faults {
        /// What was looked at.
        what: String,
        /// Everything that is wrong with it.
        faults: Vec<String>,
    },
}

impl Error {
    /// The exit code that stands for it in the table of `cargo xtask`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotReady(_) => 4,
            Self::Command(_) | Self::Licences(_) | Self::Compile { .. } | Self::File { .. } => 5,
            Self::Faults { .. } => 6,
        }
    }

    pub(crate) fn file<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Self + 'a {
        move |source| Self::File { doing, path: path.display().to_string(), source }
    }
}
