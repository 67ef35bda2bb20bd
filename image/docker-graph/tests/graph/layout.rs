//! Crafted images as OCI layouts.

use std::io::Write;
use std::path::Path;

use helix_docker_graph::Digest;
use serde_json::{Value, json};

use crate::craft::Crafted;

/// How the layers of a layout are packed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// Writes an OCI layout; returns the digests of its layers' blobs.
pub(crate) fn layout(folder: &Path, image: &Crafted, packing: Packing) -> Vec<Digest> {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("folders of a layout");
    let put = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).expect("a blob");
        (digest, bytes.len())
    };
    let mut digests = Vec::new();
    let layers: Vec<Value> = image
        .layers
        .iter()
        .map(|layer| {
            let (kind, bytes) = match packing {
                Packing::Plain => ("", layer.clone()),
                Packing::Gzip => {
                    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                    packer.write_all(layer).expect("memory");
                    ("+gzip", packer.finish().expect("memory"))
                }
                Packing::Zstd => ("+zstd", zstd::encode_all(&layer[..], 1).expect("memory")),
            };
            let (digest, size) = put(&bytes);
            digests.push(digest.clone());
            let kind = format!("application/vnd.oci.image.layer.v1.tar{kind}");
            json!({ "mediaType": kind, "digest": digest.to_string(), "size": size })
        })
        .collect();
    let (config, size) = put(&image.config);
    let config = json!({
        "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.to_string(), "size": size,
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers,
    });
    let (manifest, size) = put(manifest.to_string().as_bytes());
    let index = json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": manifest.to_string(), "size": size,
            "annotations": { "org.opencontainers.image.ref.name": image.name },
        }],
    });
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("a layout");
    std::fs::write(folder.join("index.json"), index.to_string()).expect("a layout");
    digests
}
