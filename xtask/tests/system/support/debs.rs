//! Package files: real ones, read; synthetic ones, built.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use helix_command::Cmd;

/// A package file and its control fields.
#[derive(Debug, Clone)]
pub(crate) struct Deb {
    pub(crate) file: PathBuf,
    fields: Vec<(String, String)>,
    /// Its path below the archive; without one it gets one in the pool.
    path: Option<String>,
}

impl Deb {
    /// Reads the control fields of `file`.
    pub(crate) fn read(file: &Path) -> Self {
        let text = Cmd::new("dpkg-deb").arg("--field").arg(file).output().expect("dpkg-deb reads a package").text();
        Self { file: file.to_owned(), fields: parse_fields(&text), path: None }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn name(&self) -> &str {
        self.field("Package").expect("a package has a name")
    }

    /// The same package, with one field of its index entry changed or, without a value, left out.
    pub(crate) fn with(mut self, name: &str, value: Option<&str>) -> Self {
        self.fields.retain(|(n, _)| n != name);
        self.fields.extend(value.map(|v| (name.to_owned(), v.to_owned())));
        self
    }

    /// The same package at this path of its archive.
    pub(crate) fn at(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// The path below the archive.
    pub(crate) fn path(&self, component: &str) -> String {
        self.path.clone().unwrap_or_else(|| format!("pool/{component}/{}", self.pool_name()))
    }

    /// The file's name in a pool: without the epoch, as archives have it.
    fn pool_name(&self) -> String {
        let version = self.field("Version").expect("a package has a version");
        let version = version.split_once(':').map_or(version, |(_, rest)| rest);
        format!("{}_{version}_{}.deb", self.name(), self.field("Architecture").unwrap_or("all"))
    }

    /// The fields as a stanza of an index, without what only the archive knows.
    pub(crate) fn stanza(&self) -> String {
        self.fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
    }

    /// The first alternative of everything the package needs.
    fn needs(&self) -> impl Iterator<Item = String> + '_ {
        let lists = ["Pre-Depends", "Depends"].into_iter().filter_map(|name| self.field(name));
        lists.flat_map(|list| list.split(',')).filter_map(|item| {
            let first = item.split('|').next()?.trim();
            let name = first.split([' ', '(', ':']).next()?;
            Some(name.to_owned())
        })
    }
}

/// The fields of a stanza.
pub(crate) fn parse_fields(text: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match line.split_once(':') {
            Some((name, value)) if !line.starts_with(' ') => fields.push((name.to_owned(), value.trim().to_owned())),
            _ => {
                if let Some((_, value)) = fields.last_mut() {
                    value.push('\n');
                    value.push_str(line);
                }
            }
        }
    }
    fields
}

/// The packages of `seeds` with everything they need, read from `files` (name to file). What no file has is left out:
/// it may be virtual, or the test makes it.
pub(crate) fn closure(seeds: &[&str], files: &BTreeMap<String, PathBuf>) -> Vec<Deb> {
    let mut waiting: Vec<String> = seeds.iter().map(|s| (*s).to_owned()).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    while let Some(name) = waiting.pop() {
        if seen.insert(name.clone())
            && let Some(file) = files.get(&name)
        {
            let deb = Deb::read(file);
            waiting.extend(deb.needs());
            found.push(deb);
        }
    }
    found
}

/// A package that the test makes up.
#[derive(Debug, Clone)]
pub(crate) struct Synthetic {
    control: Vec<(String, String)>,
    files: Vec<(String, u32, Vec<u8>)>,
    links: Vec<(String, String)>,
}

impl Synthetic {
    /// A package for all architectures without any file.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        let control = [
            ("Package", name),
            ("Version", version),
            ("Architecture", "all"),
            ("Maintainer", "Nobody <nobody@example.org>"),
            ("Description", "made by a test"),
        ];
        Self {
            control: control.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
            files: Vec::new(),
            links: Vec::new(),
        }
    }

    /// Sets a control field.
    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.control.retain(|(n, _)| n != name);
        self.control.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a file; `mode` 0o755 makes it a program.
    pub(crate) fn file(mut self, path: &str, mode: u32, bytes: impl AsRef<[u8]>) -> Self {
        self.files.push((path.to_owned(), mode, bytes.as_ref().to_vec()));
        self
    }

    /// Adds a link.
    pub(crate) fn link(mut self, path: &str, target: &str) -> Self {
        self.links.push((path.to_owned(), target.to_owned()));
        self
    }

    /// Builds the package file in `dir`.
    pub(crate) fn build(&self, dir: &Path) -> Deb {
        let tree = tempfile::tempdir_in(dir).expect("a folder for a package");
        let put = |path: &str, mode: u32, bytes: &[u8]| {
            let file = tree.path().join(path);
            std::fs::create_dir_all(file.parent().expect("a file lies in a folder")).expect("folders of a package");
            std::fs::write(&file, bytes).expect("files of a package");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("modes of a package");
        };
        let control: String = self.control.iter().map(|(n, v)| format!("{n}: {v}\n")).collect();
        put("DEBIAN/control", 0o644, control.as_bytes());
        self.files.iter().for_each(|(path, mode, bytes)| put(path, *mode, bytes));
        for (path, target) in &self.links {
            let link = tree.path().join(path);
            std::fs::create_dir_all(link.parent().expect("a link lies in a folder")).expect("folders of a package");
            std::os::unix::fs::symlink(target, link).expect("links of a package");
        }
        std::fs::set_permissions(tree.path(), std::fs::Permissions::from_mode(0o755)).expect("the mode of the root");
        let value = |name: &str| self.control.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
        let file = dir.join(format!("{}_{}.deb", value("Package"), value("Version").replace(':', "%3a")));
        // One fixed time: a package built again has the same digest.
        let build = Cmd::new("dpkg-deb").env("SOURCE_DATE_EPOCH", "1700000000");
        build.args(["--root-owner-group", "-Znone", "--build"]).arg(tree.path()).arg(&file).run().expect("a package");
        Deb::read(&file)
    }
}
