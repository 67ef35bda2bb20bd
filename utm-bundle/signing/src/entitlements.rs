//! What programs may do beyond what every program may, in the two forms that a signature has.

use crate::bundle::Code;

/// Entitlements of QEMU: it runs guests by the hypervisor, and by code that it makes; UTM's frameworks are found by variables of
/// the environment, and are signed by others.
const QEMU: [&str; 5] = [
    "com.apple.security.cs.allow-dyld-environment-variables",
    "com.apple.security.cs.allow-jit",
    "com.apple.security.cs.allow-unsigned-executable-memory",
    "com.apple.security.cs.disable-library-validation",
    "com.apple.security.hypervisor",
];
/// Entitlements of programs that load frameworks of the app.
const LOADS_FRAMEWORKS: [&str; 1] = ["com.apple.security.cs.disable-library-validation"];

/// The entitlements of a program. Libraries have those of the program that loads them; of their own they have none.
pub(crate) fn of(code: &Code) -> &'static [&'static str] {
    if code.nested == code.path { of_program(code.name()) } else { &[] }
}

/// The entitlements of the program with this name, in the order of their bytes.
fn of_program(name: &str) -> &'static [&'static str] {
    match name {
        "qemu-system-aarch64" => &QEMU,
        "Helix" | "qemu-img" => &LOADS_FRAMEWORKS,
        // The host encoder's daemon loads nothing but macOS.
        _ => &[],
    }
}

/// As a property list; nothing where there are none.
pub(crate) fn as_plist(entitlements: &[&str]) -> Option<Vec<u8>> {
    if entitlements.is_empty() {
        return None;
    }
    let all: plist::Dictionary = entitlements.iter().map(|name| (*name, plist::Value::Boolean(true))).collect();
    let mut text = Vec::new();
    plist::Value::Dictionary(all).to_writer_xml(&mut text).expect("strings are written to memory");
    text.push(b'\n');
    Some(text)
}

/// As DER, which macOS 12 and later read: a version, and pairs of a name and what it is.
pub(crate) fn as_der(entitlements: &[&str]) -> Option<Vec<u8>> {
    const SEQUENCE: u8 = 0x30;
    const DICTIONARY: u8 = 0xb0;
    const ALL: u8 = 0x70;
    const UTF8: u8 = 0x0c;
    const VERSION_1: [u8; 3] = [0x02, 1, 1];
    const TRUE: [u8; 3] = [0x01, 1, 0xff];
    if entitlements.is_empty() {
        return None;
    }
    let pair = |name: &&str| der(SEQUENCE, &[der(UTF8, name.as_bytes()), TRUE.to_vec()].concat());
    let pairs: Vec<u8> = entitlements.iter().flat_map(pair).collect();
    Some(der(ALL, &[VERSION_1.to_vec(), der(DICTIONARY, &pairs)].concat()))
}

/// A value of DER with its tag and length.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=0x7f), _) => vec![tag, short],
        (Ok(one), _) => vec![tag, 0x81, one],
        (_, Ok(two)) => [vec![tag, 0x82], two.to_be_bytes().to_vec()].concat(),
        _ => unreachable!("the table above is short"),
    };
    [head, content.to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_entitlement_is_as_apple_writes_it() {
        let der = as_der(&["com.apple.security.hypervisor"]).unwrap();
        let name = b"com.apple.security.hypervisor";
        let mut wanted = vec![0x70, 41, 2, 1, 1, 0xb0, 36, 0x30, 34, 0x0c, 29];
        wanted.extend_from_slice(name);
        wanted.extend_from_slice(&[1, 1, 0xff]);
        assert_eq!(der, wanted);
    }

    #[test]
    fn lengths_from_128_bytes_on_have_their_own_length() {
        assert_eq!(der(4, &[0; 127])[..2], [4, 127]);
        assert_eq!(der(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(der(4, &[0; 256])[..4], [4, 0x82, 1, 0]);
    }

    #[test]
    fn names_are_in_order_and_only_qemu_has_the_hypervisor() {
        for name in ["qemu-system-aarch64", "Helix", "qemu-img", "helix-host-encoder"] {
            assert!(of_program(name).is_sorted());
            assert_eq!(of_program(name).contains(&"com.apple.security.hypervisor"), name == "qemu-system-aarch64");
        }
    }
}
