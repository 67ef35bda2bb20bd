//! `sbom.cdx.json`: the bill of materials, in CycloneDX 1.6 (<https://cyclonedx.org/docs/1.6/json/>).

use std::path::Path;

use helix_recipe::Distribution;
use helix_rootfs::apt::Package;
use serde_json::{Value, json};

use crate::containers::StoredImage;

/// What a bill is of.
pub(crate) struct Subject<'a> {
    /// `operating-system` or `container`.
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
    pub(crate) distribution: Distribution,
    pub(crate) release: &'a str,
    pub(crate) summary: &'a str,
    /// When it is of, in seconds since 1970.
    pub(crate) epoch: u64,
}

/// A bill of materials. The same components give the same bytes.
pub(crate) fn bill(subject: &Subject<'_>, components: &[Value]) -> Value {
    let serial = blake3::hash(serde_json::to_string(components).expect("components are plain data").as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&serial.as_bytes()[..16]);
    let root = format!("{}:{}", subject.distribution, subject.name);
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid::Builder::from_custom_bytes(id).into_uuid()),
        "version": 1,
        "metadata": {
            "timestamp": timestamp(subject.epoch),
            "component": {
                "bom-ref": root,
                "type": subject.kind,
                "name": subject.name,
                "version": subject.release,
                "description": subject.summary,
            },
        },
        "components": components,
    })
}

/// The component that a container image inside the subject is, with its own components and their licences.
pub(crate) fn container(image: &StoredImage, mut components: Vec<Value>, licences: Vec<Value>) -> Value {
    for component in &mut components {
        // The same package may be in the machine, in another image or in another store: a reference names one component.
        let package = component["bom-ref"].as_str().unwrap_or_default();
        component["bom-ref"] = format!("{} {} {package}", image.data_root, image.id).into();
    }
    let mut container = json!({
        "bom-ref": format!("{} {}", image.data_root, image.id),
        "type": "container",
        "name": image.names.first().unwrap_or(&image.source),
        "version": image.id,
        "hashes": [{ "alg": "SHA-256", "content": image.id.trim_start_matches("sha256:") }],
    });
    if !licences.is_empty() {
        container["licenses"] = licences.into();
    }
    if !components.is_empty() {
        container["components"] = components.into();
    }
    container
}

/// The components that packages are, sorted; `tree` has their licences.
pub(crate) fn components(distribution: Distribution, release: &str, packages: &[Package], tree: &Path) -> Vec<Value> {
    let mut sorted: Vec<&Package> = packages.iter().collect();
    sorted.sort();
    sorted.iter().map(|package| component(package, distribution, release, tree)).collect()
}

fn component(package: &Package, distribution: Distribution, release: &str, tree: &Path) -> Value {
    let vendor = if package.archive == crate::guest::ARCHIVE { "helix".into() } else { distribution.to_string() };
    let purl = purl("deb", &vendor, &package.name, &package.version, &package.architecture, release);
    let mut component = json!({
        "bom-ref": purl,
        "type": "library",
        "name": package.name,
        "version": package.version,
        "purl": purl,
        "hashes": [{ "alg": "SHA-256", "content": package.sha256 }],
    });
    let licences = licences(&tree.join("usr/share/doc").join(&package.name).join("copyright"));
    if !licences.is_empty() {
        component["licenses"] = named(licences).into();
    }
    component
}

/// A package's address (<https://github.com/package-url/purl-spec>).
pub(crate) fn purl(kind: &str, vendor: &str, name: &str, version: &str, architecture: &str, release: &str) -> String {
    let [vendor, name, version] = [vendor, name, version].map(encode);
    format!("pkg:{kind}/{vendor}/{name}@{version}?arch={architecture}&distro={release}")
}

/// Licences as CycloneDX lists them.
pub(crate) fn named(licences: Vec<String>) -> Vec<Value> {
    licences.into_iter().map(|name| json!({ "license": { "name": name } })).collect()
}

fn licences(path: &Path) -> Vec<String> {
    std::fs::read(path).map(|bytes| machine_readable(&String::from_utf8_lossy(&bytes))).unwrap_or_default()
}

/// The licences that a machine-readable copyright file (DEP 5) names; none when it is not of that form.
pub(crate) fn machine_readable(text: &str) -> Vec<String> {
    if !text.lines().take(5).any(|l| l.starts_with("Format:")) {
        return Vec::new();
    }
    let names: std::collections::BTreeSet<&str> =
        text.lines().filter_map(|l| l.strip_prefix("License:")).map(str::trim).filter(|l| !l.is_empty()).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Percent-encodes what a purl does not allow in a name or version (<https://github.com/package-url/purl-spec>).
fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

/// A time in the form of RFC 3339.
pub(crate) fn timestamp(epoch: u64) -> String {
    let (days, seconds) = (epoch / 86_400, epoch % 86_400);
    // Howard Hinnant's civil_from_days, for days since 1970.
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_names_and_licences() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(1_709_210_096), "2024-02-29T12:34:56Z");
        assert_eq!(encode("libstdc++6"), "libstdc%2B%2B6");
        assert_eq!(encode("1:2.3~rc1+b2"), "1%3A2.3~rc1%2Bb2");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c");
        std::fs::write(&file, "Format: https://x\n\nFiles: *\nLicense: GPL-2+\n\nFiles: a\nLicense: Expat\n").unwrap();
        assert_eq!(licences(&file), ["Expat", "GPL-2+"]);
        std::fs::write(&file, "Some words.\nLicense: no\n").unwrap();
        assert!(licences(&file).is_empty());
    }
}
