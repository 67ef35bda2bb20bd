//! Packages to tree: resolving, fetching, unpacking and configuring packages of a Debian-like distribution, and laying
//! files, artifacts and settings over the result.
//!
//! This crate knows trees and packages; it knows no recipe, no disk and no cache policy. apt and dpkg run natively, in a
//! [`Toolbox`]; only what maintainer scripts call of the tree's own programs is emulated (see [`emulation`]).

pub mod apt;
mod arch;
pub mod artifact;
pub mod bootstrap;
pub mod chroot;
pub mod clean;
#[expect(dead_code, reason = "it is a program of its own, which build.rs compiles; what it has in common is used")]
mod dispatch;
pub mod emulation;
mod error;
pub mod fetch;
pub mod files;
mod mounts;
pub mod namespace;
mod refusal;
pub mod settings;
mod toolbox;

pub use arch::Arch;
pub use emulation::Emulation;
pub use error::{ArchiveFault, ArchiveFaultKind, Error};
pub use mounts::{OverlayTree, attempt as attempt_mounts};
pub use toolbox::Toolbox;

use std::path::{Path, PathBuf};

/// The entries of a folder in the order of their names, so that no result depends on the file system's order.
pub(crate) fn read_dir_sorted(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(dir).map_err(|e| Error::io("reading", dir, e))?;
    let mut paths = entries
        .map(|entry| entry.map(|e| e.path()).map_err(|e| Error::io("reading", dir, e)))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}
