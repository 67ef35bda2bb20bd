//! The VM's life with a real guest, and faults that need no guest.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use helix_vm::life::{Clock, Home, Reading, SystemClock, Vm};
use helix_vm::qmp::Qmp;
use serde_json::{Value, json};

use crate::support::{Run, inside, root_folder};

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
        self.up_with(&[], &[])
    }

    fn up_with(&self, options: &[&str], variables: &[(&str, &str)]) -> Value {
        let options = [&["--memory", "3072", "--cpus", "2", "--json"], options].concat();
        let mut command = self.command("up", &options);
        command.envs(variables.iter().copied());
        let run = Run::of(command);
        assert!(!run.stderr.contains(PASSWORD), "{}", run.stderr);
        let up = run.ends_with(0).json();
        println!("{up:#}");
        up
    }

    /// What a command in the guest prints.
    fn ssh(&self, command: &str) -> String {
        self.run("ssh", &["--", command]).ends_with(0).stdout.trim().to_owned()
    }

    /// As [`Self::ssh`], without the program, which would set the guest's clock.
    fn ssh_by_itself(&self, vm: &Vm, command: &str) -> String {
        let output = vm.ssh(&[command.into()]).expect("a command").output().expect("ssh");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
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

/// This computer's clocks, with the time of day so many seconds later.
#[derive(Debug)]
struct Later(u64);

impl Clock for Later {
    fn now(&self) -> Reading {
        let now = SystemClock.now();
        Reading { wall: now.wall + Duration::from_secs(self.0), ..now }
    }
}

fn now() -> u64 {
    SystemClock.now().wall.as_secs()
}

/// Serves TLS in the guest with a certificate that is valid from an hour from now on, for ten minutes.
const SERVE: &str = "sudo systemctl stop systemd-timesyncd; mkdir /tmp/tls && cd /tmp/tls && \
    at() { date -u -d \"@$(($(date +%s) + $1))\" +%Y%m%d%H%M%SZ; } && \
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out cert -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -not_before $(at 3480) -not_after $(at 4080) 2>/dev/null && \
    (setsid openssl s_server -accept 4433 -cert cert -key key -www >/dev/null 2>&1 </dev/null &) && \
    for i in $(seq 50); do ss -Hltn | grep -q :4433 && break; sleep 0.2; done";
/// Asks it; tells the exit code of curl, which is 60 where the certificate is not accepted.
const ASK: &str = "curl -s -o /dev/null --cacert /tmp/tls/cert https://localhost:4433/; echo $?";

/// The computer sleeps for an hour, as far as its clocks tell, while QEMU is stopped; and then a real short while.
fn the_clock_follows_a_sleep(vms: &Vms) {
    const PATIENCE: Duration = Duration::from_secs(10);
    let home = Home::find(Some(vms.home.path())).expect("a home");
    let vm = home.vm("t").expect("a name");
    let qmp = |command: &str| {
        let mut qmp = Qmp::connect(&vm.folder().join("run/qmp.sock"), PATIENCE).expect("QMP");
        qmp.execute(command, json!({}), PATIENCE).expect("QEMU obeys");
    };
    vms.ssh(SERVE);
    assert_eq!(vms.ssh(ASK), "60", "the certificate is not valid yet");
    qmp("stop");
    assert_eq!(vm.follow_clock(&Later(3600)).expect("no fault"), None, "nobody is there to be told");
    qmp("cont");
    let set = vm.follow_clock(&Later(3600)).expect("the agent sets the clock").expect("a sleep");
    assert!(set.jump_millis.abs_diff(3_600_000) < 2000, "{set:?}");
    assert_eq!(vms.ssh_by_itself(&vm, ASK), "0");
    // For the program an hour has been taken back, whatever verb it runs.
    vms.run("status", &[]).ends_with(0).says(&["clock was set back by 3"]);
    assert_eq!(vms.ssh(ASK), "60");
    // The guest stands still for longer than its own look takes for a sleep. No clock of this computer tells.
    qmp("stop");
    std::thread::sleep(Duration::from_secs(8));
    qmp("cont");
    let noticed = "for i in $(seq 60); do journalctl -q -u helix-clock | grep 'the host slept' && break; sleep 1; done";
    assert!(vms.ssh(noticed).contains("the clock goes on by"), "the guest looks by itself");
    let before = now();
    let shown: u64 = vms.ssh("date +%s").parse().expect("seconds");
    assert!((before - 2..=now() + 2).contains(&shown), "{shown} of {before} to {}", now());
}

/// What the guest writes, deletes and trims shows on this computer.
fn space_comes_back(vms: &Vms) {
    // What the data disk takes here, and what is used of it in the guest.
    let data = || {
        let du = vms.run("du", &["--json"]).ends_with(0).json();
        let number = |at: &str| du.pointer(at).and_then(Value::as_u64).unwrap_or_else(|| panic!("{at} in {du:#}"));
        (number("/data_disk/computer_bytes"), number("/data_disk/guest/used_bytes"))
    };
    const MB: u64 = 1_000_000;
    let before = data();
    vms.ssh("head -c 80000000 /dev/urandom > /var/lib/helix/workspaces/big; sync");
    let full = data();
    assert!(full.0 > before.0 + 70 * MB && full.1 > before.1 + 70 * MB, "{before:?} and then {full:?}");
    vms.ssh("rm /var/lib/helix/workspaces/big; sync; sudo fstrim /var/lib/helix/data");
    let after = data();
    assert!(after.0 + 70 * MB < full.0 && after.1 + 70 * MB < full.1, "{full:?} and then {after:?}");
    let du = vms.run("du", &[]).ends_with(0);
    assert!(["image", "system disk", "data disk"].iter().all(|disk| du.stdout.contains(disk)), "{}", du.stdout);
}

/// The password of a proxy, which nobody may see but whoever logs in.
const PASSWORD: &str = "geheim7";

/// Starts the VM with a proxy on this computer's loopback, and a certificate that it trusts.
fn up_with_network_settings(vms: &Vms, certificate: &str) {
    let trusted = vms.home.path().join("trusted.pem");
    std::fs::write(&trusted, certificate).expect("a certificate");
    let proxy = format!("http://me:{PASSWORD}@localhost:3128/");
    let file = trusted.to_str().expect("a path in UTF-8");
    let variables = [("https_proxy", proxy.as_str()), ("NO_PROXY", "intern.example"), ("SSL_CERT_FILE", file)];
    vms.up_with(&["--host-network-settings"], &variables);
    std::fs::remove_file(&trusted).expect("the certificate is there");
}

/// What has reached the guest, its apt and its Docker; and who cannot see the password.
fn the_network_settings_are_in_force(vms: &Vms, certificate: &str) {
    let proxy = format!("http://me:{PASSWORD}@10.0.2.2:3128");
    assert_eq!(vms.ssh("echo $https_proxy $HTTPS_PROXY"), format!("{proxy} {proxy}"));
    assert_eq!(vms.ssh("echo $no_proxy"), "intern.example,localhost,127.0.0.1,::1,10.0.2.2");
    assert!(vms.ssh("sudo apt-config dump Acquire::https::Proxy").contains(&proxy));
    let docker = "for i in $(seq 60); do docker info --format '{{.HTTPSProxy}} {{.NoProxy}}' && break; sleep 1; done";
    assert!(vms.ssh(docker).contains("@10.0.2.2:3128 intern.example"), "{}", vms.ssh(docker));
    let line = certificate.lines().nth(1).expect("a body");
    vms.ssh(&format!("grep -qxF '{line}' /etc/ssl/certs/ca-certificates.crt"));
    let others = format!("sudo -u nobody grep -rlsI {PASSWORD} /etc /run /var/log /var/lib/cloud; true");
    assert_eq!(vms.ssh(&others), "", "files that everybody may read");
    assert!(!vms.run("logs", &["--of", "qemu"]).stdout.contains(PASSWORD));
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
    image();
    let vms = Vms::new();
    let up = vms.up();
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

    the_clock_follows_a_sleep(&vms);
    space_comes_back(&vms);
    let certificate = vms.ssh("cat /tmp/tls/cert");

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
    up_with_network_settings(&vms, &certificate);
    the_network_settings_are_in_force(&vms, &certificate);
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
