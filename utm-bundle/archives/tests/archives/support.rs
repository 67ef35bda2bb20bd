//! Folders to pack, other programs, and what a folder is made of.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use helix_archives::{Error, Tree, Volume, write_disk_image, write_zip};

/// The date of everything: 14 November 2023, 22:13:20 UTC.
pub(crate) fn modified() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

pub(crate) fn zip(folder: &Path, place: &Path) -> Result<(), Error> {
    write_zip(&Tree::read(folder)?, modified(), place, &mut |_, _| ())
}

pub(crate) fn dmg(folder: &Path, place: &Path) -> Result<(), Error> {
    let volume = Volume { name: "Helix", icon: None, modified: modified() };
    write_disk_image(&Tree::read(folder)?, &volume, place, &mut |_, _| ())
}

/// Something in a folder, by which it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Thing {
    Folder { mode: u32 },
    File { mode: u32, content: Vec<u8> },
    Link(String),
}

/// Everything in a folder, by its path there.
pub(crate) fn things(folder: &Path) -> BTreeMap<String, Thing> {
    let mut all = BTreeMap::new();
    collect(folder, "", &mut all);
    all
}

fn collect(folder: &Path, prefix: &str, all: &mut BTreeMap<String, Thing>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (at, meta) = (entry.path(), entry.path().symlink_metadata().unwrap());
        let path = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        let mode = meta.mode() & 0o7777;
        let thing = if meta.is_dir() {
            collect(&at, &format!("{path}/"), all);
            Thing::Folder { mode }
        } else if meta.is_symlink() {
            Thing::Link(std::fs::read_link(&at).unwrap().into_os_string().into_string().unwrap())
        } else {
            Thing::File { mode, content: std::fs::read(&at).unwrap() }
        };
        all.insert(path, thing);
    }
}

/// Makes things in a folder. Folders that are not among them get the mode of every day.
pub(crate) fn make(folder: &Path, things: &BTreeMap<String, Thing>) {
    for (path, thing) in things {
        let at = folder.join(path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        match thing {
            Thing::Folder { .. } => std::fs::create_dir_all(&at).unwrap(),
            Thing::File { content, .. } => std::fs::write(&at, content).unwrap(),
            Thing::Link(target) => symlink(target, &at).unwrap(),
        }
        if let Thing::Folder { mode } | Thing::File { mode, .. } = thing {
            std::fs::set_permissions(&at, std::fs::Permissions::from_mode(*mode)).unwrap();
        }
    }
}

/// An application with what is hard about one: a framework's links, deep folders, the longest names, other alphabets, sizes
/// around a block's, bytes with and without order.
pub(crate) fn application() -> BTreeMap<String, Thing> {
    let file = |mode, content: Vec<u8>| Thing::File { mode, content };
    let link = |to: &str| Thing::Link(to.into());
    let contents = |path: &str| format!("Helix.app/Contents/{path}");
    let deep = (1..=12).map(|n| format!("Resources/{n}/")).collect::<String>();
    let mut all = BTreeMap::from([
        ("Helix.app".into(), Thing::Folder { mode: 0o755 }),
        (contents("PkgInfo"), file(0o644, b"APPL????".to_vec())),
        (contents("MacOS/Helix"), file(0o755, text(3_000_000))),
        (contents("Frameworks/A.framework/Versions/A/A"), file(0o755, noise(700_001))),
        (contents("Frameworks/A.framework/Versions/Current"), link("A")),
        (contents("Frameworks/A.framework/A"), link("Versions/Current/A")),
        (contents("Resources/Ünïcode ✓ 日本語.txt"), file(0o600, b"text".to_vec())),
        (contents(&"n".repeat(255)), file(0o444, vec![1])),
        (contents(&"l".repeat(255)), link(&format!("../{}/../{}", "m".repeat(255), "o/".repeat(200) + "end"))),
        (contents("absolute"), link("/System/Library")),
        (contents("here"), link("./.")),
        (contents("private"), Thing::Folder { mode: 0o700 }),
        (contents(&(deep + "deep")), file(0o640, b"deep".to_vec())),
    ]);
    for size in [0, 1, 2047, 2048, 2049, 262_144, 262_145, 1 << 20, (1 << 20) + 1] {
        all.insert(contents(&format!("sizes/{size}")), file(0o644, noise(size)));
    }
    all.extend((0..300).map(|n| (contents(&format!("many/file {n}")), file(0o644, format!("{n}").into_bytes()))));
    all
}

/// Bytes without any order (xorshift), the same each time.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ bytes as u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..bytes).map(|_| next()).collect()
}

pub(crate) fn text(bytes: usize) -> Vec<u8> {
    (0..).flat_map(|n: u32| format!("{n}\n").into_bytes()).take(bytes).collect()
}

/// Runs a program to its good end, and returns what it printed.
pub(crate) fn run<A: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = A>) -> String {
    let output = Command::new(program).args(args).env("LC_ALL", "C.UTF-8").output();
    let output = output.unwrap_or_else(|e| panic!("{program} cannot be started: {e}; `cargo xtask test` installs it"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} ended with {}\n{said}\n{error}", output.status);
    said
}

/// A script beside these tests, run by Python.
pub(crate) fn python(script: &str, args: &[&Path]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/archives").join(script);
    run("python3", [script.as_path()].iter().chain(args))
}
