//! Nothing is shipped of which the licence is not known.

use std::path::Path;

use helix_app::of_crates;
use serde_json::json;

use crate::parts::{Bench, edit_json, put_image, shown};

const LIST: &str = "sysroot/share/licenses/components.json";

fn notices(bench: &Bench) -> String {
    std::fs::read_to_string(bench.app().join("Contents/Resources/NOTICES.txt")).expect("notices")
}

#[test]
fn the_notices_name_components_files_packages_and_texts() {
    let bench = Bench::assembled();
    let text = notices(&bench);
    for line in [
        "glib 2.83.0\n  Licence: LGPL-2.1-or-later\n  Source: https://example.org/glib-2.83.0.tar.xz",
        "  File: Contents/Frameworks/gthread-2.0.0.framework/Versions/A/gthread-2.0.0",
        "  File: Contents/MacOS/qemu-system-aarch64",
        "  File: Contents/Resources/qemu/edk2-aarch64-code.fd",
        "  File: Contents/MacOS/Helix",
        "some-crate 1.0.0\n  Licence: MIT\n",
        "base-files 13: GPL-2+\n",
        "libdrm2 2.4: see its copyright file\n",
        "helix 1: Apache-2.0\n",
        "The text of LGPL-2.1-or-later for glib.",
        "Do as you like.",
    ] {
        assert!(text.contains(line), "{line:?} is missing in\n{text}");
    }
    assert!(!text.contains("spice"), "what stays behind is not named");
}

#[test]
fn a_text_that_components_share_is_there_once() {
    let mut bench = Bench::new();
    let mut other = bench.own[0].clone();
    other.name = "other-crate".to_owned();
    bench.own.push(other);
    bench.assemble().expect("an app");
    assert_eq!(notices(&bench).matches("Do as you like.").count(), 1);
}

#[test]
fn a_file_that_no_component_has_is_a_fault() {
    let bench = Bench::new();
    edit_json(&bench.path(LIST), |list| {
        list.as_array_mut().expect("a list").retain(|component| component["name"] != "pixman");
    });
    let faults = bench.refused();
    let text = shown(&faults);
    assert_eq!(faults.len(), 1, "{text}");
    assert!(text.contains("lib/libpixman-1.0.dylib: belongs to no component of share/licenses"), "{text}");
}

#[test]
fn a_component_without_licence_or_text_is_a_fault() {
    let bench = Bench::new();
    edit_json(&bench.path(LIST), |list| {
        list[0]["license"] = " ".into();
        list[1]["texts"] = json!([]);
    });
    std::fs::write(bench.path("sysroot/share/licenses/zstd/COPYING"), "\n").expect("written");
    std::fs::remove_file(bench.path("sysroot/share/licenses/QEMU/COPYING")).expect("removed");
    let text = shown(&bench.refused());
    for component in ["gettext 0.22.5", "glib 2.83.0", "zstd 1.5.2", "QEMU 10.0.2"] {
        assert!(text.contains(&format!("the component {component} has no licence")), "{text}");
    }
    assert!(text.contains("QEMU/COPYING: cannot be read"), "{text}");
}

#[test]
fn a_list_of_licences_does_not_read_other_files_of_the_machine() {
    let bench = Bench::new();
    let folder = bench.path("sysroot/share/licenses");
    std::fs::remove_file(folder.join("glib/COPYING")).expect("removed");
    std::os::unix::fs::symlink("/etc/passwd", folder.join("glib/COPYING")).expect("a link");
    edit_json(&bench.path(LIST), |list| list[0]["texts"] = json!(["/etc/passwd", "../../../../../etc/passwd"]));
    let text = shown(&bench.refused());
    assert_eq!(text.matches("cannot be read: it is not in the list's folder").count(), 3, "{text}");
    assert!(!text.contains("root:"), "{text}");
}

#[test]
fn without_a_list_the_fault_says_where_its_form_is() {
    let bench = Bench::new();
    std::fs::remove_file(bench.path(LIST)).expect("removed");
    assert!(shown(&bench.refused()).contains("docs/src/helix-app.md has the form"));
}

#[test]
fn something_in_the_disk_without_a_licence_is_a_fault_unless_it_is_a_package_of_debian() {
    let bench = Bench::new();
    let bill = json!({ "components": [{ "name": "blob", "version": "1", "purl": "pkg:generic/blob@1" }] });
    put_image(&bench.path("image"), b"disk", &bill);
    assert!(shown(&bench.refused()).contains("sbom.cdx.json: the component blob 1 has no licence"));
}

/// A bill as `build-image` writes it for two stores with the same container image in them.
fn two_stores(container: &serde_json::Value) -> serde_json::Value {
    let base =
        json!({ "type": "library", "name": "base-files", "version": "13", "purl": "pkg:deb/debian/base-files@13" });
    json!({ "components": [base, container, container] })
}

#[test]
fn a_container_has_the_licences_of_its_packages_and_is_named_once() {
    let bench = Bench::new();
    let packages = json!([
        { "type": "library", "name": "zlib1g", "version": "1.3", "purl": "pkg:deb/debian/zlib1g@1.3" },
        { "type": "library", "name": "musl", "version": "1.2", "purl": "pkg:apk/alpine/musl@1.2", "licenses": [{ "license": { "name": "MIT" } }] },
    ]);
    let container =
        json!({ "type": "container", "name": "docker.io/some/tool:1", "version": "sha256:ab", "components": packages });
    put_image(&bench.path("image"), b"disk", &two_stores(&container));
    bench.assemble().expect("an app");
    let text = notices(&bench);
    let part = "The container image docker.io/some/tool:1 sha256:ab holds these packages. The text of each licence is in it:\n\n\
        zlib1g 1.3: see its copyright file\nmusl 1.2: MIT\n";
    assert_eq!(text.matches(part).count(), 1, "{text}");
}

#[test]
fn a_container_without_a_known_licence_is_one_fault_with_a_way_out() {
    let bench = Bench::new();
    let unknown = json!({ "type": "library", "name": "blob", "version": "1", "purl": "pkg:generic/blob@1" });
    for parts in [json!([]), json!([unknown])] {
        let container = json!({ "type": "container", "name": "x/y:1", "version": "sha256:cd", "components": parts });
        put_image(&bench.path("image"), b"disk", &two_stores(&container));
        let text = shown(&bench.refused());
        assert_eq!(text.matches("the container image x/y:1 sha256:cd has no known licence").count(), 1, "{text}");
        assert!(text.contains("container-images: … licence: …"), "{text}");
    }
    let container = json!({
        "type": "container", "name": "x/y:1", "version": "sha256:cd", "licenses": [{ "license": { "name": "MIT" } }],
    });
    let bench = Bench::new();
    put_image(&bench.path("image"), b"disk", &two_stores(&container));
    bench.assemble().expect("an app");
    assert!(notices(&bench).contains("\nThe container image x/y:1 sha256:cd: MIT\n"));
}

#[test]
fn the_crates_of_the_host_encoder_for_a_mac_are_known_with_their_texts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let components = of_crates(&root, &["helix-host-encoder", "helix-host-encoder-capi"], "1.92.0").expect("crates");
    let named = |name: &str| components.iter().find(|component| component.name == name);
    let foundation = named("objc2-core-foundation").expect("a crate for Macs only");
    assert!(!foundation.texts.is_empty(), "{foundation:?}");
    assert!(named("Rust standard library").is_some_and(|std| std.texts.len() == 2));
    assert!(named("helix-host-encoder").is_some() && named("openh264-sys2").is_none(), "not on a Mac");
    for component in &components {
        assert!(!component.license.is_empty() && !component.texts.is_empty(), "{component:?}");
    }
    let error = of_crates(&root, &["no-such-crate"], "1.92.0").expect_err("no such crate").to_string();
    assert!(error.contains("no-such-crate"), "{error}");
}
