//! The Rust crates that are compiled into programs, with their licences, as cargo knows them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use helix_command::Cmd;
use serde::Deserialize;

use crate::component::{Component, Text};
use crate::fault::{Error, Fault, Wrong};

/// Beginnings of the names of files with licences.
const TEXTS: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
/// What every program has in it without naming it.
const STANDARD_LIBRARY: &str = "Rust standard library";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    license_file: Option<PathBuf>,
    repository: Option<String>,
    authors: Vec<String>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

/// The components that the packages `names` of the workspace `root` are made of when they are compiled for a Mac: the
/// packages, the crates below them, and the standard library. `version` is the compiler's.
///
/// # Errors
/// When cargo fails, or a crate names no licence whose text is at hand.
pub fn of_crates(root: &Path, names: &[&str], version: &str) -> Result<Vec<Component>, Error> {
    let words = ["metadata", "--format-version=1", "--locked", "--filter-platform=aarch64-apple-darwin"];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let text = Cmd::new(cargo).args(words).dir(root).output()?.text();
    let fault = |file: &Path, why: String| Fault::new(file, Wrong::Components(why));
    let metadata: Metadata =
        serde_json::from_str(&text).map_err(|e| Error::Faults(vec![fault(root, format!("cargo metadata: {e}"))]))?;
    let compiled = compiled(&metadata, names);
    let (mut components, mut faults) = (vec![standard_library(version)], Vec::new());
    for package in metadata.packages.iter().filter(|package| compiled.contains(package.id.as_str())) {
        match component(package) {
            Ok(component) => components.push(component),
            Err(why) => faults.push(fault(&package.manifest_path, why)),
        }
    }
    for name in names {
        if !components.iter().any(|component| component.name == *name) {
            faults.push(fault(root, format!("there is no package {name}")));
        }
    }
    components.sort();
    if faults.is_empty() { Ok(components) } else { Err(Error::Faults(faults)) }
}

/// The packages that are linked in: not those of builds and tests.
fn compiled<'a>(metadata: &'a Metadata, names: &[&str]) -> BTreeSet<&'a str> {
    let nodes: BTreeMap<&str, &Node> = metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let roots = metadata.packages.iter().filter(|package| names.contains(&package.name.as_str()));
    let mut waiting: Vec<&str> = roots.map(|package| package.id.as_str()).collect();
    let mut found = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if found.insert(id) {
            let linked = |d: &&Dependency| d.dep_kinds.iter().any(|kind| kind.kind.is_none());
            let dependencies = nodes.get(id).map_or(&[][..], |node| &node.deps);
            waiting.extend(dependencies.iter().filter(linked).map(|dependency| dependency.pkg.as_str()));
        }
    }
    found
}

fn component(package: &Package) -> Result<Component, String> {
    let mut texts = texts(package)?;
    let license = package.license.clone().unwrap_or_default();
    if texts.is_empty() {
        texts = standard_texts(&license, &package.authors)?;
    }
    Ok(Component {
        name: package.name.clone(),
        version: package.version.clone(),
        license: if license.is_empty() { "see the text".to_owned() } else { license },
        source: package.repository.clone().unwrap_or_default(),
        files: Vec::new(),
        texts,
    })
}

/// The files with licences that a crate brings along.
fn texts(package: &Package) -> Result<Vec<Text>, String> {
    let folder = package.manifest_path.parent().unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).map_err(|e| e.to_string())?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        path.is_file() && TEXTS.iter().any(|beginning| name.starts_with(beginning))
    });
    files.extend(package.license_file.iter().map(|file| folder.join(file)));
    files.sort();
    files.dedup();
    let text = |path: &PathBuf| {
        let title = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Text { title, text: String::from_utf8_lossy(&text).into_owned() })
    };
    files.iter().map(text).collect()
}

/// The texts of the licences that an expression names, for a crate that has none beside it.
fn standard_texts(expression: &str, authors: &[String]) -> Result<Vec<Text>, String> {
    let parsed = spdx::Expression::parse_mode(expression, spdx::ParseMode::LAX)
        .map_err(|_| format!("has no text of its licence, and {expression:?} is no expression of SPDX"))?;
    let mut texts = Vec::new();
    for requirement in parsed.requirements() {
        let id = requirement.req.license.id().ok_or_else(|| format!("has no text of its licence {expression:?}"))?;
        let by = if authors.is_empty() { String::new() } else { format!("Authors: {}\n\n", authors.join(", ")) };
        texts.push(Text { title: id.name.to_owned(), text: format!("{by}{}", id.text()) });
    }
    Ok(texts)
}

fn standard_library(version: &str) -> Component {
    let license = "MIT OR Apache-2.0";
    Component {
        name: STANDARD_LIBRARY.to_owned(),
        version: version.to_owned(),
        license: license.to_owned(),
        source: "https://github.com/rust-lang/rust".to_owned(),
        files: Vec::new(),
        texts: standard_texts(license, &["the Rust project's contributors".to_owned()]).unwrap_or_default(),
    }
}
