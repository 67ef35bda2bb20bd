//! A real library, and the same with one fault each: signed again, so that the fault is the only one.

use helix_macho::{AllowList, Fault, Head, Import, Kind, ListError, MachO, ReadError, Rules, Version};
use sha2::{Digest, Sha256};

const LIBRARY: &[u8] = include_bytes!("data/libsmall.dylib");
const LIST: &str = "\
# What libsmall.dylib takes.
/System/Library/Frameworks/CoreFoundation.framework/Versions/A/CoreFoundation
  _CFRetain
/usr/lib/libSystem.B.dylib
  _getpid  # the process
";
const CORE_FOUNDATION: &str = "/System/Library/Frameworks/CoreFoundation.framework/Versions/A/CoreFoundation";
const LIB_SYSTEM: &str = "/usr/lib/libSystem.B.dylib";

fn list() -> AllowList {
    AllowList::parse(LIST).expect("a list")
}

fn faults(data: &[u8], list: &AllowList) -> Vec<Fault> {
    let rules = Rules { minimum_macos: Version { major: 14, minor: 0 }, allowed: list, header_room: 0x1000 };
    rules.faults(&MachO::read(data).expect("a file"))
}

fn little(data: &[u8], at: usize) -> usize {
    u32::from_le_bytes(data[at..at + 4].try_into().expect("four bytes")) as usize
}

fn big(data: &[u8], at: usize) -> usize {
    u32::from_be_bytes(data[at..at + 4].try_into().expect("four bytes")) as usize
}

/// Where the load command with this number begins.
fn command(data: &[u8], wanted: usize) -> usize {
    let mut at = 32;
    for _ in 0..little(data, 16) {
        if little(data, at) == wanted {
            return at;
        }
        at += little(data, at + 4);
    }
    panic!("there is no load command {wanted:#x}");
}

const LC_ID_DYLIB: usize = 0xd;
const LC_CODE_SIGNATURE: usize = 0x1d;
const LC_BUILD_VERSION: usize = 0x32;

/// Computes the hashes of all pages again.
fn sign(data: &mut [u8]) {
    let blob = little(data, command(data, LC_CODE_SIGNATURE) + 8);
    let directory = blob + big(data, blob + 16);
    let (hashes, covered) = (directory + big(data, directory + 16), big(data, directory + 32));
    for (index, page) in (0..covered).step_by(4096).enumerate() {
        let hash = Sha256::digest(&data[page..covered.min(page + 4096)]);
        data[hashes + 32 * index..][..32].copy_from_slice(&hash);
    }
}

/// The library with a change that was signed.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut data = LIBRARY.to_vec();
    change(&mut data);
    sign(&mut data);
    data
}

#[test]
fn the_facts_of_a_good_library() {
    let file = MachO::read(LIBRARY).expect("a file");
    assert_eq!((file.head.kind, file.head.minimum_macos), (Kind::Library, Some(Version { major: 14, minor: 0 })));
    assert_eq!(file.head.install_name.as_deref(), Some("@rpath/libsmall.dylib"));
    assert_eq!(file.head.libraries, [CORE_FOUNDATION, LIB_SYSTEM]);
    assert_eq!(file.head.rpaths, [""; 0]);
    let import =
        |library: &str, symbol: &str| Import { library: Some(library.into()), symbol: symbol.into(), weak: false };
    let imports = vec![import(LIB_SYSTEM, "_getpid"), import(CORE_FOUNDATION, "_CFRetain")];
    assert_eq!(file.imports, Some(imports));
    assert!(file.head.header_room >= 0x1000, "{}", file.head.header_room);
    let signature = file.signature.expect("a signature");
    assert_eq!((signature.identifier.as_str(), signature.ad_hoc), ("libsmall.dylib", true));
    assert_eq!((signature.covered, signature.changed_pages), (signature.offset, vec![]));
    assert_eq!(faults(LIBRARY, &list()), []);
}

#[test]
fn another_minimum_version() {
    for (number, major) in [(13 << 16, 13), (15 << 16, 15)] {
        let data = changed(|data| {
            let at = command(data, LC_BUILD_VERSION) + 12;
            data[at..at + 4].copy_from_slice(&u32::to_le_bytes(number));
        });
        let (found, wanted) = (Some(Version { major, minor: 0 }), Version { major: 14, minor: 0 });
        assert_eq!(faults(&data, &list()), [Fault::MinimumVersion { found, wanted }]);
    }
    let for_ios = changed(|data| {
        let at = command(data, LC_BUILD_VERSION) + 8;
        data[at] = 2;
    });
    let wanted = Version { major: 14, minor: 0 };
    assert_eq!(faults(&for_ios, &list()), [Fault::MinimumVersion { found: None, wanted }]);
}

/// The library with one more load command, in the room behind the others.
fn with_rpath(path: &str) -> Vec<u8> {
    changed(|data| {
        let (count, length) = (little(data, 16), little(data, 20));
        let size = (12 + path.len() + 1).next_multiple_of(8);
        let mut command: Vec<u8> = [0x8000_001c, size as u32, 12].into_iter().flat_map(u32::to_le_bytes).collect();
        command.extend_from_slice(path.as_bytes());
        command.resize(size, 0);
        data[32 + length..][..size].copy_from_slice(&command);
        data[16..20].copy_from_slice(&(count as u32 + 1).to_le_bytes());
        data[20..24].copy_from_slice(&((length + size) as u32).to_le_bytes());
    })
}

#[test]
fn rpaths_outside_of_the_bundle() {
    let allowed = list();
    // The command takes some of the room for others.
    let rules = Rules { minimum_macos: Version { major: 14, minor: 0 }, allowed: &allowed, header_room: 0x800 };
    let faults = |path: &str| rules.faults(&MachO::read(&with_rpath(path)).expect("a file"));
    for good in ["@loader_path", "@loader_path/../Frameworks", "@executable_path/../Frameworks"] {
        assert_eq!(faults(good), [], "{good}");
    }
    for bad in ["/usr/local/lib", "lib", "@rpath/x", "@loader_pathology/x"] {
        assert_eq!(faults(bad), [Fault::Rpath(bad.into())], "{bad}");
    }
}

#[test]
fn an_absolute_install_name() {
    let data = changed(|data| {
        let at = command(data, LC_ID_DYLIB) + 24;
        data[at..at + 7].copy_from_slice(b"/build/");
    });
    assert_eq!(faults(&data, &list()), [Fault::InstallName(Some("/build/libsmall.dylib".into()))]);
}

#[test]
fn an_import_and_a_library_beyond_the_list() {
    let less = AllowList::parse(&LIST.replace("_getpid", "_getppid")).expect("a list");
    let import = |library: &str, symbol: &str| Fault::Import { library: Some(library.into()), symbol: symbol.into() };
    assert_eq!(faults(LIBRARY, &less), [import(LIB_SYSTEM, "_getpid")]);
    let renamed = changed(|data| {
        // In the fixups, and nowhere else: the symbol table still says what it said.
        let at = data.windows(9).position(|bytes| bytes == b"_CFRetain").expect("a name");
        data[at..at + 9].copy_from_slice(b"_CFAttain");
    });
    assert_eq!(faults(&renamed, &list()), [import(CORE_FOUNDATION, "_CFAttain")]);
    let (_, only_system) = LIST.split_once("_CFRetain\n").expect("two libraries");
    let only_system = AllowList::parse(only_system).expect("a list");
    let library = Fault::Library(CORE_FOUNDATION.into());
    assert_eq!(faults(LIBRARY, &only_system), [library, import(CORE_FOUNDATION, "_CFRetain")]);
}

#[test]
fn a_symbol_that_may_come_from_anywhere() {
    let data = changed(|data| {
        let fixups = little(data, command(data, 0x8000_0034) + 8);
        // The ordinal of the first import: flat lookup.
        let at = fixups + little(data, fixups + 8);
        data[at] = 0xfe;
    });
    assert_eq!(faults(&data, &list()), [Fault::Import { library: None, symbol: "_getpid".into() }]);
}

#[test]
fn too_little_room_for_load_commands() {
    let data = changed(|data| {
        // The command with the unique number becomes longer, over the room.
        let (count, size) = (little(data, 16), little(data, 20));
        let at = 32 + size;
        data[16..20].copy_from_slice(&(count as u32 + 1).to_le_bytes());
        data[20..24].copy_from_slice(&(size as u32 + 64).to_le_bytes());
        data[at..at + 4].copy_from_slice(&0x1bu32.to_le_bytes());
        data[at + 4..at + 8].copy_from_slice(&64u32.to_le_bytes());
    });
    let found = MachO::read(LIBRARY).expect("a file").head.header_room - 64;
    assert_eq!(faults(&data, &list()), [Fault::HeaderRoom { found, wanted: 0x1000 }]);
}

#[test]
fn no_signature_and_a_changed_page() {
    let mut unsigned = LIBRARY.to_vec();
    let at = command(&unsigned, LC_CODE_SIGNATURE);
    // A command that says nothing here.
    unsigned[at..at + 4].copy_from_slice(&0x26u32.to_le_bytes());
    assert_eq!(faults(&unsigned, &list()), [Fault::Unsigned]);
    let mut page = LIBRARY.to_vec();
    page[0x13ac] ^= 1;
    assert_eq!(faults(&page, &list()), [Fault::Page(1)]);
}

#[test]
fn a_signature_of_a_part() {
    let mut data = LIBRARY.to_vec();
    let blob = little(&data, command(&data, LC_CODE_SIGNATURE) + 8);
    let directory = blob + big(&data, blob + 16);
    let (pages, covered) = (big(&data, directory + 28), big(&data, directory + 32));
    data[directory + 28..directory + 32].copy_from_slice(&(pages as u32 - 1).to_be_bytes());
    let less = (pages as u32 - 1) * 4096;
    data[directory + 32..directory + 36].copy_from_slice(&less.to_be_bytes());
    assert_eq!(faults(&data, &list()), [Fault::Covered { covered: less, wanted: covered as u32 }]);
}

#[test]
fn what_is_cut_off_at_any_place_is_refused() {
    for length in (0..LIBRARY.len()).filter(|length| length % 61 == 0) {
        assert!(MachO::read(&LIBRARY[..length]).is_err(), "{length} bytes");
    }
    assert!(matches!(MachO::read(b"\x7fELF"), Err(ReadError::Format(_))));
    let for_intel = changed(|data| data[4] = 7);
    assert_eq!(MachO::read(&for_intel), Err(ReadError::Unsupported("another processor than arm64")));
}

#[test]
fn lists_are_read_and_their_faults_have_lines() {
    let found = list().library(LIB_SYSTEM).map(|symbols| symbols.iter().cloned().collect::<Vec<_>>());
    assert_eq!(found, Some(vec!["_getpid".to_owned()]));
    let fault = |text: &str| AllowList::parse(text).expect_err("a fault");
    assert_eq!(fault("  _a"), ListError { line: 1, fault: "_a comes before any library".into() });
    assert_eq!(fault("/l\n  _a\n\n  _a").to_string(), "line 4: _a is there twice");
    assert_eq!(fault("/l\n/l").to_string(), "line 2: /l is there twice");
    assert_eq!(fault("/l\n_a").to_string(), "line 2: _a is neither a path nor indented as a symbol is");
    assert_eq!(fault("/l\n  _a _b").to_string(), "line 2: one name is expected, not \"_a _b\"");
}

#[test]
fn stubs_are_where_an_sdk_has_them() {
    let stubs = list().stubs();
    let paths: Vec<&str> = stubs.iter().map(|stub| stub.path.as_str()).collect();
    let framework = "System/Library/Frameworks/CoreFoundation.framework/CoreFoundation.tbd";
    assert_eq!(paths, [framework, "usr/lib/libSystem.tbd", "usr/lib/libc.tbd", "usr/lib/libm.tbd"]);
    let text = "--- !tapi-tbd\ntbd-version: 4\ntargets: [ arm64-macos ]\ninstall-name: '/usr/lib/libSystem.B.dylib'\n\
                exports:\n  - targets: [ arm64-macos ]\n    symbols: [ _getpid ]\n...\n";
    assert_eq!(stubs[1].text, text);
}

#[test]
fn a_universal_file_is_refused_with_the_command_that_thins_it() {
    let universal = [&0xcafe_babe_u32.to_be_bytes()[..], &1_u32.to_be_bytes(), LIBRARY].concat();
    assert_eq!(MachO::read(&universal), Err(ReadError::Universal));
    assert!(ReadError::Universal.to_string().contains("lipo -thin arm64"));
}

#[test]
fn a_file_with_dyld_info_is_read_and_its_imports_are_a_fault_of_the_list() {
    const LC_DYLD_CHAINED_FIXUPS: usize = 0x8000_0034;
    let older = changed(|data| {
        // Another table of link-edit data, which nobody reads for imports.
        let at = command(data, LC_DYLD_CHAINED_FIXUPS);
        data[at..at + 4].copy_from_slice(&0x29_u32.to_le_bytes());
    });
    assert_eq!(MachO::read(&older).expect("a file").imports, None);
    assert_eq!(faults(&older, &list()), [Fault::UnreadImports]);
}

#[test]
fn load_commands_are_read_from_a_files_beginning() {
    let end = 32 + little(LIBRARY, 20);
    let whole = MachO::read(LIBRARY).expect("a file").head;
    assert_eq!(Head::read(&LIBRARY[..end]).expect("a beginning"), whole);
    assert!(Head::read(&LIBRARY[..end - 1]).is_err());
}
