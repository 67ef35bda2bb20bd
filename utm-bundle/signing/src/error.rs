//! What can go wrong, and what can be wrong.

use std::path::{Path, PathBuf};

/// Why an app was not signed, or could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not of the shape that is signed here; these are all faults.
    #[error("{} cannot be signed:{}", app.display(), listed(faults))]
    App {
        /// The app.
        app: PathBuf,
        /// What is wrong with it.
        faults: Vec<Fault>,
    },
    /// A certificate cannot sign code; these are all reasons.
    #[error("the certificate of {} cannot sign code:{}", file.display(), lines(faults))]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        faults: Vec<String>,
    },
    /// The key does not do what it is for.
    #[error("the key of the certificate: {why}")]
    Key {
        /// What is wrong.
        why: String,
    },
    /// There is no timestamp.
    #[error("there is no timestamp from {url}: {why}; try again, or choose another authority by --timestamp-url")]
    Timestamp {
        /// Who was asked.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// codesign failed.
    #[error(transparent)]
    Command(#[from] helix_command::Error),
    /// The system refused something on a file.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    /// The exit code that stands for it in the table of `cargo xtask`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::App { .. } | Self::Certificate { .. } => 3,
            Self::Key { .. } | Self::Timestamp { .. } | Self::Command(_) | Self::Io { .. } => 5,
        }
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// A file of an app, and what is wrong with it or its signature.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{path}: {what}")]
pub struct Fault {
    /// The file's path below the app.
    pub path: String,
    /// What is wrong.
    pub what: String,
}

impl Fault {
    pub(crate) fn new(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { path: path.into(), what: what.into() }
    }
}

fn lines(faults: &[String]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}

fn listed(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}
