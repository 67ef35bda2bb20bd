//! An image that was composed here, as an OCI layout.

use std::path::Path;

use serde_json::{Value, json};

use crate::digest::Digest;
use crate::error::Error;
use crate::image::Image;

/// Writes an image of [`crate::compose`] into the folder `folder` as an OCI layout
/// (<https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md>). Layers that are on the same file system
/// become names of the same files; they must not be changed.
///
/// # Errors
/// When something cannot be read or written.
pub fn write_layout(image: &Image, folder: &Path) -> Result<(), Error> {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).map_err(Error::io("making", &blobs))?;
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(Error::io("writing", &path))
    };
    let document = |bytes: &[u8], kind: &str| -> Result<Value, Error> {
        let digest = Digest::of(bytes);
        write(&format!("blobs/sha256/{}", digest.hex()), bytes)?;
        Ok(descriptor(&format!("application/vnd.oci.image.{kind}.v1+json"), &digest, bytes.len() as u64))
    };
    let mut layers = Vec::new();
    for layer in &image.layers {
        let blob = layer.blob.as_ref().expect("a composed image has all its layers");
        let target = blobs.join(layer.diff_id.hex());
        // Two layers may be the same.
        if !target.exists() && std::fs::hard_link(&*blob.file, &target).is_err() {
            std::fs::copy(&*blob.file, &target).map_err(Error::io("writing", &target))?;
        }
        layers.push(descriptor("application/vnd.oci.image.layer.v1.tar", &layer.diff_id, blob.length));
    }
    let config = document(&image.config, "config")?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers,
    });
    let manifest = document(manifest.to_string().as_bytes(), "manifest")?;
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest],
    });
    write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    write("index.json", index.to_string().as_bytes())
}

fn descriptor(kind: &str, digest: &Digest, size: u64) -> Value {
    json!({ "mediaType": kind, "digest": digest.to_string(), "size": size })
}
