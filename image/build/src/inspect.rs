//! An image folder, for people and for programs: `inspect`.

use std::path::Path;

use serde::Serialize;

use crate::Error;
use crate::manifest::Manifest;

/// What `inspect` shows.
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// The manifest.
    pub manifest: Manifest,
    /// Files whose sha256 is not the manifest's, or that are missing, with the reason.
    pub damaged: Vec<String>,
}

/// Reads the image in `dir` and verifies every file that its manifest names.
///
/// # Errors
/// When it is no image folder.
pub fn inspect(dir: &Path) -> Result<Inspection, Error> {
    let manifest = Manifest::read(dir)?;
    let mut damaged = Vec::new();
    for (name, expected) in &manifest.artifacts {
        if name.contains('/') || name == ".." {
            damaged.push(format!("{name}: is no name of a file in the folder"));
            continue;
        }
        match helix_rootfs::fetch::sha256_of(&dir.join(name)) {
            Ok(actual) if actual == *expected => {}
            Ok(actual) => damaged.push(format!("{name}: sha256 is {actual}, the manifest says {expected}")),
            Err(e) => damaged.push(format!("{name}: {e}")),
        }
    }
    Ok(Inspection { manifest, damaged })
}
