//! What can go wrong.

use std::path::{Path, PathBuf};

/// A folder could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder has things that cannot be packed: all of them.
    #[error("{} cannot be packed:{}", folder.display(), list(faults))]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it, at least one.
        faults: Vec<Fault>,
    },
    /// The operating system refused something.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what it was when the folder was looked at.
    #[error("{} changed while it was packed: {what}; pack the folder when nothing writes to it", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What is different.
        what: &'static str,
    },
    /// The volume's name, or what is to be in it, is not possible.
    #[error("the volume {name:?}: {why}")]
    Volume {
        /// The name.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// Somebody else writes the same file.
    #[error("{} is being written by another process; wait for it", path.display())]
    Busy {
        /// The file to be.
        path: PathBuf,
    },
    /// What was read back is not what was written, or a file is no archive.
    #[error("{}: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A disk image that another program made, in a form that is not read here. Whether it is good is not known.
    #[error("{}: another program made this disk image, of a form that is not read here ({what}); on a Mac, `hdiutil verify` looks at it", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// By what the form is seen.
        what: String,
    },
    /// A program failed.
    #[error(transparent)]
    Command(#[from] helix_command::Error),
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path, why: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), why: why.into() }
    }
}

/// Something in a folder that cannot be packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The path below the folder; what is not UTF-8 in it is replaced.
    pub path: String,
    /// Why it cannot be packed.
    pub why: String,
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(|f| format!("\n  {}: {}", f.path, f.why)).collect()
}
