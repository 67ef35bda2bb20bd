//! Any text is a recipe or a list of faults with places inside it.
#![no_main]

use helix_recipe::{Options, parse_str};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(faults) = parse_str("x.yaml", text, &Options::default()) {
        assert_ne!(faults.len(), 0);
        // The report shows lines of the text; that must hold for every place.
        assert!(!faults.to_string().is_empty());
    }
});
