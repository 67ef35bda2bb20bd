//! Whatever was changed after signing is found and named.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;

use crate::support::{Copy, files, sign};

/// Changes a byte of a file.
fn flip(path: &Path, at: usize, bit: u8) {
    let mut data = fs::read(path).unwrap();
    data[at] ^= bit;
    fs::write(path, data).unwrap();
}

/// Whether a fault about the file is among them.
fn named(faults: &str, path: &str, what: &str) -> bool {
    faults.lines().any(|line| line.strip_prefix(path).is_some_and(|rest| rest.starts_with(": ") && rest.contains(what)))
}

#[track_caller]
fn assert_named(copy: &Copy, path: &str, what: &str) {
    let faults = copy.faults();
    assert!(named(&faults, path, what), "{path} {what}\n{faults}");
}

#[test]
fn a_changed_byte_of_code() {
    let copy = Copy::signed();
    flip(&copy.at("MacOS/qemu-img"), 0x4000, 1);
    assert_named(&copy, "Contents/MacOS/qemu-img", "was changed after it was signed, in its pages 4");
}

#[test]
fn a_changed_resource() {
    let copy = Copy::signed();
    flip(&copy.at("Resources/image/disk.qcow2"), 200_000, 1);
    assert_named(&copy, "Contents/Resources/image/disk.qcow2", "is not what was signed");
}

#[test]
fn changed_information() {
    let copy = Copy::signed();
    let path = copy.at("Info.plist");
    let text = fs::read_to_string(&path).unwrap().replace("<string>0.1.0<", "<string>0.1.1<");
    fs::write(&path, text).unwrap();
    assert_named(&copy, "Contents/Info.plist", "is not what Contents/MacOS/Helix was signed with");
}

#[test]
fn an_added_file() {
    let copy = Copy::signed();
    fs::write(copy.at("Resources/extra"), "x").unwrap();
    assert_named(&copy, "Contents/Resources/extra", "was added");
    fs::write(copy.app.join("beside"), "x").unwrap();
    assert_named(&copy, "beside", "was added");
    fs::write(copy.at("_CodeSignature/extra"), "x").unwrap();
    assert_named(&copy, "Contents/_CodeSignature/extra", "was added");
}

#[test]
fn added_code() {
    let copy = Copy::signed();
    fs::copy(copy.at("MacOS/qemu-img"), copy.at("MacOS/another")).unwrap();
    let faults = copy.faults();
    assert!(named(&faults, "Contents/MacOS/another", "was added"), "{faults}");
    assert!(named(&faults, "Contents/MacOS/another", "is signed as"), "{faults}");
}

#[test]
fn a_missing_file() {
    let copy = Copy::signed();
    fs::remove_file(copy.at("Resources/NOTICES.txt")).unwrap();
    assert_named(&copy, "Contents/Resources/NOTICES.txt", "is missing");
    fs::remove_dir_all(copy.at("Frameworks/MoltenVK.framework")).unwrap();
    assert_named(&copy, "Contents/Frameworks/MoltenVK.framework", "is missing");
}

#[test]
fn a_ticket_that_is_none() {
    let copy = Copy::signed();
    fs::write(copy.at("CodeResources"), "s8ch and more").unwrap();
    assert_eq!(copy.faults(), "");
    assert!(helix_signing::verify(&copy.app).unwrap().ticket);
    fs::write(copy.at("CodeResources"), "something").unwrap();
    assert_named(&copy, "Contents/CodeResources", "is no ticket");
}

#[test]
fn a_missing_seal() {
    let copy = Copy::signed();
    fs::remove_file(copy.at("Frameworks/EGL.framework/Versions/A/_CodeSignature/CodeResources")).unwrap();
    let path = "Contents/Frameworks/EGL.framework/Versions/A/_CodeSignature/CodeResources";
    assert_named(&copy, path, "is missing");
}

/// The framework of another build is well signed by itself.
#[test]
fn another_framework_of_the_same_name() {
    let (copy, other) = (Copy::signed(), Copy::signed());
    flip(&other.at("Frameworks/EGL.framework/Versions/A/EGL"), 0x4000, 1);
    sign(&other.app);
    assert_eq!(other.faults(), "");
    let framework = copy.at("Frameworks/EGL.framework");
    fs::remove_dir_all(&framework).unwrap();
    crate::support::copy(&other.at("Frameworks/EGL.framework"), &framework);
    assert_eq!(
        copy.faults(),
        "Contents/Frameworks/EGL.framework: is not what was signed: it was changed or replaced\n"
    );
}

#[test]
fn a_framework_in_the_place_of_another() {
    let copy = Copy::signed();
    let library = |name: &str| copy.at(&format!("Frameworks/{name}.framework/Versions/A/{name}"));
    fs::copy(library("GLESv2"), library("EGL")).unwrap();
    assert_named(&copy, "Contents/Frameworks/EGL.framework/Versions/A/EGL", "is signed as");
}

#[test]
fn the_entitlements_of_another_program() {
    let copy = Copy::signed();
    fs::copy(copy.at("MacOS/qemu-system-aarch64"), copy.at("MacOS/qemu-img")).unwrap();
    assert_named(&copy, "Contents/MacOS/qemu-img", "its entitlements are not as this program has to have them");
}

#[test]
fn rules_that_leave_more_out() {
    let copy = Copy::signed();
    let path = copy.at("_CodeSignature/CodeResources");
    let text = fs::read_to_string(&path).unwrap();
    let weaker = text.replace("^Info\\.plist$", "^.*\\.plist$");
    assert_ne!(text, weaker);
    fs::write(&path, weaker).unwrap();
    assert_named(&copy, "Contents/_CodeSignature/CodeResources", "its rules2 are not those");
}

#[test]
fn a_link_with_another_target() {
    let copy = Copy::unsigned();
    symlink("NOTICES.txt", copy.at("Resources/link")).unwrap();
    sign(&copy.app);
    assert_eq!(copy.faults(), "");
    fs::remove_file(copy.at("Resources/link")).unwrap();
    symlink("/etc/passwd", copy.at("Resources/link")).unwrap();
    assert_named(&copy, "Contents/Resources/link", "is not what was signed");
}

#[test]
fn a_cut_off_program_and_one_that_is_none() {
    let copy = Copy::signed();
    let path = copy.at("MacOS/qemu-img");
    let data = fs::read(&path).unwrap();
    fs::write(&path, &data[..data.len() - 100]).unwrap();
    assert!(copy.faults().contains("Contents/MacOS/qemu-img: "));
    fs::write(&path, "text").unwrap();
    assert_named(&copy, "Contents/MacOS/qemu-img", "no Mach-O file");
}

/// All that cannot be signed is told at once, and the app's own program keeps its old signature.
#[test]
fn what_cannot_be_signed_is_refused() {
    let copy = Copy::unsigned();
    let own = fs::read(copy.at("MacOS/Helix")).unwrap();
    fs::write(copy.at("MacOS/qemu-img"), "text").unwrap();
    fs::write(copy.at("Frameworks/EGL.framework/Versions/A/EGL"), "text").unwrap();
    let error = helix_signing::sign(&copy.app, &helix_signing::Identity::ad_hoc(), &Default::default()).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.exit_code(), 3);
    assert!(text.contains("Contents/MacOS/qemu-img: this is no Mach-O file"), "{text}");
    assert!(text.contains("Contents/Frameworks/EGL.framework/Versions/A/EGL: this is no Mach-O file"), "{text}");
    assert_eq!(own, fs::read(copy.at("MacOS/Helix")).unwrap());
}

#[test]
fn what_is_no_app_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let report = helix_signing::verify(folder.path()).unwrap();
    assert!(report.faults.iter().any(|fault| fault.path == "Contents/Info.plist"), "{report:?}");
    helix_signing::verify(&folder.path().join("missing")).unwrap_err();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// A bit that is turned anywhere is found. The type and creator of an app are not signed on a Mac either.
    #[test]
    fn any_changed_bit_is_found(which: prop::sample::Index, at: prop::sample::Index, bit in 0_u8..8) {
        let copy = shared();
        let files: Vec<_> = files(&copy.app).into_iter().filter(|f| !f.ends_with("PkgInfo")).collect();
        let path = which.get(&files);
        let length = fs::metadata(path).unwrap().len() as usize;
        prop_assume!(length > 0);
        let at = at.index(length);
        flip(path, at, 1 << bit);
        let faults = copy.faults();
        flip(path, at, 1 << bit);
        prop_assert!(!faults.is_empty(), "bit {bit} of byte {at} of {}", path.display());
    }
}

/// One copy, which each case leaves as it was.
fn shared() -> &'static Copy {
    static COPY: std::sync::OnceLock<Copy> = std::sync::OnceLock::new();
    COPY.get_or_init(Copy::signed)
}
