//! The `.zip`.

use std::fs::{self, File};

use crate::support::{Thing, application, make, modified, noise, python, run, text, things, zip};

#[test]
fn unzip_gives_back_every_byte_mode_and_link() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, place) = (dir.path().join("Helix.app"), dir.path().join("Helix.zip"));
    make(dir.path(), &application());
    zip(&folder, &place).unwrap();
    let out = dir.path().join("out");
    run("unzip", ["-q".as_ref(), place.as_os_str(), "-d".as_ref(), out.as_os_str()]);
    assert_eq!(things(&out.join("Helix.app")), things(&folder));
    assert!(fs::read_dir(&out).unwrap().count() == 1, "the folder is the one top entry");
}

#[test]
fn seven_zip_and_python_find_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, place) = (dir.path().join("Helix.app"), dir.path().join("Helix.zip"));
    make(dir.path(), &application());
    zip(&folder, &place).unwrap();
    let said = run("7zz", ["t".as_ref(), place.as_os_str()]);
    assert!(said.contains("Everything is Ok") && !said.contains("Warning"), "{said}");
    // One line for each entry: path, mode, size, date, content's CRC.
    let listed = python("zip.py", &[&place]);
    let mut expected: Vec<String> = things(dir.path())
        .into_iter()
        .filter(|(path, _)| path.starts_with("Helix.app"))
        .map(|(path, thing)| match thing {
            Thing::Folder { mode } => format!("{path}/ {:o} 0 {:08x}", 0o40_000 | mode, 0),
            Thing::File { mode, content } => {
                format!("{path} {:o} {} {:08x}", 0o100_000 | mode, content.len(), crc32fast::hash(&content))
            }
            Thing::Link(to) => format!("{path} 120777 {} {:08x}", to.len(), crc32fast::hash(to.as_bytes())),
        })
        .map(|line| format!("{line} 2023-11-14 22:13:20 1700000000"))
        .collect();
    let mut listed: Vec<&str> = listed.lines().collect();
    expected.sort();
    listed.sort_unstable();
    assert_eq!(listed, expected);
}

#[test]
fn a_sparse_file_of_more_than_four_gib_and_what_is_behind_it_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, place) = (dir.path().join("vm.utm"), dir.path().join("vm.zip"));
    fs::create_dir(&folder).unwrap();
    let size = (4 << 30) + 12_345;
    File::create(folder.join("disk")).unwrap().set_len(size).unwrap();
    fs::write(folder.join("later"), "behind").unwrap();
    zip(&folder, &place).unwrap();
    assert!(fs::metadata(&place).unwrap().len() < 10 << 20, "zeros are packed");
    // It unpacks all of it.
    let listed = python("zip.py", &[&place]);
    assert!(listed.contains(&format!("vm.utm/disk 100644 {size} ")), "{listed}");
    assert!(listed.contains(&format!("vm.utm/later 100644 6 {:08x}", crc32fast::hash(b"behind"))), "{listed}");
    let said = run("unzip", ["-p".as_ref(), place.as_os_str(), "vm.utm/later".as_ref()]);
    assert_eq!(said, "behind");
}

#[test]
fn more_entries_than_16_bits_count_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, place) = (dir.path().join("many"), dir.path().join("many.zip"));
    fs::create_dir(&folder).unwrap();
    (0..66_000).for_each(|n| drop(File::create(folder.join(n.to_string())).unwrap()));
    zip(&folder, &place).unwrap();
    assert_eq!(python("zip.py", &[&place]).lines().count(), 66_001);
}

#[test]
fn what_is_packed_already_is_stored_and_the_rest_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a");
    fs::create_dir(&folder).unwrap();
    let packed = |content: Vec<u8>| {
        fs::write(folder.join("file"), content).unwrap();
        zip(&folder, &dir.path().join("a.zip")).unwrap();
        fs::metadata(dir.path().join("a.zip")).unwrap().len()
    };
    let bytes = 5_000_000;
    let noise_size = packed(noise(5_000_000));
    assert!(noise_size > bytes && noise_size < bytes + 2000, "{noise_size}");
    assert!(packed(text(5_000_000)) < bytes / 3);
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = ["one", "two"].map(|name| {
        let parent = dir.path().join(name);
        make(&parent, &application());
        let place = parent.join("Helix.zip");
        zip(&parent.join("Helix.app"), &place).unwrap();
        fs::read(place).unwrap()
    });
    assert!(bytes[0] == bytes[1]);
}

#[test]
fn progress_ends_with_all_bytes() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &application());
    let tree = helix_archives::Tree::read(&dir.path().join("Helix.app")).unwrap();
    let mut seen = Vec::new();
    let place = dir.path().join("Helix.zip");
    helix_archives::write_zip(&tree, modified(), &place, &mut |done, all| seen.push((done, all))).unwrap();
    assert!(seen.is_sorted());
    assert_eq!(seen.last(), Some(&(tree.bytes(), tree.bytes())));
}
