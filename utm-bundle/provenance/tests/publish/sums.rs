//! Digests, and what is there when something goes wrong.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use helix_provenance::{dir_hash, publish_beside};

use crate::support::{World, run};

#[test]
fn sha256sum_accepts_each_file_and_finds_a_flipped_byte() {
    let world = World::new();
    let published = world.publish(None).unwrap();
    assert_eq!(published.len(), 3, "two files and the statement");
    let check = || run(Command::new("sh").args(["-c", "sha256sum -c *.sha256"]).current_dir(world.path("out")), "");
    assert_eq!(check().unwrap().matches(": OK").count(), 3);
    let mut bytes = fs::read(&world.files()[0]).unwrap();
    bytes[200_000] ^= 1;
    fs::write(&world.files()[0], bytes).unwrap();
    assert!(check().unwrap_err().contains("Helix.dmg: FAILED"));
    for one in published {
        let beside = fs::metadata(format!("{}.sha256", one.path.display())).unwrap();
        assert_eq!((one.sha256.len(), beside.permissions().mode() & 0o777), (64, 0o644));
    }
}

#[test]
fn the_same_files_and_build_give_the_same_bytes() {
    let (one, other) = (World::new(), World::new());
    one.publish(None).unwrap();
    other.publish(None).unwrap();
    other.publish(None).unwrap();
    assert_eq!(one.out(), other.out());
    for name in one.out() {
        let read = |world: &World| fs::read(world.path("out").join(&name)).unwrap();
        assert!(read(&one) == read(&other), "{name}");
    }
}

#[test]
fn many_files_keep_their_own_digests() {
    let world = World::new();
    let files: Vec<_> = (0..40).map(|n| world.path(&format!("out/{n}"))).collect();
    for (n, file) in files.iter().enumerate() {
        fs::write(file, vec![1; n * 10_000]).unwrap();
    }
    publish_beside(&files, &world.build(), None).unwrap();
    let check =
        run(Command::new("sh").args(["-c", "sha256sum -c *.sha256"]).current_dir(world.path("out")), "").unwrap();
    assert_eq!(check.matches(": OK").count(), 41);
}

#[test]
fn files_that_cannot_be_published_are_all_named_and_nothing_is_written() {
    let world = World::new();
    fs::create_dir(world.path("out/folder")).unwrap();
    fs::write(world.path("elsewhere"), "").unwrap();
    fs::write(world.path("out/a\nb"), "").unwrap();
    fs::write(world.path("out/x.minisig"), "").unwrap();
    let names =
        ["out/Helix.dmg", "out/Helix.dmg", "out/missing", "out/folder", "elsewhere", "out/a\nb", "out/x.minisig"];
    let files = names.map(|name| world.path(name));
    let before = world.out();
    let error = publish_beside(&files, &world.build(), None).unwrap_err().to_string();
    for part in [
        "is named twice",
        "missing: No such file",
        "folder: is no file",
        "lie in 2 folders",
        "line breaks",
        "is called as",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(world.out(), before);
    assert!(publish_beside(&[], &world.build(), None).unwrap_err().to_string().contains("there are none"));
}

#[test]
fn a_failure_on_the_way_leaves_what_was_there() {
    let world = World::new();
    world.publish(None).unwrap();
    let before: Vec<_> = world.out().into_iter().map(|name| fs::read(world.path("out").join(name)).unwrap()).collect();
    fs::write(&world.files()[1], "changed").unwrap();
    for (manifest, why) in
        [("{", "manifest.json: EOF"), ("{}", "missing field"), (r#"{"schema_version": 2}"#, "missing field")]
    {
        fs::write(world.path("image/manifest.json"), manifest).unwrap();
        let error = world.publish(None).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("cargo xtask build-image"), "{error}");
    }
    fs::write(&world.files()[1], "").unwrap();
    let after: Vec<_> = world.out().into_iter().map(|name| fs::read(world.path("out").join(name)).unwrap()).collect();
    assert!(before == after);
}

#[test]
fn the_digest_of_a_folder_is_that_of_the_shells_line() {
    let world = World::new();
    let folder = world.path("sysroot");
    for (name, text) in [("lib.txt", "1"), ("lib/a b", "2"), ("lib/B", "3"), ("lib-x", ""), ("lib/sub/größe", "4")] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    symlink("/etc/passwd", folder.join("link")).unwrap();
    let line = r"find . -type f | cut -c3- | LC_ALL=C sort | xargs -r -d '\n' sha256sum | sha256sum | cut -f1 -d' '";
    let told = run(Command::new("sh").args(["-c", line]).current_dir(&folder), "").unwrap();
    assert_eq!(dir_hash(&folder).unwrap(), told.trim());
    fs::write(folder.join("a\nb"), "").unwrap();
    assert!(dir_hash(&folder).unwrap_err().to_string().contains("a line break"));
    assert!(dir_hash(&world.path("nothing")).unwrap_err().to_string().contains("nothing: No such file"));
}
