//! Any bytes are a Mach-O file or are refused, and what is read of a file stays within it.
#![no_main]

use helix_macho::{AllowList, MachO, Rules, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(file) = MachO::read(input) else { return };
    if let Some(signature) = &file.signature {
        assert!(signature.covered as usize <= input.len() && signature.offset as usize <= input.len());
        assert!(signature.changed_pages.iter().all(|page| page << 12 < input.len()));
    }
    let nothing = AllowList::parse("").expect("an empty list");
    let rules = Rules { minimum_macos: Version { major: 14, minor: 0 }, allowed: &nothing, header_room: 0 };
    // Nothing is allowed, so that each library and each import is a fault.
    assert!(rules.faults(&file).len() >= file.head.libraries.len() + file.imports.map_or(0, |imports| imports.len()));
});
