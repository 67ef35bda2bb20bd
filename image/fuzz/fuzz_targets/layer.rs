//! Any bytes are a layer of an image, which then comes back byte for byte, or are refused; nothing appears elsewhere.
#![no_main]

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use helix_docker_graph::{Blob, Digest, Image, Layer, Limits, Options, assemble, import};
use helix_fuzz::{names, shared_memory};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir_in(shared_memory()).expect("a folder");
    let (file, root) = (folder.path().join("layer"), folder.path().join("data"));
    std::fs::write(&file, bytes).expect("the layer");
    let diff_id = Digest::of(bytes);
    let blob = Blob { file: Arc::new(file), offset: 0, length: bytes.len() as u64, digest: None };
    let config = b"{}".to_vec();
    let layers = vec![Layer { diff_id: diff_id.clone(), blob: Some(blob) }];
    let image =
        Image { origin: "fuzz".into(), id: Digest::of(&config), config, layers, names: Vec::new(), pulled_from: None };
    let options = Options {
        threads: std::num::NonZeroUsize::MIN,
        limits: Limits { bytes: 64 << 20, members: 10_000 },
        devices: false,
        ..Options::default()
    };
    let result = import(&root, &[image], &options);
    if result.is_err() {
        // The data root was not there, and is not there now.
        assert_eq!(names(folder.path()), ["layer"]);
        return;
    }
    assert_eq!(names(folder.path()), ["data", "layer"]);
    assert_eq!(names(&root), ["image", "vfs"]);
    let trees = names(&root.join("vfs/dir"));
    let tree = root.join("vfs/dir").join(&trees[0]);
    let about = root.join("image/vfs/layerdb/sha256").join(diff_id.hex());
    let open = |name: &[u8]| {
        let mut path = tree.clone().into_os_string();
        path.push("/");
        path.push(OsStr::from_bytes(name));
        Ok(Box::new(std::fs::File::open(path)?) as Box<dyn Read>)
    };
    let description = std::fs::File::open(about.join("tar-split.json.gz")).expect("a description");
    let mut stream = Vec::new();
    assemble(description, open, &mut stream).expect("an accepted layer comes back");
    assert!(stream == bytes);
});
