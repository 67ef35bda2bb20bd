//! `bench vm`: `vm up` from outside, and the same QEMU started by hand until the guest has settled.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use helix_build::pipeline::Job;
use serde_json::Value;

use super::{line, median, scratch};
use crate::exit::Failure;

/// How often each side starts; the median counts.
const ROUNDS: usize = 3;
/// How long a guest may take to come up.
const PATIENCE: Duration = Duration::from_secs(900);

pub(super) fn run(job: &Job) -> Result<(), Failure> {
    let home = scratch(job)?;
    let program = std::env::current_exe().map_err(|e| Failure::Other(format!("looking for this program: {e}")))?;
    let bench = Bench { program: &program, home: home.path(), image: &job.output };
    let outcome = bench.compare();
    // Whatever came of it, no guest stays behind in a folder that is removed.
    let _ = bench.vm("down", &["--timeout", "30"]);
    outcome
}

struct Bench<'a> {
    /// This program, as it was called at the start: a build meanwhile puts a new file in its place.
    program: &'a Path,
    home: &'a Path,
    image: &'a Path,
}

impl Bench<'_> {
    fn compare(&self) -> Result<(), Failure> {
        let first = self.up()?;
        first.tell("the first `vm up`, which copies the image");
        let by_hand = self.by_hand()?;
        let (mut ours, mut theirs, mut added) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            self.vm("down", &[])?;
            theirs.push(by_hand.boot()?);
            let up = self.up()?;
            up.tell("`vm up`");
            ours.push(up.took);
            added.push(up.added());
        }
        self.vm("down", &[])?;
        line("until the guest is ready", median(ours), median(theirs));
        crate::ui::out(&format!("`vm up` adds {:.2} s to QEMU and the guest (median)", median(added).as_secs_f64()));
        Ok(())
    }

    /// Runs `vm VERB`; its JSON.
    fn vm(&self, verb: &str, options: &[&str]) -> Result<Value, Failure> {
        let mut command = Command::new(self.program);
        command.args(["vm", verb, "bench", "--home"]).arg(self.home).arg("--json");
        if verb == "up" {
            command.arg("--image").arg(self.image);
        }
        // What is after `--` is for the guest.
        let output = command.args(options).stdin(Stdio::null()).stderr(Stdio::null()).output();
        let output = output.map_err(|e| Failure::Other(format!("starting {command:?}: {e}")))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(Failure::Other(format!("{command:?} ended with {}:\n{text}", output.status)));
        }
        serde_json::from_str(&text).map_err(|e| Failure::Other(format!("{command:?}: {e}")))
    }

    fn up(&self) -> Result<Up, Failure> {
        let started = Instant::now();
        let up = self.vm("up", &["--no-host-encoder"])?;
        let took = started.elapsed();
        let boot = up["boot_seconds"].as_f64().ok_or_else(|| Failure::Other("`vm up` tells no time".to_owned()))?;
        Ok(Up { took, boot: Duration::from_secs_f64(boot) })
    }

    /// How the machine that runs was started, and how one logs in to it.
    fn by_hand(&self) -> Result<ByHand, Failure> {
        let status = self.vm("status", &[])?;
        let pid = status["run"]["pid"].as_u64().ok_or_else(|| Failure::Other("the VM does not run".to_owned()))?;
        let list = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            let bytes = std::fs::read(&path).map_err(|e| Failure::Other(format!("{path}: {e}")))?;
            let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
            Ok::<Vec<String>, Failure>(words.map(|word| String::from_utf8_lossy(word).into_owned()).collect())
        };
        let login = self.vm("ssh", &["--", "systemctl is-system-running --wait"])?;
        let words = login["argv"].as_array().into_iter().flatten();
        let login = words.filter_map(|word| Some(word.as_str()?.to_owned())).collect();
        Ok(ByHand { qemu: list("cmdline")?, environment: list("environ")?, login })
    }
}

/// One start by `vm up`.
struct Up {
    took: Duration,
    /// From QEMU's start until the guest had settled, as `vm up` says.
    boot: Duration,
}

impl Up {
    fn added(&self) -> Duration {
        self.took.saturating_sub(self.boot)
    }

    fn tell(&self, what: &str) {
        let (took, boot, added) = (self.took.as_secs_f64(), self.boot.as_secs_f64(), self.added().as_secs_f64());
        crate::ui::out(&format!("{what}: {took:.2} s, of which QEMU and the guest {boot:.2} s, and we {added:.2} s"));
    }
}

/// The same machine without us.
struct ByHand {
    qemu: Vec<String>,
    environment: Vec<String>,
    login: Vec<String>,
}

impl ByHand {
    /// The time until the guest has settled; then it is shut down.
    fn boot(&self) -> Result<Duration, Failure> {
        let (program, arguments) = self.qemu.split_first().ok_or_else(|| Failure::Other("QEMU has no name".into()))?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        command.envs(self.environment.iter().filter_map(|pair| pair.split_once('=')));
        let started = Instant::now();
        let qemu = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut qemu = Qemu(qemu.map_err(|e| Failure::Other(format!("starting {command:?}: {e}")))?);
        // It answers 1 when a unit has failed, and 255 while nobody can log in.
        while !matches!(self.log_in(None)?, Some(0 | 1)) {
            if started.elapsed() > PATIENCE || qemu.0.try_wait().is_ok_and(|ended| ended.is_some()) {
                return Err(Failure::Other(format!("the guest did not come up; QEMU is {:?}", qemu.0)));
            }
        }
        let took = started.elapsed();
        self.log_in(Some("sudo poweroff"))?;
        qemu.0.wait().map_err(|e| Failure::Other(format!("waiting for QEMU: {e}")))?;
        Ok(took)
    }

    /// The exit code of a command in the guest, or of the question whether it has settled.
    fn log_in(&self, instead: Option<&str>) -> Result<Option<i32>, Failure> {
        let (question, ssh) = self.login.split_last().ok_or_else(|| Failure::Other("no command logs in".into()))?;
        let mut command = Command::new(&ssh[0]);
        command.args(&ssh[1..]).arg(instead.unwrap_or(question)).stdin(Stdio::null());
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        Ok(status.map_err(|e| Failure::Other(format!("starting ssh: {e}")))?.code())
    }
}

/// A process that ends with this value.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
