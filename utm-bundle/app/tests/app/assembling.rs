//! A whole app, and what is in it.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use helix_app::{Vm, check};
use helix_command::Cmd;
use helix_test_sysroot::{BUILT_IN, Recipe};
use sha2::{Digest, Sha256};

use crate::parts::{Bench, EPOCH, shown};

const FRAMEWORKS: [&str; 14] = [
    "EGL",
    "GLESv2",
    "MoltenVK",
    "epoxy.0",
    "glib-2.0.0",
    "gthread-2.0.0",
    "helix_host_encoder_capi",
    "intl.8",
    "pixman-1.0",
    "qemu-aarch64-softmmu",
    "slirp.0",
    "virglrenderer.1",
    "vulkan.1",
    "zstd.1.5.2",
];

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> = entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn rpath(name: &str) -> String {
    format!("@rpath/{name}.framework/Versions/A/{name}")
}

#[test]
fn every_library_that_is_reached_is_one_framework_and_no_other_is() {
    let bench = Bench::assembled();
    assert_eq!(shown(&check(&bench.app())), "");
    let frameworks = bench.app().join("Contents/Frameworks");
    assert_eq!(names(&frameworks), FRAMEWORKS.map(|name| format!("{name}.framework")));
    for name in FRAMEWORKS {
        let framework = frameworks.join(format!("{name}.framework"));
        assert_eq!(names(&framework), [name, "Resources", "Versions"].map(str::to_owned).sorted());
        // What the links lead to.
        assert!(framework.join(name).is_file() && framework.join("Resources/Info.plist").is_file());
        assert_eq!(bench.head(&format!("Frameworks/{name}.framework/{name}")).install_name, Some(rpath(name)));
    }
}

trait Sorted {
    fn sorted(self) -> Self;
}

impl<const N: usize> Sorted for [String; N] {
    fn sorted(mut self) -> Self {
        self.sort();
        self
    }
}

#[test]
fn names_are_rewritten_through_all_libraries_also_weak_re_exported_and_aliased_ones() {
    let bench = Bench::assembled();
    let loads = |name: &str| bench.head(&format!("Frameworks/{name}.framework/Versions/A/{name}")).libraries;
    let system = "/usr/lib/libSystem.B.dylib".to_owned();
    assert_eq!(loads("glib-2.0.0"), [system.clone(), rpath("intl.8")]);
    assert!(loads("virglrenderer.1").contains(&rpath("vulkan.1")), "weak");
    assert!(loads("gthread-2.0.0").contains(&rpath("glib-2.0.0")), "re-exported");
    assert!(loads("qemu-aarch64-softmmu").contains(&rpath("zstd.1.5.2")), "by the name of a link");
    for program in ["qemu-system-aarch64", "qemu-img", "Helix", "helix-host-encoder"] {
        assert_eq!(bench.head(&format!("MacOS/{program}")).rpaths, ["@executable_path/../Frameworks"], "{program}");
    }
}

#[test]
fn another_reader_finds_no_path_of_the_machine_that_built_the_sysroot() {
    let bench = Bench::assembled();
    let contents = bench.app().join("Contents");
    let libraries = FRAMEWORKS.map(|name| contents.join(format!("Frameworks/{name}.framework/Versions/A/{name}")));
    let programs = names(&contents.join("MacOS")).into_iter().map(|name| contents.join("MacOS").join(name));
    for file in libraries.into_iter().chain(programs) {
        let words = ["--macho", "--private-headers"];
        let shown = Cmd::new("llvm-objdump").args(words).arg(&file).output().expect("llvm-objdump").text();
        assert!(shown.contains("LC_UUID") && !shown.contains(BUILT_IN), "{}: {shown}", file.display());
    }
}

#[test]
fn the_description_of_moltenvk_leads_to_the_framework() {
    let bench = Bench::assembled();
    let folder = bench.app().join("Contents/Resources/vulkan/icd.d");
    let text = std::fs::read(folder.join("MoltenVK_icd.json")).expect("the ICD");
    let icd: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let path = icd["ICD"]["library_path"].as_str().expect("a path");
    assert_eq!(path, "../../../Frameworks/MoltenVK.framework/Versions/Current/MoltenVK");
    let library = folder.join(path).canonicalize().expect("a library");
    assert!(library.ends_with("Contents/Frameworks/MoltenVK.framework/Versions/A/MoltenVK"));
    assert_eq!(icd["ICD"]["is_portability_driver"], true);
}

#[test]
fn firmware_for_arm_and_the_image_are_there() {
    let bench = Bench::assembled();
    let resources = bench.app().join("Contents/Resources");
    let qemu = names(&resources.join("qemu"));
    assert_eq!(qemu, ["edk2-aarch64-code.fd", "edk2-arm-vars.fd", "efi-virtio.rom", "keymaps"]);
    assert_eq!(names(&resources.join("image")), ["disk.qcow2", "manifest.json"]);
    let same = |a: &Path, b: &Path| std::fs::read(a).expect("a file") == std::fs::read(b).expect("a file");
    assert!(same(&resources.join("image/disk.qcow2"), &bench.path("image/disk.qcow2")));
    assert!(same(&resources.join("qemu/keymaps/en-us"), &bench.path("sysroot/share/qemu/keymaps/en-us")));
}

#[test]
fn an_app_that_downloads_says_what_and_from_where() {
    let bench = Bench::new();
    let url = "https://example.org/disk.qcow2";
    bench.assemble_with(Vm::Download { image: &bench.path("image"), url }, "1.2").expect("an app");
    let image = bench.app().join("Contents/Resources/image");
    assert_eq!(names(&image), ["download.json", "manifest.json"]);
    let text = std::fs::read(image.join("download.json")).expect("a file");
    let download: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let digest: String = Sha256::digest([7; 300_000]).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(download, serde_json::json!({ "url": url, "sha256": digest, "size": 300_000 }));
    assert_eq!(shown(&check(&bench.app())), "");
}

#[test]
fn what_the_app_says_of_itself_is_read_by_another_reader() {
    let bench = Bench::assembled();
    let read = |below: &str| {
        let script = "import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
        let file = bench.app().join("Contents").join(below);
        let text = Cmd::new("python3").args(["-c", script]).arg(file).output().expect("plistlib reads it").text();
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")
    };
    let app = read("Info.plist");
    let expected = [
        ("CFBundleExecutable", "Helix"),
        ("CFBundleIdentifier", "org.helix-image.Helix"),
        ("CFBundlePackageType", "APPL"),
        ("CFBundleShortVersionString", "0.1.0"),
        ("CFBundleVersion", "0.1.0"),
        ("CFBundleIconFile", "AppIcon"),
        ("LSMinimumSystemVersion", "14.0"),
        ("LSApplicationCategoryType", "public.app-category.developer-tools"),
    ];
    for (key, value) in expected {
        assert_eq!(app[key], value, "{key}");
    }
    assert_eq!(app["NSHighResolutionCapable"], true);
    let framework = read("Frameworks/virglrenderer.1.framework/Resources/Info.plist");
    assert_eq!(framework["CFBundleExecutable"], "virglrenderer.1");
    assert_eq!(framework["CFBundleIdentifier"], "org.helix-image.Helix.virglrenderer.1");
    assert_eq!(framework["CFBundlePackageType"], "FMWK");
    let kind = std::fs::read(bench.app().join("Contents/PkgInfo")).expect("a file");
    assert_eq!(kind, b"APPL????");
}

#[test]
fn the_icon_has_every_size_up_to_512_points() {
    let bench = Bench::assembled();
    let icon = std::fs::read(bench.app().join("Contents/Resources/AppIcon.icns")).expect("an icon");
    assert!(icon.starts_with(b"icns") && icon[4..8] == (icon.len() as u32).to_be_bytes());
    let (mut at, mut widths) = (8, Vec::new());
    while at < icon.len() {
        let length = u32::from_be_bytes(icon[at + 4..at + 8].try_into().expect("four bytes")) as usize;
        let picture = &icon[at + 8..at + length];
        assert!(picture.starts_with(b"\x89PNG"), "a picture in another format");
        widths.push(u32::from_be_bytes(picture[16..20].try_into().expect("four bytes")));
        at += length;
    }
    widths.sort_unstable();
    assert_eq!(widths, [16, 32, 32, 64, 128, 256, 256, 512, 512]);
}

/// Kind, mode, time and content of everything below a folder.
fn tree(folder: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = path.symlink_metadata().expect("an entry");
        let content = if metadata.is_symlink() {
            std::fs::read_link(&path).expect("a link").display().to_string()
        } else if metadata.is_dir() {
            waiting.extend(names(&path).iter().map(|name| path.join(name)));
            String::new()
        } else {
            format!("{:x?}", &Sha256::digest(std::fs::read(&path).expect("a file"))[..])
        };
        let mode = metadata.permissions().mode();
        let below = path.strip_prefix(folder).expect("below").display().to_string();
        all.insert(below, format!("{mode:o} {} {content}", metadata.mtime()));
    }
    all
}

#[test]
fn the_same_parts_in_another_folder_give_the_same_app() {
    let [a, b] = [Bench::new(), Bench::with(&Recipe::new())];
    for bench in [&a, &b] {
        bench.assemble().expect("an app");
    }
    assert_eq!(tree(&a.app()), tree(&b.app()));
    let times = tree(&a.app());
    assert!(times.values().all(|entry| entry.contains(&format!(" {EPOCH} "))), "{times:?}");
}

#[test]
fn an_older_app_gives_way_and_something_else_does_not() {
    let bench = Bench::assembled();
    std::fs::write(bench.app().join("Contents/Resources/old"), "").expect("written");
    bench.assemble_with(Vm::Embed(&bench.path("image")), "2.0").expect("a newer app");
    assert!(!bench.app().join("Contents/Resources/old").exists());
    assert_eq!(names(&bench.path("out")), ["Helix.app"]);
    std::fs::remove_dir_all(bench.app()).expect("removed");
    std::fs::create_dir(bench.app()).expect("a folder");
    std::fs::write(bench.app().join("letters"), "dear").expect("written");
    let error = bench.assemble().expect_err("it is somebody's").to_string();
    assert!(error.contains("is there and is no Helix.app"), "{error}");
    assert_eq!(names(&bench.app()), ["letters"]);
}
