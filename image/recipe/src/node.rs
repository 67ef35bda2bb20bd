//! The spanned tree of a YAML file: what merging, checking and typing walk over.

use crate::source::Span;
use serde_json::Value;

/// One value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Text as written; `plain` when it had no quotes, so that it may mean a number, a boolean or nothing.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order of the file; keys are unique.
    Mapping(Vec<Entry>),
    /// Something that was reported while reading; nothing is said about it again.
    Broken,
}

/// One key of a mapping and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) span: Span,
    pub(crate) value: Node,
}

/// What a scalar means under the core schema of YAML 1.2, which editors apply as well. `yes` and `no` are text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Meaning {
    Nothing,
    Boolean,
    Integer,
    Float,
    Text,
}

impl Meaning {
    pub(crate) fn of(text: &str, plain: bool) -> Self {
        match text {
            _ if !plain => Self::Text,
            "" | "~" | "null" | "Null" | "NULL" => Self::Nothing,
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Self::Boolean,
            _ if is_integer(text) => Self::Integer,
            _ if is_float(text) => Self::Float,
            _ => Self::Text,
        }
    }
}

fn is_integer(text: &str) -> bool {
    let digits = |text: &str, radix| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(hex), _) => digits(hex, 16),
        (_, Some(octal)) => digits(octal, 8),
        _ => digits(text.strip_prefix(['-', '+']).unwrap_or(text), 10),
    }
}

fn is_float(text: &str) -> bool {
    let number = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(number, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    // Rust reads the same floats as YAML once words ("inf", "nan", "infinity") are ruled out.
    number.starts_with(|c: char| c.is_ascii_digit() || c == '.') && number.parse::<f64>().is_ok()
}

impl Node {
    /// The value at a key, for a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The key with its place and value.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries of a mapping; none for anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        if let Kind::Mapping(entries) = &self.kind { entries } else { &[] }
    }

    /// The items of a list; none for anything else.
    pub(crate) fn items(&self) -> &[Node] {
        if let Kind::List(items) = &self.kind { items } else { &[] }
    }

    /// The text of a scalar, whatever it means.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Kind::Scalar { text, .. } = &self.kind { Some(text) } else { None }
    }

    /// Whether there is a key but no value behind it.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain } if Meaning::of(text, *plain) == Meaning::Nothing)
    }

    /// Where a fault of the whole value is best shown: for a mapping, at its first key. A merged mapping has keys of several files:
    /// those of the recipe that was asked for go before inherited ones.
    pub(crate) fn place(&self) -> &Span {
        self.entries().iter().map(|entry| &entry.span).min_by_key(|span| span.source.depth()).unwrap_or(&self.span)
    }

    /// What stands here, for "expected …, found …".
    pub(crate) fn found(&self) -> String {
        match &self.kind {
            Kind::List(_) => "a list".into(),
            Kind::Mapping(_) => "a mapping".into(),
            Kind::Broken => "something unreadable".into(),
            Kind::Scalar { text, plain } => match Meaning::of(text, *plain) {
                Meaning::Nothing => "nothing".into(),
                Meaning::Boolean => format!("the boolean {}", quote(text)),
                Meaning::Integer | Meaning::Float => format!("the number {}", quote(text)),
                Meaning::Text => format!("the text {}", quote(text)),
            },
        }
    }

    /// A default or an example as if it had been written at `span`.
    pub(crate) fn from_json(value: &Value, span: &Span) -> Self {
        let scalar = |text: String, plain| Kind::Scalar { text, plain };
        let kind = match value {
            Value::String(text) => scalar(text.clone(), false),
            Value::Array(items) => Kind::List(items.iter().map(|item| Self::from_json(item, span)).collect()),
            Value::Object(map) => Kind::Mapping(
                map.iter()
                    .map(|(key, value)| Entry {
                        key: key.clone(),
                        span: span.clone(),
                        value: Self::from_json(value, span),
                    })
                    .collect(),
            ),
            other => scalar(other.to_string(), true),
        };
        Self { kind, span: span.clone() }
    }
}

/// A value between backticks: control characters escaped, shortened where it is long.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST: usize = 60;
    let short: String = text.chars().take(LONGEST).flat_map(escape).collect();
    format!("`{short}{}`", if text.chars().nth(LONGEST).is_some() { "…" } else { "" })
}

fn escape(c: char) -> Vec<char> {
    if c.is_control() { c.escape_default().collect() } else { vec![c] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_the_core_schema_says() {
        let meaning = |text| Meaning::of(text, true);
        for text in ["", "~", "null"] {
            assert_eq!(meaning(text), Meaning::Nothing, "{text}");
        }
        for text in ["0", "-7", "+7", "0440", "0x1F", "0o17"] {
            assert_eq!(meaning(text), Meaning::Integer, "{text}");
        }
        for text in ["1.5", "24.04", ".5", "1e3", "-.inf", ".nan"] {
            assert_eq!(meaning(text), Meaning::Float, "{text}");
        }
        for text in ["yes", "no", "on", "off", "inf", "nan", "1.2.3", "64GiB", "20261101T000000Z", "0x", "-", "."] {
            assert_eq!(meaning(text), Meaning::Text, "{text}");
        }
        assert_eq!(meaning("True"), Meaning::Boolean);
        assert_eq!(Meaning::of("12", false), Meaning::Text);
    }

    #[test]
    fn quoting_shortens_and_escapes() {
        assert_eq!(quote("a\u{1b}b"), "`a\\u{1b}b`");
        assert_eq!(quote(&"x".repeat(61)), format!("`{}…`", "x".repeat(60)));
    }
}
