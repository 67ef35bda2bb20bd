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
    let own = helix_signing::cd_hash(&copy.app).unwrap();
    fs::write(copy.at("CodeResources"), [b"s8ch and more: ", &own[..], b" and more"].concat()).unwrap();
    assert_eq!(copy.faults(), "");
    assert!(helix_signing::verify(&copy.app).unwrap().ticket);
    fs::write(copy.at("CodeResources"), [b"something: ", &own[..]].concat()).unwrap();
    assert_named(&copy, "Contents/CodeResources", "is no ticket");
    fs::write(copy.at("CodeResources"), "s8ch and more, of somebody else's app").unwrap();
    assert_named(&copy, "Contents/CodeResources", "is the ticket of another app");
    fs::remove_file(copy.at("CodeResources")).unwrap();
    symlink("/dev/zero", copy.at("CodeResources")).unwrap();
    assert_named(&copy, "Contents/CodeResources", "is a link where a file has to be");
}

/// Lists that a signed app must have: the app's own, and those of a framework.
const LISTS: [&str; 4] = [
    "Info.plist",
    "_CodeSignature/CodeResources",
    "Frameworks/EGL.framework/Versions/A/Resources/Info.plist",
    "Frameworks/EGL.framework/Versions/A/_CodeSignature/CodeResources",
];

/// An app in whose place of a list something else is put, and the list's path below the app.
fn instead(list: &str, put: impl FnOnce(&Path)) -> (Copy, String) {
    let copy = Copy::signed();
    let path = copy.at(list);
    fs::remove_file(&path).unwrap();
    put(&path);
    (copy, format!("Contents/{list}"))
}

#[test]
fn a_pipe_in_the_place_of_a_list_is_not_waited_for() {
    for list in LISTS {
        let (copy, path) = instead(list, |path| {
            assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
        });
        assert_named(&copy, &path, "is neither a file nor a folder nor a link");
    }
}

#[test]
fn a_link_in_the_place_of_a_list_is_not_followed() {
    for list in LISTS {
        let (copy, path) = instead(list, |path| symlink("/dev/zero", path).unwrap());
        assert_named(&copy, &path, "is a link where a file has to be");
        // The very content that was signed does not help.
        let (copy, path) = instead(list, |path| {
            let aside = path.with_file_name("aside");
            fs::copy(Copy::signed().at(list), &aside).unwrap();
            symlink("aside", path).unwrap();
        });
        assert_named(&copy, &path, "is a link where a file has to be");
    }
}

#[test]
fn a_deep_list_is_not_read_to_its_end() {
    for list in LISTS {
        let deep = format!("<plist>{}{}</plist>", "<array>".repeat(60_000), "</array>".repeat(60_000));
        let (copy, path) = instead(list, |path| fs::write(path, deep).unwrap());
        assert_named(&copy, &path, "is larger or deeper than any that is read here");
    }
}

/// A file that takes no room on the disk, and would take it in memory.
#[test]
fn a_huge_file_is_not_read() {
    let huge = |path: &Path| fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
    let others = ["MacOS/qemu-img", "MacOS/Helix", "Resources/image/manifest.json", "Resources/image/disk.qcow2"];
    for file in LISTS.iter().chain(&others) {
        let (copy, path) = instead(file, huge);
        assert_named(&copy, &path, "has 1099511627776 bytes; more than");
    }
    let copy = Copy::signed();
    huge(&copy.at("CodeResources"));
    assert_named(&copy, "Contents/CodeResources", "more than 1048576 are not read");
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

/// Nothing seals the directory of the app's own program, whose fields have to be right by themselves.
#[test]
fn a_field_of_the_own_code_directory() {
    let copy = Copy::signed();
    let path = copy.at("MacOS/Helix");
    let whole = fs::read(&path).unwrap();
    let start = whole.windows(4).rposition(|bytes| bytes == [0xFA, 0xDE, 0x0C, 0x02]).unwrap();
    // The platform; where the code segment begins, how long it is, and what else is said of it.
    for at in [38, 70, 78, 79, 84, 86] {
        flip(&path, start + at, 4);
        assert_named(
            &copy,
            "Contents/MacOS/Helix",
            &format!("its code directory is not that of this file, from byte {at}"),
        );
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(copy.faults(), "");
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
