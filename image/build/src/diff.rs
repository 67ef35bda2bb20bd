//! What differs between two images: packages, files, size.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::Error;
use crate::inventory;
use crate::manifest::Manifest;

/// The bill of materials' file name.
pub(crate) const SBOM: &str = "sbom.cdx.json";

/// The differences from one image to another.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Packages that only the second has, as `name version`.
    pub packages_added: Vec<String>,
    /// Packages that only the first has, as `name version`.
    pub packages_removed: Vec<String>,
    /// Packages of other versions, as `name before → after`.
    pub packages_changed: Vec<String>,
    /// Files that only the second has.
    pub files_added: Vec<String>,
    /// Files that only the first has.
    pub files_removed: Vec<String>,
    /// Files of other content, mode or owner.
    pub files_changed: Vec<String>,
    /// Size of the second `disk.qcow2` less that of the first, in bytes.
    pub size_change: i64,
}

/// Compares the images in two folders.
///
/// # Errors
/// When one of them is no image folder.
pub fn diff(before: &Path, after: &Path) -> Result<Difference, Error> {
    let (first, second) = (Manifest::read(before)?, Manifest::read(after)?);
    let (packages_before, packages_after) = (packages(before)?, packages(after)?);
    let (files_before, files_after) = (inventory::read(before)?, inventory::read(after)?);
    let package = |list: &BTreeMap<String, String>, name: &String| format!("{name} {}", list[name]);
    let (added, removed, changed) = compare(&packages_before, &packages_after);
    let (files_added, files_removed, files_changed) = compare(&files_before, &files_after);
    Ok(Difference {
        packages_added: added.iter().map(|n| package(&packages_after, n)).collect(),
        packages_removed: removed.iter().map(|n| package(&packages_before, n)).collect(),
        packages_changed: changed
            .iter()
            .map(|n| format!("{n} {} → {}", packages_before[n], packages_after[n]))
            .collect(),
        files_added,
        files_removed,
        files_changed,
        size_change: i64::try_from(i128::from(second.size) - i128::from(first.size)).unwrap_or(i64::MAX),
    })
}

/// Keys that only the second has, that only the first has, and whose values differ.
fn compare(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> (Vec<String>, Vec<String>, Vec<String>) {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let (mut added, mut removed, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for key in keys {
        match (before.get(key), after.get(key)) {
            (None, Some(_)) => added.push(key.clone()),
            (Some(_), None) => removed.push(key.clone()),
            (b, a) if b != a => changed.push(key.clone()),
            _ => {}
        }
    }
    (added, removed, changed)
}

/// Name to version, from the bill of materials.
fn packages(dir: &Path) -> Result<BTreeMap<String, String>, Error> {
    let path = dir.join(SBOM);
    let broken = |reason: &str| Error::NotAnImage { path: path.clone(), reason: reason.to_owned() };
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io("reading", &path, e))?;
    let bill: Value = serde_json::from_str(&text).map_err(|e| broken(&e.to_string()))?;
    let components = bill["components"].as_array().ok_or_else(|| broken("has no components"))?;
    let pair = |c: &Value| Some((c["name"].as_str()?.to_owned(), c["version"].as_str()?.to_owned()));
    Ok(components.iter().filter_map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn additions_removals_and_changes_are_told_apart() {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (added, removed, changed) =
            compare(&map(&[("a", "1"), ("b", "1"), ("c", "1")]), &map(&[("b", "2"), ("c", "1"), ("d", "1")]));
        assert_eq!((added, removed, changed), (vec!["d".to_owned()], vec!["a".to_owned()], vec!["b".to_owned()]));
    }
}
