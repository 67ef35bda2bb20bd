//! Manifests and indexes: which image, and which blobs it is made of.

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType};

use crate::digest::Digest;

/// How deep an index may lie in another.
pub(crate) const MAX_DEPTH: usize = 4;

/// What an image must run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// As Go and Docker name it: `arm64`, `amd64`.
    pub architecture: String,
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "linux/{}", self.architecture)
    }
}

/// A blob that a manifest names.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// What a manifest says.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) config: Named,
    pub(crate) layers: Vec<Named>,
}

/// Either kind of document that a digest or a tag can stand for.
pub(crate) enum Document {
    Image(Parts),
    /// The manifests of an index for one platform, in its order.
    Index(Vec<Descriptor>),
}

pub(crate) fn named(descriptor: &Descriptor) -> Result<Named, String> {
    Ok(Named { digest: descriptor.digest().to_string().parse()?, size: descriptor.size() })
}

/// Reads a manifest or an index; `platform` chooses from an index.
pub(crate) fn parse(bytes: &[u8], platform: &Platform) -> Result<Document, String> {
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|e| format!("its manifest is no JSON document: {e}"))?;
    if value.get("manifests").is_some() {
        let index: ImageIndex = serde_json::from_value(value).map_err(|e| format!("its index cannot be read: {e}"))?;
        return choose(&index, platform).map(Document::Index);
    }
    if value.get("fsLayers").is_some() {
        return Err("its manifest is of the old version 1, which engines no longer take".to_owned());
    }
    let manifest: ImageManifest =
        serde_json::from_value(value).map_err(|e| format!("its manifest cannot be read: {e}"))?;
    let kind = manifest.config().media_type().to_string();
    if !matches!(
        kind.as_str(),
        "application/vnd.oci.image.config.v1+json" | "application/vnd.docker.container.image.v1+json"
    ) {
        return Err(format!("it is no container image: its configuration is of the type {kind}"));
    }
    let layers: Result<Vec<Named>, String> = manifest.layers().iter().map(layer).collect();
    Ok(Document::Image(Parts { config: named(manifest.config())?, layers: layers? }))
}

fn layer(descriptor: &Descriptor) -> Result<Named, String> {
    let kind = descriptor.media_type().to_string();
    if kind.ends_with("+encrypted") {
        return Err(format!("a layer is encrypted ({kind}); decrypt the image first (skopeo copy --decryption-key)"));
    }
    if kind.contains("foreign") || kind.contains("nondistributable") {
        return Err(format!("a layer must not be passed on by registries ({kind}); it cannot be had"));
    }
    match descriptor.media_type() {
        MediaType::ImageLayer | MediaType::ImageLayerGzip | MediaType::ImageLayerZstd => named(descriptor),
        MediaType::Other(other)
            if matches!(
                other.as_str(),
                "application/vnd.docker.image.rootfs.diff.tar.gzip"
                    | "application/vnd.docker.image.rootfs.diff.tar"
                    | "application/vnd.docker.image.rootfs.diff.tar.zstd"
            ) =>
        {
            named(descriptor)
        }
        _ => Err(format!("a layer is of the unknown type {kind}")),
    }
}

/// The manifests for a platform. Attestations, which lie beside the images that they are about, are for none.
fn choose(index: &ImageIndex, platform: &Platform) -> Result<Vec<Descriptor>, String> {
    let matches = |descriptor: &&Descriptor| match descriptor.platform() {
        None => true,
        Some(p) => p.os().to_string() == "linux" && p.architecture().to_string() == platform.architecture,
    };
    let found: Vec<Descriptor> = index.manifests().iter().filter(matches).cloned().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let there: Vec<String> = index
        .manifests()
        .iter()
        .filter_map(|d| d.platform().as_ref())
        .map(|p| format!("{}/{}", p.os(), p.architecture()))
        .filter(|p| p != "unknown/unknown")
        .collect();
    Err(format!(
        "it has no image for {platform}, only for: {}",
        if there.is_empty() { "nothing".to_owned() } else { there.join(", ") }
    ))
}
