//! Crafted images as OCI layouts.

use std::io::Write;
use std::path::{Path, PathBuf};

use helix_docker_graph::Digest;
use serde_json::{Value, json};

use crate::craft::Crafted;

/// How the layers of a layout are packed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

impl Packing {
    pub(crate) const ALL: [Self; 5] = [Self::Plain, Self::Gzip, Self::Bzip2, Self::Xz, Self::Zstd];

    pub(crate) fn pack(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => bytes.to_vec(),
            Self::Gzip => {
                let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                packer.write_all(bytes).expect("memory");
                packer.finish().expect("memory")
            }
            Self::Bzip2 => {
                let mut packer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                packer.write_all(bytes).expect("memory");
                packer.finish().expect("memory")
            }
            Self::Xz => {
                let mut packer = liblzma::write::XzEncoder::new(Vec::new(), 1);
                packer.write_all(bytes).expect("memory");
                packer.finish().expect("memory")
            }
            Self::Zstd => zstd::encode_all(bytes, 1).expect("memory"),
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => "+gzip",
            Self::Bzip2 => "+bzip2",
            Self::Xz => "+xz",
            Self::Zstd => "+zstd",
        }
    }
}

/// Writes an OCI layout; returns the digests of its layers' blobs.
pub(crate) fn layout(folder: &Path, image: &Crafted, packing: Packing) -> Vec<Digest> {
    let layout = Layout::new(folder);
    layout.index(&[named(layout.image(image, packing), &image.name)]);
    image.layers.iter().map(|layer| Digest::of(&packing.pack(layer))).collect()
}

/// An OCI layout that is being written.
pub(crate) struct Layout {
    folder: PathBuf,
}

impl Layout {
    pub(crate) fn new(folder: &Path) -> Self {
        std::fs::create_dir_all(folder.join("blobs/sha256")).expect("folders of a layout");
        std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("a layout");
        Self { folder: folder.to_owned() }
    }

    /// Adds a blob; returns its descriptor.
    pub(crate) fn blob(&self, kind: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        std::fs::write(self.folder.join("blobs/sha256").join(digest.hex()), bytes).expect("a blob");
        json!({ "mediaType": kind, "digest": digest.to_string(), "size": bytes.len() })
    }

    /// Adds a manifest; returns its descriptor.
    pub(crate) fn manifest(&self, config: &Value, layers: &Value) -> Value {
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers });
        self.blob(kind, manifest.to_string().as_bytes())
    }

    /// Adds an image; returns its descriptor.
    pub(crate) fn image(&self, image: &Crafted, packing: Packing) -> Value {
        let kind = format!("application/vnd.oci.image.layer.v1.tar{}", packing.suffix());
        let layers: Vec<Value> = image.layers.iter().map(|layer| self.blob(&kind, &packing.pack(layer))).collect();
        self.manifest(&self.blob("application/vnd.oci.image.config.v1+json", &image.config), &json!(layers))
    }

    /// Adds an index; returns its descriptor.
    pub(crate) fn nested(&self, manifests: &[Value]) -> Value {
        let kind = "application/vnd.oci.image.index.v1+json";
        self.blob(kind, json!({ "schemaVersion": 2, "mediaType": kind, "manifests": manifests }).to_string().as_bytes())
    }

    /// Writes the layout's own index.
    pub(crate) fn index(&self, manifests: &[Value]) {
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        std::fs::write(self.folder.join("index.json"), index.to_string()).expect("a layout");
    }
}

/// A descriptor with the name of an image.
pub(crate) fn named(mut descriptor: Value, name: &str) -> Value {
    descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    descriptor
}

/// A descriptor for a platform: `linux/amd64/v3`.
pub(crate) fn for_platform(mut descriptor: Value, platform: &str) -> Value {
    let parts: Vec<&str> = platform.split('/').collect();
    descriptor["platform"] = json!({ "os": parts[0], "architecture": parts[1], "variant": parts.get(2) });
    descriptor
}
