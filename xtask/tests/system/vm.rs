//! The VM's life with a real guest, and faults that need no guest.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Run, inside, root_folder};
use crate::way::bundled;

/// A folder of VMs of the test's own; the VM `t` in it ends with the test.
struct Vms {
    home: tempfile::TempDir,
}

impl Drop for Vms {
    fn drop(&mut self) {
        let _ = self.command("down", &["--timeout", "0"]).output();
    }
}

impl Vms {
    fn new() -> Self {
        let home = tempfile::Builder::new().prefix("v").tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        Self { home: home.expect("a folder") }
    }

    fn command(&self, verb: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["vm", verb, "t", "--home"]).arg(self.home.path()).args(args).current_dir(root_folder());
        command
    }

    fn run(&self, verb: &str, args: &[&str]) -> Run {
        Run::of(self.command(verb, args))
    }

    /// Starts the VM as small as the guest can be.
    fn up(&self) -> Value {
        self.up_with(&[])
    }

    fn up_with(&self, options: &[&str]) -> Value {
        let options = [&["--memory", "3072", "--cpus", "2", "--json"], options].concat();
        let up = self.run("up", &options).ends_with(0).json();
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
        let entries = std::fs::read_dir(self.home.path()).expect("the folder of VMs");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.ends_with(".lock")).collect()
    }
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

#[test]
fn a_vm_lives_from_the_first_start_to_its_removal() {
    // The image goes the main way: from the build into the bundle, and out of the app into the VM.
    let place = tempfile::Builder::new().prefix("w").tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let bundled = bundled(&image(), place.path());
    let vms = Vms::new();
    let up = vms.up_with(&["--image", bundled.to_str().expect("a path in UTF-8")]);
    assert_eq!((&up["already"], &up["encoder"], &up["failed_units"]), (&json!(false), &json!("running"), &json!([])));
    assert_eq!((&up["cpus"], &up["memory_mib"]), (&json!(2), &json!(3072)));

    // The key, the host key, the user and the data disk are there; the exit code comes through.
    assert_eq!(
        vms.ssh("id -un; nproc; findmnt -no SOURCE /var/lib/helix/workspaces | cut -d[ -f1"),
        "helix\n2\n/dev/vdb"
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
    vms.run("reset", &[]).ends_with(2).says(&["runs; shut it down first", "cargo xtask vm down t"]);
    vms.run("rm", &["--yes"]).ends_with(2).says(&["cargo xtask vm down t"]);
    assert!(vms.run("logs", &[]).ends_with(0).stdout.contains("Linux version"));

    let down = vms.run("down", &["--json"]).ends_with(0).json();
    println!("{down:#}");
    assert_eq!(down["how"], "guest");
    assert_eq!(vms.status()["state"], "stopped");
    vms.run("ssh", &[]).ends_with(2).says(&["does not run", "cargo xtask vm up t"]);

    vms.run("reset", &["--json"]).ends_with(0);
    vms.up();
    // The root is fresh; what is on the data disk is as before.
    assert_eq!(vms.ssh("cat /var/lib/helix/workspaces/note; test ! -e ~/lost"), "kept");
    assert_eq!(vms.ssh("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"), before);
    assert_eq!(vms.run("down", &["--json"]).ends_with(0).json()["how"], "guest");

    vms.run("rm", &[]).ends_with(2).says(&["cargo xtask vm rm t --yes"]);
    vms.run("rm", &["--yes", "--json"]).ends_with(0);
    assert_eq!(vms.files(), [""; 0]);
}

#[test]
fn what_cannot_be_done_says_what_helps() {
    let vms = Vms::new();
    let none = vms.home.path().join("none");
    let none = none.to_str().expect("a path in UTF-8");
    vms.run("status", &[]).ends_with(2).says(&["there is no VM t", "cargo xtask vm up t"]);
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
    command.arg(env!("CARGO_BIN_EXE_xtask")).arg(vms.home.path()).current_dir(root_folder());
    let run = Run::of(command).ends_with(4);
    assert_eq!(run.stdout.trim(), ".t.lock", "the full disk holds something");
    run.says(&["MB free, and", "MB are needed"]);
}
