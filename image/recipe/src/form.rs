//! What a value may be, as data. Made from the same records as the walk; schema and reference are made from it.

use crate::rule::Rule;
use serde_json::Value;

/// What a value may be.
pub(crate) enum Form {
    Text(&'static Rule),
    Flag,
    Integer { least: u32, most: u32 },
    Choice { noun: &'static str, words: Vec<&'static str> },
    List { of: Box<Form>, least: usize },
    PerArchitecture(Box<Form>),
    Record(RecordForm),
    Settings,
}

/// The keys of a mapping.
pub(crate) struct RecordForm {
    /// What one is, with its article: "an archive".
    pub(crate) noun: &'static str,
    /// What it is for: sentences.
    pub(crate) about: String,
    pub(crate) specs: Vec<Spec>,
}

/// One key.
pub(crate) struct Spec {
    pub(crate) key: String,
    /// What it is for: sentences.
    pub(crate) about: String,
    pub(crate) form: Form,
    pub(crate) presence: Presence,
    /// A value, or null where one is made from the keys within.
    example: Value,
}

/// Whether a key must be there.
pub(crate) enum Presence {
    Required,
    Optional,
    Default(Value),
}

impl Spec {
    pub(crate) fn new(field: &str, about: &[&str], form: Form, presence: Presence, example: Value) -> Self {
        Self { key: key_of(field), about: sentences(about), form, presence, example }
    }

    /// A value that the key accepts.
    pub(crate) fn example(&self) -> Value {
        if self.example.is_null() { self.form.example() } else { self.example.clone() }
    }
}

impl Form {
    /// An example of a mapping or of a list of mappings, made from the examples of all keys within.
    fn example(&self) -> Value {
        match self {
            Self::Record(record) => record.example(),
            Self::List { of, .. } => Value::Array(vec![of.example()]),
            _ => Value::Null,
        }
    }

    /// The mapping that this is or is a list of.
    pub(crate) fn record(&self) -> Option<&RecordForm> {
        match self {
            Self::Record(record) => Some(record),
            Self::List { of, .. } => of.record(),
            _ => None,
        }
    }
}

impl RecordForm {
    pub(crate) fn example(&self) -> Value {
        Value::Object(self.specs.iter().map(|spec| (spec.key.clone(), spec.example())).collect())
    }
}

/// The key of a field: `kernel_command_line` is written `kernel-command-line`.
pub(crate) fn key_of(field: &str) -> String {
    field.trim_start_matches("r#").replace('_', "-")
}

/// Doc comment lines as one paragraph.
pub(crate) fn sentences(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").trim().to_owned()
}
