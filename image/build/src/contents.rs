//! What is in a container image that somebody else made, for the bill of materials: the packages that its own package
//! manager knows of, with their licences.
//!
//! Everything here was written by strangers. Files are opened the way a process in the image would, are read up to a bound,
//! and what cannot be read is left out: a bill then names fewer packages, and `bundle` asks for the image's licence.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use deb822_fast::Deb822;
use helix_rootfs::files::{names_inside, open_inside};
use serde_json::{Value, json};

use crate::sbom;

/// The most that is read of a file, in bytes: the list of a desktop's packages has about 4 MB.
const LARGEST: u64 = 64 << 20;
/// The most packages that are listed.
const MOST: usize = 100_000;
/// The most licences that are named of one image.
const MOST_LICENCES: usize = 1_000;

/// The components that the packages of the image's tree are, sorted.
pub(crate) fn components(tree: &Path) -> Vec<Value> {
    let system = System::of(tree);
    let mut found = debian(tree, &system);
    found.extend(alpine(tree, &system));
    found.into_values().take(MOST).collect()
}

/// The licences that an image has: those of its packages, else the one that its label states.
pub(crate) fn licences(components: &[Value], config: &[u8]) -> Vec<Value> {
    let all = components.iter().filter_map(|component| component["licenses"].as_array()).flatten();
    let mut names: Vec<String> =
        all.filter_map(|choice| choice["license"]["name"].as_str()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names.truncate(MOST_LICENCES);
    if names.is_empty() {
        names.extend(label(config));
    }
    sbom::named(names)
}

/// What `org.opencontainers.image.licenses` says
/// (<https://github.com/opencontainers/image-spec/blob/v1.1.0/annotations.md>).
fn label(config: &[u8]) -> Option<String> {
    let config: Value = serde_json::from_slice(config).ok()?;
    let label = config["config"]["Labels"]["org.opencontainers.image.licenses"].as_str()?.trim();
    (!label.is_empty()).then(|| label.to_owned())
}

/// The distribution, as `os-release` names it.
struct System {
    id: String,
    release: String,
}

impl System {
    fn of(tree: &Path) -> Self {
        let text =
            ["etc/os-release", "usr/lib/os-release"].iter().find_map(|file| read(tree, file)).unwrap_or_default();
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.map(|value| value.trim_matches(['"', '\'']).to_owned()).filter(|value| !value.is_empty())
        };
        let release = field("VERSION_CODENAME").or_else(|| field("VERSION_ID")).unwrap_or_else(|| "unknown".to_owned());
        Self { id: field("ID").unwrap_or_else(|| "unknown".to_owned()), release }
    }
}

/// What dpkg has installed. Images without dpkg itself keep a file for each package in `status.d`.
fn debian(tree: &Path, system: &System) -> BTreeMap<String, Value> {
    let mut texts: Vec<String> = read(tree, "var/lib/dpkg/status").into_iter().collect();
    for name in names(tree, "var/lib/dpkg/status.d") {
        texts.extend(read(tree, &format!("var/lib/dpkg/status.d/{name}")));
    }
    let mut found = BTreeMap::new();
    for paragraph in texts.iter().filter_map(|text| text.parse::<Deb822>().ok()).flatten() {
        let field = |name: &str| paragraph.get(name).unwrap_or_default();
        let (name, version, state) = (field("Package"), field("Version"), field("Status"));
        let installed = state.is_empty() || state.ends_with(" installed");
        if name.is_empty() || version.is_empty() || name.contains('/') || !installed {
            continue;
        }
        let purl = sbom::purl("deb", &system.id, name, version, field("Architecture"), &system.release);
        let copyright = read(tree, &format!("usr/share/doc/{name}/copyright")).unwrap_or_default();
        found.insert(purl.clone(), component(name, version, &purl, sbom::machine_readable(&copyright)));
    }
    found
}

/// What apk has installed (<https://wiki.alpinelinux.org/wiki/Apk_spec>).
fn alpine(tree: &Path, system: &System) -> BTreeMap<String, Value> {
    let lists = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];
    let text = lists.iter().find_map(|file| read(tree, file)).unwrap_or_default();
    let mut found = BTreeMap::new();
    for entry in text.split("\n\n") {
        let field = |letter: &str| entry.lines().find_map(|line| line.strip_prefix(letter)).unwrap_or_default().trim();
        let (name, version, licence) = (field("P:"), field("V:"), field("L:"));
        if name.is_empty() || version.is_empty() {
            continue;
        }
        let purl = sbom::purl("apk", &system.id, name, version, field("A:"), &system.release);
        let licences = if licence.is_empty() { Vec::new() } else { vec![licence.to_owned()] };
        found.insert(purl.clone(), component(name, version, &purl, licences));
    }
    found
}

fn component(name: &str, version: &str, purl: &str, licences: Vec<String>) -> Value {
    let mut component = json!({ "bom-ref": purl, "type": "library", "name": name, "version": version, "purl": purl });
    if !licences.is_empty() {
        component["licenses"] = sbom::named(licences).into();
    }
    component
}

/// A file of the tree as text.
fn read(tree: &Path, inside: &str) -> Option<String> {
    let mut bytes = Vec::new();
    open_inside(tree, Path::new(inside)).ok()?.take(LARGEST + 1).read_to_end(&mut bytes).ok()?;
    let whole = u64::try_from(bytes.len()).is_ok_and(|length| length <= LARGEST);
    whole.then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// The names of the files about single packages; beside each may lie its checksums.
fn names(tree: &Path, inside: &str) -> Vec<String> {
    let mut names = names_inside(tree, Path::new(inside)).unwrap_or_default();
    names.retain(|name| !name.ends_with(".md5sums"));
    names.sort();
    names.truncate(MOST);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn lines(components: &[Value]) -> Vec<String> {
        let line = |c: &Value| format!("{} {}", c["purl"].as_str().unwrap(), c["licenses"]);
        components.iter().map(line).collect()
    }

    const DEP5: &str =
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: Zlib\n";

    #[test]
    fn packages_of_dpkg_are_listed_with_the_licences_of_their_copyright_files() {
        let status = "Package: zlib1g\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1:1.3\nDescription: a\n b\n\n\
            Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 2\n";
        let tree = tree(&[
            ("etc/os-release", "ID=debian\nVERSION_CODENAME=trixie\n"),
            ("var/lib/dpkg/status", status),
            ("var/lib/dpkg/status.d/tzdata", "Package: tzdata\nVersion: 2026a\nArchitecture: all\n"),
            ("var/lib/dpkg/status.d/tzdata.md5sums", "no paragraph"),
            ("usr/share/doc/zlib1g/copyright", DEP5),
        ]);
        let found = components(tree.path());
        assert_eq!(
            lines(&found),
            [
                "pkg:deb/debian/tzdata@2026a?arch=all&distro=trixie null",
                r#"pkg:deb/debian/zlib1g@1%3A1.3?arch=arm64&distro=trixie [{"license":{"name":"Zlib"}}]"#,
            ]
        );
        assert_eq!(licences(&found, b"{}"), sbom::named(vec!["Zlib".to_owned()]));
    }

    #[test]
    fn packages_of_apk_are_listed_and_a_label_serves_where_no_package_does() {
        let list = "C:Q1\nP:musl\nV:1.2.5-r9\nA:aarch64\nL:MIT\nF:lib\n\nC:Q1\nP:busybox\nV:1.37\nA:aarch64\nL:GPL-2.0-only\n\n";
        let tree =
            tree(&[("usr/lib/os-release", "ID=alpine\nVERSION_ID=\"3.22.1\"\n"), ("lib/apk/db/installed", list)]);
        let found = components(tree.path());
        assert_eq!(found.len(), 2);
        assert_eq!(found[1]["purl"], "pkg:apk/alpine/musl@1.2.5-r9?arch=aarch64&distro=3.22.1");
        let both = sbom::named(vec!["GPL-2.0-only".to_owned(), "MIT".to_owned()]);
        let label = br#"{"config":{"Labels":{"org.opencontainers.image.licenses":"Apache-2.0"}}}"#;
        assert_eq!(licences(&found, label), both);
        assert_eq!(licences(&[], label), sbom::named(vec!["Apache-2.0".to_owned()]));
        assert!(licences(&[], b"no configuration").is_empty());
    }

    #[test]
    fn what_strangers_wrote_is_read_with_care() {
        let outside = tree(&[("status", "Package: secret\nVersion: 1\n")]);
        let tree = tree(&[("var/lib/dpkg/status.d/a", "::\n\n\u{0}"), ("lib/apk/db/installed", "P:\nV:1\n\nP:x")]);
        std::os::unix::fs::symlink(outside.path().join("status"), tree.path().join("var/lib/dpkg/status")).unwrap();
        assert_eq!(components(tree.path()), Vec::<Value>::new());
    }
}
