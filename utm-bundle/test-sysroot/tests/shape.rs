//! The sysroot is what it says, and another program can read it.

use std::path::Path;

use helix_command::Cmd;
use helix_test_sysroot::{BUILT_IN, Recipe, build, build_own};

/// What LLVM's tool says of a file.
fn dump(file: &Path) -> String {
    let words = ["--macho", "--arch=arm64", "--private-headers"];
    Cmd::new("llvm-objdump").args(words).arg(file).output().expect("llvm-objdump of the Debian package llvm").text()
}

#[test]
fn every_part_is_what_another_reader_of_load_commands_takes() {
    let folder = tempfile::tempdir().expect("a folder");
    build(folder.path()).expect("a sysroot");
    let lib = folder.path().join("lib");
    assert_eq!(std::fs::read_link(lib.join("libglib-2.0.dylib")).expect("a link"), Path::new("libglib-2.0.0.dylib"));
    let glib = dump(&lib.join("libglib-2.0.0.dylib"));
    assert!(glib.contains(&format!("name {BUILT_IN}/lib/libglib-2.0.0.dylib")), "{glib}");
    assert!(glib.contains(&format!("name {BUILT_IN}/lib/libintl.8.dylib")), "{glib}");
    assert!(glib.contains("LC_DYLD_CHAINED_FIXUPS") && !glib.contains("LC_DYLD_INFO"), "{glib}");
    let intl = dump(&lib.join("libintl.8.dylib"));
    assert!(intl.contains("LC_DYLD_INFO") && !intl.contains("LC_DYLD_CHAINED_FIXUPS"), "{intl}");
    let virgl = dump(&lib.join("libvirglrenderer.1.dylib"));
    assert!(virgl.contains("LC_LOAD_WEAK_DYLIB") && virgl.contains("@rpath/libvulkan.1.dylib"), "{virgl}");
    let gthread = dump(&lib.join("libgthread-2.0.0.dylib"));
    assert!(gthread.contains("LC_REEXPORT_DYLIB"), "{gthread}");
    let qemu = dump(&folder.path().join("bin/qemu-system-aarch64"));
    assert!(qemu.contains("EXECUTE") && qemu.contains(&format!("path {BUILT_IN}/lib")), "{qemu}");
}

#[test]
fn two_builds_are_the_same_to_the_last_byte() {
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    for folder in &folders {
        build(folder.path()).expect("a sysroot");
        build_own(folder.path()).expect("our own");
    }
    for file in ["lib/libqemu-aarch64-softmmu.dylib", "bin/qemu-img", "share/licenses/components.json", "Helix"] {
        let [a, b] = folders.each_ref().map(|folder| std::fs::read(folder.path().join(file)).expect(file));
        assert!(a == b, "{file} differs");
    }
}

#[test]
fn a_part_can_be_made_with_a_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = Recipe::new().with("lib/libslirp.0.dylib", |part| part.minimum_macos = "15.2".to_owned());
    recipe.build(folder.path()).expect("a sysroot");
    let slirp = dump(&folder.path().join("lib/libslirp.0.dylib"));
    assert!(slirp.contains("minos 15.2"), "{slirp}");
}
