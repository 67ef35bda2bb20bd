//! Shapes: how a value is read from the tree, and its form for schema and reference. One function each.

use crate::choice::{Choice, one_of};
use crate::form::Form;
use crate::hint;
use crate::model::Architecture;
use crate::node::{Kind, Meaning, Node, quote};
use crate::path::{FileKind, ImageSource, Location, SourcePath};
use crate::rule::{self, Rule};
use crate::source::Span;
use crate::walk::Walk;
use serde_json::{Map, Number, Value};
use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

/// A kind of value: `read` gives it or reports why not, `form` describes it.
pub(crate) trait Shape {
    type Out;
    fn read(&self, node: &Node, walk: &mut Walk) -> Option<Self::Out>;
    fn form(&self) -> Form;
}

/// Text that follows a rule, with `${architecture}` replaced where the rule says so.
pub(crate) fn text(rule: &'static Rule) -> Text {
    Text(rule)
}

pub(crate) struct Text(&'static Rule);

impl Shape for Text {
    type Out = String;

    fn read(&self, node: &Node, walk: &mut Walk) -> Option<String> {
        let rule = self.0;
        let expected = format!("{} ({})", rule.noun, rule.expected);
        let Kind::Scalar { text, plain } = &node.kind else { return walk.wrong(node, &expected, None) };
        match Meaning::of(text, *plain) {
            Meaning::Text if rule.allows(text) => walk.substitute(rule, text),
            Meaning::Text => {
                let message = format!("{} is not {}: expected {}", quote(text), rule.noun, rule.expected);
                walk.report(node.span.fault(message).maybe_hint(rule.advise(text)))
            }
            Meaning::Nothing => walk.wrong(node, &expected, Some("write a value or leave the key out".into())),
            _ => walk.wrong(node, &expected, Some(format!("put it in quotes: `\"{}\"`", text.escape_debug()))),
        }
    }

    fn form(&self) -> Form {
        Form::Text(self.0)
    }
}

/// Text that a type reads itself; the rule is for the schema, and a test proves that both agree.
pub(crate) fn parsed<T: FromStr>(rule: &'static Rule) -> Parsed<T> {
    Parsed(rule, PhantomData)
}

pub(crate) struct Parsed<T>(&'static Rule, PhantomData<T>);

impl<T: FromStr<Err: Display>> Shape for Parsed<T> {
    type Out = T;

    fn read(&self, node: &Node, walk: &mut Walk) -> Option<T> {
        match &node.kind {
            Kind::Scalar { text, plain } if Meaning::of(text, *plain) == Meaning::Text => match text.parse() {
                Ok(value) => Some(value),
                Err(error) => {
                    let message = format!("{} is not {}: {error}", quote(text), self.0.noun);
                    walk.report(node.span.fault(message).maybe_hint(self.0.advise(text)))
                }
            },
            // Not text: the rule's own reading explains why.
            _ => Text(self.0).read(node, walk).and(None),
        }
    }

    fn form(&self) -> Form {
        Form::Text(self.0)
    }
}

/// One of the words of a choice.
pub(crate) fn word<T: Choice>() -> OneOf<T> {
    OneOf(PhantomData)
}

pub(crate) struct OneOf<T>(PhantomData<T>);

impl<T: Choice> Shape for OneOf<T> {
    type Out = T;

    fn read(&self, node: &Node, walk: &mut Walk) -> Option<T> {
        let words: Vec<&str> = T::ALL.iter().map(|(word, _)| *word).collect();
        let Some(text) = node.text() else { return walk.wrong(node, &one_of(&words), None) };
        if let Some(value) = T::of(text) {
            return Some(value);
        }
        let message = format!("{} is not {}: expected {}", quote(text), T::NOUN, one_of(&words));
        walk.report(node.span.fault(message).with_hint(hint::for_word(text, &words)))
    }

    fn form(&self) -> Form {
        Form::Choice { noun: T::NOUN, words: T::ALL.iter().map(|(word, _)| *word).collect() }
    }
}

/// `true` or `false`.
pub(crate) fn flag() -> Flag {
    Flag
}

pub(crate) struct Flag;

impl Shape for Flag {
    type Out = bool;

    fn read(&self, node: &Node, walk: &mut Walk) -> Option<bool> {
        match &node.kind {
            Kind::Scalar { text, plain: true } if text == "true" => Some(true),
            Kind::Scalar { text, plain: true } if text == "false" => Some(false),
            Kind::Scalar { text, .. } => {
                let meant = match text.to_ascii_lowercase().as_str() {
                    "yes" | "on" | "true" => Some("write `true`, without quotes".into()),
                    "no" | "off" | "false" => Some("write `false`, without quotes".into()),
                    _ => None,
                };
                walk.wrong(node, "`true` or `false`", meant)
            }
            _ => walk.wrong(node, "`true` or `false`", None),
        }
    }

    fn form(&self) -> Form {
        Form::Flag
    }
}

/// A whole number within bounds, both included.
pub(crate) fn integer(least: u32, most: u32) -> Integer {
    Integer { least, most }
}

pub(crate) struct Integer {
    least: u32,
    most: u32,
}

impl Shape for Integer {
    type Out = u32;

    fn read(&self, node: &Node, walk: &mut Walk) -> Option<u32> {
        let expected = format!("a whole number from {} to {}", self.least, self.most);
        match &node.kind {
            Kind::Scalar { text, plain: true } => match text.parse() {
                Ok(number) if (self.least..=self.most).contains(&number) => Some(number),
                _ => walk.wrong(node, &expected, None),
            },
            Kind::Scalar { text, plain: false } if text.parse::<u32>().is_ok() => {
                walk.wrong(node, &expected, Some("write it without quotes".into()))
            }
            _ => walk.wrong(node, &expected, None),
        }
    }

    fn form(&self) -> Form {
        Form::Integer { least: self.least, most: self.most }
    }
}

/// A list, which may be empty.
pub(crate) fn list<S: Shape>(of: S) -> List<S> {
    List { of, least: 0 }
}

/// A list with at least one item.
pub(crate) fn filled_list<S: Shape>(of: S) -> List<S> {
    List { of, least: 1 }
}

pub(crate) struct List<S> {
    of: S,
    least: usize,
}

impl<S: Shape> Shape for List<S> {
    type Out = Vec<S::Out>;

    fn read(&self, node: &Node, walk: &mut Walk) -> Option<Vec<S::Out>> {
        let Kind::List(items) = &node.kind else {
            let advice = "a list is written `[a, b]` or as lines that begin with `- `";
            return walk.wrong(node, "a list", Some(advice.into()));
        };
        if items.len() < self.least && !walk.partial {
            return walk.report(node.span.fault("expected at least one entry, found an empty list"));
        }
        // An item is never spread over files, so nothing may be missing in it, even where the file is only a part.
        let partial = std::mem::take(&mut walk.partial);
        let read: Vec<Option<S::Out>> = items.iter().map(|item| self.of.read(item, walk)).collect();
        walk.partial = partial;
        read.into_iter().collect()
    }

    fn form(&self) -> Form {
        Form::List { of: Box::new(self.of.form()), least: self.least }
    }
}

/// One value for all architectures, or a mapping with one for each.
pub(crate) fn per_architecture<S: Shape>(of: S) -> PerArchitecture<S> {
    PerArchitecture(of)
}

pub(crate) struct PerArchitecture<S>(S);

impl<S: Shape> Shape for PerArchitecture<S> {
    type Out = S::Out;

    fn read(&self, node: &Node, walk: &mut Walk) -> Option<S::Out> {
        let Kind::Mapping(entries) = &node.kind else { return self.0.read(node, walk) };
        let wanted = walk.architecture;
        let mut chosen = None;
        for entry in entries {
            let name = Node { kind: Kind::Scalar { text: entry.key.clone(), plain: false }, span: entry.span.clone() };
            let Some(architecture) = word::<Architecture>().read(&name, walk) else { continue };
            walk.architecture = Some(architecture);
            let value = self.0.read(&entry.value, walk);
            walk.architecture = wanted;
            if Some(architecture) == wanted {
                chosen = Some(value);
            }
        }
        match (chosen, wanted) {
            (Some(value), _) => value,
            (None, Some(wanted)) => walk.report(node.place().fault(format!("there is no value for `{wanted}` here"))),
            (None, None) => None,
        }
    }

    fn form(&self) -> Form {
        Form::PerArchitecture(Box::new(self.0.form()))
    }
}

/// A file or folder beside the recipe.
pub(crate) fn source_path(kind: FileKind) -> Source {
    Source(kind)
}

pub(crate) struct Source(FileKind);

impl Shape for Source {
    type Out = SourcePath;

    fn read(&self, node: &Node, walk: &mut Walk) -> Option<SourcePath> {
        let path = text(&rule::SOURCE).read(node, walk)?;
        Some(walk.source_path(&path, &node.span, self.0))
    }

    fn form(&self) -> Form {
        Form::Text(&rule::SOURCE)
    }
}

/// Where an artifact comes from.
pub(crate) fn location() -> LocationShape {
    LocationShape
}

pub(crate) struct LocationShape;

impl Shape for LocationShape {
    type Out = Location;

    fn read(&self, node: &Node, walk: &mut Walk) -> Option<Location> {
        let url = text(&rule::LOCATION).read(node, walk)?;
        Some(match url.strip_prefix("file:") {
            Some(path) => Location::Local(walk.source_path(path, &node.span, FileKind::File)),
            None => Location::Remote(url),
        })
    }

    fn form(&self) -> Form {
        Form::Text(&rule::LOCATION)
    }
}

/// Where a container image comes from.
pub(crate) fn image_source() -> ImageSourceShape {
    ImageSourceShape
}

pub(crate) struct ImageSourceShape;

impl Shape for ImageSourceShape {
    type Out = ImageSource;

    fn read(&self, node: &Node, walk: &mut Walk) -> Option<ImageSource> {
        let source = text(&rule::IMAGE_SOURCE).read(node, walk)?;
        let (kind, place) = source.split_once(':').expect("the rule asks for a colon");
        Some(match kind {
            "registry" => ImageSource::Registry(place.to_owned()),
            "archive" => ImageSource::Archive(walk.source_path(place, &node.span, FileKind::File)),
            "layout" => ImageSource::Layout(walk.source_path(place, &node.span, FileKind::Folder)),
            _ => ImageSource::Build(walk.source_path(place, &node.span, FileKind::File)),
        })
    }

    fn form(&self) -> Form {
        Form::Text(&rule::IMAGE_SOURCE)
    }
}

/// A free-form mapping, as JSON.
pub(crate) fn settings() -> Settings {
    Settings
}

pub(crate) struct Settings;

impl Shape for Settings {
    type Out = Map<String, Value>;

    fn read(&self, node: &Node, walk: &mut Walk) -> Option<Map<String, Value>> {
        match json(node, walk)? {
            Value::Object(map) => Some(map),
            _ => walk.wrong(node, "a mapping", None),
        }
    }

    fn form(&self) -> Form {
        Form::Settings
    }
}

fn json(node: &Node, walk: &mut Walk) -> Option<Value> {
    match &node.kind {
        Kind::Broken => None,
        Kind::List(items) => items.iter().map(|item| json(item, walk)).collect::<Option<_>>().map(Value::Array),
        Kind::Mapping(entries) => {
            let pair = |entry: &crate::node::Entry| Some((entry.key.clone(), json(&entry.value, walk)?));
            entries.iter().map(pair).collect::<Option<_>>().map(Value::Object)
        }
        Kind::Scalar { text, plain } => scalar_json(text, *plain, &node.span, walk),
    }
}

fn scalar_json(text: &str, plain: bool, span: &Span, walk: &mut Walk) -> Option<Value> {
    let number = |number: Option<Number>| number.map(Value::Number);
    let value = match Meaning::of(text, plain) {
        Meaning::Nothing => Some(Value::Null),
        Meaning::Text => Some(Value::String(text.to_owned())),
        Meaning::Boolean => Some(Value::Bool(text.eq_ignore_ascii_case("true"))),
        Meaning::Integer => {
            number(text.parse::<i64>().ok().map(Number::from).or(text.parse::<u64>().ok().map(Number::from)))
        }
        Meaning::Float => number(text.parse().ok().and_then(Number::from_f64)),
    };
    value.or_else(|| walk.report(span.fault(format!("{} is not a number that JSON can say", quote(text)))))
}
