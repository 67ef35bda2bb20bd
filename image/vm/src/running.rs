//! A machine that is up: its agent, its QMP, its checks and its end.

use std::time::Duration;

use crate::accel::AccelReport;
use crate::agent::{self, Agent, ExecOutput};
use crate::checks::Check;
use crate::child::QemuChild;
use crate::diagnosis::Diagnosis;
use crate::folder::RunFolder;
use crate::guest::Settled;
use crate::overlay;
use crate::pace::Pace;
use crate::process::Process;
use crate::programs::{Error, QemuFacts};
use crate::qmp::Qmp;
use crate::report::{BootReport, Timings};
use crate::serial::SerialLog;
use crate::shutdown::{self, ShutdownOutcome};

/// How long `systemd-analyze` may take; it asks D-Bus for every unit's times.
const ANALYZE: Duration = Duration::from_secs(30);

/// A machine that runs. Dropping it kills QEMU: call [`Self::shutdown`] first where the guest's data matters.
#[derive(Debug)]
pub struct Running {
    pub(crate) child: Box<dyn Process>,
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
    pub(crate) pace: Pace,
}

impl Running {
    /// The guest agent.
    pub fn agent(&mut self) -> &mut Agent {
        &mut self.agent
    }

    /// How slow the guest has shown to be.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Runs a shell command in the guest, for up to `timeout`, which is stretched by the guest's pace.
    ///
    /// # Errors
    /// When it cannot be started, or does not end in time; it is then killed.
    pub fn exec(&mut self, shell: &str, timeout: Duration) -> Result<ExecOutput, agent::Error> {
        self.agent.exec_at(&mut self.pace, shell, timeout)
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

    /// Runs `checks` in order; `done` hears of each result. A failed check does not keep the others from running. See
    /// [`Self::explain`] for the rest of the report.
    pub fn check(&mut self, checks: &[Check], done: &mut dyn FnMut(&crate::CheckResult)) -> BootReport {
        let mut results = Vec::with_capacity(checks.len());
        for check in checks {
            let result = check.run(&mut self.agent, &mut self.pace);
            done(&result);
            results.push(result);
        }
        BootReport {
            accelerator: self.accelerator.clone(),
            qemu_version: self.facts.version.clone(),
            timings: self.timings.clone(),
            slowdown: self.pace,
            settled: Some(self.settled.clone()),
            systemd_analyze: self.systemd_analyze(),
            checks: results,
            failure: None,
            serial_tail: Vec::new(),
            diagnosis: None,
        }
    }

    /// Ends a report: how slow the guest was, and, where something failed, what its console and the guest itself say.
    pub fn explain(&mut self, report: &mut BootReport) {
        report.slowdown = self.pace;
        if !report.passed() {
            self.serial.read_new();
            report.serial_tail = self.serial.tail();
            report.diagnosis = Some(self.diagnosis());
        }
    }

    /// What the guest says of itself.
    pub(crate) fn diagnosis(&mut self) -> Diagnosis {
        Diagnosis::take(&mut self.agent, &mut self.pace)
    }

    /// The guest's own account of its boot; a guest without systemd-analyze has none.
    fn systemd_analyze(&mut self) -> Option<String> {
        let output = self.exec("systemd-analyze time", ANALYZE).ok()?;
        (output.exit_code == Some(0)).then(|| output.stdout_text())
    }

    /// Ends the machine, politely for up to `timeout`, which is stretched by the guest's pace, and then by force; see
    /// [`Shutdown`] for the steps.
    pub fn shutdown(mut self, timeout: Duration) -> ShutdownOutcome {
        shutdown::end(&mut *self.child, Some(&mut self.agent), Some(&mut self.qmp), timeout, self.pace)
    }

    /// Ends QEMU at once, as if the power had failed.
    pub fn kill(mut self) {
        self.child.kill();
    }
}
