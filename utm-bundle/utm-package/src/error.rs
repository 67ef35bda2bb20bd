//! Why no package was made.

use std::io;
use std::path::{Path, PathBuf};

use crate::inspect::Fault;

/// No package was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image cannot be used, or its disk cannot be copied.
    #[error(transparent)]
    Image(#[from] helix_vm::life::Error),
    /// The image is of another architecture.
    #[error("the image {} is for amd64; UTM runs arm64 on a Mac without emulation: build an image of arm64 with\n  cargo xtask build-image", .0.display())]
    Architecture(PathBuf),
    /// The package cannot have this path.
    #[error("{}: {why}", path.display())]
    Target {
        /// The path.
        path: PathBuf,
        /// What is wrong with it, and what helps.
        why: &'static str,
    },
    /// The package would not be good, because of what was asked for.
    #[error("UTM would not run {} as asked:{}", path.display(), listed(faults))]
    Faults {
        /// The package, which was not made.
        path: PathBuf,
        /// What would be wrong with it.
        faults: Vec<Fault>,
    },
    /// The seed could not be written.
    #[error(transparent)]
    Seed(#[from] helix_vm::SeedError),
    /// The data disk could not be written.
    #[error("writing the data disk {}: {source}", path.display())]
    DataDisk {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: helix_disk::qcow2::WriteError,
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

fn listed(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}

impl Error {
    /// An [`Error::Io`], for `map_err`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
