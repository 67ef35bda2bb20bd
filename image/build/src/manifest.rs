//! `manifest.json`: what an image is, what it was made from, and what its checks said.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::key::Inputs;

/// The version of the manifest's form.
pub const SCHEMA_VERSION: u32 = 1;
/// The manifest's file name.
pub const FILE: &str = "manifest.json";
/// The largest manifest that is read, in bytes.
const LARGEST: u64 = 64 << 20;

/// Everything about an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this form.
    pub schema_version: u32,
    /// The recipe's name.
    pub recipe: String,
    /// The recipe with everything it extends, as it was used.
    pub resolved_recipe: Value,
    /// The architecture.
    pub architecture: String,
    /// The size of the disk that the VM sees, in bytes.
    pub virtual_size: u64,
    /// The size of `disk.qcow2`, in bytes.
    pub size: u64,
    /// The time that files of the image claim, in seconds since 1970.
    pub epoch: u64,
    /// The kernel's version.
    pub kernel: String,
    /// Number of packages.
    pub packages: u64,
    /// The container images in Docker's stores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub container_images: Vec<crate::containers::StoredImage>,
    /// Files beside the manifest, with their sha256.
    pub artifacts: BTreeMap<String, String>,
    /// The digest of the packages' resolution.
    pub lock_digest: String,
    /// How the packages differ from the lock, in words; empty when they do not.
    pub lock_differences: Vec<String>,
    /// Recipes, this one or its containers', that had no lock when the image was made: nobody had solved them before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unverified: Vec<String>,
    /// Versions of the tools that made it.
    pub tools: BTreeMap<String, String>,
    /// The inputs of the step that made the disk.
    pub inputs: Inputs,
    /// What the boot test said; missing when it was not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
}

/// What the boot test said, in short; `boot-report.json` has everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// Whether the image booted and every check passed.
    pub passed: bool,
    /// What executed the guest's instructions.
    pub accelerator: helix_vm::Accelerator,
    /// Each check and its outcome (`passed`, `failed`, `could-not-run`).
    pub checks: BTreeMap<String, String>,
    /// The inputs of the test.
    pub inputs: Inputs,
}

impl Manifest {
    /// Reads the manifest of the image in `dir`.
    ///
    /// # Errors
    /// When there is none, or it is broken or of another version.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let refuse = |reason: String| Error::NotAnImage { path: dir.to_owned(), reason };
        let path = dir.join(FILE);
        let meta = std::fs::metadata(&path).map_err(|e| refuse(format!("is no image folder: {FILE}: {e}")))?;
        if meta.len() > LARGEST {
            return Err(refuse(format!("{FILE} is too large")));
        }
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io("reading", &path, e))?;
        let manifest: Self = serde_json::from_str(&text).map_err(|e| refuse(format!("{FILE}: {e}")))?;
        if manifest.schema_version != SCHEMA_VERSION {
            return Err(refuse(format!(
                "{FILE} has version {}, and this program knows {SCHEMA_VERSION}",
                manifest.schema_version
            )));
        }
        Ok(manifest)
    }

    /// Writes the manifest into `dir`, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self).expect("a manifest is plain data") + "\n";
        crate::output::write_whole(&dir.join(FILE), text.as_bytes())
    }
}
