//! Files to publish, and an image that they are said to be made from.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use helix_provenance::{Build, Error, Key, Published, Source, publish_beside};
use serde_json::{Value, json};

pub(crate) struct World {
    temp: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self { temp: tempfile::tempdir().unwrap() };
        for folder in ["image", "out", "sysroot/lib"] {
            std::fs::create_dir_all(world.path(folder)).unwrap();
        }
        let digests = json!({ "disk.qcow2": "1".repeat(64), "sbom.cdx.json": "2".repeat(64) });
        let manifest = json!({
            "schema_version": 1, "recipe": "quickstart", "architecture": "arm64", "artifacts": digests,
            "lock_digest": "3".repeat(64), "tools": { "dpkg": "1.23.11" }, "unknown": [],
        });
        std::fs::write(world.path("image/manifest.json"), manifest.to_string()).unwrap();
        std::fs::write(world.path("sysroot/lib/libx.dylib"), "a library").unwrap();
        // More than one buffer, and one file with a space in its name.
        std::fs::write(world.path("out/Helix.dmg"), vec![7; 300_000]).unwrap();
        std::fs::write(world.path("out/helix linux.utm.zip"), "").unwrap();
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    pub(crate) fn files(&self) -> [PathBuf; 2] {
        [self.path("out/Helix.dmg"), self.path("out/helix linux.utm.zip")]
    }

    pub(crate) fn build(&self) -> Build {
        Build {
            image: self.path("image"),
            sysroot: Some(self.path("sysroot")),
            source: Some(Source { uri: "git+https://example.org/helix".into(), commit: "ab".repeat(20) }),
            options: json!({ "vm": "embed" }).as_object().unwrap().clone(),
            tools: [("helix-bundle".to_owned(), "0.1.0".to_owned())].into(),
            builder: "https://example.org/builders/1".into(),
        }
    }

    pub(crate) fn publish(&self, key: Option<&Key>) -> Result<Vec<Published>, Error> {
        publish_beside(&self.files(), &self.build(), key)
    }

    /// The names in the folder of the files, hidden ones too.
    pub(crate) fn out(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("out")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn statement(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.path("out/provenance.json")).unwrap()).unwrap()
    }
}

/// A key pair of the program; unlocking it takes a second, so that tests share it.
pub(crate) struct Pair {
    _folder: tempfile::TempDir,
    pub(crate) secret: PathBuf,
    pub(crate) public: PathBuf,
    pub(crate) key: Key,
}

pub(crate) const PASSWORD: &str = "correct horse";

pub(crate) static PAIR: LazyLock<Pair> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let (secret, public) = generate(folder.path(), &[], &format!("{PASSWORD}\n{PASSWORD}\n"));
    let key = Key::open(&secret, Some(PASSWORD)).unwrap();
    Pair { _folder: folder, secret, public, key }
});

/// `minisign -G`: the paths of the secret and the public half.
pub(crate) fn generate(folder: &Path, options: &[&str], input: &str) -> (PathBuf, PathBuf) {
    let (secret, public) = (folder.join("minisign.key"), folder.join("minisign.pub"));
    run(Command::new("minisign").args(["-G", "-f"]).args(options).arg("-s").arg(&secret).arg("-p").arg(&public), input)
        .unwrap();
    (secret, public)
}

/// Runs a program with `input`: what it said, as an error when it failed.
pub(crate) fn run(command: &mut Command, input: &str) -> Result<String, String> {
    use std::io::Write;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // One that has read enough may have ended.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if output.status.success() { Ok(said) } else { Err(said) }
}

/// `minisign -V` of a file, with the public key in `public`.
pub(crate) fn minisign_verify(file: &Path, public: &Path) -> Result<String, String> {
    run(Command::new("minisign").arg("-Vm").arg(file).arg("-p").arg(public), "")
}
