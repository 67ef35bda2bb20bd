//! An image folder, in as far as a machine is made from it. The form is that of `manifest.json`, which the build writes.

use std::fs::File;
use std::io::{Error as IoError, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::Error;
use crate::machine::Arch;

/// The version of the manifest that is known here.
const SCHEMA_VERSION: u64 = 1;
/// The file name of the disk.
const DISK: &str = "disk.qcow2";
/// The largest document that is read, in bytes: more than the bill of materials of any image has.
const LARGEST: u64 = 64 << 20;

/// An image that a machine can be made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its folder.
    pub folder: PathBuf,
    /// The recipe's name.
    pub recipe: String,
    /// The guest's architecture.
    pub architecture: Arch,
    /// The sha256 of the disk, in hexadecimal.
    pub sha256: String,
    /// The user who gets the key.
    pub user: String,
    /// The guest's host name.
    pub hostname: String,
}

#[derive(Deserialize)]
struct Manifest {
    schema_version: u64,
    recipe: String,
    architecture: String,
    artifacts: std::collections::BTreeMap<String, String>,
    resolved_recipe: Recipe,
}

#[derive(Deserialize)]
struct Recipe {
    hostname: String,
    users: Vec<User>,
}

#[derive(Deserialize)]
struct User {
    name: String,
}

impl Image {
    /// Reads the manifest of the image in `folder`.
    ///
    /// # Errors
    /// When there is none, or the image is not one that can be run here.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let folder = std::path::absolute(folder).map_err(Error::io("resolving", folder))?;
        let refuse = |reason: String| Error::Image { path: folder.clone(), reason };
        let text = read_document(&folder.join("manifest.json")).map_err(|error| {
            refuse(format!("manifest.json: {error}\n  build an image with\n    cargo xtask build-image"))
        })?;
        let broken =
            |why: String| refuse(format!("manifest.json: {why}\n  build it anew with\n    cargo xtask build-image"));
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
        if manifest.schema_version != SCHEMA_VERSION {
            let found = manifest.schema_version;
            return Err(broken(format!("has version {found}, and this program knows {SCHEMA_VERSION}")));
        }
        let architecture = match manifest.architecture.as_str() {
            "arm64" => Arch::Arm64,
            "amd64" => Arch::Amd64,
            other => return Err(refuse(format!("is for {other}; a VM can be of arm64 and amd64"))),
        };
        let sha256 = manifest.artifacts.get(DISK).cloned();
        let user = manifest.resolved_recipe.users.into_iter().next().map(|user| user.name);
        Ok(Self {
            recipe: manifest.recipe,
            architecture,
            sha256: sha256.ok_or_else(|| broken(format!("says nothing of {DISK}")))?,
            user: user.ok_or_else(|| broken("names no user".to_owned()))?,
            hostname: manifest.resolved_recipe.hostname,
            folder,
        })
    }

    /// The disk, which is never written to.
    pub fn disk(&self) -> PathBuf {
        self.folder.join(DISK)
    }
}

/// Reads a document of an image folder, such as its manifest. The folder may be anybody's: a file of a TiB, which takes no room on
/// a disk, does not come into memory, and no pipe is waited for.
///
/// # Errors
/// When it cannot be read, is no ordinary file, or is larger than any that a build writes.
pub fn read_document(path: &Path) -> std::io::Result<Vec<u8>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(IoError::other("is no ordinary file"));
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let found = metadata.len();
        return Err(IoError::other(format!("has {found} bytes; more than {LARGEST} are not read")));
    }
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::{Value, json};
    use sha2::{Digest, Sha256};

    /// A folder that is an image in everything but that its disk would boot.
    pub(crate) fn folder(path: &Path, disk: &[u8]) {
        std::fs::create_dir_all(path).unwrap();
        std::fs::write(path.join(DISK), disk).unwrap();
        std::fs::write(path.join("manifest.json"), manifest(disk).to_string()).unwrap();
    }

    pub(crate) fn manifest(disk: &[u8]) -> Value {
        let digest: String = Sha256::digest(disk).iter().map(|byte| format!("{byte:02x}")).collect();
        json!({
            "schema_version": 1, "recipe": "test", "architecture": "arm64", "artifacts": { "disk.qcow2": digest },
            "resolved_recipe": { "hostname": "host", "users": [{ "name": "user" }, { "name": "other" }] },
        })
    }

    fn refused(change: impl Fn(&mut Value)) -> String {
        let temp = tempfile::tempdir().unwrap();
        let mut manifest = manifest(b"disk");
        change(&mut manifest);
        std::fs::write(temp.path().join("manifest.json"), manifest.to_string()).unwrap();
        Image::read(temp.path()).unwrap_err().to_string()
    }

    #[test]
    fn a_manifest_says_what_is_needed() {
        let temp = tempfile::tempdir().unwrap();
        folder(temp.path(), b"disk");
        let image = Image::read(temp.path()).unwrap();
        assert_eq!((image.user.as_str(), image.hostname.as_str(), image.architecture), ("user", "host", Arch::Arm64));
    }

    #[test]
    fn what_is_no_image_says_how_to_make_one() {
        let error = Image::read(Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent") && error.contains("cargo xtask build-image"), "{error}");
    }

    #[test]
    fn a_huge_manifest_is_not_read_and_a_pipe_not_waited_for() {
        let temp = tempfile::tempdir().unwrap();
        let manifest = temp.path().join("manifest.json");
        File::create(&manifest).unwrap().set_len(1 << 40).unwrap();
        let error = Image::read(temp.path()).unwrap_err().to_string();
        assert!(error.contains("manifest.json: has 1099511627776 bytes; more than 67108864"), "{error}");
        std::fs::remove_file(&manifest).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&manifest).status().unwrap().success());
        let error = Image::read(temp.path()).unwrap_err().to_string();
        assert!(error.contains("manifest.json: is no ordinary file"), "{error}");
    }

    #[test]
    fn an_image_that_cannot_be_run_here_says_why() {
        assert!(refused(|m| m["architecture"] = "riscv64".into()).contains("is for riscv64; a VM can be of"));
        assert!(refused(|m| m["schema_version"] = 2.into()).contains("has version 2"));
        assert!(refused(|m| m["artifacts"] = json!({})).contains("says nothing of disk.qcow2"));
        assert!(refused(|m| m["resolved_recipe"]["users"] = json!([])).contains("names no user"));
        assert!(refused(|m| m["recipe"] = 3.into()).contains("manifest.json: invalid type"));
    }
}
