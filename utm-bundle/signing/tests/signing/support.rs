//! A signed app in a folder that goes away.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use helix_app::{Component, Parts, Programs, Text, Vm, assemble};
use helix_signing::Identity;
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// The time that the app claims to be of.
pub(crate) const EPOCH: u64 = 1_700_000_000;

/// An app that was assembled, and a signed one, are built once.
fn model() -> &'static Path {
    static MODEL: OnceLock<TempDir> = OnceLock::new();
    let model = MODEL.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        helix_test_sysroot::build(&at("sysroot")).expect("a sysroot");
        helix_test_sysroot::build_own(&at("own")).expect("our own");
        image(&at("image"), &[7; 300_000]);
        let own = [Component {
            name: "some-crate".to_owned(),
            version: "1.0.0".to_owned(),
            license: "MIT".to_owned(),
            source: String::new(),
            files: Vec::new(),
            texts: vec![Text { title: "LICENSE".to_owned(), text: "Do as you like.".to_owned() }],
        }];
        let parts = Parts {
            sysroot: &at("sysroot"),
            own: &own,
            vm: Vm::Embed(&at("image")),
            version: "0.1.0",
            epoch: EPOCH as u32,
        };
        let programs = Programs {
            launcher: &at("own/Helix"),
            host_encoder: &at("own/helix-host-encoder"),
            host_encoder_library: &at("own/libhelix_host_encoder_capi.dylib"),
        };
        assemble(&parts, &programs, &at("unsigned/Helix.app")).expect("an app");
        copy(&at("unsigned"), &at("signed"));
        sign(&at("signed/Helix.app"));
        folder
    });
    model.path()
}

fn image(folder: &Path, disk: &[u8]) {
    let digest = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let bill = json!({ "components": [{ "name": "base-files", "version": "13", "licenses": [{ "license": { "name": "GPL-2+" } }] }] });
    let bill = bill.to_string();
    let manifest = json!({
        "schema_version": 1, "recipe": "quickstart", "architecture": "arm64", "size": disk.len(),
        "artifacts": { "disk.qcow2": digest(disk), "sbom.cdx.json": digest(bill.as_bytes()) },
        "resolved_recipe": { "hostname": "helix", "users": [{ "name": "helix" }] },
    });
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("disk.qcow2"), disk).expect("a disk");
    std::fs::write(folder.join("sbom.cdx.json"), bill).expect("a bill");
    std::fs::write(folder.join("manifest.json"), manifest.to_string()).expect("a manifest");
}

pub(crate) fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().expect("cp").success());
}

/// Signs an app, and says how many bytes were sealed.
pub(crate) fn sign(app: &Path) -> u64 {
    let hashed = AtomicU64::new(0);
    helix_signing::sign(app, &Identity::ad_hoc(), &hashed).expect("an app that can be signed");
    hashed.into_inner()
}

/// A copy of an app.
pub(crate) struct Copy {
    _folder: TempDir,
    pub(crate) app: PathBuf,
}

impl Copy {
    fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        copy(&model().join(name), &folder.path().join("out"));
        Self { app: folder.path().join("out/Helix.app"), _folder: folder }
    }

    pub(crate) fn signed() -> Self {
        Self::of("signed")
    }

    pub(crate) fn unsigned() -> Self {
        Self::of("unsigned")
    }

    pub(crate) fn at(&self, below: &str) -> PathBuf {
        self.app.join("Contents").join(below)
    }

    /// What is wrong with it, as it is shown.
    pub(crate) fn faults(&self) -> String {
        let report = helix_signing::verify(&self.app).expect("a look at the app");
        report.faults.iter().map(|fault| format!("{fault}\n")).collect()
    }
}

/// Every file of an app, with its path.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            all.extend(files(&entry.path()));
        } else if kind.is_file() {
            all.push(entry.path());
        }
    }
    all.sort();
    all
}
