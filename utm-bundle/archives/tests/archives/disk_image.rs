//! The `.dmg`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use helix_archives::{Error, Tree, Udif, Volume, write_disk_image};
use plist::Value;

use crate::support::{Thing, application, dmg, make, modified, python, run, things};

/// What is on the volume of a `.dmg`, by dmg2img and xorriso.
pub(crate) fn on_volume(image: &Path, dir: &Path) -> BTreeMap<String, Thing> {
    let (iso, out) = (dir.join("volume.iso"), dir.join("out"));
    run("dmg2img", ["-s".as_ref(), image.as_os_str(), iso.as_os_str()]);
    let args = ["-osirrox", "on", "-indev", iso.to_str().unwrap(), "-extract", "/", out.to_str().unwrap()];
    run("xorriso", args);
    things(&out)
}

#[test]
fn dmg2img_and_xorriso_give_back_every_byte_mode_and_link() {
    let dir = tempfile::tempdir().unwrap();
    let (app, image) = (application(), dir.path().join("Helix.dmg"));
    make(&dir.path().join("in"), &app);
    dmg(&dir.path().join("in/Helix.app"), &image).unwrap();
    let mut found = on_volume(&image, dir.path());
    assert_eq!(found.remove("Applications"), Some(Thing::Link("/Applications".into())));
    for (path, mode) in [(".background", 0o755), (".background/background.png", 0o644), (".DS_Store", 0o644)] {
        let (Some(Thing::Folder { mode: is }) | Some(Thing::File { mode: is, .. })) = found.remove(path) else {
            panic!("{path} is not there");
        };
        assert_eq!(is, mode, "{path}");
    }
    assert_eq!(found, things(&dir.path().join("in")));
}

#[test]
fn seven_zip_finds_no_fault_in_container_and_volume() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("Helix.dmg");
    make(dir.path(), &application());
    dmg(&dir.path().join("Helix.app"), &image).unwrap();
    let said = run("7zz", ["t".as_ref(), image.as_os_str()]);
    assert!(said.contains("Everything is Ok") && !said.contains("Warning"), "{said}");
    // The container alone, with its checksums.
    let said = run("7zz", ["t".as_ref(), "-tdmg".as_ref(), image.as_os_str()]);
    assert!(said.contains("Everything is Ok") && !said.contains("Warning"), "{said}");
}

#[test]
fn python_finds_trailer_property_list_tables_and_checksums_right() {
    let dir = tempfile::tempdir().unwrap();
    let (image, iso) = (dir.path().join("Helix.dmg"), dir.path().join("volume.iso"));
    make(dir.path(), &application());
    dmg(&dir.path().join("Helix.app"), &image).unwrap();
    // The script unpacks the volume, which is what our own reader unpacks.
    let said = python("udif.py", &[&image, &iso]);
    assert!(said.contains("whole disk (unknown partition : 0)"), "{said}");
    let mut unpacked = Vec::new();
    Udif::open(&image).unwrap().unpack(&mut unpacked).unwrap();
    assert!(fs::read(&iso).unwrap() == unpacked);
}

#[test]
fn isoinfo_reads_volume_name_rock_ridge_and_date() {
    let dir = tempfile::tempdir().unwrap();
    let (image, iso) = (dir.path().join("Helix.dmg"), dir.path().join("volume.iso"));
    make(dir.path(), &application());
    dmg(&dir.path().join("Helix.app"), &image).unwrap();
    Udif::open(&image).unwrap().unpack(&mut File::create(&iso).unwrap()).unwrap();
    let said = run("isoinfo", ["-d".as_ref(), "-i".as_ref(), iso.as_os_str()]);
    assert!(said.contains("Volume id: Helix\n"), "{said}");
    assert!(said.contains("Rock Ridge signatures version 1 found"), "{said}");
    let said = run("isoinfo", ["-R".as_ref(), "-l".as_ref(), "-i".as_ref(), iso.as_os_str()]);
    let current = said.lines().find(|l| l.contains("Current -> ")).unwrap();
    assert!(current.starts_with("lrwxrwxrwx   1    0    0") && current.ends_with("Current -> A"), "{current}");
    assert!(current.contains("Nov 14 2023"), "{current}");
    let framework = said.split("/A.framework/\n").nth(1).unwrap().lines().next().unwrap();
    assert!(framework.starts_with("drwxr-xr-x   3 "), "two names and one folder inside: {framework}");
}

#[test]
fn finder_gets_icons_picture_and_the_volumes_icon() {
    let dir = tempfile::tempdir().unwrap();
    let (image, icon) = (dir.path().join("Helix.dmg"), dir.path().join("icon.icns"));
    make(&dir.path().join("in"), &application());
    fs::write(&icon, "icns").unwrap();
    let tree = Tree::read(&dir.path().join("in/Helix.app")).unwrap();
    let volume = Volume { name: "Helix 1.0", icon: Some(&icon), modified: modified() };
    let (mut done, mut all) = (0, 0);
    write_disk_image(&tree, &volume, &image, &mut |d, a| (done, all) = (d, a)).unwrap();
    assert!(done == all && all > tree.bytes());
    let found = on_volume(&image, dir.path());
    assert_eq!(found[".VolumeIcon.icns"], Thing::File { mode: 0o644, content: b"icns".to_vec() });
    let Thing::File { content: information, .. } = &found["._."] else { panic!("not a file") };
    // AppleDouble: entry 9 is the Finder information, with `kHasCustomIcon` in its flags.
    assert_eq!(information.len(), 82);
    assert_eq!(information[26..38], [0, 0, 0, 9, 0, 0, 0, 50, 0, 0, 0, 32]);
    assert_eq!(information[58..60], [4, 0]);
    let listed = python("ds_store.py", &[&dir.path().join("out/.DS_Store")]);
    let expected = "\
. bwsp WindowBounds {{200, 200}, {600, 428}}
. icvp backgroundType 2
. icvp iconSize 128.0
. icvp alias length right
. icvp alias 14 background.png
. icvp alias 15 Helix 1.0
. icvp alias 18 /.background/background.png
. icvp alias 19 /Volumes/Helix 1.0
. vSrn 1
Applications Iloc 440 200
Helix.app Iloc 160 200
";
    assert_eq!(listed, expected);
    let picture = dir.path().join("out/.background/background.png");
    let said = run("python3", ["-c".as_ref(), PNG_SIZE.as_ref(), picture.as_os_str()]);
    assert_eq!(said.trim(), "600 400");
}

/// Width and height in the header of a PNG.
const PNG_SIZE: &str = "import struct, sys; print(*struct.unpack('>II', open(sys.argv[1], 'rb').read()[16:24]))";

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = ["one", "two"].map(|name| {
        let parent = dir.path().join(name);
        make(&parent, &application());
        let place = parent.join("Helix.dmg");
        dmg(&parent.join("Helix.app"), &place).unwrap();
        fs::read(place).unwrap()
    });
    assert!(bytes[0] == bytes[1]);
}

#[test]
fn a_file_that_a_mac_would_not_read_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, image) = (dir.path().join("Helix.app"), dir.path().join("Helix.dmg"));
    fs::create_dir(&folder).unwrap();
    File::create(folder.join("disk.qcow2")).unwrap().set_len(1 << 32).unwrap();
    let Err(Error::Folder { faults, .. }) = dmg(&folder, &image) else { panic!("no error") };
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].path, "Helix.app/disk.qcow2");
    assert!(faults[0].why.contains("4294967296 bytes") && faults[0].why.contains(".zip"), "{}", faults[0].why);
    assert!(!image.exists());
}

#[test]
fn a_volume_has_a_name_that_finder_can_show() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), &application());
    let tree = Tree::read(&dir.path().join("Helix.app")).unwrap();
    for name in ["", " x", "a/b", "a:b", "Ü", "twenty-eight characters long"] {
        let volume = Volume { name, icon: None, modified: modified() };
        let error = write_disk_image(&tree, &volume, &dir.path().join("x.dmg"), &mut |_, _| ()).unwrap_err();
        assert!(matches!(error, Error::Volume { .. }), "{name:?}: {error}");
    }
    fs::rename(dir.path().join("Helix.app"), dir.path().join("Applications")).unwrap();
    let error = dmg(&dir.path().join("Applications"), &dir.path().join("x.dmg")).unwrap_err();
    assert!(matches!(error, Error::Volume { .. }), "{error}");
}

#[test]
fn a_damaged_image_is_never_taken_for_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, image) = (dir.path().join("a"), dir.path().join("a.dmg"));
    let damaged = dir.path().join("damaged.dmg");
    make(&folder, &BTreeMap::from([("file".into(), Thing::File { mode: 0o644, content: vec![7; 300_000] })]));
    dmg(&folder, &image).unwrap();
    let whole = fs::read(&image).unwrap();
    let mut volume = Vec::new();
    Udif::open(&image).unwrap().unpack(&mut volume).unwrap();
    let read = |bytes: &[u8]| {
        fs::write(&damaged, bytes).unwrap();
        let mut unpacked = Vec::new();
        Udif::open(&damaged).and_then(|image| image.unpack(&mut unpacked)).map(|()| unpacked)
    };
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        // What no reader needs, as a name in the property list, may be another; the volume may not.
        assert!(read(&bytes).map_or(true, |unpacked| unpacked == volume), "byte {at}");
    }
    for length in (0..whole.len()).step_by(101) {
        read(&whole[..length]).unwrap_err();
    }
}

/// An image whose tables of runs are others.
fn with_tables(image: &[u8], change: impl FnOnce(&mut Vec<Value>)) -> Vec<u8> {
    let start = image.len() - 512;
    let number = |at: usize| u64::from_be_bytes(image[start + at..][..8].try_into().unwrap()) as usize;
    let (place, size) = (number(216), number(224));
    let mut list = Value::from_reader_xml(&image[place..][..size]).unwrap();
    let fork = list.as_dictionary_mut().unwrap().get_mut("resource-fork").unwrap();
    change(fork.as_dictionary_mut().unwrap().get_mut("blkx").unwrap().as_array_mut().unwrap());
    let mut text = Vec::new();
    list.to_writer_xml(&mut text).unwrap();
    let mut trailer = image[start..].to_vec();
    trailer[224..232].copy_from_slice(&(text.len() as u64).to_be_bytes());
    [&image[..place], &text, &trailer].concat()
}

/// A volume, unpacked, says nothing of the fields by which a Mac finds it.
#[test]
fn every_field_of_trailer_and_table_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, image) = (dir.path().join("a"), dir.path().join("a.dmg"));
    make(&folder, &BTreeMap::from([("file".into(), Thing::File { mode: 0o644, content: vec![7; 600_000] })]));
    dmg(&folder, &image).unwrap();
    let whole = fs::read(&image).unwrap();
    let said = |bytes: Vec<u8>| {
        fs::write(&image, bytes).unwrap();
        let read = Udif::open(&image).and_then(|image| image.unpack(&mut std::io::sink()));
        read.map_or_else(|error| format!("{error:?}"), |()| "good".to_owned())
    };
    // By the identifier of the segment one sees who made the image.
    for at in (0..512).filter(|at| !(64..80).contains(at)) {
        let mut bytes = whole.clone();
        let at = whole.len() - 512 + at;
        bytes[at] ^= 4;
        let said = said(bytes);
        assert!(said.starts_with("Damaged"), "byte {at}: {said}");
    }
    let table = |change: &dyn Fn(&mut Vec<u8>)| {
        with_tables(&whole, |tables| {
            let table = tables[0].as_dictionary_mut().unwrap();
            let mut data = table["Data"].as_data().unwrap().to_vec();
            change(&mut data);
            table.insert("Data".to_owned(), Value::Data(data));
        })
    };
    assert_eq!(said(table(&|_| ())), "good");
    let mut length = 0;
    with_tables(&whole, |tables| length = tables[0].as_dictionary().unwrap()["Data"].as_data().unwrap().len());
    for at in 0..length {
        let said = said(table(&|data| data[at] ^= 0x10));
        assert!(said.starts_with("Damaged"), "byte {at} of the table: {said}");
    }
    // What lies between the runs and the list belongs to nothing.
    let list = u64::from_be_bytes(whole[whole.len() - 512 + 216..][..8].try_into().unwrap()) as usize;
    let mut wide = [&whole[..list], b"more", &whole[list..]].concat();
    let field = wide.len() - 512 + 216;
    wide[field..field + 8].copy_from_slice(&(list as u64 + 4).to_be_bytes());
    assert!(said(wide).starts_with("Damaged"));
}

/// They may be as good as ours; only `hdiutil` can tell.
#[test]
fn an_image_of_another_program_is_not_called_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, image) = (dir.path().join("a"), dir.path().join("a.dmg"));
    make(&folder, &BTreeMap::from([("file".into(), Thing::File { mode: 0o644, content: vec![7; 300_000] })]));
    dmg(&folder, &image).unwrap();
    let whole = fs::read(&image).unwrap();
    let open = |bytes: Vec<u8>| {
        fs::write(&image, bytes).unwrap();
        Udif::open(&image).map(drop).map_err(|error| (matches!(error, Error::Foreign { .. }), error.to_string()))
    };
    open(with_tables(&whole, |_| ())).unwrap();
    let (foreign, text) = open(with_tables(&whole, |tables| tables.push(tables[0].clone()))).unwrap_err();
    assert!(foreign && text.contains("2 tables of runs") && text.contains("hdiutil verify"), "{text}");
    let run = |kind: u32| {
        move |tables: &mut Vec<Value>| {
            let table = tables[0].as_dictionary_mut().unwrap();
            let mut data = table["Data"].as_data().unwrap().to_vec();
            data[204..208].copy_from_slice(&kind.to_be_bytes());
            table.insert("Data".to_owned(), Value::Data(data));
        }
    };
    for (kind, wanted) in [(2, "0x2"), (0x8000_0006, "0x80000006"), (0x8000_0007, "0x80000007")] {
        let (foreign, text) = open(with_tables(&whole, run(kind))).unwrap_err();
        assert!(foreign && text.contains(&format!("runs of the kind {wanted}")), "{text}");
    }
    let mut named = whole.clone();
    named[whole.len() - 512 + 64..][..16].fill(0xA5);
    let (foreign, text) = open(named).unwrap_err();
    assert!(foreign && text.contains("a segment with an identifier"), "{text}");
    // What no program writes is damage, and so is an image without a table.
    for damaged in [with_tables(&whole, run(77)), with_tables(&whole, Vec::clear)] {
        let (foreign, text) = open(damaged).unwrap_err();
        assert!(!foreign && text.contains("table of runs"), "{text}");
    }
}
