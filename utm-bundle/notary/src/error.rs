//! What can go wrong.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Why an app is not notarised.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The environment does not say who asks, with all reasons.
    #[error("the key for Apple's notary service is not in the environment:{}", lines(.0))]
    Credentials(Vec<String>),
    /// The environment names a server that may not be asked.
    #[error("{url}: {why}")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file is larger than the service takes.
    #[error("{} has {size} bytes; the service takes {most} at most: make the app with --vm download", file.display())]
    Large {
        /// The file.
        file: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// What the service takes.
        most: u64,
    },
    /// The service says no to who asks.
    #[error(
        "{doing}: the service does not accept the key; look at APPLE_API_KEY, APPLE_API_KEY_ID and APPLE_API_ISSUER ({why})"
    )]
    Unauthorized {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// What it answered.
        why: String,
    },
    /// A server cannot be reached, or answers something else than it should.
    #[error("{doing}: {why}; run the same again, which takes up a verdict that is there by then")]
    Failed {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// What happened.
        why: String,
    },
    /// The app was looked at and refused.
    #[error("Apple does not notarise it ({status}, submission {id}):{}", lines(issues))]
    Refused {
        /// The submission.
        id: String,
        /// The verdict.
        status: String,
        /// What is wrong with which file.
        issues: Vec<Issue>,
    },
    /// There is no verdict yet.
    #[error(
        "there is no verdict on the submission {id} after {minutes} min (the last answer: {last}); run the same again, which takes \
         it up when it is there"
    )]
    Unfinished {
        /// The submission.
        id: String,
        /// How long was waited.
        minutes: u64,
        /// What was said to the last question.
        last: String,
    },
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

/// What the service says of a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Issue {
    /// The path in the archive.
    #[serde(default)]
    pub path: Option<String>,
    /// What is wrong.
    pub message: String,
    /// How bad it is: `error` or `warning`.
    #[serde(default)]
    pub severity: Option<String>,
}

impl std::fmt::Display for Issue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (path, severity) = (self.path.as_deref(), self.severity.as_deref());
        write!(f, "{}: {}: {}", path.unwrap_or("the archive"), severity.unwrap_or("error"), self.message)
    }
}

impl Error {
    /// The exit code that stands for it in the table of `cargo xtask`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Credentials(_) | Self::Url { .. } => 2,
            Self::Large { .. } => 3,
            Self::Refused { .. } => 6,
            Self::Unfinished { .. } => 7,
            Self::Unauthorized { .. } | Self::Failed { .. } | Self::Io { .. } => 5,
        }
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

fn lines(all: &[impl std::fmt::Display]) -> String {
    all.iter().map(|one| format!("\n  {one}")).collect()
}
