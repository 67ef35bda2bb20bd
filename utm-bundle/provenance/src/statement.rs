//! The statement: what the files were made from, by whom, and how.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::digest::{dir_hash, hex};
use crate::error::Error;
use crate::image::{self, Manifest};

/// What the parameters and dependencies of the predicate mean: the page `docs/src/verifying-a-download.md` says it. It is a name;
/// nothing is to be fetched from there.
pub const BUILD_TYPE: &str = "https://helix.dev/build-types/bundle/v1";

/// The source that the program was built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it can be had, as `git+https://…`.
    pub uri: String,
    /// The commit, in hexadecimal.
    pub commit: String,
}

/// How the files were made.
#[derive(Debug, Clone, PartialEq)]
pub struct Build {
    /// The folder of the image that went into them.
    pub image: PathBuf,
    /// The folder with UTM's libraries that went into them.
    pub sysroot: Option<PathBuf>,
    /// The source of the program that made them.
    pub source: Option<Source>,
    /// What was asked for, by the names of the command's options.
    pub options: Map<String, Value>,
    /// Versions of what made them, by name.
    pub tools: BTreeMap<String, String>,
    /// Who made them, as a URI: whoever trusts it trusts the statement.
    pub builder: String,
}

/// The statement about `subjects`, which are names with their sha256.
pub(crate) fn statement(subjects: &[(String, String)], build: &Build) -> Result<Value, Error> {
    let manifest = image::read(&build.image)?;
    let subjects: Vec<Value> =
        subjects.iter().map(|(name, sha256)| json!({ "name": name, "digest": { "sha256": sha256 } })).collect();
    let definition = json!({
        "buildType": BUILD_TYPE,
        "externalParameters": { "recipe": manifest.recipe, "architecture": manifest.architecture, "options": build.options },
        "internalParameters": { "imageTools": manifest.tools },
        "resolvedDependencies": dependencies(&manifest, build)?,
    });
    // The same build of the same files is the same invocation: it has no number or time of its own.
    let invocation = hex(&Sha256::digest(json!([definition, subjects]).to_string()));
    Ok(json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": definition,
            "runDetails": {
                "builder": { "id": build.builder, "version": build.tools },
                "metadata": { "invocationId": format!("sha256:{invocation}") },
            },
        },
    }))
}

/// The image, its packages, the source and the sysroot, each with a digest.
fn dependencies(manifest: &Manifest, build: &Build) -> Result<Vec<Value>, Error> {
    let descriptor = |name: &str, kind: &str, digest: &str| json!({ "name": name, "digest": { kind: digest } });
    let mut all = vec![
        descriptor("image/manifest.json", "sha256", &manifest.sha256),
        // The packages that apt had found, as the recipe's lock has them.
        descriptor("image/lock", "blake3", &manifest.lock_digest),
    ];
    all.extend(manifest.artifacts.iter().map(|(name, digest)| descriptor(&format!("image/{name}"), "sha256", digest)));
    if let Some(source) = &build.source {
        all.push(json!({ "name": "source", "uri": source.uri, "digest": { "gitCommit": source.commit } }));
    }
    if let Some(sysroot) = &build.sysroot {
        all.push(descriptor("sysroot", "dirHash", &dir_hash(sysroot)?));
    }
    Ok(all)
}
