//! The reference page of the book, made from the model.

use crate::form::{Form, Presence, RecordForm, Spec};
use crate::model::{ContainerRecipe, Header, Recipe};
use crate::node::Meaning;
use crate::record::Record;
use serde_json::Value;
use std::fmt::Write;

const INTRODUCTION: &str = "\
# Recipe reference

<!-- Generated from image/recipe/src/model.rs; do not edit. -->

A recipe is one YAML file. Keys are written in kebab-case, and a key that is not listed here is a fault. Text is text:
`no` and `yes` need no quotes, but text that looks like a number, a boolean or nothing does (`\"0755\"`, `\"12\"`).
Booleans are `true` and `false`. Anchors, aliases and tags are not part of the format.

## Extending

`extends` names one parent. A file and its parent are merged, the file on top:

- mappings are merged key by key;
- lists are appended, the parent's entries first; a text that the parent's list has already is not added again;
- anything else is replaced.

In `packages`, `name-` removes an inherited `name`. A relative path is relative to the file that says it, so an
inherited one keeps its meaning. What is required below is required after merging; a recipe with `abstract: true` is
only for extending and may lack it.
";

const CONTAINERS: &str = "\
# Container recipe reference

<!-- Generated from image/recipe/src/model.rs; do not edit. -->

A container recipe is one YAML file, written and extended like a [recipe](recipes.md). A recipe names it as
`source: build:FILE` in `container-images`.
";

/// The reference page of container recipes, as [`reference_markdown`] is that of recipes.
pub fn container_reference_markdown() -> String {
    page(CONTAINERS, "Keys of a container recipe", &ContainerRecipe::describe())
}

/// The reference page for the book, as Markdown: every key with its type, default, description and example, and how
/// recipes are merged.
pub fn reference_markdown() -> String {
    let mut root = Recipe::describe();
    root.specs.splice(0..0, Header::describe().specs);
    page(INTRODUCTION, "Keys of a recipe", &root)
}

fn page(introduction: &str, heading: &str, root: &RecordForm) -> String {
    let mut page = introduction.to_owned();
    section(&mut page, heading, root);
    for spec in &root.specs {
        if let Some(inner) = spec.form.record() {
            let heading = match spec.form {
                Form::List { .. } => format!("Keys of an entry of `{}`", spec.key),
                _ => format!("Keys of `{}`", spec.key),
            };
            section(&mut page, &heading, inner);
        }
    }
    page.push_str("\n## A recipe with every key\n\n```yaml\n");
    for spec in root.specs.iter().filter(|spec| !matches!(spec.key.as_str(), "extends" | "abstract")) {
        block(&mut page, &spec.key, &spec.example(), spec.form.record());
    }
    page.push_str("```\n");
    page
}

fn section(page: &mut String, heading: &str, record: &RecordForm) {
    let lines = ["| Key | Type | Default | Meaning | Example |", "|---|---|---|---|---|"].join("\n");
    let _ = writeln!(page, "\n## {heading}\n\n{}\n\n{lines}", record.about);
    for spec in &record.specs {
        let _ = writeln!(page, "{}", row(spec));
    }
}

fn row(spec: &Spec) -> String {
    let default = match &spec.presence {
        Presence::Required => "**required**".into(),
        Presence::Optional => "none".into(),
        Presence::Default(value) => code(&flow(value)),
    };
    let example = match spec.form.record() {
        Some(_) => "below".into(),
        None => code(&flow(&spec.example())),
    };
    format!("| `{}` | {} | {default} | {} | {example} |", spec.key, kind(&spec.form), spec.about.replace('|', "\\|"))
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

/// The type of a value in words.
fn kind(form: &Form) -> String {
    match form {
        Form::Text(rule) => format!("{}: {}", rule.noun, rule.expected),
        Form::Flag => "`true` or `false`".into(),
        Form::Integer { least, most } => format!("a whole number from {least} to {most}"),
        Form::Choice { noun, words } => format!("{noun}: {}", crate::choice::one_of(words)),
        Form::List { of, .. } => format!("list, each {}", kind(of)),
        Form::PerArchitecture(of) => format!("{}; or a mapping from architectures to that", kind(of)),
        Form::Record(record) => record.noun.into(),
        Form::Settings => "a mapping of anything".into(),
    }
}

/// A key and its example as lines of YAML, mappings and lists of them with one key a line.
fn block(page: &mut String, key: &str, value: &Value, record: Option<&RecordForm>) {
    let Some(record) = record else {
        let _ = writeln!(page, "{key}: {}", flow(value));
        return;
    };
    let (mut lead, value) = match value {
        Value::Array(items) => ("  - ", &items[0]),
        other => ("  ", other),
    };
    let indent = " ".repeat(lead.len());
    let _ = writeln!(page, "{key}:");
    for spec in &record.specs {
        let _ = writeln!(page, "{lead}{}: {}", spec.key, flow(&value[&spec.key]));
        lead = &indent;
    }
}

/// A value on one line of YAML.
pub(crate) fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let pair = |(key, value): (&String, &Value)| format!("{key}: {}", flow(value));
            format!("{{{}}}", map.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Whether a text needs no quotes, also within brackets.
fn is_plain(text: &str) -> bool {
    let safe = |c: char| c.is_ascii_alphanumeric() || " _./+-:=".contains(c);
    let ends = |c: char| c.is_ascii_alphanumeric() || "/.".contains(c);
    let is_text = Meaning::of(text, true) == Meaning::Text;
    text.starts_with(ends) && text.ends_with(ends) && text.chars().all(safe) && !text.contains(": ") && is_text
}
