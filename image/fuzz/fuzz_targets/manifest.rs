//! Any bytes are the index, the manifest or the configuration of an OCI layout, or what `docker save` calls its
//! manifest, or before Docker 1.10 the configuration of an image, or are refused. The first byte says which they are.
#![no_main]

use helix_docker_graph::{Digest, Platform, read_archive, read_layout};
use helix_fuzz::shared_memory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = input.split_first() else { return };
    let folder = tempfile::tempdir_in(shared_memory()).expect("a folder");
    let platform = Platform { architecture: "arm64".into() };
    let blobs = folder.path().join("blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("a layout");
    let put = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).expect("a blob");
        format!(r#""digest":"{digest}","size":{}"#, bytes.len())
    };
    let descriptor = |kind: &str, place: &str| format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}",{place}}}"#);
    let index = |manifest: &str| {
        format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, descriptor("manifest.v1+json", manifest)).into_bytes()
    };
    let index = match which % 5 {
        0 => bytes.to_vec(),
        1 => index(&put(bytes)),
        2 => {
            let (config, layer) =
                (descriptor("config.v1+json", &put(bytes)), descriptor("layer.v1.tar", &put(b"layer")));
            let manifest = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}]}}"#);
            index(&put(manifest.as_bytes()))
        }
        which => {
            let mut archive = tar::Builder::new(Vec::new());
            let mut add = |name: &str, bytes: &[u8]| {
                let mut header = tar::Header::new_gnu();
                header.set_size(bytes.len() as u64);
                archive.append_data(&mut header, name, bytes).expect("an archive");
            };
            if which == 3 {
                add("manifest.json", bytes);
            } else {
                add("top/json", bytes);
                for folder in ["top", "low"] {
                    add(&format!("{folder}/layer.tar"), b"layer");
                }
                add("low/json", b"{}");
                add("repositories", br#"{"a":{"1":"top"}}"#);
            }
            let file = folder.path().join("archive.tar");
            std::fs::write(&file, archive.into_inner().expect("an archive")).expect("an archive");
            let _ = read_archive(&file, None, &platform, folder.path());
            return;
        }
    };
    std::fs::write(folder.path().join("index.json"), index).expect("a layout");
    let _ = read_layout(folder.path(), None, &platform);
});
