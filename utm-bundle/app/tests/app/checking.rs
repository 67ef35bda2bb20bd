//! An app with one fault each: the check finds it, names the file, and finds no other.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use helix_app::check;
use helix_macho::Changes;

use crate::parts::{Bench, edit, edit_json, shown};

/// What is done to the app, on its folder `Contents`.
type Change = fn(&Path);

const PIXMAN: &str = "Frameworks/pixman-1.0.framework";

fn install(name: &str) -> Changes {
    Changes { install_name: Some(name.to_owned()), ..Changes::default() }
}

fn rpaths(path: &str) -> Changes {
    Changes { rpaths: Some(vec![path.to_owned()]), ..Changes::default() }
}

fn put(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
}

fn remove(path: &Path) {
    std::fs::remove_file(path).expect("removed");
}

/// The change, the file that is named, and what is said of it.
const FAULTS: [(Change, &str, &str); 28] = [
    (
        |c| {
            let data = std::fs::read(c.join(PIXMAN).join("pixman-1.0")).expect("a library");
            std::fs::write(c.join("Frameworks/libpixman-1.0.dylib"), data).expect("written");
        },
        "Contents/Frameworks/libpixman-1.0.dylib",
        "is loaded from Name.framework/Versions/A/Name only",
    ),
    (
        |c| edit(&c.join(PIXMAN).join("Versions/A/pixman-1.0"), &install("/Users/builder/lib/libpixman-1.0.dylib")),
        "Contents/Frameworks/pixman-1.0.framework/Versions/A/pixman-1.0",
        "has the install name /Users/builder/lib/libpixman-1.0.dylib",
    ),
    (
        |c| edit(&c.join(PIXMAN).join("Versions/A/pixman-1.0"), &rpaths("/Users/builder/lib")),
        "Contents/Frameworks/pixman-1.0.framework/Versions/A/pixman-1.0",
        "looks for libraries in [\"/Users/builder/lib\"]",
    ),
    (|c| edit(&c.join("MacOS/qemu-img"), &rpaths("/tmp")), "Contents/MacOS/qemu-img", "looks for libraries in"),
    (
        |c| {
            let old = "@rpath/intl.8.framework/Versions/A/intl.8".to_owned();
            let libraries = [(old, "/usr/lib/../../opt/intl".to_owned())].into();
            edit(
                &c.join("Frameworks/glib-2.0.0.framework/Versions/A/glib-2.0.0"),
                &Changes { libraries, ..Changes::default() },
            );
        },
        "Contents/Frameworks/glib-2.0.0.framework/Versions/A/glib-2.0.0",
        "loads /usr/lib/../../opt/intl, which is neither in the app nor of macOS",
    ),
    (
        |c| {
            remove(&c.join(PIXMAN).join("Versions/Current"));
            symlink("/tmp", c.join(PIXMAN).join("Versions/Current")).expect("a link");
        },
        "Contents/Frameworks/pixman-1.0.framework/Versions/Current",
        "leads to /tmp, not to A",
    ),
    // The same place for Linux; a Mac wants a folder there.
    (
        |c| {
            remove(&c.join(PIXMAN).join("Versions/Current"));
            symlink("A/.", c.join(PIXMAN).join("Versions/Current")).expect("a link");
        },
        "Contents/Frameworks/pixman-1.0.framework/Versions/Current",
        "leads to A/., not to A",
    ),
    (
        |c| {
            remove(&c.join(PIXMAN).join("pixman-1.0"));
            symlink("Versions//Current/./pixman-1.0", c.join(PIXMAN).join("pixman-1.0")).expect("a link");
        },
        "Contents/Frameworks/pixman-1.0.framework/pixman-1.0",
        "leads to Versions//Current/./pixman-1.0, not to Versions/Current/pixman-1.0",
    ),
    (
        |c| remove(&c.join(PIXMAN).join("Resources")),
        "Contents/Frameworks/pixman-1.0.framework/Resources",
        "is missing: a framework has this link",
    ),
    (
        |c| put(&c.join(PIXMAN).join("Versions/A/Resources/Info.plist"), "<plist/>"),
        "Contents/Frameworks/pixman-1.0.framework/Versions/A/Resources/Info.plist",
        "is not what an app has there",
    ),
    (
        |c| {
            let file = c.join(PIXMAN).join("Versions/A/pixman-1.0");
            let mut data = std::fs::read(&file).expect("a library");
            data[4] = 7;
            std::fs::write(file, data).expect("written");
        },
        "Contents/Frameworks/pixman-1.0.framework/Versions/A/pixman-1.0",
        "another processor than arm64",
    ),
    (
        |c| drop(std::fs::copy(c.join(PIXMAN).join("pixman-1.0"), c.join("MacOS/helix-host-encoder"))),
        "Contents/MacOS/helix-host-encoder",
        "is a library, where a program belongs",
    ),
    (|c| remove(&c.join("MacOS/qemu-img")), "Contents/MacOS/qemu-img", "is missing"),
    (
        |c| std::fs::set_permissions(c.join("MacOS/Helix"), PermissionsExt::from_mode(0o644)).expect("a mode"),
        "Contents/MacOS/Helix",
        "has the mode 644, not 755",
    ),
    (
        |c| std::fs::set_permissions(c.join("PkgInfo"), PermissionsExt::from_mode(0o666)).expect("a mode"),
        "Contents/PkgInfo",
        "has the mode 666, not 644",
    ),
    (|c| put(&c.join("PkgInfo"), "APPL"), "Contents/PkgInfo", "is not what an app has there"),
    (|c| put(&c.join("Resources/notes.txt"), "a"), "Contents/Resources/notes.txt", "does not belong there"),
    (
        |c| drop(std::fs::copy(c.join("MacOS/qemu-img"), c.join("MacOS/sh"))),
        "Contents/MacOS/sh",
        "does not belong there",
    ),
    (
        |c| {
            let icd = c.join("Resources/vulkan/icd.d/MoltenVK_icd.json");
            edit_json(&icd, |icd| icd["ICD"]["library_path"] = "./libMoltenVK.dylib".into());
        },
        "Contents/Resources/vulkan/icd.d/MoltenVK_icd.json",
        "it names ./libMoltenVK.dylib, not ../../../Frameworks/MoltenVK.framework",
    ),
    (
        |c| remove(&c.join("Resources/qemu/edk2-aarch64-code.fd")),
        "Contents/Resources/qemu/edk2-aarch64-code.fd",
        "is missing: firmware",
    ),
    (|c| remove(&c.join("Resources/AppIcon.icns")), "Contents/Resources/AppIcon.icns", "Info.plist names this icon"),
    (
        |c| {
            let info = std::fs::read_to_string(c.join("Info.plist")).expect("a file");
            put(&c.join("Info.plist"), &info.replace("<string>14.0</string>", "<string>10.0</string>"));
        },
        "Contents/Info.plist",
        "it is not as an app's of that version",
    ),
    (|c| put(&c.join("Info.plist"), ""), "Contents/Info.plist", "it has no CFBundleShortVersionString"),
    (
        |c| {
            let notices = c.join("Resources/NOTICES.txt");
            let text = std::fs::read_to_string(&notices).expect("notices");
            put(&notices, &text.replace("pixman-1.0.framework", "another.framework"));
        },
        "Contents/Resources/NOTICES.txt",
        "it does not say under which licence Frameworks/pixman-1.0.framework/Versions/A/pixman-1.0 is",
    ),
    (|c| remove(&c.join("Resources/image/disk.qcow2")), "Contents/Resources/image/disk.qcow2", "is missing"),
    (
        |c| put(&c.join("Resources/image/download.json"), "{}"),
        "Contents/Resources/image/download.json",
        "the disk is in the app",
    ),
    (
        |c| {
            remove(&c.join("Resources/image/disk.qcow2"));
            let text = r#"{ "url": "https://example.org", "sha256": "00", "size": 1 }"#;
            put(&c.join("Resources/image/download.json"), text);
        },
        "Contents/Resources/image/download.json",
        "it needs a sha256 of 64 digits and a size",
    ),
    (
        |c| {
            remove(&c.join("Resources/image/disk.qcow2"));
            let digest = "0".repeat(64);
            let text = format!(r#"{{ "url": "file:///etc/passwd", "sha256": "{digest}", "size": 1 }}"#);
            put(&c.join("Resources/image/download.json"), &text);
        },
        "Contents/Resources/image/download.json",
        "its url must begin with https:// or http:// and is \"file:///etc/passwd\"",
    ),
];

#[test]
fn every_single_fault_is_found_and_named() {
    let bench = Bench::assembled();
    let good = bench.path("good");
    std::fs::rename(bench.app(), &good).expect("moved");
    for (change, file, said) in FAULTS {
        let copy = helix_command::Cmd::new("cp").arg("-a").arg(&good).arg(bench.app());
        copy.run().expect("a copy");
        change(&bench.app().join("Contents"));
        let faults = check(&bench.app());
        let text = shown(&faults);
        assert_eq!(faults.len(), 1, "{file}: {text}");
        assert_eq!(faults[0].file, Path::new(file), "{text}");
        assert!(text.contains(said), "{said:?} is not in {text}");
        std::fs::remove_dir_all(bench.app()).expect("removed");
    }
}

#[test]
fn a_framework_that_was_taken_out_is_missed_by_all_who_load_it() {
    let bench = Bench::assembled();
    std::fs::remove_dir_all(bench.app().join("Contents/Frameworks/glib-2.0.0.framework")).expect("removed");
    let text = shown(&check(&bench.app()));
    for loader in ["qemu-img", "slirp.0", "gthread-2.0.0", "qemu-aarch64-softmmu"] {
        let loads = "loads @rpath/glib-2.0.0.framework/Versions/A/glib-2.0.0";
        assert!(text.lines().any(|line| line.contains(loader) && line.contains(loads)), "{loader}: {text}");
    }
}

#[test]
fn what_is_neither_file_nor_folder_nor_link_is_found() {
    let bench = Bench::assembled();
    let socket = bench.app().join("Contents/Resources/qemu/s");
    let _listener = std::os::unix::net::UnixListener::bind(socket).expect("a socket");
    let text = shown(&check(&bench.app()));
    assert_eq!(text, "Contents/Resources/qemu/s: is neither a file nor a folder nor a link\n");
}

#[test]
fn what_is_no_app_is_told_in_one_fault_and_an_empty_one_in_many() {
    let bench = Bench::new();
    let faults = check(&bench.path("nothing"));
    assert!(faults.len() == 1 && shown(&faults).contains("No such file"), "{faults:?}");
    std::fs::create_dir_all(bench.path("empty/Contents")).expect("a folder");
    assert!(check(&bench.path("empty")).len() > 10);
}
