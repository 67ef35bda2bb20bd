//! Manifests and indexes: which image, and which blobs it is made of.

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType};
use serde_json::{Value, json};

use crate::digest::Digest;

/// How deep an index may lie in another.
const MAX_DEPTH: usize = 4;
/// How many documents are looked at for one image: an index may name the same index many times.
const MAX_DOCUMENTS: usize = 1000;
/// What the configurations of images are called.
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
/// What manifests and indexes are called.
const DOCUMENTS: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
/// What the types of layers begin with; how they are packed follows, and engines look at the bytes instead.
const LAYERS: [&str; 2] = ["application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"];
/// By this annotation BuildKit says that a manifest is about another one: an attestation.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

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

impl Platform {
    /// Whether something is for this architecture, whatever it calls it.
    pub(crate) fn is(&self, architecture: &str) -> bool {
        normal(architecture) == normal(&self.architecture)
    }

    /// What a descriptor asks of the processor, if it is for this platform at all. One that states no platform is for
    /// every one.
    fn demands(&self, descriptor: &Descriptor) -> Option<Demand> {
        let Some(stated) = descriptor.platform() else { return Some(Demand::default()) };
        let (os, architecture) = (stated.os().to_string(), stated.architecture().to_string());
        if os.is_empty() && architecture.is_empty() {
            return Some(Demand::default());
        }
        let suits = os.eq_ignore_ascii_case("linux") && self.is(&architecture);
        suits.then(|| Demand::of(&architecture, stated.variant().as_deref().unwrap_or_default()))
    }
}

/// An architecture as Go names it, by the rules of containerd:
/// <https://github.com/containerd/platforms/blob/v1.0.0/database.go>.
fn normal(architecture: &str) -> String {
    let name = architecture.to_ascii_lowercase();
    match &*name {
        "x86_64" | "x86-64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        _ => name,
    }
}

/// What an image asks of the processor above what every one of its architecture has: the digits of its variant. The
/// least demanding image runs everywhere, and is the one that engines take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Demand(u32, u32);

impl Demand {
    fn of(architecture: &str, variant: &str) -> Self {
        let least = if normal(architecture) == "arm64" { 8 } else { 1 };
        let variant = variant.to_ascii_lowercase();
        let digits = variant.strip_prefix('v').unwrap_or(&variant);
        let (major, minor) = digits.split_once('.').unwrap_or((digits, "0"));
        match (major.parse(), minor.parse()) {
            _ if variant.is_empty() => Self::default(),
            (Ok(major), Ok(minor)) if (major, minor) <= (least, 0) => Self::default(),
            (Ok(major), Ok(minor)) => Self(major, minor),
            // A variant of another kind comes last.
            _ => Self(u32::MAX, 0),
        }
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

/// Why something is passed over where a choice is left: it is no image, or none for the platform.
#[derive(Debug)]
pub(crate) struct NotThis(pub(crate) String);

/// An image, or why it is none.
pub(crate) type Found<T> = Result<T, NotThis>;

/// What makes an image of a manifest.
type Accept<'a, T, E> = dyn FnMut(Parts, Option<&Descriptor>) -> Result<Found<T>, E> + 'a;

/// Any kind of document that a digest or a tag can stand for.
#[derive(Debug)]
pub(crate) enum Document {
    Image(Parts),
    /// The manifests and indexes of an index for one platform, those that suit it best first.
    Index(Vec<Entry>),
    Other(NotThis),
}

/// An entry of an index that may be an image for a platform.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) descriptor: Descriptor,
    demand: Demand,
}

impl Entry {
    /// Whether another entry for the same platform needs less of a processor.
    pub(crate) fn demands_more_than(&self, other: &Self) -> bool {
        self.demand > other.demand
    }
}

/// Looks for the image of a document: of a manifest itself, of an index the first one that is an image.
pub(crate) struct Finder<'a, T, E> {
    pub(crate) platform: &'a Platform,
    /// Gets the document with a digest.
    pub(crate) fetch: &'a mut dyn FnMut(&Digest) -> Result<Vec<u8>, E>,
    /// Makes an image of what a manifest says, which may prove to be none. Gets the manifest's entry in an index too.
    pub(crate) accept: &'a mut Accept<'a, T, E>,
    /// How many documents were looked at.
    pub(crate) looked_at: usize,
}

impl<T, E: From<String>> Finder<'_, T, E> {
    /// The image of a document that is there.
    pub(crate) fn document(&mut self, bytes: &[u8]) -> Result<Found<T>, E> {
        self.look(bytes, None, 0)
    }

    /// The image of an entry of an index.
    pub(crate) fn entry(&mut self, descriptor: &Descriptor) -> Result<Found<T>, E> {
        self.descend(descriptor, 1)
    }

    fn descend(&mut self, descriptor: &Descriptor, depth: usize) -> Result<Found<T>, E> {
        if depth > MAX_DEPTH {
            return Err(format!("its indexes lie in each other more than {MAX_DEPTH} deep").into());
        }
        self.looked_at += 1;
        if self.looked_at > MAX_DOCUMENTS {
            return Err(format!("no image is among the first {MAX_DOCUMENTS} manifests of its indexes").into());
        }
        let bytes = (self.fetch)(&named(descriptor)?.digest)?;
        self.look(&bytes, Some(descriptor), depth)
    }

    fn look(&mut self, bytes: &[u8], descriptor: Option<&Descriptor>, depth: usize) -> Result<Found<T>, E> {
        let list = match parse(bytes, self.platform)? {
            Document::Image(parts) => return (self.accept)(parts, descriptor),
            Document::Other(why) => return Ok(Err(why)),
            Document::Index(list) => list,
        };
        let mut first = None;
        for entry in &list {
            match self.descend(&entry.descriptor, depth + 1)? {
                Ok(image) => return Ok(Ok(image)),
                Err(why) => first = first.or(Some(why)),
            }
        }
        Ok(Err(first.unwrap_or_else(|| NotThis("its index is empty".to_owned()))))
    }
}

pub(crate) fn named(descriptor: &Descriptor) -> Result<Named, String> {
    Ok(Named { digest: descriptor.digest().to_string().parse()?, size: descriptor.size() })
}

/// Reads a manifest or an index; `platform` chooses from an index.
pub(crate) fn parse(bytes: &[u8], platform: &Platform) -> Result<Document, String> {
    let mut value: Value =
        serde_json::from_slice(bytes).map_err(|e| format!("its manifest is no JSON document: {e}"))?;
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let media_type = text(&value, "mediaType");
    let is_index = value.get("manifests").is_some() || media_type.contains("index") || media_type.contains(".list.");
    // Programs in Go write a list of nothing as null.
    let list = if is_index { "manifests" } else { "layers" };
    if let Some(document) = value.as_object_mut() {
        document.retain(|_, member| !member.is_null());
        document.entry(list).or_insert(json!([]));
    }
    if value.get("fsLayers").is_some() {
        return Err("its manifest is of the old version 1, which engines no longer take".to_owned());
    }
    if let Some(kind) = other_type(&text(&value, "artifactType")) {
        return Ok(Document::Other(NotThis(format!("it is no container image, but an artifact of the type {kind}"))));
    }
    if is_index {
        let index: ImageIndex = serde_json::from_value(value).map_err(|e| format!("its index cannot be read: {e}"))?;
        return Ok(choose(&index, platform).map_or_else(Document::Other, Document::Index));
    }
    if media_type == "application/vnd.oci.artifact.manifest.v1+json" {
        return Ok(Document::Other(NotThis("it is no container image, but an artifact".to_owned())));
    }
    let manifest = serde_json::from_value(value).map_err(|e| format!("its manifest cannot be read: {e}"))?;
    image(&manifest)
}

/// The blobs of an image.
fn image(manifest: &ImageManifest) -> Result<Document, String> {
    let config = named(manifest.config())?;
    if let Some(kind) = other_type(manifest.config().media_type().as_ref()) {
        let reason = format!("it is no container image: its configuration is of the type {kind}");
        return Ok(Document::Other(NotThis(reason)));
    }
    // `{}`, as programs write that put other things than images into a registry.
    if config.size <= 2 {
        return Ok(Document::Other(NotThis("it is no container image: its configuration is empty".to_owned())));
    }
    let kinds: Vec<String> = manifest.layers().iter().map(|layer| layer.media_type().to_string()).collect();
    if !kinds.is_empty() && kinds.iter().all(|kind| is_unknown(kind)) {
        let reason = format!("it is no container image: a layer is of the unknown type {}", kinds[0]);
        return Ok(Document::Other(NotThis(reason)));
    }
    let layers: Result<Vec<Named>, String> = manifest.layers().iter().map(layer).collect();
    Ok(Document::Image(Parts { config, layers: layers? }))
}

/// The type of something that is no image.
fn other_type(kind: &str) -> Option<&str> {
    (!kind.is_empty() && !CONFIGS.contains(&kind)).then_some(kind)
}

/// Whether a layer can be told from its type by no rule of [`layer`].
fn is_unknown(kind: &str) -> bool {
    !kind.starts_with("application/vnd.oci.image.layer.") && !kind.starts_with("application/vnd.docker.image.rootfs.")
}

fn layer(descriptor: &Descriptor) -> Result<Named, String> {
    let kind = descriptor.media_type().to_string();
    if kind.ends_with("+encrypted") {
        return Err(format!("a layer is encrypted ({kind}); decrypt the image first (skopeo copy --decryption-key)"));
    }
    if kind.contains("foreign") || kind.contains("nondistributable") {
        return Err(format!("a layer must not be passed on by registries ({kind}); it cannot be had"));
    }
    let packing = LAYERS.iter().find_map(|layer| kind.strip_prefix(layer));
    match packing.map(|packing| packing.trim_start_matches(['.', '+'])) {
        Some("" | "gzip" | "bzip2" | "xz" | "zstd") => named(descriptor),
        _ => Err(format!("a layer is of the unknown type {kind}")),
    }
}

/// The entries that may be images for a platform, those that ask least of a processor first.
fn choose(index: &ImageIndex, platform: &Platform) -> Found<Vec<Entry>> {
    let mut found: Vec<Entry> = index
        .manifests()
        .iter()
        .filter(|descriptor| what_else(descriptor).is_none())
        .filter_map(|descriptor| {
            platform.demands(descriptor).map(|demand| Entry { descriptor: descriptor.clone(), demand })
        })
        .collect();
    // What states its platform comes before what may be for any.
    found.sort_by_key(|entry| (entry.demand, entry.descriptor.platform().is_none()));
    if !found.is_empty() || index.manifests().is_empty() {
        return Ok(found);
    }
    let mut there: Vec<String> = index
        .manifests()
        .iter()
        .map(|descriptor| what_else(descriptor).unwrap_or_else(|| shown_platform(descriptor)))
        .collect();
    there.dedup();
    Err(NotThis(format!("it has no image for {platform}, only for: {}", there.join(", "))))
}

fn shown_platform(descriptor: &Descriptor) -> String {
    let Some(platform) = descriptor.platform() else { return "every platform".to_owned() };
    let variant = platform.variant().as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
    format!("{}/{}{variant}", platform.os(), platform.architecture())
}

/// What an entry of an index is, if it is no image: attestations, signatures and other artifacts stand beside the images
/// that they are about.
fn what_else(descriptor: &Descriptor) -> Option<String> {
    let annotation = descriptor.annotations().as_ref().and_then(|annotations| annotations.get(REFERENCE_TYPE));
    let artifact = descriptor.artifact_type().as_ref().map(MediaType::to_string).unwrap_or_default();
    let kind = descriptor.media_type().to_string();
    if let Some(kind) = other_type(&artifact) {
        return Some(format!("an artifact of the type {kind}"));
    }
    if !DOCUMENTS.contains(&&*kind) {
        return Some(format!("a file of the type {kind}"));
    }
    annotation.cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(architecture: &str, manifests: Value) -> Result<Vec<u64>, String> {
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        let platform = Platform { architecture: architecture.to_owned() };
        match parse(index.to_string().as_bytes(), &platform).unwrap() {
            Document::Index(list) => Ok(list.iter().map(|entry| entry.descriptor.size()).collect()),
            Document::Other(why) => Err(why.0),
            Document::Image(_) => panic!("an index is no image"),
        }
    }

    /// An entry that its size tells from others.
    fn entry(size: u64, platform: &str) -> Value {
        let digest = Digest::of(&size.to_be_bytes()).to_string();
        let mut entry = json!({ "mediaType": DOCUMENTS[0], "digest": digest, "size": size });
        let mut parts = platform.split('/');
        if let (Some(os), Some(architecture)) = (parts.next(), parts.next()) {
            entry["platform"] = json!({ "os": os, "architecture": architecture });
            if let Some(variant) = parts.next() {
                entry["platform"]["variant"] = json!(variant);
            }
        }
        entry
    }

    fn with(mut entry: Value, key: &str, value: Value) -> Value {
        entry[key] = value;
        entry
    }

    #[test]
    fn the_least_demanding_entry_comes_first_by_whatever_name() {
        let amd64 = json!([
            entry(1, "linux/amd64/v4"),
            entry(2, "linux/amd64/v2"),
            entry(3, ""),
            entry(4, "linux/x86_64"),
            entry(5, "Linux/X86-64/v1"),
            entry(6, "linux/arm64"),
            entry(7, "windows/amd64"),
            entry(8, "linux/amd64/other"),
        ]);
        for name in ["amd64", "x86_64"] {
            assert_eq!(chosen(name, amd64.clone()).unwrap(), [4, 5, 3, 2, 1, 8]);
        }
        let arm64 = [("linux/arm64/v9", 1), ("linux/aarch64/v8.2", 2), ("linux/arm/v7", 3), ("linux/aarch64/v8", 4)];
        let arm64: Vec<Value> = arm64.iter().map(|(platform, size)| entry(*size, platform)).collect();
        assert_eq!(chosen("arm64", json!(arm64)).unwrap(), [4, 2, 1]);
        let refused = chosen("amd64", json!(arm64)).unwrap_err();
        assert!(
            refused.contains("no image for linux/amd64, only for: linux/arm64/v9, linux/aarch64/v8.2"),
            "{refused}"
        );
    }

    #[test]
    fn entries_that_are_no_images_are_passed_over() {
        let artifact = "application/vnd.example.sbom";
        let others = [
            with(entry(1, "linux/amd64"), "artifactType", json!(artifact)),
            with(entry(2, "linux/amd64"), "annotations", json!({ REFERENCE_TYPE: "attestation-manifest" })),
            with(entry(3, ""), "mediaType", json!("application/spdx+json")),
            entry(4, "unknown/unknown"),
        ];
        // Registries state the type of a configuration where a manifest states none.
        let image = with(entry(5, "linux/amd64"), "artifactType", json!(CONFIGS[0]));
        let all: Vec<Value> = others.iter().cloned().chain([image]).collect();
        assert_eq!(chosen("amd64", json!(all)).unwrap(), [5]);
        let refused = chosen("amd64", json!(others)).unwrap_err();
        assert!(refused.contains(&format!("an artifact of the type {artifact}, attestation-manifest")), "{refused}");
        assert_eq!(chosen("amd64", Value::Null).unwrap(), [0; 0]);
    }

    #[test]
    fn manifests_of_other_things_say_what_they_are() {
        let platform = Platform { architecture: "arm64".to_owned() };
        let blob =
            |kind: &str, size: u64| json!({ "mediaType": kind, "digest": Digest::of(b"").to_string(), "size": size });
        let read = |manifest: Value| match parse(manifest.to_string().as_bytes(), &platform) {
            Ok(Document::Image(parts)) => format!("{} layers", parts.layers.len()),
            Ok(Document::Other(NotThis(why))) => why,
            Ok(Document::Index(_)) => panic!("no index"),
            Err(why) => panic!("{why}"),
        };
        let manifest = |config: Value, layers: Value| json!({ "schemaVersion": 2, "config": config, "layers": layers });
        let (config, layer) = (blob(CONFIGS[0], 300), blob("application/vnd.oci.image.layer.v1.tar+xz", 9));
        assert_eq!(read(manifest(config.clone(), Value::Null)), "0 layers");
        assert_eq!(read(manifest(config.clone(), json!([layer]))), "1 layers");
        for (manifest, why) in [
            (manifest(blob("application/vnd.oci.empty.v1+json", 2), json!([layer])), "vnd.oci.empty.v1+json"),
            (manifest(blob("application/vnd.cncf.helm.config.v1+json", 300), json!([layer])), "helm.config"),
            (manifest(blob(CONFIGS[1], 2), json!([layer])), "configuration is empty"),
            // As cosign signs.
            (
                manifest(config.clone(), json!([blob("application/vnd.dev.cosign.simplesigning.v1+json", 9)])),
                "simplesigning",
            ),
            // As BuildKit attests.
            (manifest(config.clone(), json!([blob("application/vnd.in-toto+json", 9)])), "in-toto"),
            (with(manifest(config, json!([layer])), "artifactType", json!("a/b")), "an artifact of the type a/b"),
            (json!({ "mediaType": "application/vnd.oci.artifact.manifest.v1+json", "blobs": [] }), "an artifact"),
        ] {
            let said = read(manifest);
            assert!(said.contains("no container image") && said.contains(why), "{said}");
        }
    }
}
