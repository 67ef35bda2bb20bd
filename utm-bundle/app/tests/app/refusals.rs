//! Parts that cannot become an app: all faults are told, each with its file, and nothing is made.

use helix_app::{Error, Wrong};
use helix_macho::Changes;
use helix_test_sysroot::{BUILT_IN, Part, Recipe};
use serde_json::json;

use crate::parts::{Bench, edit, edit_json, shown};

/// A library with a short name and no room for a longer one.
fn crowded(part: &mut Part) {
    part.install_name = Some("/lib/libintl.8.dylib".to_owned());
    part.header_room = 0;
}

#[test]
fn a_library_without_room_for_longer_names_is_refused_with_figures() {
    let bench = Bench::with(&Recipe::new().with("lib/libintl.8.dylib", crowded));
    let faults = bench.refused();
    let text = shown(&faults);
    assert_eq!(faults.len(), 1, "{text}");
    assert!(faults[0].file.ends_with("sysroot/lib/libintl.8.dylib"), "{text}");
    assert!(text.contains("its load commands need ") && text.contains("-headerpad_max_install_names"), "{text}");
}

#[test]
fn all_faults_are_told_at_once() {
    let recipe = Recipe::new()
        .with("lib/libslirp.0.dylib", |part| part.minimum_macos = "15.2".to_owned())
        .with("lib/libintl.8.dylib", crowded);
    let bench = Bench::with(&recipe);
    for missing in ["lib/libpixman-1.0.dylib", "lib/libGLESv2.dylib", "share/qemu/edk2-arm-vars.fd", "bin/qemu-img"] {
        std::fs::remove_file(bench.path("sysroot").join(missing)).expect("removed");
    }
    std::fs::write(bench.path("sysroot/share/vulkan/icd.d/MoltenVK_icd.json"), "{}").expect("written");
    edit_json(&bench.path("image/manifest.json"), |manifest| manifest["architecture"] = "amd64".into());
    let text = shown(&bench.refused());
    let expected = [
        "libslirp.0.dylib: runs on macOS 15.2 and later; the app has to run on 14.0".to_owned(),
        "libintl.8.dylib: its load commands need".to_owned(),
        format!("libqemu-aarch64-softmmu.dylib: loads {BUILT_IN}/lib/libpixman-1.0.dylib, which is neither"),
        "libEGL.dylib: loads @rpath/libGLESv2.dylib, which is neither".to_owned(),
        "lib/libGLESv2.dylib: is missing: libepoxy loads it".to_owned(),
        "share/qemu/edk2-arm-vars.fd: is missing: firmware".to_owned(),
        "bin/qemu-img: cannot be read: No such file".to_owned(),
        "MoltenVK_icd.json: is no description of a Vulkan driver: it has no ICD.library_path".to_owned(),
        "manifest.json: is for amd64".to_owned(),
    ];
    for line in &expected {
        assert!(text.contains(line), "{line:?} is missing in\n{text}");
    }
    assert_eq!(text.trim_end().lines().filter(|line| !line.starts_with("    ")).count(), expected.len(), "{text}");
}

/// Files that take no room on the disk, and would take it in memory.
#[test]
fn huge_documents_are_not_read() {
    let bench = Bench::new();
    for name in ["image/sbom.cdx.json", "image/manifest.json", "sysroot/share/vulkan/icd.d/MoltenVK_icd.json"] {
        std::fs::File::create(bench.path(name)).and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
        let text = shown(&bench.refused());
        assert!(text.contains(&format!("{name}: cannot be read: has 1099511627776 bytes")), "{name} in\n{text}");
    }
}

#[test]
fn a_library_of_another_place_with_the_same_file_name_is_not_taken_for_it() {
    let bench = Bench::new();
    let homebrew = "/opt/homebrew/lib/libzstd.1.dylib".to_owned();
    let libraries = [(format!("{BUILT_IN}/lib/libzstd.1.dylib"), homebrew.clone())].into();
    edit(&bench.path("sysroot/bin/qemu-img"), &Changes { libraries, ..Changes::default() });
    let faults = bench.refused();
    let found = format!("{BUILT_IN}/lib/libzstd.1.dylib");
    assert_eq!(faults.iter().map(|f| &f.wrong).collect::<Vec<_>>(), [&Wrong::AnotherLibrary { name: homebrew, found }]);
}

#[test]
fn links_that_lead_out_of_the_sysroot_are_not_followed() {
    let bench = Bench::new();
    let library = bench.path("sysroot/lib/libpixman-1.0.dylib");
    std::fs::rename(&library, bench.path("elsewhere.dylib")).expect("moved");
    std::os::unix::fs::symlink(bench.path("elsewhere.dylib"), &library).expect("a link");
    let firmware = bench.path("sysroot/share/qemu/edk2-aarch64-code.fd");
    std::fs::remove_file(&firmware).expect("removed");
    std::os::unix::fs::symlink("/etc/passwd", &firmware).expect("a link");
    let text = shown(&bench.refused());
    assert!(text.contains("libpixman-1.0.dylib: leads out of the sysroot"), "{text}");
    assert!(text.contains("edk2-aarch64-code.fd: leads out of the sysroot, to /etc/passwd"), "{text}");
}

#[test]
fn frameworks_that_differ_in_capitals_only_are_refused() {
    let bench = Bench::new();
    let lib = bench.path("sysroot/lib");
    std::fs::copy(lib.join("libpixman-1.0.dylib"), lib.join("libPIXMAN-1.0.dylib")).expect("a copy");
    let libraries = [(format!("{BUILT_IN}/lib/libepoxy.0.dylib"), "@rpath/libPIXMAN-1.0.dylib".to_owned())].into();
    edit(&lib.join("libvirglrenderer.1.dylib"), &Changes { libraries, ..Changes::default() });
    let text = shown(&bench.refused());
    assert!(text.contains("would be the same framework as"), "{text}");
}

#[test]
fn files_that_are_no_libraries_for_an_arm64_mac_are_refused() {
    for (data, why) in [
        (b"\xca\xfe\xba\xbe\0\0\0\x02".to_vec(), "lipo -thin arm64"),
        (b"\x7fELF".to_vec(), "this is no Mach-O file"),
        (Vec::new(), "this is no Mach-O file"),
    ] {
        let bench = Bench::new();
        std::fs::write(bench.path("sysroot/lib/libpixman-1.0.dylib"), data).expect("written");
        let text = shown(&bench.refused());
        assert!(text.contains("libpixman-1.0.dylib: ") && text.contains(why), "{text}");
    }
    let bench = Bench::new();
    std::fs::copy(bench.path("sysroot/bin/qemu-img"), bench.path("sysroot/lib/libpixman-1.0.dylib")).expect("a copy");
    let text = shown(&bench.refused());
    assert!(text.contains("is a program, where a library belongs"), "{text}");
}

#[test]
fn a_damaged_disk_is_refused_and_the_older_app_stays() {
    let bench = Bench::assembled();
    let before = std::fs::read(bench.app().join("Contents/Resources/image/disk.qcow2")).expect("a disk");
    std::fs::write(bench.path("image/disk.qcow2"), [8; 300_000]).expect("written");
    let Err(Error::Image(error)) = bench.assemble() else { panic!("a fault of the image is expected") };
    assert!(error.to_string().contains("disk.qcow2 is damaged"), "{error}");
    let disk = std::fs::read(bench.app().join("Contents/Resources/image/disk.qcow2")).expect("a disk");
    assert!(disk == before);
    assert_eq!(std::fs::read_dir(bench.path("out")).expect("a folder").count(), 1);
}

#[test]
fn an_image_that_is_not_what_its_manifest_says_is_refused() {
    let bench = Bench::new();
    std::fs::write(bench.path("image/sbom.cdx.json"), json!({ "components": [] }).to_string()).expect("written");
    assert!(shown(&bench.refused()).contains("sbom.cdx.json: is not the file of the manifest"));
    std::fs::remove_file(bench.path("image/manifest.json")).expect("removed");
    assert!(shown(&bench.refused()).contains("cargo xtask build-image"));
}

#[test]
fn a_version_that_macos_cannot_compare_is_refused() {
    for version in ["", "1.0-rc1", "1.2.3.4", "1..2", "<b>"] {
        let bench = Bench::new();
        let error = bench.assemble_with(helix_app::Vm::Embed(&bench.path("image")), version);
        assert!(error.expect_err("no version").to_string().contains("is no version of an app"), "{version:?}");
    }
}
