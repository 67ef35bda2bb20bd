//! Parts of an app in a folder that goes away.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use helix_app::{Component, Error, Fault, Parts, Programs, Text, Vm, assemble};
use helix_command::Cmd;
use helix_macho::{Changes, Head};
use helix_test_sysroot::{Recipe, build_own};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub(crate) const EPOCH: u32 = 1_700_000_000;

/// Everything that an app is made of, and the place for it.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) own: Vec<Component>,
}

/// What all tests begin with is built once.
fn model() -> &'static Path {
    static MODEL: OnceLock<TempDir> = OnceLock::new();
    let model = MODEL.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        Recipe::new().build(&folder.path().join("sysroot")).expect("a sysroot");
        build_own(&folder.path().join("own")).expect("our own");
        image(&folder.path().join("image"), &[7; 300_000]);
        folder
    });
    model.path()
}

/// An image folder with this disk.
pub(crate) fn image(folder: &Path, disk: &[u8]) {
    std::fs::create_dir_all(folder).expect("a folder");
    let bill = json!({ "components": [
        { "name": "base-files", "version": "13", "purl": "pkg:deb/debian/base-files@13", "licenses": [{ "license": { "name": "GPL-2+" } }] },
        { "name": "libdrm2", "version": "2.4", "purl": "pkg:deb/debian/libdrm2@2.4" },
        { "name": "helix", "version": "1", "licenses": [{ "license": { "id": "Apache-2.0" } }] },
    ] });
    put_image(folder, disk, &bill);
}

pub(crate) fn put_image(folder: &Path, disk: &[u8], bill: &Value) {
    let digest = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let bill = bill.to_string();
    let manifest = json!({
        "schema_version": 1, "recipe": "quickstart", "architecture": "arm64", "size": disk.len(),
        "artifacts": { "disk.qcow2": digest(disk), "sbom.cdx.json": digest(bill.as_bytes()) },
        "resolved_recipe": { "hostname": "helix", "users": [{ "name": "helix" }] },
    });
    std::fs::write(folder.join("disk.qcow2"), disk).expect("a disk");
    std::fs::write(folder.join("sbom.cdx.json"), bill).expect("a bill");
    std::fs::write(folder.join("manifest.json"), manifest.to_string()).expect("a manifest");
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let copy = ["-a", "--reflink=auto"].map(str::to_owned);
        for part in ["sysroot", "own", "image"] {
            Cmd::new("cp").args(&copy).arg(model().join(part)).arg(folder.path()).run().expect("a copy");
        }
        let text = Text { title: "LICENSE".to_owned(), text: "Do as you like.".to_owned() };
        let crate_ = Component {
            name: "some-crate".to_owned(),
            version: "1.0.0".to_owned(),
            license: "MIT".to_owned(),
            source: String::new(),
            files: Vec::new(),
            texts: vec![text],
        };
        Self { folder, own: vec![crate_] }
    }

    /// With a sysroot of its own.
    pub(crate) fn with(recipe: &Recipe) -> Self {
        let bench = Self::new();
        std::fs::remove_dir_all(bench.path("sysroot")).expect("removed");
        recipe.build(&bench.path("sysroot")).expect("a sysroot");
        bench
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn app(&self) -> PathBuf {
        self.path("out/Helix.app")
    }

    pub(crate) fn assemble(&self) -> Result<(), Error> {
        self.assemble_with(Vm::Embed(&self.path("image")), "0.1.0")
    }

    pub(crate) fn assemble_with(&self, vm: Vm<'_>, version: &str) -> Result<(), Error> {
        let parts = Parts { sysroot: &self.path("sysroot"), own: &self.own, vm, version, epoch: EPOCH };
        let programs = Programs {
            launcher: &self.path("own/Helix"),
            host_encoder: &self.path("own/helix-host-encoder"),
            host_encoder_library: &self.path("own/libhelix_host_encoder_capi.dylib"),
        };
        assemble(&parts, &programs, &self.app())
    }

    /// The app that was assembled.
    pub(crate) fn assembled() -> Self {
        let bench = Self::new();
        bench.assemble().expect("an app");
        bench
    }

    /// What `assemble` refuses; nothing was made then.
    pub(crate) fn refused(&self) -> Vec<Fault> {
        let Err(Error::Faults(faults)) = self.assemble() else { panic!("faults are expected") };
        let left = std::fs::read_dir(self.path("out")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "something was left");
        faults
    }

    /// The load commands of a file of the app.
    pub(crate) fn head(&self, below: &str) -> Head {
        Head::read(&std::fs::read(self.app().join("Contents").join(below)).expect(below)).expect(below)
    }
}

/// Changes names in a file.
pub(crate) fn edit(file: &Path, changes: &Changes) {
    let mut data = std::fs::read(file).expect("a file");
    changes.apply(&mut data).expect("room");
    std::fs::write(file, data).expect("written");
}

/// Changes the JSON in a file.
pub(crate) fn edit_json(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&std::fs::read(file).expect("a file")).expect("JSON");
    change(&mut value);
    std::fs::write(file, value.to_string()).expect("written");
}

/// The faults as they are shown.
pub(crate) fn shown(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}
