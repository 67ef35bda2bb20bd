//! What an image's manifest says about where the image comes from.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::digest::hex;
use crate::error::Error;
use sha2::{Digest, Sha256};

/// The version of the manifest that is known here.
const SCHEMA_VERSION: u64 = 1;

/// The manifest, as far as provenance is concerned.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    schema_version: u64,
    pub(crate) recipe: String,
    pub(crate) architecture: String,
    /// Digests (sha256) of the files beside it.
    pub(crate) artifacts: BTreeMap<String, String>,
    /// The digest (BLAKE3) of the packages' resolution.
    pub(crate) lock_digest: String,
    /// Programs that had an influence, with their versions.
    pub(crate) tools: BTreeMap<String, String>,
    /// The manifest's own sha256.
    #[serde(skip)]
    pub(crate) sha256: String,
}

/// Reads the manifest of the image in `folder`.
pub(crate) fn read(folder: &Path) -> Result<Manifest, Error> {
    let refuse = |why: String| Error::Image { folder: folder.to_owned(), why };
    let bytes = std::fs::read(folder.join("manifest.json")).map_err(|error| refuse(error.to_string()))?;
    let mut manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| refuse(error.to_string()))?;
    if manifest.schema_version != SCHEMA_VERSION {
        let found = manifest.schema_version;
        return Err(refuse(format!("has version {found}, and this program knows {SCHEMA_VERSION}")));
    }
    let is_digest = |text: &String| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if let Some(bad) = manifest.artifacts.values().chain([&manifest.lock_digest]).find(|text| !is_digest(text)) {
        return Err(refuse(format!("{bad:?} is no digest of 64 hexadecimal digits")));
    }
    manifest.sha256 = hex(&Sha256::digest(&bytes));
    Ok(manifest)
}
