//! The JSON schema that editors use, made from the model.

use crate::form::{Form, Presence, RecordForm, Spec};
use crate::model::{ContainerRecipe, Header, Recipe};
use crate::record::Record;
use serde_json::{Map, Value, json};

/// The JSON schema (draft 2020-12) of a recipe file.
///
/// What it cannot say is left to the parser: contradictions, and what is missing once a recipe and those it extends are
/// merged. In a file with `extends` or `abstract` it therefore asks for no key.
pub fn schema() -> Value {
    schema_of::<Recipe>("Helix recipe")
}

/// The JSON schema of a container recipe, as [`schema`] is that of a recipe.
pub fn container_schema() -> Value {
    schema_of::<ContainerRecipe>("Helix container recipe")
}

fn schema_of<T: Record>(title: &str) -> Value {
    let mut root = T::describe();
    root.specs.splice(0..0, Header::describe().specs);
    let complete = json!({"required": required(&root), "properties": required_within(&root)});
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "if": {"not": {"anyOf": [{"required": ["extends"]}, {"required": ["abstract"]}]}},
        "then": complete,
    });
    let Value::Object(body) = record(&root, false) else { unreachable!("a record is an object") };
    schema.as_object_mut().expect("just made").extend(body);
    schema
}

/// `whole` when the mapping is never spread over several files.
fn record(record: &RecordForm, whole: bool) -> Value {
    let properties: Map<String, Value> =
        record.specs.iter().map(|spec| (spec.key.clone(), property(spec, whole))).collect();
    let mut schema = json!({
        "type": "object",
        "description": record.about,
        "properties": properties,
        "additionalProperties": false,
    });
    if whole {
        schema["required"] = required(record);
    }
    schema
}

fn required(record: &RecordForm) -> Value {
    let is_required = |spec: &&Spec| matches!(spec.presence, Presence::Required);
    record.specs.iter().filter(is_required).map(|spec| spec.key.clone()).collect()
}

/// What the mappings directly within a complete file must have.
fn required_within(record: &RecordForm) -> Value {
    let within = record.specs.iter().filter_map(|spec| match &spec.form {
        Form::Record(inner) => Some((spec.key.clone(), json!({"required": required(inner)}))),
        Form::List { least, .. } if *least > 0 => Some((spec.key.clone(), json!({"minItems": least}))),
        _ => None,
    });
    Value::Object(within.collect())
}

fn property(spec: &Spec, whole: bool) -> Value {
    let mut schema = form(&spec.form, whole);
    schema["description"] = json!(spec.about);
    schema["examples"] = json!([spec.example()]);
    if let Presence::Default(default) = &spec.presence {
        schema["default"] = default.clone();
    }
    schema
}

fn form(form: &Form, whole: bool) -> Value {
    match form {
        Form::Text(rule) => json!({
            "type": "string",
            "pattern": rule.pattern,
            "maxLength": rule.longest,
            "patternErrorMessage": format!("This is not {}: expected {}.", rule.noun, rule.expected),
        }),
        Form::Flag => json!({"type": "boolean"}),
        Form::Integer { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
        Form::Choice { words, .. } => json!({"type": "string", "enum": words}),
        Form::List { of, least } => {
            let mut list = json!({"type": "array", "items": self::form(of, true)});
            if whole && *least > 0 {
                list["minItems"] = json!(least);
            }
            list
        }
        Form::PerArchitecture(of) => per_architecture(&self::form(of, whole)),
        Form::Record(inner) => record(inner, whole),
        Form::Settings => json!({"type": "object"}),
    }
}

fn per_architecture(of: &Value) -> Value {
    use crate::choice::Choice;
    let each: Map<String, Value> =
        crate::Architecture::ALL.iter().map(|(word, _)| ((*word).to_owned(), of.clone())).collect();
    json!({"anyOf": [of, {"type": "object", "properties": each, "additionalProperties": false}]})
}
