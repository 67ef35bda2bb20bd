//! A folder of machines with an image, and programs that stand in.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use helix_command::Cmd;
use helix_vm::Programs;
use helix_vm::life::{Error, Event, Home, State, Up, UpConfig, Vm};
use sha2::{Digest, Sha256};

const STAND_IN: &str = env!("CARGO_BIN_EXE_helix-vm-stand-in");

/// Machines that end with the test.
pub(crate) struct World {
    temp: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        for vm in self.home().all().unwrap_or_default() {
            let _ = vm.down(Duration::ZERO);
        }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self { temp: tempfile::tempdir().expect("a folder") };
        world.image("image", b"the disk of an image");
        std::fs::write(world.path("firmware.fd"), "firmware").expect("a firmware");
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    pub(crate) fn home(&self) -> Home {
        Home::find(Some(&self.path("vms"))).expect("a home")
    }

    pub(crate) fn vm(&self) -> Vm {
        self.home().vm("a").expect("a name")
    }

    /// Makes an image folder with this disk.
    pub(crate) fn image(&self, name: &str, disk: &[u8]) -> PathBuf {
        let folder = self.path(name);
        let digest: String = Sha256::digest(disk).iter().map(|byte| format!("{byte:02x}")).collect();
        let manifest = serde_json::json!({
            "schema_version": 1, "recipe": "test", "architecture": "arm64", "artifacts": { "disk.qcow2": digest },
            "resolved_recipe": { "hostname": "host", "users": [{ "name": "user" }] },
        });
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("disk.qcow2"), disk).expect("a disk");
        std::fs::write(folder.join("manifest.json"), manifest.to_string()).expect("a manifest");
        folder
    }

    /// How a machine is started, with a QEMU of these ways.
    pub(crate) fn config(&self, ways: &str) -> UpConfig {
        let firmware = self.path("firmware.fd");
        UpConfig {
            programs: Programs {
                qemu: Cmd::new(STAND_IN).env("STAND_IN", ways).arg("qemu"),
                qemu_img: Cmd::new(STAND_IN).arg("img"),
                vsock: None,
                firmware_code: firmware.clone(),
                firmware_vars: firmware,
                root: None,
            },
            image: Some(self.path("image")),
            cpus: Some(2),
            memory_mib: Some(1024),
            graphics_mib: None,
            host_network: None,
            encoder: None,
            deadline: Duration::from_secs(60),
            interrupted: std::sync::Arc::default(),
        }
    }

    /// As [`Self::config`], with a host encoder beside.
    pub(crate) fn with_encoder(&self) -> UpConfig {
        let program = self.path("encoder");
        let script = format!("#!/bin/sh\nexec '{STAND_IN}' encoder \"$@\"\n");
        executable(&program, &script);
        UpConfig { encoder: Some(program), ..self.config("") }
    }

    pub(crate) fn up(&self) -> Up {
        self.up_with(&self.config("")).expect("the machine comes up")
    }

    pub(crate) fn up_with(&self, config: &UpConfig) -> Result<Up, Error> {
        self.vm().up(config, &mut |_| {})
    }

    /// As [`Self::up_with`], with the notes that people see.
    pub(crate) fn notes(&self, config: &UpConfig) -> (Result<Up, Error>, Vec<String>) {
        let mut notes = Vec::new();
        let up = self.vm().up(config, &mut |event| {
            if let Event::Note(text) = event {
                notes.push(text);
            }
        });
        (up, notes)
    }

    pub(crate) fn state(&self) -> State {
        self.vm().status().expect("a status").state
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.vm().folder().join(name)
    }

    /// QEMU's process.
    pub(crate) fn pid(&self) -> i32 {
        self.vm().status().expect("a status").run.and_then(|run| run.pid).expect("QEMU runs")
    }

    /// How often the guest came up with this data disk; it must be a whole one.
    pub(crate) fn ups(&self) -> usize {
        let text = std::fs::read_to_string(self.file("data.v1.qcow2")).expect("the data disk");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("blank"), "{text:?}");
        assert!(lines.clone().all(|line| line == "up"), "{text:?}");
        lines.count()
    }

    /// A launcher in a process of its own.
    pub(crate) fn launcher(&self, verb: &str, ways: &str) -> Child {
        let mut command = Command::new(STAND_IN);
        command.arg(verb).arg(self.path("vms")).args(["a"]);
        command.arg(self.path("firmware.fd")).arg(self.path("image")).env("STAND_IN", ways);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a launcher")
    }
}

/// Sends a signal, by the number that `kill -l` gives it.
pub(crate) fn signal(pid: i32, name: &str) {
    Cmd::new("kill").args([&format!("-{name}"), "--", &pid.to_string()]).run().expect("the process is there");
}

pub(crate) fn executable(path: &Path, script: &str) {
    let text = path.with_extension("text");
    std::fs::write(&text, script).expect("a script");
    // By a process of its own: a child of another test could inherit the open file, and nobody could run it then.
    Cmd::new("install").args(["-m", "755"]).arg(&text).arg(path).run().expect("a script that can be run");
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < Duration::from_secs(30), "{what} has not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}
