//! An image as it comes from a source: a configuration, and where its layers are.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use oci_spec::distribution::Reference;
use serde::Deserialize;

use crate::digest::Digest;
use crate::manifest::Platform;

/// The largest configuration and manifest that is read, in bytes; registries have the same limit for manifests.
pub(crate) const MAX_DOCUMENT: u64 = 4 << 20;
/// The most layers of an image that engines take.
pub(crate) const MAX_LAYERS: usize = 125;

/// Where the bytes of a layer are: a part of a file.
#[derive(Debug, Clone)]
pub struct Blob {
    /// The file.
    pub file: Arc<PathBuf>,
    /// Where in it the blob begins.
    pub offset: u64,
    /// How long it is, in bytes.
    pub length: u64,
    /// What its digest must be. A blob of `docker save` has none: only the unpacked stream has.
    pub digest: Option<Digest>,
}

impl Blob {
    pub(crate) fn open(&self) -> std::io::Result<impl Read + use<>> {
        let mut file = File::open(&*self.file)?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(Exactly(file.take(self.length)))
    }
}

/// Ends with an error when the file is shorter than the blob.
struct Exactly(std::io::Take<File>);

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() && self.0.limit() > 0 => {
                Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file is shorter than it should be"))
            }
            n => Ok(n),
        }
    }
}

/// A layer of an image.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The digest of the unpacked layer, as the configuration states it.
    pub diff_id: Digest,
    /// Its bytes; none, where an archive leaves it out for a data root that has it.
    pub blob: Option<Blob>,
}

/// An image that can be put into a data root.
#[derive(Debug, Clone)]
pub struct Image {
    /// What it was given as; errors name it.
    pub origin: String,
    /// The digest of the configuration.
    pub id: Digest,
    /// The configuration, byte for byte.
    pub config: Vec<u8>,
    /// From the lowest to the highest.
    pub layers: Vec<Layer>,
    /// Its names.
    pub names: Vec<Reference>,
    /// The repository of a registry that it came from.
    pub pulled_from: Option<Reference>,
}

/// The parts of a configuration that matter here.
#[derive(Debug, Deserialize)]
struct Config {
    os: Option<String>,
    architecture: Option<String>,
    rootfs: Option<RootFs>,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    /// Programs in Go write a list of nothing as null.
    diff_ids: Option<Vec<String>>,
}

impl Image {
    /// An image from its configuration and the blobs of its layers.
    pub(crate) fn new(
        origin: &str,
        config: Vec<u8>,
        blobs: Vec<Option<Blob>>,
        names: Vec<Reference>,
    ) -> Result<Self, String> {
        let parsed: Config =
            serde_json::from_slice(&config).map_err(|e| format!("its configuration cannot be read: {e}"))?;
        if parsed.os.as_deref().is_some_and(|os| !os.is_empty() && os != "linux") {
            return Err(format!("it is made for {}, not for linux", parsed.os.unwrap_or_default()));
        }
        // An image may have no layers at all, but then its configuration says so.
        let diff_ids = parsed.rootfs.ok_or("its configuration is not that of an image: it has no rootfs")?.diff_ids;
        let diff_ids = diff_ids.unwrap_or_default();
        if diff_ids.len() > MAX_LAYERS {
            return Err(format!("it has {} layers; engines take {MAX_LAYERS}", diff_ids.len()));
        }
        if diff_ids.len() != blobs.len() {
            return Err(format!("its configuration names {} layers, its manifest {}", diff_ids.len(), blobs.len()));
        }
        let layers: Result<Vec<_>, String> =
            diff_ids.iter().zip(blobs).map(|(diff_id, blob)| Ok(Layer { diff_id: diff_id.parse()?, blob })).collect();
        let id = Digest::of(&config);
        Ok(Self { origin: origin.to_owned(), id, config, layers: layers?, names, pulled_from: None })
    }

    /// Whether the image says that it is for the platform; one that says nothing is for every one.
    pub(crate) fn runs_on(&self, platform: &Platform) -> Result<(), String> {
        let config: Config = serde_json::from_slice(&self.config).map_err(|e| e.to_string())?;
        match config.architecture.filter(|a| !a.is_empty() && !platform.is(a)) {
            None => Ok(()),
            Some(other) => Err(format!("it is made for linux/{other}, not for {platform}")),
        }
    }

    /// The chain ids of its layers.
    pub(crate) fn chain(&self) -> Vec<Digest> {
        let mut chain: Vec<Digest> = Vec::new();
        for layer in &self.layers {
            chain.push(layer.diff_id.on_top_of(chain.last()));
        }
        chain
    }
}

/// The name as the engine keeps it: without `docker.io/` and `library/`.
pub(crate) fn familiar_name(reference: &Reference) -> String {
    match (reference.registry(), reference.repository()) {
        ("docker.io", repository) => repository.strip_prefix("library/").unwrap_or(repository).to_owned(),
        (registry, repository) => format!("{registry}/{repository}"),
    }
}

/// All forms of the reference as the engine lists them, each with its key.
pub(crate) fn familiar(reference: &Reference) -> Vec<String> {
    let name = familiar_name(reference);
    let tag = reference.tag().map(|tag| format!("{name}:{tag}"));
    let digest = reference.digest().map(|digest| format!("{name}@{digest}"));
    tag.into_iter().chain(digest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_the_way_the_engine_keeps_them() {
        let familiar = |text: &str| familiar(&text.parse().unwrap());
        assert_eq!(familiar("debian"), ["debian:latest"]);
        assert_eq!(familiar("docker.io/library/debian:13"), ["debian:13"]);
        assert_eq!(familiar("helix/desktop:1"), ["helix/desktop:1"]);
        assert_eq!(familiar("localhost:5000/a/b"), ["localhost:5000/a/b:latest"]);
        let digest = Digest::of(b"");
        let both = format!("r.example/a:1@{digest}");
        assert_eq!(familiar(&both), ["r.example/a:1", &format!("r.example/a@{digest}")]);
    }
}
