//! What tells a VM from others, derived from its image: the same image gives the same VM, another image another one.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The VM's identifier, in the form in which UTM writes it. `disk` is the sha256 of the image's disk.
pub(crate) fn uuid(disk: &str) -> String {
    let bytes = derived("UUID", disk);
    // Version 8 is the one that says nothing about how the bytes came about (RFC 9562, section 5.8).
    Uuid::new_v8(std::array::from_fn(|index| bytes[index])).hyphenated().to_string().to_uppercase()
}

/// The address of the VM's network card: locally administered, of one station (IEEE 802, clause 8).
pub(crate) fn mac(disk: &str) -> String {
    let mut bytes = derived("MAC", disk);
    bytes[0] = bytes[0] & 0xFC | 0x02;
    bytes[..6].iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

fn derived(what: &str, disk: &str) -> [u8; 32] {
    Sha256::digest(format!("helix-linux.utm {what}\n{disk}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_its_own_uuid_and_address_and_keeps_them() {
        let (one, other) = ("a".repeat(64), "b".repeat(64));
        assert_eq!(uuid(&one), uuid(&one));
        assert_ne!(uuid(&one), uuid(&other));
        assert_ne!(mac(&one), mac(&other));
        // They must not change from one version of this program to the next either.
        assert_eq!(uuid(&one), "5C30A779-8A19-88D7-BCBE-42E28405DD3E");
        assert_eq!(mac(&one), "8A:1A:CE:0F:32:23");
    }

    #[test]
    fn addresses_are_local_and_of_one_station() {
        for number in 0..64 {
            let mac = mac(&number.to_string());
            assert_eq!(u8::from_str_radix(&mac[..2], 16).unwrap() & 3, 2, "{mac}");
        }
    }

    #[test]
    fn uuids_are_of_version_8() {
        let uuid = Uuid::try_parse(&uuid("x")).unwrap();
        assert_eq!((uuid.get_version_num(), uuid.get_variant()), (8, uuid::Variant::RFC4122));
    }
}
