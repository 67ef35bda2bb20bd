//! The statement, field by field beside the specifications:
//! <https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>,
//! <https://github.com/in-toto/attestation/blob/main/spec/v1/resource_descriptor.md>, <https://slsa.dev/spec/v1.0/provenance>.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use helix_provenance::{BUILD_TYPE, dir_hash};
use serde_json::{Value, json};

use crate::support::{World, run};

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no object")).keys().map(String::as_str).collect()
}

#[test]
fn every_field_that_is_required_is_there_and_none_that_is_unknown() {
    let world = World::new();
    world.publish(None).unwrap();
    let statement = world.statement();
    assert_eq!(keys(&statement), ["_type", "subject", "predicateType", "predicate"].into());
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let predicate = &statement["predicate"];
    assert_eq!(keys(predicate), ["buildDefinition", "runDetails"].into());
    let definition = &predicate["buildDefinition"];
    let known = ["buildType", "externalParameters", "internalParameters", "resolvedDependencies"];
    assert_eq!(keys(definition), known.into());
    assert_eq!(definition["buildType"], BUILD_TYPE);
    assert_eq!(keys(&definition["externalParameters"]), ["recipe", "architecture", "options"].into());
    let details = &predicate["runDetails"];
    assert_eq!(keys(details), ["builder", "metadata"].into());
    assert_eq!(
        details["builder"],
        json!({ "id": "https://example.org/builders/1", "version": { "helix-bundle": "0.1.0" } })
    );
    assert_eq!(keys(&details["metadata"]), ["invocationId"].into());
}

#[test]
fn subjects_are_the_files_with_the_digests_that_sha256sum_finds() {
    let world = World::new();
    world.publish(None).unwrap();
    let statement = world.statement();
    let subjects = statement["subject"].as_array().unwrap();
    assert_eq!(subjects.len(), 2);
    for subject in subjects {
        let name = subject["name"].as_str().unwrap();
        let told = run(Command::new("sha256sum").arg(name).current_dir(world.path("out")), "").unwrap();
        assert_eq!(subject["digest"], json!({ "sha256": told[..64] }), "{name}");
    }
}

#[test]
fn each_dependency_has_a_digest_in_lower_case_hexadecimal() {
    let world = World::new();
    world.publish(None).unwrap();
    let statement = world.statement();
    let all = statement["predicate"]["buildDefinition"]["resolvedDependencies"].as_array().unwrap();
    let digest = |name: &str| all.iter().find(|one| one["name"] == name).unwrap()["digest"].clone();
    let told = run(Command::new("sha256sum").arg(world.path("image/manifest.json")), "").unwrap();
    assert_eq!(digest("image/manifest.json"), json!({ "sha256": told[..64] }));
    assert_eq!(digest("image/disk.qcow2"), json!({ "sha256": "1".repeat(64) }));
    assert_eq!(digest("image/sbom.cdx.json"), json!({ "sha256": "2".repeat(64) }));
    assert_eq!(digest("image/lock"), json!({ "blake3": "3".repeat(64) }));
    assert_eq!(digest("source"), json!({ "gitCommit": "ab".repeat(20) }));
    assert_eq!(digest("sysroot"), json!({ "dirHash": dir_hash(&world.path("sysroot")).unwrap() }));
    for dependency in all {
        let values = dependency["digest"].as_object().unwrap().values();
        for value in values.map(|value| value.as_str().unwrap()) {
            assert!(
                value.len() >= 40 && value.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
                "{value}"
            );
        }
    }
}

#[test]
fn another_input_is_another_invocation_and_nothing_names_the_machine() {
    let world = World::new();
    world.publish(None).unwrap();
    let id = |world: &World| world.statement()["predicate"]["runDetails"]["metadata"]["invocationId"].clone();
    let first = id(&world);
    let text = fs::read_to_string(world.path("out/provenance.json")).unwrap();
    assert!(!text.contains(world.path("").to_str().unwrap()), "{text}");
    fs::write(world.path("sysroot/lib/libx.dylib"), "another library").unwrap();
    world.publish(None).unwrap();
    assert_ne!(id(&world), first);
}

#[test]
fn a_manifest_with_something_else_than_digests_is_refused() {
    let world = World::new();
    let path = world.path("image/manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    for bad in [text.replace(&"1".repeat(64), "1"), text.replace(&"3".repeat(64), &"G".repeat(64))] {
        fs::write(&path, bad).unwrap();
        assert!(world.publish(None).unwrap_err().to_string().contains("is no digest"));
    }
    fs::write(&path, text.replace("\"schema_version\":1", "\"schema_version\":2")).unwrap();
    assert!(world.publish(None).unwrap_err().to_string().contains("has version 2"));
    assert_eq!(world.out(), ["Helix.dmg", "helix linux.utm.zip"]);
}
