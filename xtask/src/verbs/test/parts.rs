//! The parts of `test`: what each runs, and what it needs from the host.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::host::Need;
use super::pinned::DENY;
use crate::cli::{GenerateArgs, TestArgs, TestPart};
use crate::exit::Failure;

/// Cheap parts first; the image before the parts that take it, or its packages, from the cache.
pub(crate) const ORDER: [TestPart; 15] = [
    TestPart::Lint,
    TestPart::Generated,
    TestPart::Unit,
    TestPart::Deny,
    TestPart::Fuzz,
    TestPart::Mac,
    TestPart::Bundle,
    TestPart::Image,
    TestPart::Machine,
    TestPart::Vm,
    TestPart::Docker,
    TestPart::Faults,
    TestPart::Ubuntu,
    TestPart::Kill,
    TestPart::Twice,
];

/// The part's name on the command line.
pub(crate) fn name(part: TestPart) -> String {
    clap::ValueEnum::to_possible_value(&part).map_or_else(String::new, |v| v.get_name().to_owned())
}

/// The programs that a part needs, with their Debian packages.
pub(crate) fn needs(part: TestPart) -> &'static [Need] {
    // What the whole workspace is compiled with: OpenH264 is C++, and the guest's element links to GStreamer.
    const COMPILE: [Need; 5] = [
        ("g++", "g++"),
        ("nasm", "nasm"),
        ("pkg-config", "pkg-config"),
        ("pkg-config --exists gstreamer-check-1.0", "libgstreamer1.0-dev"),
        ("pkg-config --exists gstreamer-video-1.0 gstreamer-allocators-1.0", "libgstreamer-plugins-base1.0-dev"),
    ];
    const UNIT: &[Need] = &[
        COMPILE[0],
        COMPILE[1],
        COMPILE[2],
        COMPILE[3],
        COMPILE[4],
        ("fsck.fat", "dosfstools"),
        ("mcopy", "mtools"),
        ("qemu-img", "qemu-utils"),
        // Archives are read back by programs that are not ours.
        ("7zz", "7zip"),
        ("dmg2img", "dmg2img"),
        ("isoinfo", "genisoimage"),
        ("unzip", "unzip"),
        ("xorriso", "xorriso"),
        // The launcher downloads with it.
        ("curl", "curl"),
        // Reads Mach-O files beside our own reader.
        ("llvm-objdump", "llvm"),
        // Property lists are read by another reader.
        ("python3", "python3"),
        // Signatures are checked, and keys made, by the program that people have.
        ("minisign", "minisign"),
        // What is encoded is decoded by another program, and by another element.
        ("ffmpeg", "ffmpeg"),
        ("gst-inspect-1.0", "gstreamer1.0-tools"),
        ("gst-inspect-1.0 --exists videotestsrc", "gstreamer1.0-plugins-base"),
        ("gst-inspect-1.0 --exists openh264enc", "gstreamer1.0-plugins-bad"),
        ("gst-inspect-1.0 --exists x264enc", "gstreamer1.0-plugins-ugly"),
        ("gst-inspect-1.0 --exists avdec_h264", "gstreamer1.0-libav"),
    ];
    const SYSTEM: &[Need] = &[
        ("gpg", "gnupg"),
        ("gpg-agent", "gnupg"),
        ("dpkg-deb", "dpkg"),
        ("unshare", "util-linux"),
        ("ip", "iproute2"),
    ];
    match part {
        TestPart::Lint => &COMPILE,
        TestPart::Unit => UNIT,
        TestPart::Fuzz => &[("g++", "g++")],
        TestPart::Mac => &[("g++", "g++"), ("nasm", "nasm"), ("ffmpeg", "ffmpeg")],
        TestPart::Vm => &[
            ("ssh", "openssh-client"),
            ("unshare", "util-linux"),
            ("g++", "g++"),
            ("nasm", "nasm"),
            // The image is bundled on the way into the VM.
            ("unzip", "unzip"),
        ],
        TestPart::Bundle => &[
            ("qemu-img", "qemu-utils"),
            ("unzip", "unzip"),
            ("7zz", "7zip"),
            ("minisign", "minisign"),
            ("unshare", "util-linux"),
        ],
        TestPart::Docker => &[("unshare", "util-linux"), ("dpkg-deb", "dpkg")],
        TestPart::Faults | TestPart::Ubuntu | TestPart::Kill | TestPart::Twice => SYSTEM,
        _ => &[],
    }
}

/// Runs a program with its output where ours goes.
pub(crate) fn succeed(command: &mut Command) -> Result<(), String> {
    let line = shown(command);
    eprintln!("$ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("$ {line}\nended with {status}; its output is above")),
        Err(e) => Err(format!("$ {line}\ncannot be started: {e}")),
    }
}

/// The command line as one would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|w| w.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs parts.
pub(crate) struct Runner {
    root: PathBuf,
    cargo: PathBuf,
    /// This program. It is looked up at the start: building the tests puts a new file in its place.
    xtask: PathBuf,
    kills: u32,
}

impl Runner {
    pub(crate) fn new(args: &TestArgs) -> Result<Self, Failure> {
        let xtask = std::env::current_exe().map_err(|e| Failure::Other(format!("looking for this program: {e}")))?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Ok(Self { root: crate::verbs::sources()?, cargo: cargo.into(), xtask, kills: args.kills })
    }

    pub(crate) fn run(&self, part: TestPart) -> Result<(), String> {
        match part {
            TestPart::Lint => self.lint(),
            TestPart::Generated => self.generated(),
            TestPart::Unit => self.unit(),
            TestPart::Deny => self.deny(),
            TestPart::Fuzz => super::fuzz::run(&self.root, &self.cargo),
            TestPart::Image => self.image(),
            TestPart::Machine => self.machine(),
            TestPart::Vm => self.vm(),
            TestPart::Mac => self.mac(),
            TestPart::Bundle => self.system("bundle::", &[]),
            TestPart::Docker => self.docker(),
            TestPart::Faults => self.system("faults::", &[]),
            TestPart::Ubuntu => self.system("ubuntu::", &[]),
            TestPart::Kill => self.system("kill::", &["--nocapture"]),
            TestPart::Twice => self.system("twice::", &["--nocapture"]),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(&self.root);
        command
    }

    fn cargo(&self, args: &[&str]) -> Result<(), String> {
        succeed(self.command().args(args))
    }

    fn lint(&self) -> Result<(), String> {
        let fuzz = ["fmt", "--manifest-path", "image/fuzz/Cargo.toml", "--check"];
        let formatted = [self.cargo(&["fmt", "--check"]), self.cargo(&fuzz)];
        let clippy = ["clippy", "--release", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
        let failures: Vec<String> =
            formatted.into_iter().chain([self.cargo(&clippy)]).filter_map(Result::err).collect();
        if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
    }

    /// Release like the program itself, so that what both need is compiled once.
    fn unit(&self) -> Result<(), String> {
        self.cargo(&["test", "--release", "--workspace", "--no-fail-fast"])?;
        // The guest's element against the host's daemon, which was built for the tests above; and what needs a process of its
        // own.
        let mut test = self.command();
        test.args(["test", "--release", "-p", "helix-vsockenc", "--test", "element", "--", "--ignored"]);
        test.args(["--test-threads=1", "--nocapture", "daemon::", "reconnects::"]);
        succeed(test.env("HELIX_HOST_ENCODER", self.xtask.with_file_name("helix-host-encoder")))
    }

    fn generated(&self) -> Result<(), String> {
        crate::verbs::generate::run(&GenerateArgs { check: true }).map_err(|e| e.to_string())
    }

    fn deny(&self) -> Result<(), String> {
        let program = DENY.get(&self.root, &self.cargo)?;
        let deny = |args: &[&str]| succeed(Command::new(&program).current_dir(&self.root).args(args));
        deny(&["check", "--hide-inclusion-graph", "bans", "licenses", "sources"])?;
        // The policy needs no network; the list of known holes does, and a firewall is not the project's fault.
        if let Err(why) = deny(&["fetch", "db"]) {
            eprintln!("{why}\nwarning: the advisory database cannot be fetched: advisories were NOT checked");
            return Ok(());
        }
        deny(&["check", "--disable-fetch", "advisories"])
    }

    /// Builds quickstart, and boots it once more with a host encoder beside it.
    fn image(&self) -> Result<(), String> {
        self.xtask(&["build-image", "quickstart"])?;
        self.xtask(&["build-host-encoder"])?;
        let host = helix_products::Target::host().ok_or("this architecture is not supported")?;
        let program = format!("target/host-encoder/{host}/helix-host-encoder");
        self.xtask(&["test-image", "target/images/quickstart", "--host-encoder", &program])?;
        self.xtask(&["inspect", "target/images/quickstart"])
    }

    fn xtask(&self, args: &[&str]) -> Result<(), String> {
        succeed(Command::new(&self.xtask).current_dir(&self.root).args(args))
    }

    /// The machine runner with the QEMU of the tools tree, which its own loader starts outside of any root.
    fn machine(&self) -> Result<(), String> {
        self.xtask(&["build-image", "quickstart", "--until", "tools"])?;
        let programs = self.qemu()?;
        let firmware = programs.firmware_code.parent().ok_or("the firmware has no folder")?;
        let mut test = self.command();
        test.args(["test", "--release", "-p", "helix-vm", "--features", "qemu-tests", "--test", "qemu"]);
        let (qemu, qemu_img) = (programs.qemu.to_std(), programs.qemu_img.quoted());
        test.envs(qemu.get_envs().filter_map(|(name, value)| Some((name, value?))));
        test.env("HELIX_TEST_QEMU", programs.qemu.quoted()).env("HELIX_TEST_QEMU_IMG", qemu_img);
        succeed(test.env("HELIX_TEST_FIRMWARE", firmware))
    }

    /// QEMU for ARM64 of the tools tree.
    fn qemu(&self) -> Result<helix_vm::Programs, String> {
        let workspace = crate::verbs::workspace().map_err(|e| e.to_string())?;
        let store = helix_build::store::Store::open(&workspace.cache).map_err(|e| e.to_string())?;
        let programs = helix_build::tools::qemu_for_long(&workspace, &store, helix_rootfs::Arch::Arm64);
        programs.ok_or_else(|| format!("there is no tools tree in {}", workspace.cache.display()))
    }

    /// The VM's life with a real guest, from the image that the part `image` builds.
    fn vm(&self) -> Result<(), String> {
        self.xtask(&["build-image", "quickstart"])?;
        self.xtask(&["build-host-encoder"])?;
        self.system("vm::", &["--nocapture"])
    }

    /// What a Mac gets, and the check that a Mac runs, here with the daemon of this machine.
    fn mac(&self) -> Result<(), String> {
        self.system("mac::", &[])?;
        self.cargo(&["build", "--release", "-p", "helix-host-encoder"])?;
        let mut check = Command::new(&self.xtask);
        check.args(["check-host-encoder", "--program"]).arg(self.xtask.with_file_name("helix-host-encoder"));
        succeed(check.current_dir(&self.root))
    }

    /// Engines and their data roots are root's: an ordinary user's tests of them run by sudo.
    fn docker(&self) -> Result<(), String> {
        let mut test = self.system_test("docker::", &[]);
        if !rustix::process::geteuid().is_root() {
            let runner = format!("CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_RUNNER", std::env::consts::ARCH.to_uppercase());
            test.env(runner, "sudo --preserve-env");
        }
        succeed(&mut test)
    }

    /// Some of `tests/system`, by the beginning of their names.
    fn system(&self, filter: &str, options: &[&str]) -> Result<(), String> {
        succeed(&mut self.system_test(filter, options))
    }

    fn system_test(&self, filter: &str, options: &[&str]) -> Command {
        let mut test = self.command();
        test.args(["test", "--release", "-p", "xtask", "--features", "system-tests", "--test", "system", "--", filter]);
        test.args(options).env("HELIX_KILLS", self.kills.to_string());
        test
    }
}
