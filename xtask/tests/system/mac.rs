//! What is built for a Mac, the host encoder and the app's launcher: the same bytes from anywhere, and nothing that a Mac would refuse.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use helix_macho::{AllowList, Fault, MachO, Rules, Version};
use helix_products::{Artifact, LAUNCHER_IMPORTS, Order, Target, launcher};

use crate::support::{Run, root_folder};

const FILES: [&str; 3] = ["helix-host-encoder", "libhelix_host_encoder_capi.dylib", NOTICES];
const NOTICES: &str = "NOTICES.txt";
const LIST: &str = "host-encoder/dist/macos-imports.txt";
/// What cargo reads of the project, and the licences that are passed on.
const SOURCES: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "xtask",
    "image",
    "host-encoder",
    "guest-components",
    "utm-bundle",
];

/// A copy of the project's sources at `root`.
fn checkout(root: &Path) {
    std::fs::create_dir_all(root).expect("a folder");
    let mut copy = Command::new("cp");
    copy.arg("-a").args(SOURCES.map(|name| root_folder().join(name))).arg(root);
    assert!(copy.status().expect("cp runs").success());
}

/// Cargo's folder under another name, with the same in it.
fn other_cargo_home(folder: &Path) {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or(home).expect("cargo's folder");
    std::fs::create_dir(folder).expect("a folder");
    for entry in std::fs::read_dir(home).expect("cargo's folder") {
        let entry = entry.expect("an entry");
        symlink(entry.path(), folder.join(entry.file_name())).expect("a link");
    }
}

fn build(output: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["build-host-encoder", "--target", "aarch64-apple-darwin", "--json", "--output"]).arg(output);
    command
}

fn read(output: &Path, name: &str) -> Vec<u8> {
    std::fs::read(output.join("aarch64-apple-darwin").join(name)).expect("a file that was built")
}

fn faults(data: &[u8], list: &str) -> Vec<Fault> {
    let allowed = AllowList::parse(list).expect("a list");
    let rules = Rules { minimum_macos: Version { major: 14, minor: 0 }, allowed: &allowed, header_room: 0x1000 };
    rules.faults(&MachO::read(data).expect("a file"))
}

#[test]
fn it_is_the_same_from_anywhere_and_what_is_wrong_is_found() {
    let place = tempfile::Builder::new().prefix("m").tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let (one, other) = (place.path().join("one"), place.path().join("another-place/deep/inside"));
    let first = Run::of(build(&one)).ends_with(0).json();
    checkout(&other);
    let home = place.path().join("other-home");
    other_cargo_home(&home);
    let elsewhere = || {
        let mut command = build(Path::new("made"));
        command.env("HELIX_ROOT", &other).env("CARGO_HOME", &home);
        // What a developer has set for other builds.
        command.env("RUSTFLAGS", "-Copt-level=1").env("LC_ALL", "tr_TR.UTF-8").env("TZ", "Pacific/Chatham");
        command
    };
    let second = Run::of(elsewhere()).ends_with(0).json();
    for (index, name) in FILES.iter().enumerate() {
        let (here, there) = (read(&one, name), read(&other.join("made"), name));
        assert!(here == there, "{name} differs between two builds: {}", differences(&here, &there));
        let digest = |json: &serde_json::Value| json["artifacts"][index]["sha256"].as_str().map(str::to_owned);
        assert!(digest(&first).is_some_and(|sha256| sha256.len() == 64));
        assert_eq!(digest(&first), digest(&second));
        names_no_folder(name, &here, &[place.path(), &root_folder()]);
        if *name != NOTICES {
            a_changed_file_is_found(&here);
        }
    }
    a_symbol_beyond_the_list_does_not_link(&other, elsewhere());
}

/// The first places where two files differ.
fn differences(one: &[u8], other: &[u8]) -> String {
    let places = one.iter().zip(other).enumerate().filter(|(_, (a, b))| a != b).map(|(at, _)| format!("{at:#x}"));
    let places: Vec<String> = places.take(12).collect();
    format!("{} and {} bytes, at {}", one.len(), other.len(), places.join(", "))
}

fn names_no_folder(name: &str, data: &[u8], folders: &[&Path]) {
    for folder in folders {
        let text = folder.to_str().expect("text").as_bytes();
        assert!(!data.windows(text.len()).any(|bytes| bytes == text), "{name} has {} in it", folder.display());
    }
}

fn a_changed_file_is_found(data: &[u8]) {
    let list = std::fs::read_to_string(root_folder().join(LIST)).expect("the list");
    assert_eq!(faults(data, &list), []);
    let mut changed = data.to_vec();
    let middle = data.len() / 2;
    changed[middle] ^= 1;
    assert_eq!(faults(&changed, &list), [Fault::Page(middle / 4096)]);
    let library = Some("/usr/lib/libSystem.B.dylib".to_owned());
    let less = list.replace("  _chmod ", "  # _chmod ");
    assert_eq!(faults(data, &less), [Fault::Import { library, symbol: "_chmod".to_owned() }]);
}

fn a_symbol_beyond_the_list_does_not_link(root: &Path, again: Command) {
    let before = FILES.map(|name| read(&root.join("made"), name));
    let list = std::fs::read_to_string(root.join(LIST)).expect("the list");
    std::fs::write(root.join(LIST), list.replace("  _chmod ", "  # _chmod ")).expect("a shorter list");
    // So that it is linked anew.
    let source = root.join("host-encoder/encoder/src/main.rs");
    let text = std::fs::read_to_string(&source).expect("a source");
    std::fs::write(&source, text + "\n").expect("a source");
    Run::of(again).ends_with(5).says(&["undefined symbol: _chmod", LIST]);
    assert_eq!(FILES.map(|name| read(&root.join("made"), name)), before);
}

#[test]
fn the_launcher_is_the_same_from_anywhere_and_loads_the_menus() {
    let place = tempfile::Builder::new().prefix("l").tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let other = place.path().join("another-place/deep/inside");
    checkout(&other);
    let here = built_launcher(&root_folder(), &place.path().join("one"));
    let there = built_launcher(&other, Path::new("made"));
    let read = |artifact: &Artifact| std::fs::read(&artifact.file).expect("a file that was built");
    let (one, two) = (read(&here), read(&there));
    assert!(one == two, "two builds differ: {}", differences(&one, &two));
    assert_eq!(here.sha256, there.sha256);
    names_no_folder("Helix", &one, &[place.path(), &root_folder()]);
    let facts = here.macos.expect("what the inspection found");
    // Classes are found at run time: nothing else tells the loader that the launcher needs them.
    let app_kit = "/System/Library/Frameworks/AppKit.framework/Versions/C/AppKit";
    assert!(facts.libraries.iter().any(|library| library == app_kit), "{:?}", facts.libraries);
}

fn built_launcher(root: &Path, output: &Path) -> Artifact {
    let order = Order { target: Target::Mac, root, output, imports: LAUNCHER_IMPORTS, hint: "" };
    let mut made = helix_products::build(&[launcher()], &order, &|_| {}).unwrap_or_else(|e| panic!("{e}"));
    made.pop().expect("one file")
}
