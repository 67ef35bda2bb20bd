//! The Rust crates that are compiled into the app's own programs.

use std::path::Path;

use helix_licences::{Component, Linked};

use crate::fault::Error;

/// The components that the packages `names` of the workspace `root` are made of when they are compiled for a Mac: the
/// packages, the crates below them, and the standard library. `version` is the compiler's.
///
/// # Errors
/// When cargo fails, or a crate names no licence whose text is at hand.
pub fn of_crates(root: &Path, names: &[&str], version: &str) -> Result<Vec<Component>, Error> {
    let linked = Linked {
        root,
        packages: names,
        // As products for a Mac are built.
        options: &["--no-default-features"],
        target: "aarch64-apple-darwin",
        compiler: version,
        offline: false,
    };
    Ok(linked.components()?)
}
