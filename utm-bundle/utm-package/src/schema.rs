//! A configuration beside the table of keys: what is missing, of another type, or not one of the values that there are.

use plist::{Dictionary, Value};

use crate::inspect::Faults;
use crate::keys::{Key, Kind};

/// Compares `table`, which is at `place`, with `keys`.
pub(crate) fn check(table: &Dictionary, keys: &[Key], place: &str, faults: &mut Faults) {
    for key in keys {
        let place = if place.is_empty() { key.name.to_owned() } else { format!("{place}.{}", key.name) };
        match table.get(key.name) {
            Some(value) => check_value(value, &key.kind, &place, faults),
            None if key.required => faults.config(&place, format!("is missing; UTM needs {}", described(&key.kind))),
            None => {}
        }
    }
}

fn check_value(value: &Value, kind: &Kind, place: &str, faults: &mut Faults) {
    let fits = match kind {
        Kind::Text => value.as_string().is_some(),
        Kind::Flag => value.as_boolean().is_some(),
        Kind::Number(least, most) => value.as_signed_integer().is_some_and(|n| (*least..=*most).contains(&n)),
        Kind::Uuid => value.as_string().is_some_and(is_uuid),
        Kind::Choice(choices) => value.as_string().is_some_and(|text| choices.contains(&text)),
        Kind::Texts | Kind::Tables(_) => return check_array(value, kind, place, faults),
        Kind::Table(keys) => match value.as_dictionary() {
            Some(table) => return check(table, keys, place, faults),
            None => false,
        },
    };
    if !fits {
        faults.config(place, format!("is {}; UTM needs {}", shown(value), described(kind)));
    }
}

fn check_array(value: &Value, kind: &Kind, place: &str, faults: &mut Faults) {
    let Some(values) = value.as_array() else {
        return faults.config(place, format!("is {}; UTM needs {}", shown(value), described(kind)));
    };
    for (index, value) in values.iter().enumerate() {
        let place = format!("{place}[{index}]");
        match kind {
            Kind::Tables(keys) => check_value(value, &Kind::Table(keys), &place, faults),
            _ => check_value(value, &Kind::Text, &place, faults),
        }
    }
}

/// What Swift's `UUID(uuidString:)` takes: 36 characters, with hyphens.
fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

fn described(kind: &Kind) -> String {
    match kind {
        Kind::Text => "a string".to_owned(),
        Kind::Flag => "true or false".to_owned(),
        Kind::Number(least, most) if least == most => format!("the integer {least}"),
        Kind::Number(least, i64::MAX) => format!("an integer, at least {least}"),
        Kind::Number(least, most) => format!("an integer, {least} to {most}"),
        Kind::Uuid => "a UUID of 8-4-4-4-12 hexadecimal digits".to_owned(),
        Kind::Choice([one]) => format!("{one:?}"),
        Kind::Choice(choices) if choices.len() > 10 => "a name that it knows".to_owned(),
        Kind::Choice(choices) => format!("one of {}", choices.join(", ")),
        Kind::Texts => "an array of strings".to_owned(),
        Kind::Table(_) => "a dictionary".to_owned(),
        Kind::Tables(_) => "an array of dictionaries".to_owned(),
    }
}

/// A value as it is told; a long one is cut.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", text.chars().take(60).collect::<String>()),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Real(number) => format!("the real number {number}"),
        Value::Array(_) => "an array".to_owned(),
        Value::Dictionary(_) => "a dictionary".to_owned(),
        Value::Data(_) => "data".to_owned(),
        Value::Date(_) => "a date".to_owned(),
        _ => "of another type".to_owned(),
    }
}
