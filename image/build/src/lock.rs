//! The lock: `recipes/NAME.lock` records every package of an image with version and sha256.
//!
//! It is JSON with one package per line, so that a change of packages reads well as a diff.

use std::collections::BTreeMap;
use std::path::Path;

use helix_rootfs::apt::Package;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The version of the file's form.
const SCHEMA: u32 = 1;
/// The largest lock that is read, in bytes.
const LARGEST: u64 = 64 << 20;

/// A lock file: one resolution for each architecture (for tools: each pair of host and image).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    schema: u32,
    resolutions: BTreeMap<String, Resolution>,
    /// What tags of container images stood for: for each architecture, digests by reference.
    #[serde(default)]
    images: BTreeMap<String, BTreeMap<String, String>>,
}

/// What apt answered to one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// The digest of the request (archives and package names) that this answers.
    pub request: String,
    /// The newest date of the archives' Release files, in seconds since 1970: the time that the image claims to be of.
    pub epoch: u64,
    /// Names of the essential packages and what they depend on.
    pub essential: Vec<String>,
    /// The packages, in the order that they are unpacked in.
    pub packages: Vec<Package>,
    /// How many of them, at the end, each layer of a container image adds; empty when all are in the lowest.
    #[serde(default)]
    pub layers: Vec<usize>,
    /// Packages for the building machine: the twins of `helix_rootfs::emulation`, for each host architecture.
    pub twins: BTreeMap<String, Vec<Package>>,
}

impl Default for Lock {
    fn default() -> Self {
        Self { schema: SCHEMA, resolutions: BTreeMap::new(), images: BTreeMap::new() }
    }
}

impl Lock {
    /// Parses the text of a lock file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lock: Self = serde_json::from_str(text).map_err(|e| format!("is no lock file: {e}"))?;
        if lock.schema != SCHEMA {
            return Err(format!("has form {}, and this program knows {SCHEMA}", lock.schema));
        }
        for (name, resolution) in &lock.resolutions {
            if resolution.on_top().is_none_or(|n| n > resolution.packages.len()) {
                return Err(format!("{name}: its layers have more packages than there are"));
            }
            for package in resolution.packages.iter().chain(resolution.twins.values().flatten()) {
                check(package).map_err(|reason| format!("{name}: package {:?}: {reason}", package.name))?;
            }
        }
        Ok(lock)
    }

    /// Reads a lock file; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read or is broken.
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        let refuse = |reason: String| Error::Lock {
            path: path.to_owned(),
            reason: format!("{reason}\n  make it anew with --update-lock"),
        };
        match std::fs::metadata(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Ok(meta) if meta.len() > LARGEST => return Err(refuse("is too large to be a lock file".into())),
            _ => {}
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("reading", path, e))?;
        Self::parse(&text).map(Some).map_err(refuse)
    }

    /// The resolution for `name`.
    pub fn get(&self, name: &str) -> Option<&Resolution> {
        self.resolutions.get(name)
    }

    /// Replaces the resolution for `name`.
    pub fn set(&mut self, name: &str, resolution: Resolution) {
        self.resolutions.insert(name.to_owned(), resolution);
    }

    /// The digest that a reference stands for.
    pub fn image(&self, architecture: &str, reference: &str) -> Option<&str> {
        self.images.get(architecture)?.get(reference).map(String::as_str)
    }

    /// Notes the digest that a reference stands for.
    pub fn set_image(&mut self, architecture: &str, reference: &str, digest: &str) {
        self.images.entry(architecture.to_owned()).or_default().insert(reference.to_owned(), digest.to_owned());
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        crate::output::write_whole(path, self.to_text().as_bytes())
    }

    /// The file's text: one package per line.
    pub fn to_text(&self) -> String {
        let resolutions: Vec<String> =
            self.resolutions.iter().map(|(name, r)| format!("{}: {}", quoted(name), r.to_text())).collect();
        let images = if self.images.is_empty() {
            String::new()
        } else {
            format!(",\n\"images\": {}", serde_json::to_string(&self.images).expect("digests are plain data"))
        };
        let (schema, resolutions) = (self.schema, resolutions.join(",\n"));
        format!("{{\n\"schema\": {schema},\n\"resolutions\": {{\n{resolutions}\n}}{images}\n}}\n")
    }
}

impl Resolution {
    /// A digest of everything in it that has an influence on the image: all but the twins, which are the host's.
    pub fn digest(&self) -> String {
        let image = Self { twins: BTreeMap::new(), ..self.clone() };
        blake3::hash(image.to_text().as_bytes()).to_hex().to_string()
    }

    /// How many packages are in layers above the lowest.
    fn on_top(&self) -> Option<usize> {
        self.layers.iter().try_fold(0_usize, |sum, n| sum.checked_add(*n))
    }

    /// The packages of the lowest layer (0) or of one above it, as an answer of its own. What is asked for elsewhere has
    /// no influence on it.
    pub(crate) fn of_layer(&self, at: usize) -> Self {
        let lowest = self.packages.len() - self.on_top().expect("checked when it was read");
        let from = if at == 0 { 0 } else { lowest + self.layers.iter().take(at - 1).sum::<usize>() };
        let count = if at == 0 { lowest } else { self.layers.get(at - 1).copied().unwrap_or(0) };
        Self {
            request: String::new(),
            packages: self.packages[from..from + count].to_vec(),
            layers: Vec::new(),
            ..self.clone()
        }
    }

    fn to_text(&self) -> String {
        let layers = if self.layers.is_empty() { String::new() } else { format!("\"layers\": {:?},\n", self.layers) };
        let twins: Vec<String> =
            self.twins.iter().map(|(host, list)| format!("{}: {}", quoted(host), list_text(list))).collect();
        format!(
            "{{\n\"request\": {},\n\"epoch\": {},\n\"essential\": {},\n\"packages\": {},\n{layers}\"twins\": {{{}}}\n}}",
            quoted(&self.request),
            self.epoch,
            serde_json::to_string(&self.essential).expect("names are plain data"),
            list_text(&self.packages),
            twins.join(",\n"),
        )
    }

    /// What differs from `other`, in words, one line per package.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let versions = |r: &Self| -> BTreeMap<String, (String, String)> {
            r.packages.iter().map(|p| (p.name.clone(), (p.version.clone(), p.sha256.clone()))).collect()
        };
        let (before, after) = (versions(self), versions(other));
        let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
        names
            .into_iter()
            .filter_map(|name| match (before.get(name), after.get(name)) {
                (Some(b), Some(a)) if b == a => None,
                (Some(b), Some(a)) if b.0 == a.0 => Some(format!("{name} {} has other contents", b.0)),
                (Some(b), Some(a)) => Some(format!("{name} {} → {}", b.0, a.0)),
                (Some(b), None) => Some(format!("{name} {} is gone", b.0)),
                (None, Some(a)) => Some(format!("{name} {} is new", a.0)),
                (None, None) => None,
            })
            .collect()
    }
}

fn list_text(packages: &[Package]) -> String {
    let lines: Vec<String> =
        packages.iter().map(|p| serde_json::to_string(p).expect("packages are plain data")).collect();
    format!("[\n{}\n]", lines.join(",\n"))
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text is plain data")
}

/// A lock may come from anywhere: what goes into addresses and file names is checked.
fn check(package: &Package) -> Result<(), &'static str> {
    let plain = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    if !plain(&package.name, "+-.") || package.name.starts_with(['-', '.']) {
        return Err("its name is none");
    }
    if !plain(&package.version, "+-.~:") || !plain(&package.architecture, "-") || !plain(&package.archive, "-") {
        return Err("its version, architecture or archive is none");
    }
    if package.sha256.len() != 64 || !package.sha256.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
        return Err("its sha256 is none");
    }
    if !plain(&package.path, "+-._~:%/") || package.path.starts_with('/') || package.path.split('/').any(|n| n == "..")
    {
        return Err("its path is none");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> Package {
        Package {
            name: name.into(),
            version: version.into(),
            architecture: "arm64".into(),
            archive: "debian".into(),
            path: format!("pool/{name}.deb"),
            size: 1,
            sha256: "ab".repeat(32),
        }
    }

    fn resolution(packages: &[(&str, &str)]) -> Resolution {
        Resolution {
            request: "r".into(),
            epoch: 7,
            essential: vec!["a".into()],
            packages: packages.iter().map(|(n, v)| package(n, v)).collect(),
            layers: Vec::new(),
            twins: BTreeMap::from([("amd64".to_owned(), vec![package("dash", "1")])]),
        }
    }

    #[test]
    fn the_text_reads_back_and_has_a_line_per_package() {
        let mut lock = Lock::default();
        lock.set("arm64", resolution(&[("a", "1"), ("b", "1:2~x")]));
        let text = lock.to_text();
        assert_eq!(Lock::parse(&text).unwrap(), lock);
        assert!(text.lines().any(|l| l.starts_with("{\"name\":\"b\"")), "{text}");
    }

    #[test]
    fn hostile_locks_are_refused() {
        let mut lock = Lock::default();
        lock.set("arm64", resolution(&[("a", "1")]));
        let good = lock.to_text();
        for (from, to) in [
            ("pool/a.deb", "../../etc/passwd"),
            ("pool/a.deb", "/etc/passwd"),
            ("\"version\":\"1\"", "\"version\":\"1 && rm\""),
            (&"ab".repeat(32), "short"),
            ("\"schema\": 1", "\"schema\": 2"),
            ("\"epoch\"", "\"epooch\""),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert!(Lock::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn differences_are_told_in_words() {
        let before = resolution(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let after = resolution(&[("a", "1"), ("b", "2"), ("d", "1")]);
        assert_eq!(before.differences(&after), ["b 1 → 2", "c 1 is gone", "d 1 is new"]);
    }
}
