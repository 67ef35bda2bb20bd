//! The crates that are linked into a product, as cargo knows them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use helix_command::Cmd;
use serde::Deserialize;

use crate::{Component, Error, Text, texts};

/// What every program has in it without naming it.
const STANDARD_LIBRARY: &str = "Rust standard library";

/// Packages of a workspace, and how they are compiled.
#[derive(Debug, Clone, Copy)]
pub struct Linked<'a> {
    /// The folder of the workspace.
    pub root: &'a Path,
    /// The packages.
    pub packages: &'a [&'a str],
    /// Options for cargo that choose features.
    pub options: &'a [&'a str],
    /// What it is compiled for, by Rust's name.
    pub target: &'a str,
    /// The version of the compiler, whose standard library is linked in.
    pub compiler: &'a str,
    /// Whether cargo must fetch nothing.
    pub offline: bool,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    license_file: Option<PathBuf>,
    repository: Option<String>,
    authors: Vec<String>,
    manifest_path: PathBuf,
    /// Nothing for a package of the workspace.
    source: Option<String>,
}

impl Linked<'_> {
    /// The packages, the crates that are linked into them, and the standard library, by name and version.
    ///
    /// # Errors
    /// When cargo fails, or a crate names no licence whose text is at hand.
    pub fn components(&self) -> Result<Vec<Component>, Error> {
        let named = self.tree()?;
        let metadata = self.metadata()?;
        let known: BTreeSet<_> = metadata.packages.iter().map(Package::id).collect();
        let missing = named.iter().filter(|id| !known.contains(*id));
        let mut faults: Vec<String> = missing.map(|(name, version)| format!("{name} {version}: unknown")).collect();
        let mut components = vec![standard_library(self.compiler).map_err(|why| Error::Unknown(vec![why]))?];
        for package in metadata.packages.iter().filter(|package| named.contains(&package.id())) {
            match package.component(&metadata.workspace_root) {
                Ok(component) => components.push(component),
                Err(why) => faults.push(format!("{} {}: {why}", package.name, package.version)),
            }
        }
        components.sort();
        if faults.is_empty() { Ok(components) } else { Err(Error::Unknown(faults)) }
    }

    /// Names and versions. Metadata would have the features of the whole workspace; the tree has those of the packages,
    /// and nothing of macros, builds and tests.
    fn tree(&self) -> Result<BTreeSet<(String, String)>, Error> {
        let packages = self.packages.iter().flat_map(|name| ["--package", name]);
        let words = ["--edges", "normal,no-proc-macro", "--prefix", "none", "--no-dedupe", "--format", "{p}"];
        let cmd = self.cargo("tree").args(packages).args(self.options).args(words).args(["--target", self.target]);
        let text = cmd.output()?.text();
        let lines = text.lines().filter(|line| !line.is_empty());
        lines.map(|line| id(line).ok_or_else(|| Error::Cargo(format!("cargo tree says {line:?}")))).collect()
    }

    fn metadata(&self) -> Result<Metadata, Error> {
        let platform = format!("--filter-platform={}", self.target);
        let text = self.cargo("metadata").args(["--format-version=1", &platform]).output()?.text();
        serde_json::from_str(&text).map_err(|e| Error::Cargo(format!("cargo metadata: {e}")))
    }

    fn cargo(&self, verb: &str) -> Cmd {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let cmd = Cmd::new(cargo).dir(self.root).env("CARGO_TERM_COLOR", "never").args([verb, "--locked"]);
        if self.offline { cmd.arg("--offline") } else { cmd }
    }
}

/// A line of a tree: `name v1.2.3`, with a place behind it for some.
fn id(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    Some((name.to_owned(), version.to_owned()))
}

impl Package {
    fn id(&self) -> (String, String) {
        (self.name.clone(), self.version.clone())
    }

    fn component(&self, workspace: &Path) -> Result<Component, String> {
        let license = self.license.clone().unwrap_or_default();
        Ok(Component {
            name: self.name.clone(),
            version: self.version.clone(),
            texts: self.texts(&license, workspace)?,
            license: if license.is_empty() { "see the text".to_owned() } else { license },
            source: self.repository.clone().unwrap_or_default(),
            files: Vec::new(),
        })
    }

    /// The texts that the crate brings along, those of its workspace, or the ones that its licence stands for.
    fn texts(&self, license: &str, workspace: &Path) -> Result<Vec<Text>, String> {
        let folder = self.manifest_path.parent().unwrap_or(Path::new("."));
        let mut texts = texts::below(folder, self.license_file.as_deref())?;
        if texts.is_empty() && self.source.is_none() {
            texts = texts::beside(workspace)?;
        }
        if texts.is_empty() { texts::standard(license, &self.authors) } else { Ok(texts) }
    }
}

fn standard_library(version: &str) -> Result<Component, String> {
    let license = "MIT OR Apache-2.0";
    Ok(Component {
        name: STANDARD_LIBRARY.to_owned(),
        version: version.to_owned(),
        license: license.to_owned(),
        source: "https://github.com/rust-lang/rust".to_owned(),
        files: Vec::new(),
        texts: texts::standard(license, &["the Rust project's contributors".to_owned()])?,
    })
}
