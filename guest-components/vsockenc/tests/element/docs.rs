//! What `gst-inspect-1.0` shows.

use std::path::Path;
use std::process::Command;

use gst::prelude::*;

use crate::support::init;

#[test]
fn every_property_has_a_blurb_with_its_default() {
    init();
    for name in ["vsockenc", "helixh264enc"] {
        let element = gst::ElementFactory::make(name).build().expect("the element");
        let own = element.list_properties().into_iter().filter(|spec| spec.owner_type() == element.type_());
        let own: Vec<_> = own.collect();
        assert!(own.len() >= 8, "{name}");
        for spec in own {
            let blurb = spec.blurb().unwrap_or_default().to_owned();
            assert!(blurb.contains("default"), "{name}: {}: {blurb}", spec.name());
            assert_ne!(blurb, spec.name(), "{name}");
        }
    }
}

/// Type, lowest, highest and default value.
fn range(element: &str, property: &str) -> (gst::glib::Type, u32, u32, u32) {
    let element = gst::ElementFactory::make(element).build().expect("the element");
    let spec = element.find_property(property).expect("the property");
    let range = spec.downcast_ref::<gst::glib::ParamSpecUInt>().expect("an unsigned number");
    (spec.value_type(), range.minimum(), range.maximum(), range.default_value())
}

#[test]
fn rates_have_the_ranges_of_x264enc() {
    init();
    for property in ["bitrate", "key-int-max"] {
        let theirs = range("x264enc", property);
        for name in ["vsockenc", "helixh264enc"] {
            assert_eq!(range(name, property), theirs, "{name}: {property}");
        }
    }
}

#[test]
fn gst_inspect_documents_both_elements() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = Path::new(&std::env::current_exe().expect("a path")).with_file_name("libgstvsockenc.so");
    assert!(library.exists(), "cargo builds the plugin beside the tests");
    for (name, words) in [
        (
            "vsockenc",
            vec![
                "kbit/s",
                "virtio-port:NAME",
                "HELIX_ENCODER",
                "virtio-port:dev.helix.encoder",
                "/etc/helix/encoder-token",
                "(default: 5000)",
                "reconnect",
                "wait",
                "video/x-h264",
                "memory:DMABuf",
            ],
        ),
        ("helixh264enc", vec!["kbit/s", "chosen", "reason", "(default: auto)"]),
    ] {
        let output = Command::new("gst-inspect-1.0")
            .arg(name)
            .env("GST_PLUGIN_PATH", library.parent().expect("a folder"))
            .env("GST_REGISTRY", folder.path().join("registry.bin"))
            .output()
            .expect("gst-inspect-1.0");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        for word in words {
            assert!(text.contains(word), "{name}: {word} is missing in\n{text}");
        }
    }
}
