//! Names in load commands are changed, and nothing else.

use std::collections::BTreeMap;

use helix_command::Cmd;
use helix_macho::{Changes, EditError, Head, MachO, ReadError};
use helix_test_sysroot::{BUILT_IN, Recipe};
use proptest::prelude::*;

const LIBRARY: &[u8] = include_bytes!("data/libsmall.dylib");
const LIB_SYSTEM: &str = "/usr/lib/libSystem.B.dylib";

fn head() -> Head {
    Head::read(LIBRARY).expect("a library")
}

fn end_of_commands(data: &[u8]) -> usize {
    32 + u32::from_le_bytes(data[20..24].try_into().expect("four bytes")) as usize
}

fn loads(new: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(LIB_SYSTEM.to_owned(), new.to_owned())])
}

#[test]
fn all_names_are_changed_and_the_rest_stays() {
    let mut data = LIBRARY.to_vec();
    let rpaths = vec!["@loader_path/..".to_owned(), "@executable_path/../Frameworks".to_owned()];
    let name = "@rpath/small.framework/Versions/A/small".to_owned();
    let changes =
        Changes { install_name: Some(name.clone()), libraries: loads("@rpath/other"), rpaths: Some(rpaths.clone()) };
    let changed = changes.apply(&mut data).expect("room");
    assert!(data[changed..] == LIBRARY[changed..] && data.len() == LIBRARY.len());
    let mut expected = Head { install_name: Some(name), rpaths, ..head() };
    expected.libraries[1] = "@rpath/other".to_owned();
    expected.header_room = head().header_room - (end_of_commands(&data) - end_of_commands(LIBRARY)) as u32;
    assert_eq!(Head::read(&data).expect("a library"), expected);
    // The page that was changed does not fit the old signature, all others do.
    let pages = MachO::read(&data).expect("a library").signature.expect("a signature").changed_pages;
    assert_eq!(pages, [0]);
}

#[test]
fn rpaths_are_added_replaced_and_taken_away() {
    let mut data = LIBRARY.to_vec();
    for rpaths in [vec!["@loader_path/a", "@loader_path/b"], vec!["@loader_path/c"], vec![]] {
        let rpaths: Vec<String> = rpaths.into_iter().map(str::to_owned).collect();
        Changes { rpaths: Some(rpaths.clone()), ..Changes::default() }.apply(&mut data).expect("room");
        assert_eq!(Head::read(&data).expect("a library").rpaths, rpaths);
    }
    // All that was added was taken away again.
    assert!(data == LIBRARY);
}

#[test]
fn without_room_nothing_is_changed_and_the_error_says_how_much_is_missing() {
    let mut data = LIBRARY.to_vec();
    let name = "x".repeat(head().header_room as usize + 100);
    let changes = Changes { install_name: Some(name), ..Changes::default() };
    let error = changes.apply(&mut data).expect_err("no room");
    let available = end_of_commands(LIBRARY) - 32 + head().header_room as usize;
    assert!(matches!(error, EditError::Room { available: a, needed } if a == available && needed > available));
    assert!(error.to_string().contains(&format!("{available}; it must be linked again")), "{error}");
    assert!(data == LIBRARY);
}

#[test]
fn the_last_byte_of_the_room_can_be_used() {
    let mut data = LIBRARY.to_vec();
    let room = head().header_room as usize;
    let rpath = "x".repeat(room - 13);
    let changes = Changes { rpaths: Some(vec![rpath.clone()]), ..Changes::default() };
    let end = changes.apply(&mut data).expect("room");
    assert_eq!(Head::read(&data).expect("a library").header_room, 0);
    assert!(data[end..] == LIBRARY[end..]);
    let longer = Changes { rpaths: Some(vec![format!("{rpath}x")]), ..Changes::default() };
    assert!(matches!(longer.apply(&mut LIBRARY.to_vec()), Err(EditError::Room { .. })));
}

#[test]
fn bytes_behind_the_load_commands_that_are_in_use_are_not_overwritten() {
    let mut data = LIBRARY.to_vec();
    data[end_of_commands(LIBRARY) + 3] = 1;
    let before = data.clone();
    let changes = Changes { rpaths: Some(vec!["@loader_path/..".to_owned()]), ..Changes::default() };
    assert_eq!(changes.apply(&mut data), Err(EditError::Used));
    assert!(data == before);
}

#[test]
fn names_that_no_load_command_can_hold_are_refused() {
    for name in ["", "a\0b"] {
        let changes = Changes { libraries: loads(name), ..Changes::default() };
        assert_eq!(changes.apply(&mut LIBRARY.to_vec()), Err(EditError::Name(name.to_owned())));
    }
}

#[test]
fn damaged_load_commands_are_refused() {
    let mut inside = LIBRARY.to_vec();
    // The name of the library begins within the fields before it.
    inside[command(LIBRARY, 0xd) + 8] = 9;
    // A command less than the table is long.
    let mut less = LIBRARY.to_vec();
    less[16] -= 1;
    for mut data in [inside, less] {
        let before = data.clone();
        let changes = Changes { install_name: Some("@rpath/small".to_owned()), ..Changes::default() };
        let error = changes.apply(&mut data).expect_err("damaged");
        assert!(matches!(error, EditError::Read(ReadError::Damaged { .. })), "{error}");
        assert!(data == before);
    }
}

/// Where the load command with this number begins.
fn command(data: &[u8], wanted: u32) -> usize {
    let little = |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().expect("four bytes"));
    let mut at = 32;
    while little(at) != wanted {
        at += little(at + 4) as usize;
    }
    at
}

#[test]
fn another_reader_sees_the_changes_in_files_of_both_forms_of_fixups() {
    let folder = tempfile::tempdir().expect("a folder");
    Recipe::new().build(folder.path()).expect("a sysroot");
    for name in ["libvirglrenderer.1.dylib", "libintl.8.dylib"] {
        let file = folder.path().join("lib").join(name);
        let mut data = std::fs::read(&file).expect("a library");
        let libraries = [(format!("{BUILT_IN}/lib/libepoxy.0.dylib"), "@rpath/e".to_owned())].into();
        let changes = Changes {
            install_name: Some("@rpath/new".to_owned()),
            libraries,
            rpaths: Some(vec!["@loader_path/new".to_owned()]),
        };
        changes.apply(&mut data).expect("room");
        std::fs::write(&file, &data).expect("written");
        let words = ["--macho", "--private-headers", "--exports-trie"];
        let shown = Cmd::new("llvm-objdump").args(words).arg(&file).output().expect("LLVM reads it").text();
        assert!(shown.contains("name @rpath/new (offset 24)"), "{shown}");
        assert!(shown.contains("path @loader_path/new (offset 12)"), "{shown}");
        assert_eq!(shown.contains("name @rpath/e (offset 24)"), name.contains("virgl"), "{shown}");
        assert!(!shown.contains(BUILT_IN), "{shown}");
    }
}

#[test]
fn a_program_has_no_install_name() {
    let folder = tempfile::tempdir().expect("a folder");
    Recipe::new().build(folder.path()).expect("a sysroot");
    let mut data = std::fs::read(folder.path().join("bin/qemu-img")).expect("a program");
    let changes = Changes { install_name: Some("@rpath/new".to_owned()), ..Changes::default() };
    assert_eq!(changes.apply(&mut data), Err(EditError::NoInstallName));
}

prop_compose! {
    fn changes()(
        install_name in proptest::option::of("[a-z@/.]{1,2000}"),
        library in proptest::option::of("[a-z@/.]{1,2000}"),
        rpaths in proptest::option::of(proptest::collection::vec("[a-z@/.]{1,800}", 0..5)),
    ) -> Changes {
        let libraries = library.map(|new| loads(&new)).unwrap_or_default();
        Changes { install_name, libraries, rpaths }
    }
}

proptest! {
    #[test]
    fn any_changes_are_made_as_asked_or_not_at_all(changes in changes()) {
        let mut data = LIBRARY.to_vec();
        let Ok(changed) = changes.apply(&mut data) else {
            prop_assert!(data == LIBRARY);
            return Ok(());
        };
        prop_assert!(data[changed..] == LIBRARY[changed..]);
        prop_assert!(changed <= end_of_commands(LIBRARY) + head().header_room as usize);
        let mut expected = head();
        expected.install_name = changes.install_name.or(expected.install_name);
        expected.rpaths = changes.rpaths.unwrap_or(expected.rpaths);
        for library in &mut expected.libraries {
            *library = changes.libraries.get(library).unwrap_or(library).clone();
        }
        let content = end_of_commands(LIBRARY) + head().header_room as usize;
        expected.header_room = (content - end_of_commands(&data)) as u32;
        prop_assert_eq!(Head::read(&data).expect("a library"), expected);
    }

    #[test]
    fn changed_bytes_of_a_file_never_break_the_editor(at in 0..4096usize, byte: u8, changes in changes()) {
        let mut data = LIBRARY.to_vec();
        data[at] = byte;
        let before = data.clone();
        match changes.apply(&mut data) {
            Ok(changed) => prop_assert!(data[changed..] == before[changed..]),
            Err(_) => prop_assert!(data == before),
        }
    }
}
