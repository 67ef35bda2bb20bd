//! Configurations changed at random: nothing passes that a decoder would refuse, and nothing panics.

use helix_utm_package::config_faults;
use plist::Value;
use proptest::prelude::*;
use std::sync::LazyLock;

use crate::support::{World, table};
use crate::table::{Row, others, reported, rows};

static GOOD: LazyLock<plist::Dictionary> = LazyLock::new(|| World::made().1);

fn bytes(config: &plist::Dictionary, binary: bool) -> Vec<u8> {
    let (mut bytes, value) = (Vec::new(), Value::from(config.clone()));
    let written = if binary { value.to_writer_binary(&mut bytes) } else { value.to_writer_xml(&mut bytes) };
    written.unwrap();
    bytes
}

/// The rows that are no other row's place, so that changes of several do not meet.
fn leaves() -> Vec<Row> {
    rows().into_iter().filter(|row| others("text").len() > 1 && !is_place(row)).collect()
}

fn is_place(row: &Row) -> bool {
    rows().iter().any(|other| other.place.split('.').any(|step| step == row.key))
}

proptest! {
    #[test]
    fn of_any_changes_to_required_keys_each_is_told(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..3_usize), 1..6),
        binary in any::<bool>(),
    ) {
        let (mut config, mut expected) = (GOOD.clone(), Vec::new());
        for (index, change) in changes {
            let rows: Vec<Row> = leaves().into_iter().filter(|row| row.required).collect();
            let row = index.get(&rows);
            let place = table(&mut config, row.place);
            match change {
                0 => drop(place.remove(row.key)),
                1 => drop(place.insert(row.key.to_owned(), Value::Real(0.5))),
                _ => drop(place.insert(row.key.to_owned(), Value::Data(vec![1, 2]))),
            }
            expected.push(reported(row));
        }
        let faults = config_faults(&bytes(&config, binary));
        // Of another version or backend nothing more is said.
        let other = expected.iter().any(|place| place.ends_with("Backend") || place.ends_with("ConfigurationVersion"));
        for place in expected {
            let told = faults.iter().any(|fault| fault.place == place);
            prop_assert!(told || other && !faults.is_empty(), "{place}: {faults:?}");
        }
    }

    #[test]
    fn keys_that_utm_does_not_know_are_no_faults(name in "[a-z]{3,9}", number in any::<i64>()) {
        let mut config = GOOD.clone();
        for row in rows() {
            table(&mut config, row.place).insert(name.clone(), number.into());
        }
        prop_assert_eq!(config_faults(&bytes(&config, true)), []);
    }

    #[test]
    fn flipped_and_cut_bytes_are_read_or_refused(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
        binary in any::<bool>(),
    ) {
        let mut bytes = bytes(&GOOD, binary);
        for (index, byte) in flips {
            *index.get_mut(&mut bytes) = byte;
        }
        let _ = config_faults(&bytes);
        prop_assert!(!config_faults(&bytes[..cut.index(bytes.len())]).is_empty() || !binary);
    }

    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(!config_faults(&bytes).is_empty());
    }
}
