//! The VM's life with a real guest, and faults that need no guest.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use helix_vm::life::{Clock, Home, Reading, SystemClock, Vm};
use helix_vm::qmp::Qmp;
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
            let (from, to) = (root_folder().join(&name), checkout.join(&name));
            // A link in the place of a file would be another input of the build.
            match from.is_dir() {
                true => std::os::unix::fs::symlink(from, to).expect("a link"),
                false => drop(std::fs::copy(from, to).expect("a copy")),
            }
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
    let home = Home::find(Some(&vms.home())).expect("a home");
    let vm = home.vm("default").expect("a name");
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
fn up_with_network_settings(vms: &Vms, certificate: &str) -> Value {
    let trusted = vms.home().join("trusted.pem");
    std::fs::write(&trusted, certificate).expect("a certificate");
    let proxy = format!("http://me:{PASSWORD}@localhost:3128/");
    let file = trusted.to_str().expect("a path in UTF-8");
    let variables = [("https_proxy", proxy.as_str()), ("NO_PROXY", "intern.example"), ("SSL_CERT_FILE", file)];
    let up = vms.up_with(&["--host-network-settings"], &variables);
    std::fs::remove_file(&trusted).expect("the certificate is there");
    up
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

/// The text with everything replaced that differs between machines and runs: numbers, keys and the checkout's folder.
fn redacted(text: &str, checkout: &Path) -> Vec<String> {
    let text = text.replace(&checkout.display().to_string(), "/home/dev/helix").replace("emulation (TCG)", "KVM");
    let word = |word: &str| {
        let is_key = word.len() == 12 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let plain = if is_key { "KEY" } else { word }.replace(|c: char| c.is_ascii_digit(), "N");
        let mut short = plain;
        while short.contains("NN") {
            short = short.replace("NN", "N");
        }
        short
    };
    text.lines().map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ")).collect()
}

/// The README's picture shows what the program says today.
fn the_picture_is_current(vms: &Vms) {
    let picture =
        std::fs::read_to_string(root_folder().join("docs/src/images/terminal.txt")).expect("the picture's text");
    let mut said = String::new();
    for line in picture.lines().filter(|line| line.starts_with("$ ")) {
        let run = vms.readme(line.strip_prefix("$ cargo xtask ").expect("a command")).ends_with(0);
        // The test's checkout is named by a variable, and a line says so.
        let words = run.stderr.lines().filter(|line| !line.starts_with("project: ")).map(|line| format!("{line}\n"));
        said.push_str(&format!("{line}\n{}{}", run.stdout, words.collect::<String>()));
    }
    assert_eq!(redacted(&picture, &vms.checkout()), redacted(&said, &vms.checkout()), "{said}");
}

#[test]
fn a_vm_lives_from_the_commands_of_the_readme_to_its_removal() {
    image();
    let vms = Vms::new();
    follow_the_readme(&vms);
    the_picture_is_current(&vms);
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

    the_clock_follows_a_sleep(&vms);
    space_comes_back(&vms);
    let certificate = vms.ssh("cat /tmp/tls/cert");

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
    let up = up_with_network_settings(&vms, &certificate);
    assert_eq!((&up["already"], &up["cpus"], &up["memory_mib"]), (&json!(false), &json!(2), &json!(3072)));
    the_network_settings_are_in_force(&vms, &certificate);
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
