//! Everything that is wrong with a package.

use std::fs;
use std::io::Read;
use std::path::Path;

use plist::Dictionary;

use crate::{files, keys, rules, schema};

/// The configuration's file in a package.
pub(crate) const CONFIG: &str = "config.plist";

/// Something that is wrong with a package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Fault {
    /// The file in the package, and the key in the configuration: `config.plist: Drive[1].ImageName`.
    pub place: String,
    /// What is wrong, and what UTM does with it.
    pub what: String,
}

/// Faults that are found one after the other.
#[derive(Debug, Default)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

impl Faults {
    /// One of a key in the configuration.
    pub(crate) fn config(&mut self, key: &str, what: impl Into<String>) {
        self.file(&format!("{CONFIG}: {key}"), what);
    }

    /// One of a file in the package.
    pub(crate) fn file(&mut self, place: &str, what: impl Into<String>) {
        self.0.push(Fault { place: place.to_owned(), what: what.into() });
    }
}

/// Everything that is wrong with the package in the folder `package`: what UTM would refuse, what it would lose, and what would be
/// open to others. Nothing for a good one.
pub fn inspect(package: &Path) -> Vec<Fault> {
    let mut faults = Faults::default();
    if package.extension().is_none_or(|extension| extension != "utm") {
        faults.file("the package", "its name does not end in .utm; UTM does not see it");
    }
    match config_bytes(package).and_then(|bytes| helix_property_list::dictionary(&bytes)) {
        Err(why) => faults.file(CONFIG, why),
        Ok(config) => {
            faults.0.extend(faults_of(&config));
            files::check(package, &config, &mut faults);
        }
    }
    faults.0
}

/// What is wrong with a `config.plist` of these bytes, as far as it can be seen without the package's other files.
pub fn config_faults(bytes: &[u8]) -> Vec<Fault> {
    match helix_property_list::dictionary(bytes) {
        Ok(config) => faults_of(&config),
        Err(why) => vec![Fault { place: CONFIG.to_owned(), what: why }],
    }
}

/// What is wrong with a configuration by itself.
pub(crate) fn faults_of(config: &Dictionary) -> Vec<Fault> {
    let mut faults = Faults::default();
    schema::check(config, &keys::ROOT[..2], "", &mut faults);
    if !faults.0.is_empty() {
        // The keys of another version or backend are others.
        return faults.0;
    }
    schema::check(config, &keys::ROOT[2..], "", &mut faults);
    rules::check(config, &mut faults);
    faults.0
}

fn config_bytes(package: &Path) -> Result<Vec<u8>, String> {
    let path = package.join(CONFIG);
    let is_file =
        fs::symlink_metadata(&path).map(|data| data.is_file()).map_err(|error| format!("cannot be read: {error}"))?;
    if !is_file {
        return Err("is no ordinary file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(&path).map_err(|error| format!("cannot be read: {error}"))?;
    // One byte more shows that it is too large.
    file.take(helix_property_list::LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    Ok(bytes)
}
