//! The VM's life with a real guest, and faults that need no guest.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Run, inside, root_folder};
use crate::way::bundled;

/// A user's data of the test's own; the VM `default` in it ends with the test.
struct Vms {
    data: tempfile::TempDir,
}

impl Drop for Vms {
    fn drop(&mut self) {
        let _ = self.command("down", &["--timeout", "0"]).output();
    }
}

impl Vms {
    fn new() -> Self {
        let data = tempfile::Builder::new().prefix("v").tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let vms = Self { data: data.expect("a folder") };
        std::fs::create_dir_all(vms.home()).expect("the folder of VMs");
        vms
    }

    /// Where VMs are by default.
    fn home(&self) -> PathBuf {
        self.data.path().join("helix/vms")
    }

    /// Runs a command of the README as it stands, in a checkout in which only the images have been built.
    fn readme(&self, command: &str) -> Run {
        let mut run = Command::new(env!("CARGO_BIN_EXE_xtask"));
        run.args(command.split_whitespace()).env("XDG_DATA_HOME", self.data.path());
        Run::of(run_in(run, &self.checkout()))
    }

    fn checkout(&self) -> PathBuf {
        let checkout = self.data.path().join("checkout");
        if checkout.exists() {
            return checkout;
        }
        std::fs::create_dir_all(checkout.join("target")).expect("a checkout");
        let entries = std::fs::read_dir(root_folder()).expect("the project");
        let names = entries.map(|entry| entry.expect("an entry").file_name()).filter(|name| name != "target");
        for name in names.chain(["target/images".into()]) {
            std::os::unix::fs::symlink(root_folder().join(&name), checkout.join(&name)).expect("a link");
        }
        checkout
    }

    fn command(&self, verb: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["vm", verb, "default", "--home"]).arg(self.home()).args(args).current_dir(root_folder());
        command
    }

    fn run(&self, verb: &str, args: &[&str]) -> Run {
        Run::of(self.command(verb, args))
    }

    /// Starts the VM as small as the guest can be.
    fn up(&self) -> Value {
        let up = self.run("up", &["--memory", "3072", "--cpus", "2", "--json"]).ends_with(0).json();
        println!("{up:#}");
        up
    }

    /// What a command in the guest prints.
    fn ssh(&self, command: &str) -> String {
        self.run("ssh", &["--", command]).ends_with(0).stdout.trim().to_owned()
    }

    fn status(&self) -> Value {
        self.run("status", &["--json"]).ends_with(0).json()
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.home()).expect("the folder of VMs");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.ends_with(".lock")).collect()
    }
}

fn run_in(mut command: Command, checkout: &Path) -> Command {
    command.current_dir(checkout).env("HELIX_ROOT", checkout);
    command
}

/// The commands that the README gives, in its order, on lines of their own and between words.
fn readme_commands() -> Vec<String> {
    let text = std::fs::read_to_string(root_folder().join("README.md")).expect("the README");
    let code = |line: &str| -> Vec<String> {
        match line.strip_prefix("    ") {
            Some(block) => vec![block.split('#').next().unwrap_or_default().to_owned()],
            None => line.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
        }
    };
    let commands = text.lines().flat_map(code);
    commands.filter_map(|code| Some(code.strip_prefix("cargo xtask ")?.trim().to_owned())).collect()
}

fn image() -> PathBuf {
    let image = root_folder().join("target/images/quickstart");
    assert!(image.join("disk.qcow2").exists(), "there is no quickstart image; make it with\n  cargo xtask build-image");
    image
}

/// A few frames through the host encoder beside QEMU, by the ordinary user. Only these plugins are scanned: all of them take a minute.
const ENCODE: &str = "sh -euc 'mkdir /tmp/plugins; cd /tmp/plugins; \
    for name in coreelements videotestsrc vsockenc; do ln -s /usr/lib/*/gstreamer-1.0/libgst$name.so .; done; \
    GST_PLUGIN_SYSTEM_PATH_1_0=$PWD GST_REGISTRY_1_0=/tmp/registry GST_REGISTRY_FORK=no timeout 60 \
    gst-launch-1.0 -q videotestsrc num-buffers=3 ! video/x-raw,format=I420,width=320,height=240 \
    ! vsockenc ! filesink location=/tmp/h264; wc -c < /tmp/h264'";

/// Runs the README's commands; the VM is up afterwards.
fn follow_the_readme(vms: &Vms) {
    let commands = readme_commands();
    for main in ["build-image", "vm up", "vm ssh"] {
        assert!(commands.iter().any(|command| command == main), "{main} is missing in {commands:?}");
    }
    // `test` runs this test.
    for command in commands.iter().filter(|command| *command != "test") {
        let run = vms.readme(command).ends_with(0);
        println!("$ cargo xtask {command}\n{}{}", run.stderr, run.stdout);
        match command.as_str() {
            "build-image" => drop(run.says(&["start it:   cargo xtask vm up\n"])),
            "vm up" => {
                for words in
                    ["no host encoder is built", "cargo xtask build-host-encoder", "nothing answers at 127.0.0.1:"]
                {
                    assert!(run.stdout.contains(words), "{words:?} is missing in:\n{}", run.stdout);
                }
                let accelerators = ["emulation (TCG)\n", "KVM\n"];
                assert!(accelerators.iter().any(|name| run.stdout.contains(name)), "{}", run.stdout);
                assert!(!run.stdout.contains("http://"), "{}", run.stdout);
            }
            _ => {}
        }
    }
}

#[test]
fn a_vm_lives_from_the_commands_of_the_readme_to_its_removal() {
    image();
    let vms = Vms::new();
    follow_the_readme(&vms);
    // The host encoder, which has been built since, joins a VM that is up.
    let up = vms.up();
    assert_eq!((&up["already"], &up["encoder"], &up["failed_units"]), (&json!(true), &json!("running"), &json!([])));
    assert_eq!((&up["api_answers"], &up["notes"].to_string().contains("no host encoder")), (&json!(false), &false));

    // The key, the host key, the user and the data disk are there; the exit code comes through.
    assert_eq!(
        vms.ssh("id -un; nproc; findmnt -no SOURCE /var/lib/helix/workspaces | cut -d[ -f1"),
        format!("helix\n{}\n/dev/vdb", up["cpus"])
    );
    vms.run("ssh", &["--", "exit 7"]).ends_with(7);
    vms.ssh("echo kept > /var/lib/helix/workspaces/note; touch ~/lost; sync");
    let before = vms.ssh("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub");
    assert!(vms.ssh("sudo cat /etc/helix/encoder-token").len() == 64);
    let bytes: u32 = vms.ssh(ENCODE).parse().expect("a number of bytes");
    assert!(bytes > 100, "{bytes} bytes of H.264");

    let status = vms.status();
    assert_eq!((&status["state"], &status["run"]["ports"]), (&json!("running"), &up["ports"]));
    assert_eq!(vms.up()["already"], json!(true));
    vms.run("reset", &[]).ends_with(2).says(&["runs; shut it down first", "cargo xtask vm down default"]);
    vms.run("rm", &["--yes"]).ends_with(2).says(&["cargo xtask vm down default"]);
    assert!(vms.run("logs", &[]).ends_with(0).stdout.contains("Linux version"));

    let down = vms.run("down", &["--json"]).ends_with(0).json();
    println!("{down:#}");
    assert_eq!(down["how"], "guest");
    assert_eq!(vms.status()["state"], "stopped");
    vms.run("ssh", &[]).ends_with(2).says(&["does not run", "cargo xtask vm up default"]);

    // The image goes the main way too: from the build into the bundle, and out of the app into the VM.
    let place = tempfile::Builder::new().prefix("w").tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let bundled = bundled(&image(), place.path());
    vms.run("reset", &["--image", bundled.to_str().expect("a path in UTF-8"), "--json"]).ends_with(0);
    let up = vms.up();
    assert_eq!((&up["already"], &up["cpus"], &up["memory_mib"]), (&json!(false), &json!(2), &json!(3072)));
    // The root is fresh; what is on the data disk is as before.
    assert_eq!(vms.ssh("cat /var/lib/helix/workspaces/note; test ! -e ~/lost"), "kept");
    assert_eq!(vms.ssh("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"), before);
    assert_eq!(vms.run("down", &["--json"]).ends_with(0).json()["how"], "guest");

    vms.run("rm", &[]).ends_with(2).says(&["cargo xtask vm rm default --yes"]);
    vms.run("rm", &["--yes", "--json"]).ends_with(0);
    assert_eq!(vms.files(), [""; 0]);
}

#[test]
fn what_cannot_be_done_says_what_helps() {
    let vms = Vms::new();
    let none = vms.data.path().join("none");
    let none = none.to_str().expect("a path in UTF-8");
    vms.run("status", &[]).ends_with(2).says(&["there is no VM default", "cargo xtask vm up default"]);
    let run = vms.run("up", &["--image", none, "--no-host-encoder", "--json"]).ends_with(3);
    run.says(&["manifest.json: No such file", "cargo xtask build-image"]);
    image();
    let run = vms.run("up", &["--host-encoder", none]).ends_with(4);
    run.says(&["there is no host encoder at", "cargo xtask build-host-encoder", "--no-host-encoder"]);
    vms.run("up", &["--cpus", "0"]).ends_with(2);
    assert_eq!(vms.files(), [""; 0]);
}

#[test]
fn a_disk_without_room_is_seen_before_the_copy() {
    image();
    let vms = Vms::new();
    let script = "\
        mount -t tmpfs -o size=64m,mode=700 none \"$2\"
        code=0; \"$1\" vm up t --home \"$2\" --no-host-encoder --memory 3072 || code=$?
        ls -A \"$2\"
        exit $code";
    let mut command = inside(script, true);
    command.arg(env!("CARGO_BIN_EXE_xtask")).arg(vms.home()).current_dir(root_folder());
    let run = Run::of(command).ends_with(4);
    assert_eq!(run.stdout.trim(), ".t.lock", "the full disk holds something");
    run.says(&["MB free, and", "MB are needed"]);
}
