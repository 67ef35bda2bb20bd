//! Any bytes are the `Info.plist` and the seal of an app, or are refused; and a seal without faults lists everything. The first two
//! bytes are the length of the first list.
#![no_main]

use helix_signing::list_faults;
use libfuzzer_sys::fuzz_target;
use plist::Value;

fuzz_target!(|input: &[u8]| {
    let Some((length, lists)) = input.split_first_chunk() else { return };
    let length = usize::from(u16::from_be_bytes(*length)).min(lists.len());
    let (info, seal) = lists.split_at(length);
    if list_faults(info, seal).is_empty() {
        // It was read with bounds just now.
        let seal = Value::from_reader(std::io::Cursor::new(seal)).expect("a property list");
        let rules = seal.as_dictionary().and_then(|seal| seal.get("rules2")?.as_dictionary()).expect("rules");
        assert_eq!(rules.get("^.*").and_then(Value::as_boolean), Some(true));
    }
});
