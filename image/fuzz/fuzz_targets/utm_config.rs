//! Any bytes are the configuration of a VM of UTM, or are refused; and one without faults is what UTM decodes.
#![no_main]

use helix_utm_package::config_faults;
use libfuzzer_sys::fuzz_target;
use plist::Value;

fuzz_target!(|input: &[u8]| {
    let faults = config_faults(input);
    if !faults.is_empty() {
        assert!(faults.iter().all(|fault| fault.place.starts_with("config.plist")));
        return;
    }
    // It was read with bounds just now.
    let value = Value::from_reader(std::io::Cursor::new(input)).expect("a property list");
    let root = value.as_dictionary().expect("a dictionary");
    let of = |key: &str| root.get(key).and_then(Value::as_array).expect("an array");
    for drive in of("Drive") {
        let drive = drive.as_dictionary().expect("a dictionary");
        let name = drive.get("ImageName").map(|name| name.as_string().expect("a string"));
        assert!(name.is_none_or(|name| !name.contains('/') && name != ".."));
        assert!(!drive.get("Identifier").and_then(Value::as_string).expect("a string").contains(','));
    }
    for network in of("Network") {
        let network = network.as_dictionary().expect("a dictionary");
        for forward in network.get("PortForward").and_then(Value::as_array).expect("an array") {
            assert!(forward.as_dictionary().expect("a dictionary").contains_key("HostAddress"));
        }
    }
});
