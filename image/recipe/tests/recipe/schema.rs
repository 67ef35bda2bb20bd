//! The schema, the parser and the reference agree, judged by an independent validator.

use serde_json::{Map, Value, json};

/// The example of every key of the schema as one recipe.
fn whole_example() -> Map<String, Value> {
    let schema = helix_recipe::schema();
    let keys = schema["properties"].as_object().unwrap().iter();
    let own = keys.filter(|(key, _)| !["extends", "abstract"].contains(&key.as_str()));
    own.map(|(key, property)| (key.clone(), property["examples"][0].clone())).collect()
}

fn parser_accepts(recipe: &Value) -> bool {
    crate::common::one(&recipe.to_string()).is_ok()
}

/// Every place in a value, as JSON pointers.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| pointers(value, &format!("{at}/{key}"), all)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, value)| pointers(value, &format!("{at}/{n}"), all))
        }
        _ => {}
    }
}

#[test]
fn the_schema_is_one() {
    jsonschema::draft202012::meta::validate(&helix_recipe::schema()).unwrap();
}

#[test]
fn every_key_of_the_schema_is_accepted_and_every_key_that_is_serialised_is_in_it() {
    let example = Value::Object(whole_example());
    let recipe = crate::common::one(&example.to_string()).unwrap_or_else(|faults| panic!("{faults}"));
    let validator = jsonschema::draft202012::new(&helix_recipe::schema()).unwrap();
    assert!(validator.is_valid(&example));
    let written = serde_json::to_value(&recipe).unwrap();
    assert!(validator.is_valid(&written), "{:?}", validator.iter_errors(&written).next());
    let (mut given, mut kept) = (Vec::new(), Vec::new());
    pointers(&example, "", &mut given);
    pointers(&written, "", &mut kept);
    // The only places that are not kept are the mappings per architecture.
    given.retain(|pointer| !pointer.ends_with("/arm64") && !pointer.ends_with("/amd64"));
    assert_eq!(given, kept);
}

/// Puts every kind of wrong and right value at every place of a whole recipe, takes every key away and adds one to
/// every mapping: parser and schema must say the same.
#[test]
fn schema_and_parser_say_the_same_of_every_value_at_every_place() {
    let validator = jsonschema::draft202012::new(&helix_recipe::schema()).unwrap();
    let mut example = whole_example();
    // Otherwise packages would have to bring Docker, which a schema cannot say.
    let docker = example.remove("docker").unwrap();
    let with_docker = json!({"docker": docker, "packages": ["docker.io"]});
    let mut compared = 0;
    for (example, below) in [(Value::Object(example.clone()), ""), (merged(example, with_docker), "/docker")] {
        let mut all = Vec::new();
        pointers(&example, "", &mut all);
        for pointer in all.iter().filter(|pointer| pointer.starts_with(below)) {
            for (what, variant) in variants(&example, pointer) {
                let (schema, parser) = (validator.is_valid(&variant), parser_accepts(&variant));
                let beyond = !parser && only_contradictions(&variant);
                assert!(schema == parser || beyond, "{what} at {pointer}: schema {schema}, parser {parser}");
                compared += 1;
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}

/// Whether the faults are all of the kind that a schema cannot express.
fn only_contradictions(recipe: &Value) -> bool {
    let beyond =
        ["needs `snapshot-mirror`", "needs `unpack: true`", "no room for", "no value for", "that nobody added"];
    let faults = crate::common::one(&recipe.to_string()).unwrap_err();
    faults.iter().all(|fault| beyond.iter().any(|text| fault.message().contains(text)))
}

fn merged(mut map: Map<String, Value>, more: Value) -> Value {
    map.extend(more.as_object().unwrap().clone());
    Value::Object(map)
}

fn variants(example: &Value, pointer: &str) -> Vec<(String, Value)> {
    let replacements = [
        json!(null),
        json!(true),
        json!("true"),
        json!(7),
        json!(1.5),
        json!(-1),
        json!(100_000),
        json!(""),
        json!("no"),
        json!("A b"),
        json!("a\nb"),
        json!("/a/../b"),
        json!("/a"),
        json!("1GiB"),
        json!("0755"),
        json!("1m"),
        json!("a:b"),
        json!("x.service"),
        json!("https://x/"),
        json!([]),
        json!(["a1"]),
        json!([7]),
        json!({}),
        json!({"x": 1}),
    ];
    let mut all = Vec::new();
    for value in replacements {
        let mut variant = example.clone();
        *variant.pointer_mut(pointer).unwrap() = value.clone();
        all.push((value.to_string(), variant));
    }
    if let Some((parent, key)) = pointer.rsplit_once('/') {
        let mut variant = example.clone();
        if let Some(map) = variant.pointer_mut(parent).and_then(Value::as_object_mut) {
            map.remove(key);
            all.push(("nothing".into(), variant));
        }
    }
    let mut variant = example.clone();
    if let Some(map) = variant.pointer_mut(pointer).and_then(Value::as_object_mut) {
        map.insert("unknown-key".into(), json!("x"));
        all.push(("an unknown key".into(), variant));
    }
    all
}

#[test]
fn a_child_and_a_base_may_lack_keys_in_the_editor() {
    let validator = jsonschema::draft202012::new(&helix_recipe::schema()).unwrap();
    assert!(validator.is_valid(&json!({"extends": "base.yaml", "disk": {"esp": "1GiB"}})));
    assert!(validator.is_valid(&json!({"abstract": true, "hostname": "x"})));
    assert!(!validator.is_valid(&json!({"hostname": "x"})));
}

#[test]
fn the_reference_names_every_key_and_its_recipe_is_one() {
    let page = helix_recipe::reference_markdown();
    let mut keys = Vec::new();
    collect_keys(&helix_recipe::schema(), &mut keys);
    assert!(keys.len() > 50);
    for key in keys {
        assert!(page.contains(&format!("| `{key}` |")), "{key} is not in the reference");
    }
    let (_, yaml) = page.rsplit_once("```yaml\n").unwrap();
    let recipe = crate::common::one(yaml.trim_end().trim_end_matches('`')).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(recipe, crate::common::one(&Value::Object(whole_example()).to_string()).unwrap());
    insta::assert_snapshot!("reference", page);
}

fn collect_keys(schema: &Value, keys: &mut Vec<String>) {
    if schema.get("additionalProperties") == Some(&json!(false)) && schema.get("description").is_some() {
        for (key, property) in schema["properties"].as_object().unwrap() {
            keys.push(key.clone());
            collect_keys(property, keys);
        }
    }
    if let Some(items) = schema.get("items") {
        collect_keys(items, keys);
    }
}
