//! What lies beside the daemon and the library.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use helix_host_encoder_artifacts::products;
use helix_products::{Artifact, Notices, Order, Target};

/// The notices for a target, in a folder of their own.
fn notices(target: Target) -> (Artifact, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the project");
    let output = tempfile::tempdir().expect("a folder");
    let order = Order { target, root: &root, output: output.path(), imports: "", hint: "" };
    std::fs::create_dir(output.path().join(target.triple())).expect("a folder");
    let made = Notices::collect(&products(target), &order).and_then(|notices| notices.put(&order));
    let made = made.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(made.file, output.path().join(target.triple()).join("NOTICES.txt"));
    assert_eq!(made.file.metadata().expect("a file").permissions().mode() & 0o777, 0o644);
    let text = std::fs::read_to_string(&made.file).expect("a text");
    for path in [root.to_str().expect("text"), output.path().to_str().expect("text")] {
        assert!(!text.contains(path), "{path} is in the notices");
    }
    (made, text)
}

#[test]
fn the_licence_of_openh264_is_reproduced_where_it_is_linked_in() {
    let (made, text) = notices(Target::LinuxAmd64);
    assert!(text.starts_with("helix-host-encoder and libhelix_host_encoder_capi.so are made of"));
    for wanted in [
        "\nopenh264-sys2 0.9",
        "\n  Licence: BSD-2-Clause\n",
        "Copyright (c) 2013, Cisco Systems\n",
        "Redistributions in binary form must reproduce the above copyright",
        "\nhelix-host-encoder-capi 0.1.0\n",
        "\nRust standard library ",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is missing");
    }
    assert!(!text.contains("objc2-video-toolbox"), "it is linked on a Mac alone");
    assert_eq!(made.sha256, notices(Target::LinuxAmd64).0.sha256, "the same every time");
}

#[test]
fn on_a_mac_there_is_no_openh264() {
    let (_, text) = notices(Target::Mac);
    assert!(text.contains("libhelix_host_encoder_capi.dylib") && text.contains("\nobjc2-video-toolbox "));
    assert!(!text.contains("openh264") && !text.contains("Cisco"));
}
