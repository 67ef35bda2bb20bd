//! An app in a folder, and launchers of it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use helix_command::Cmd;
use helix_vm::life::{Home, State, Vm};
use sha2::{Digest, Sha256};

const STAND_IN: &str = env!("CARGO_BIN_EXE_helix-launcher-stand-in");
/// The disk of the app's image.
pub(crate) const DISK: &[u8] = &[b'd'; 3000];
/// One that is as long.
pub(crate) const OTHER_DISK: &[u8] = &[b'o'; 3000];

/// An app and VMs, which end with the test.
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
    /// With an app that has its image.
    pub(crate) fn new() -> Self {
        let world = Self { temp: tempfile::tempdir().expect("a folder") };
        for folder in ["MacOS", "Resources/qemu", "Resources/vulkan/icd.d", "Resources/image"] {
            std::fs::create_dir_all(world.contents(folder)).expect("a folder");
        }
        copy(Path::new(env!("CARGO_BIN_EXE_helix-launcher")), &world.contents("MacOS/Helix"));
        let seen = world.path("environment").display().to_string();
        let qemu = format!("env > '{seen}.new' && mv '{seen}.new' '{seen}'\nexec '{STAND_IN}' qemu \"$@\"");
        world.program("MacOS/qemu-system-aarch64", &qemu);
        world.program("MacOS/qemu-img", &format!("exec '{STAND_IN}' img \"$@\""));
        world.program("MacOS/helix-host-encoder", &format!("exec '{STAND_IN}' encoder \"$@\""));
        for file in ["qemu/edk2-aarch64-code.fd", "qemu/edk2-arm-vars.fd", "vulkan/icd.d/MoltenVK_icd.json"] {
            std::fs::write(world.contents("Resources").join(file), "").expect("a file");
        }
        world.image(DISK);
        let opened = world.path("opened").display().to_string();
        std::fs::create_dir(world.path("bin")).expect("a folder");
        world.program("../../bin/xdg-open", &format!("echo \"$1\" >> '{opened}'"));
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// A part of the app.
    pub(crate) fn contents(&self, name: &str) -> PathBuf {
        self.path("Helix.app/Contents").join(name)
    }

    /// Makes a script, by a process of its own: a child of another test could inherit the open file, and nobody could run it.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let text = self.path("script");
        std::fs::write(&text, format!("#!/bin/sh\n{script}\n")).expect("a script");
        copy(&text, &self.contents(name));
    }

    /// Gives the app an image with this disk.
    pub(crate) fn image(&self, disk: &[u8]) {
        let manifest = serde_json::json!({
            "schema_version": 1, "recipe": "test", "architecture": "arm64", "artifacts": { "disk.qcow2": digest(disk) },
            "resolved_recipe": { "hostname": "host", "users": [{ "name": "user" }] },
        });
        std::fs::write(self.contents("Resources/image/disk.qcow2"), disk).expect("a disk");
        std::fs::write(self.contents("Resources/image/manifest.json"), manifest.to_string()).expect("a manifest");
    }

    /// Takes the disk out of the app, which is told to fetch it from here, with the size that is told.
    pub(crate) fn download_from(&self, url: &str, size: u64) {
        let download = serde_json::json!({ "url": url, "sha256": digest(DISK), "size": size });
        std::fs::remove_file(self.contents("Resources/image/disk.qcow2")).expect("a disk");
        std::fs::write(self.contents("Resources/image/download.json"), download.to_string()).expect("a file");
    }

    pub(crate) fn home(&self) -> Home {
        Home::find(Some(&self.path("vms"))).expect("a home")
    }

    pub(crate) fn vm(&self) -> Vm {
        self.home().vm("a").expect("a name")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.vm().folder().join(name)
    }

    pub(crate) fn state(&self) -> State {
        self.vm().status().expect("a status").state
    }

    /// How often the guest came up with this data disk; it must be a whole one.
    pub(crate) fn ups(&self) -> usize {
        let text = std::fs::read_to_string(self.file("data.v1.qcow2")).expect("the data disk");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("blank"), "{text:?}");
        assert!(lines.clone().all(|line| line == "up"), "{text:?}");
        lines.count()
    }

    /// What the browser was told to open.
    pub(crate) fn opened(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("opened")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Starts the app, with a screen, more options and a QEMU of these ways.
    pub(crate) fn launch(&self, options: &[&str], ways: &str) -> Launched {
        self.launch_with(options, ways, ":0")
    }

    pub(crate) fn launch_with(&self, options: &[&str], ways: &str, display: &str) -> Launched {
        self.launch_by(Command::new(self.contents("MacOS/Helix")), options, ways, display)
    }

    /// Starts the app where no file may have more than 512 bytes: a disk that fills up under way.
    pub(crate) fn launch_in_little_space(&self) -> Launched {
        let mut command = Command::new("sh");
        // With the signal ignored, a write that goes too far is an error.
        command.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"]).arg(self.contents("MacOS/Helix"));
        self.launch_by(command, &[], "", "")
    }

    /// Starts the app where this is the proxy for HTTP, and none for anything else.
    pub(crate) fn launch_through(&self, proxy: &str) -> Launched {
        let mut command = Command::new(self.contents("MacOS/Helix"));
        // In capitals, which curl does not read.
        command.env_remove("http_proxy").env("HTTP_PROXY", proxy);
        self.launch_by(command, &[], "", "")
    }

    fn launch_by(&self, mut command: Command, options: &[&str], ways: &str, display: &str) -> Launched {
        command.args(["--name", "a", "--cpus", "2", "--memory", "1024", "--home"]).arg(self.path("vms")).args(options);
        let path = std::env::var("PATH").expect("a PATH");
        command.env("PATH", format!("{}:{path}", self.path("bin").display())).env("STAND_IN", ways);
        command.env("DISPLAY", display).env_remove("WAYLAND_DISPLAY");
        Launched::new(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn())
    }

    /// A launch that comes up.
    pub(crate) fn ready(&self) -> Launched {
        let launched = self.launch(&[], "");
        launched.says("ready: http://127.0.0.1:");
        launched
    }
}

fn copy(from: &Path, to: &Path) {
    Cmd::new("install").args(["-m", "755"]).arg(from).arg(to).run().expect("a program");
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A launcher that was started.
pub(crate) struct Launched {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Launched {
    fn new(child: std::io::Result<Child>) -> Self {
        let mut child = child.expect("the launcher starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        collect(child.stderr.take().expect("a pipe"), lines.clone());
        collect(child.stdout.take().expect("a pipe"), lines.clone());
        Self { child, lines }
    }

    pub(crate) fn text(&self) -> String {
        self.lines.lock().expect("no panic").join("\n")
    }

    pub(crate) fn says(&self, words: &str) {
        let started = Instant::now();
        while !self.text().contains(words) {
            assert!(started.elapsed() < Duration::from_secs(60), "{words:?} in {:?}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id().cast_signed(), name);
    }

    /// Waits for the end.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        self.child.wait().expect("the launcher ends")
    }

    /// Ends it gently, and the VM with it.
    pub(crate) fn quit(self) {
        self.signal("TERM");
        self.quit_was_heard();
    }

    /// Waits until it has ended gently, and the VM with it.
    pub(crate) fn quit_was_heard(mut self) {
        let status = self.ends();
        assert!(status.success(), "{status}: {}", self.text());
        self.says("shutting down\nstopped");
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child that nobody has waited for");
        self.ends();
    }

    /// Expects an end with an error of these words.
    pub(crate) fn fails(mut self, words: &[&str]) {
        let status = self.ends();
        self.says("error: ");
        let text = self.text();
        assert_eq!(status.code(), Some(1), "{text}");
        words.iter().for_each(|&words| assert!(text.contains(words), "{words:?} in {text}"));
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // One that has ended is none to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(from: impl std::io::Read + Send + 'static, to: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            to.lock().expect("no panic").push(line);
        }
    });
}

/// Sends a signal, by the name that `kill -l` gives it.
pub(crate) fn signal(pid: i32, name: &str) {
    Cmd::new("kill").args([&format!("-{name}"), "--", &pid.to_string()]).run().expect("the process is there");
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what} has not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A server that gives this to whoever asks, after a pause and in two halves.
pub(crate) fn server(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut writer = &stream;
                let heads = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
                heads.for_each(drop);
                let (one, two) = bytes.split_at(bytes.len() / 2);
                let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", bytes.len());
                let sent = writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(one));
                std::thread::sleep(Duration::from_millis(200));
                // A client that was killed does not take it.
                let _ = sent.and_then(|()| writer.write_all(two));
            });
        }
    });
    format!("http://{address}/disk.qcow2")
}
