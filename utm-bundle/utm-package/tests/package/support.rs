//! Images, packages, and configurations to change.

use std::path::{Path, PathBuf};

use helix_disk::{Source, qcow2};
use helix_utm_package::{Error, Fault, Options, create, inspect};
use plist::{Dictionary, Value};
use serde_json::json;
use sha2::{Digest, Sha256};

pub(crate) struct World {
    temp: tempfile::TempDir,
}

impl World {
    /// A folder with an image that is one in everything but that its disk would boot.
    pub(crate) fn new() -> Self {
        let world = Self { temp: tempfile::tempdir().unwrap() };
        std::fs::create_dir(world.image()).unwrap();
        let disk = std::fs::File::create_new(world.image().join("disk.qcow2")).unwrap();
        let mut content = Source::new(8 << 20);
        content.add_bytes(1 << 20, (0..200_000_u32).map(|n| (n % 251) as u8).collect()).unwrap();
        qcow2::write(&content, 8 << 20, &disk, &qcow2::Options::default()).unwrap();
        world.manifest("arm64");
        world
    }

    /// Writes the manifest of the disk as it is.
    pub(crate) fn manifest(&self, architecture: &str) {
        let disk = std::fs::read(self.image().join("disk.qcow2")).unwrap();
        let digest: String = Sha256::digest(disk).iter().map(|byte| format!("{byte:02x}")).collect();
        let manifest = json!({
            "schema_version": 1, "recipe": "test", "architecture": architecture, "artifacts": { "disk.qcow2": digest },
            "resolved_recipe": { "hostname": "host", "users": [{ "name": "user" }] },
        });
        std::fs::write(self.image().join("manifest.json"), manifest.to_string()).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.temp.path()
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.path().join("image")
    }

    pub(crate) fn package(&self) -> PathBuf {
        self.path().join("helix-linux.utm")
    }

    pub(crate) fn make(&self, options: &Options) -> Result<helix_utm_package::Made, Error> {
        create(&self.image(), &self.package(), options, &mut |_, _| {})
    }

    /// A good package, and its configuration.
    pub(crate) fn made() -> (Self, Dictionary) {
        let world = Self::new();
        world.make(&Options::default()).unwrap();
        let config = world.config();
        (world, config)
    }

    pub(crate) fn config(&self) -> Dictionary {
        Value::from_file(self.package().join("config.plist")).unwrap().into_dictionary().unwrap()
    }

    /// What is wrong with the package when its configuration is another one.
    pub(crate) fn faults_with(&self, config: &Dictionary) -> Vec<Fault> {
        Value::from(config.clone()).to_file_xml(self.package().join("config.plist")).unwrap();
        inspect(&self.package())
    }

    /// The names of what is beside the image, a package that is being made among them.
    pub(crate) fn beside(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// The value at a path such as `Drive.0.ImageName`.
pub(crate) fn at<'a>(config: &'a mut Dictionary, path: &str) -> &'a mut Value {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let mut value = config.get_mut(first).unwrap();
    for step in rest.split('.').filter(|step| !step.is_empty()) {
        value = match step.parse::<usize>() {
            Ok(index) => &mut value.as_array_mut().unwrap()[index],
            Err(_) => value.as_dictionary_mut().unwrap().get_mut(step).unwrap(),
        };
    }
    value
}

/// The dictionary at a path; the configuration itself for an empty one.
pub(crate) fn table<'a>(config: &'a mut Dictionary, path: &str) -> &'a mut Dictionary {
    if path.is_empty() { config } else { at(config, path).as_dictionary_mut().unwrap() }
}
