//! The report of a boot test: as data for the folder of the image, and as JUnit XML for CI systems.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde::{Serialize, Serializer};

use crate::accel::AccelReport;
use crate::checks::{CheckResult, Outcome};
use crate::diagnosis::Diagnosis;
use crate::failure::GuestFailure;
use crate::guest::Settled;
use crate::pace::Pace;
use crate::serial::Stage;

/// When the stages of a boot were first seen, since the start of QEMU. A stage that prints nothing is not seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Timings {
    /// The firmware's first words.
    #[serde(rename = "firmware_seconds", serialize_with = "optional_seconds")]
    pub firmware: Option<Duration>,
    /// The start of the boot loader.
    #[serde(rename = "loader_seconds", serialize_with = "optional_seconds")]
    pub loader: Option<Duration>,
    /// The start of the kernel.
    #[serde(rename = "kernel_seconds", serialize_with = "optional_seconds")]
    pub kernel: Option<Duration>,
    /// The first process.
    #[serde(rename = "userspace_seconds", serialize_with = "optional_seconds")]
    pub userspace: Option<Duration>,
    /// The guest agent's first answer.
    #[serde(rename = "agent_seconds", serialize_with = "optional_seconds")]
    pub agent: Option<Duration>,
    /// The end of systemd's start-up jobs.
    #[serde(rename = "settled_seconds", serialize_with = "optional_seconds")]
    pub settled: Option<Duration>,
}

impl Timings {
    /// Notes that `stage` was seen; the first time counts.
    pub(crate) fn note(&mut self, stage: Stage, elapsed: Duration) {
        let slot = match stage {
            Stage::Started => return,
            Stage::Firmware => &mut self.firmware,
            Stage::Loader => &mut self.loader,
            Stage::Kernel => &mut self.kernel,
            Stage::Userspace => &mut self.userspace,
            Stage::Agent => &mut self.agent,
            Stage::Settled => &mut self.settled,
        };
        slot.get_or_insert(elapsed);
    }
}

/// What a boot test found out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BootReport {
    /// What executed the guest's instructions, and why.
    pub accelerator: AccelReport,
    /// QEMU's version.
    pub qemu_version: String,
    /// When the stages were reached.
    pub timings: Timings,
    /// How many times slower than usual the guest has shown to be; its time-outs were as many times longer.
    pub slowdown: Pace,
    /// What became of systemd's start-up jobs, where the guest came that far.
    pub settled: Option<Settled>,
    /// What `systemd-analyze time` says inside the guest.
    pub systemd_analyze: Option<String>,
    /// The checks, in the order in which they ran.
    pub checks: Vec<CheckResult>,
    /// Why the boot failed; everything from [`Self::settled`] on is then missing.
    pub failure: Option<GuestFailure>,
    /// The last lines of the serial console, when anything failed.
    pub serial_tail: Vec<String>,
    /// What the guest says of itself, when the boot or a check did not pass.
    pub diagnosis: Option<Diagnosis>,
}

impl BootReport {
    /// Whether the guest came up and every check passed.
    pub fn passed(&self) -> bool {
        self.failure.is_none() && self.checks.iter().all(|check| check.outcome == Outcome::Passed)
    }

    /// The report as JUnit XML. The boot is the first test case of the suite `image`.
    pub fn junit(&self, image: &str) -> String {
        let mut suite = TestSuite::new(image);
        suite.add_test_case(self.boot_case());
        suite.add_test_cases(self.checks.iter().map(check_case));
        let mut report = Report::new("helix boot test");
        report.add_test_suite(suite);
        // It is written to memory, and what XML cannot hold was dropped before.
        report.to_string().expect("a report in memory can be written")
    }

    fn boot_case(&self) -> TestCase {
        let mut status = TestCaseStatus::success();
        if let Some(failure) = &self.failure {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(failure.reason.to_string()).set_description(failure.to_string());
        }
        let mut case = TestCase::new("boot", status);
        let took = self.failure.as_ref().map(|failure| failure.elapsed).or(self.timings.settled);
        case.set_time(took.unwrap_or_default());
        let (accelerator, qemu, slowdown) = (&self.accelerator, &self.qemu_version, self.slowdown);
        case.set_system_out(format!("accelerator: {accelerator}\nQEMU: {qemu}\nslowdown: {slowdown}"));
        case
    }
}

impl From<GuestFailure> for BootReport {
    /// The report of a boot that failed.
    fn from(failure: GuestFailure) -> Self {
        Self {
            accelerator: failure.accelerator.clone(),
            qemu_version: failure.qemu_version.clone(),
            timings: failure.timings.clone(),
            slowdown: failure.slowdown,
            settled: None,
            systemd_analyze: None,
            checks: Vec::new(),
            serial_tail: failure.serial_tail.clone(),
            diagnosis: failure.diagnosis.clone(),
            failure: Some(failure),
        }
    }
}

fn check_case(check: &CheckResult) -> TestCase {
    let status = match &check.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Failed { .. } => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Outcome::CouldNotRun { .. } => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    let mut case = TestCase::new(check.name.as_str(), status);
    if check.outcome != Outcome::Passed {
        case.status.set_message(check.outcome.to_string()).set_description(format!("$ {}", check.command));
    }
    case.set_time(check.duration);
    case.set_system_out(check.output_tail.as_str());
    case
}

/// Seconds with three decimals: more would be noise.
pub(crate) fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_millis() as f64 / 1000.0)
}

fn optional_seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => seconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accel::Accelerator;

    fn check(name: &str, outcome: Outcome) -> CheckResult {
        CheckResult {
            name: name.into(),
            command: "docker info | grep -q 'a & b'".into(),
            duration: Duration::from_millis(1234),
            output_tail: "<out>".into(),
            outcome,
        }
    }

    fn report() -> BootReport {
        let failed = Outcome::Failed {
            expected: Some("a \"quoted\" <thing>".into()),
            got: "]]>".into(),
            exit_code: Some(1),
            stderr_tail: "\u{7}no".into(),
        };
        let timings = Timings { settled: Some(Duration::from_millis(30_500)), ..Timings::default() };
        BootReport {
            accelerator: AccelReport { chosen: Accelerator::Kvm, rejected: Vec::new() },
            qemu_version: "11.1.2".into(),
            timings,
            slowdown: Pace::default(),
            settled: Some(Settled::Degraded(vec!["a.service".into()])),
            systemd_analyze: Some("Startup finished in 30 s".into()),
            checks: vec![
                check("passes", Outcome::Passed),
                check("fails", failed),
                check("cannot run", Outcome::CouldNotRun { why: "not found".into() }),
            ],
            failure: None,
            serial_tail: Vec::new(),
            diagnosis: None,
        }
    }

    #[test]
    fn junit_tells_failures_from_errors_and_escapes() {
        insta::assert_snapshot!(report().junit("quick-start"));
    }

    #[test]
    fn json_names_its_units() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&report()).unwrap());
    }

    #[test]
    fn a_check_that_could_not_run_is_no_success() {
        let mut report = report();
        assert!(!report.passed());
        report.checks.truncate(1);
        assert!(report.passed());
    }
}
