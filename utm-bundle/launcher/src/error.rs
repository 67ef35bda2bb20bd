//! What can go wrong before the VM's own life begins.

use std::io;
use std::path::{Path, PathBuf};

/// A failure of the launcher.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Parts of the app are missing or cannot be used.
    #[error("{} is damaged; install it anew:\n  {}", path.display(), faults.join("\n  "))]
    App {
        /// The app's folder `Contents`.
        path: PathBuf,
        /// All that is wrong.
        faults: Vec<String>,
    },
    /// Something of the system is missing.
    #[error("{what} is missing; {help}")]
    Missing {
        /// What is missing.
        what: String,
        /// What helps.
        help: String,
    },
    /// The image cannot be downloaded now.
    #[error("downloading {url}: {reason}; what came is kept, and the next start goes on there")]
    Transfer {
        /// The address.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// What the server has is not what the app was made for.
    #[error("downloading {url}: {reason}; nothing of it is kept; install the newest version of the app")]
    Mismatch {
        /// The address.
        url: String,
        /// What differs.
        reason: String,
    },
    /// The disk is too full for a download.
    #[error("{} has {} MB free, and the image needs {} MB; free some space and start again",
        at.display(), free / 1_000_000, needed / 1_000_000)]
    Space {
        /// The folder.
        at: PathBuf,
        /// What is free, in bytes.
        free: u64,
        /// What is needed, in bytes.
        needed: u64,
    },
    /// Another image was taken, its guest did not come up, and the disk before is the system disk again.
    #[error(
        "the new image does not come up, and the earlier one is in its place again, beside the same data disk: {0}"
    )]
    WentBack(Box<helix_vm::GuestFailure>),
    /// It was told to stop.
    #[error("interrupted")]
    Interrupted,
    /// The VM.
    #[error(transparent)]
    Vm(#[from] helix_vm::life::Error),
    /// Another program.
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
        source: io::Error,
    },
}

impl Error {
    /// An [`Error::Io`], for `map_err`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// Whether somebody asked for this end.
    pub(crate) fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Vm(helix_vm::life::Error::Interrupted { .. }))
    }
}
