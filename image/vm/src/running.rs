//! A machine that is up: its agent, its QMP, its checks and its end.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::accel::AccelReport;
use crate::agent::Agent;
use crate::checks::Check;
use crate::child::QemuChild;
use crate::folder::RunFolder;
use crate::guest::Settled;
use crate::overlay;
use crate::programs::{Error, QemuFacts};
use crate::qmp::Qmp;
use crate::report::{BootReport, Timings};
use crate::serial::SerialLog;

/// How long QEMU has to end after each of QMP's `quit` and SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// How long QEMU has to answer, and the guest to answer a question beside the checks.
const ANSWER: Duration = Duration::from_secs(5);
/// How long `systemd-analyze` may take; it asks D-Bus for every unit's times.
const ANALYZE: Duration = Duration::from_secs(30);

/// A machine that runs. Dropping it kills QEMU: call [`Self::shutdown`] first where the guest's data matters.
#[derive(Debug)]
pub struct Running {
    pub(crate) child: QemuChild,
    /// The program of the vsock device, which ends after QEMU.
    pub(crate) _vsock: Option<QemuChild>,
    pub(crate) folder: RunFolder,
    pub(crate) accelerator: AccelReport,
    pub(crate) facts: QemuFacts,
    pub(crate) serial: SerialLog,
    pub(crate) timings: Timings,
    pub(crate) settled: Settled,
    pub(crate) qmp: Qmp,
    pub(crate) agent: Agent,
}

/// What it took to end a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shutdown {
    /// The guest powered off by itself.
    Guest,
    /// QEMU was told to quit, by QMP.
    Quit,
    /// QEMU was sent SIGTERM.
    Terminated,
    /// QEMU was sent SIGKILL.
    Killed,
}

/// How a machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ShutdownOutcome {
    /// What it took.
    pub how: Shutdown,
    /// How long it took.
    #[serde(rename = "took_seconds", serialize_with = "crate::report::seconds")]
    pub took: Duration,
}

impl Running {
    /// The guest agent.
    pub fn agent(&mut self) -> &mut Agent {
        &mut self.agent
    }

    /// QEMU's control connection.
    pub fn qmp(&mut self) -> &mut Qmp {
        &mut self.qmp
    }

    /// The folder of this run.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// What became of systemd's start-up jobs.
    pub fn settled(&self) -> &Settled {
        &self.settled
    }

    /// How many bytes of the host's disk the overlay occupies; compare before and after `fstrim` in the guest.
    ///
    /// # Errors
    /// When the overlay cannot be looked at.
    pub fn overlay_bytes(&self) -> Result<u64, Error> {
        overlay::allocated_bytes(&self.folder.overlay())
    }

    /// Whether QEMU still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.ended().is_none()
    }

    /// Runs `checks` in order; `done` hears of each result. A failed check does not keep the others from running.
    pub fn check(&mut self, checks: &[Check], done: &mut dyn FnMut(&crate::CheckResult)) -> BootReport {
        let mut results = Vec::with_capacity(checks.len());
        for check in checks {
            let result = check.run(&mut self.agent);
            done(&result);
            results.push(result);
        }
        let mut report = BootReport {
            accelerator: self.accelerator.clone(),
            qemu_version: self.facts.version.clone(),
            timings: self.timings.clone(),
            settled: Some(self.settled.clone()),
            systemd_analyze: self.systemd_analyze(),
            checks: results,
            failure: None,
            serial_tail: Vec::new(),
        };
        if !report.passed() {
            self.serial.read_new();
            report.serial_tail = self.serial.tail();
        }
        report
    }

    /// The guest's own account of its boot; a guest without systemd-analyze has none.
    fn systemd_analyze(&mut self) -> Option<String> {
        let output = self.agent.exec("systemd-analyze time", ANALYZE).ok()?;
        (output.exit_code == Some(0)).then(|| output.stdout_text())
    }

    /// Ends the machine: asks the guest to power off and waits up to `timeout`, then tells QEMU to quit, then sends
    /// SIGTERM, then SIGKILL, with five seconds after each of the middle two.
    pub fn shutdown(mut self, timeout: Duration) -> ShutdownOutcome {
        let started = Instant::now();
        let how = self.end(timeout);
        ShutdownOutcome { how, took: started.elapsed() }
    }

    fn end(&mut self, timeout: Duration) -> Shutdown {
        // The button is the second way: a guest without a session manager may ignore it. What neither achieves shows in
        // the wait.
        if self.agent.shutdown().is_err() {
            let _ = self.qmp.execute("system_powerdown", json!({}), ANSWER);
        }
        if self.child.wait(timeout) {
            return Shutdown::Guest;
        }
        let _ = self.qmp.execute("quit", json!({}), ANSWER);
        if self.child.wait(GRACE) {
            return Shutdown::Quit;
        }
        self.child.terminate();
        if self.child.wait(GRACE) {
            return Shutdown::Terminated;
        }
        self.child.kill();
        Shutdown::Killed
    }

    /// Ends QEMU at once, as if the power had failed.
    pub fn kill(mut self) {
        self.child.kill();
    }
}
