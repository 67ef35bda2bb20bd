use std::path::{Path, PathBuf};

/// Why images could not be put into a data root. The data root is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused something.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as in "writing".
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What was given as an image is none, or is damaged, or is not the one that was asked for.
    #[error("{image}: {reason}")]
    Image {
        /// Which image, as it was given.
        image: String,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// A registry could not be reached, or does not do what it should, after several tries.
    #[error("{image}: {reason}")]
    Transfer {
        /// Which image, as it was given.
        image: String,
        /// What went wrong.
        reason: String,
    },
    /// The data root cannot be used as it is.
    #[error("{}: {reason}", path.display())]
    DataRoot {
        /// The data root.
        path: PathBuf,
        /// Why not, and what to do.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    pub(crate) fn os(doing: &'static str, path: &Path) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |errno| Self::Io { doing, path: path.to_owned(), source: errno.into() }
    }

    pub(crate) fn image(image: &str, reason: impl Into<String>) -> Self {
        Self::Image { image: image.to_owned(), reason: reason.into() }
    }
}
