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
    /// The system refused something while an image was put into the data root.
    #[error("{image}: {reason}")]
    System {
        /// Which image, as it was given.
        image: String,
        /// What was being done, and what the system said.
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
    /// The caller wanted an early end.
    #[error("interrupted; the data root is as it was")]
    Interrupted,
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

    /// A fault of an image, or of the system while it was at work on that image.
    pub(crate) fn of_fault(image: &str, fault: Fault) -> Self {
        match fault {
            Fault::Image(reason) => Self::image(image, reason),
            Fault::System(reason) => Self::System { image: image.to_owned(), reason },
        }
    }
}

/// Whose fault it is that something cannot be made of a layer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The image's: what is wrong with it.
    Image(String),
    /// The system's, such as a full disk: what it said.
    System(String),
}

impl Fault {
    /// The same, with a place in front.
    pub(crate) fn at(self, place: impl std::fmt::Display) -> Self {
        match self {
            Self::Image(reason) => Self::Image(format!("{place}: {reason}")),
            Self::System(reason) => Self::System(format!("{place}: {reason}")),
        }
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Image(reason)
    }
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Self::Image(reason.to_owned())
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        // Readers of layers report what is wrong in them as errors without a number of the system's.
        if error.raw_os_error().is_some() { Self::System(error.to_string()) } else { Self::Image(error.to_string()) }
    }
}
