//! Records: mappings with known keys. `record!` makes a public struct, its reading and its description from one
//! definition, so that walk, schema, reference and rustdoc cannot disagree.

use crate::fault::Fault;
use crate::form::{Form, RecordForm, Spec};
use crate::hint;
use crate::node::{Kind, Node, quote};
use crate::shape::Shape;
use crate::source::Span;
use crate::walk::Walk;
use serde::ser::{Error, SerializeMap};
use serde_json::Value;
use std::marker::PhantomData;

/// A mapping with known keys.
pub(crate) trait Record: Sized {
    /// What it is, with its article.
    const NOUN: &'static str;
    /// Its keys as they are written.
    fn keys() -> Vec<String>;
    /// Reads every key; `None` when any of them is at fault.
    fn read(fields: &mut Fields<'_>) -> Option<Self>;
    /// Its description.
    fn describe() -> RecordForm;
}

/// A mapping of known keys as a shape.
pub(crate) fn mapping<T: Record>() -> RecordShape<T> {
    RecordShape(PhantomData)
}

pub(crate) struct RecordShape<T>(PhantomData<T>);

impl<T: Record> Shape for RecordShape<T> {
    type Out = T;

    fn read(&self, node: &Node, walk: &mut Walk) -> Option<T> {
        read_with::<T>(node, walk, &[])
    }

    fn form(&self) -> Form {
        Form::Record(T::describe())
    }
}

/// Reads a record whose mapping may also have keys that belong to someone else.
pub(crate) fn read_with<T: Record>(node: &Node, walk: &mut Walk, others: &[String]) -> Option<T> {
    if !matches!(node.kind, Kind::Mapping(_)) {
        let advice = node.is_nothing().then(|| "write its keys, or `{}` for all defaults, or leave it out".into());
        return walk.wrong(node, &format!("{} (a mapping)", T::NOUN), advice);
    }
    report_unknown_keys::<T>(node, walk, others);
    T::read(&mut Fields { node, walk })
}

fn report_unknown_keys<T: Record>(node: &Node, walk: &mut Walk, others: &[String]) {
    let known = [T::keys().as_slice(), others].concat();
    for entry in node.entries().iter().filter(|entry| !known.contains(&entry.key)) {
        let fault = entry.span.fault(format!("{} is not a key of {}", quote(&entry.key), T::NOUN));
        walk.faults.push(fault.with_hint(hint::for_word(&entry.key, &known)));
    }
}

/// Hands out the values of a mapping.
pub(crate) struct Fields<'a> {
    pub(crate) node: &'a Node,
    pub(crate) walk: &'a mut Walk,
}

impl<'a> Fields<'a> {
    /// One field, with an example for whoever forgot it.
    pub(crate) fn at(&mut self, field: &'static str, example: fn() -> Value) -> Field<'_> {
        Field { key: crate::form::key_of(field), example, node: self.node, walk: self.walk }
    }
}

/// One key of a mapping.
pub(crate) struct Field<'a> {
    key: String,
    example: fn() -> Value,
    node: &'a Node,
    walk: &'a mut Walk,
}

impl Field<'_> {
    /// The value of a key that must be there.
    pub(crate) fn required<S: Shape>(self, shape: &S) -> Option<S::Out> {
        match self.node.get(&self.key) {
            Some(node) => shape.read(node, self.walk),
            None if self.walk.partial => None,
            None => {
                let example = (self.example)();
                let fault = missing(&self.key, self.node.place(), self.walk.start.as_ref());
                let advice = format!("for example `{}: {}`", self.key, crate::reference::flow(&example));
                self.walk.report(fault.maybe_hint((!example.is_null()).then_some(advice)))
            }
        }
    }

    /// The value of a key that may be absent.
    pub(crate) fn optional<S: Shape>(self, shape: &S) -> Option<Option<S::Out>> {
        match self.node.get(&self.key) {
            Some(node) => shape.read(node, self.walk).map(Some),
            None => Some(None),
        }
    }

    /// The value of a key, or its default.
    pub(crate) fn default<S: Shape>(self, shape: &S, default: Value) -> Option<S::Out> {
        match self.node.get(&self.key) {
            Some(node) => shape.read(node, self.walk),
            None => shape.read(&Node::from_json(&default, self.node.place()), self.walk),
        }
    }
}

/// A missing key is shown in the recipe that was asked for, where it is to be written: what a recipe extends need not be whole.
fn missing(key: &str, place: &Span, start: Option<&Span>) -> Fault {
    match start.filter(|_| place.source.depth() > 0) {
        None => place.fault(format!("the key `{key}` is missing here")),
        Some(start) => {
            let of = place.seen_from(start);
            start.fault(format!("the key `{key}` is missing in the mapping on {of}, which is extended here"))
        }
    }
}

/// Writes one field of a record, unless it is absent: a serialised recipe is a recipe again.
pub(crate) fn write_field<M: SerializeMap>(
    map: &mut M,
    field: &str,
    value: &impl serde::Serialize,
) -> Result<(), M::Error> {
    match serde_json::to_value(value).map_err(M::Error::custom)? {
        Value::Null => Ok(()),
        value => map.serialize_entry(&crate::form::key_of(field), &value),
    }
}

/// A description of one key, for the macro.
pub(crate) fn spec(field: &str, about: &[&str], shape: impl Shape, presence: Presence, example: Value) -> Spec {
    Spec::new(field, about, shape.form(), presence, example)
}

pub(crate) use crate::form::Presence;

/// Defines a record. Each field is `name: Type = shape, presence, example;` with the presence `required`, `optional`
/// or `default(JSON)`, and an example as JSON; `null` has the example made from the keys within.
macro_rules! record {
    ($(#[doc = $about:literal])+ $vis:vis struct $name:ident is $noun:literal {
        $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $shape:expr, $presence:ident $(($default:tt))?, $example:tt;)+
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name { $($(#[doc = $doc])+ $vis $field: $type,)+ }

        impl $crate::record::Record for $name {
            const NOUN: &'static str = $noun;

            fn keys() -> Vec<String> {
                [$(stringify!($field)),+].map($crate::form::key_of).to_vec()
            }

            fn read(fields: &mut $crate::record::Fields<'_>) -> Option<Self> {
                // Every field is read before any missing one ends the reading: all faults are reported.
                $(let $field = fields
                    .at(stringify!($field), || serde_json::json!($example))
                    .$presence(&$shape $(, serde_json::json!($default))?);)+
                Some(Self { $($field: $field?),+ })
            }

            fn describe() -> $crate::form::RecordForm {
                let specs = vec![$($crate::record::spec(
                    stringify!($field),
                    &[$($doc),+],
                    $shape,
                    $crate::record::presence!($presence $(($default))?),
                    serde_json::json!($example),
                )),+];
                let about = $crate::form::sentences(&[$($about),+]);
                $crate::form::RecordForm { noun: $noun, about, specs }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                $($crate::record::write_field(&mut map, stringify!($field), &self.$field)?;)+
                serde::ser::SerializeMap::end(map)
            }
        }
    };
}
pub(crate) use record;

macro_rules! presence {
    (required) => {
        $crate::record::Presence::Required
    };
    (optional) => {
        $crate::record::Presence::Optional
    };
    (default($default:tt)) => {
        $crate::record::Presence::Default(serde_json::json!($default))
    };
}
pub(crate) use presence;
