//! Why a boot failed, with everything that helps to find out: nobody watches a boot test while it runs.

use std::time::Duration;

use serde::Serialize;

use crate::accel::AccelReport;
use crate::diagnosis::{Diagnosis, write_block};
use crate::pace::Pace;
use crate::programs::Error;
use crate::report::Timings;
use crate::serial::Stage;

/// A boot that did not end with a usable guest.
#[derive(Debug, thiserror::Error)]
pub enum BootFailure {
    /// QEMU was not even started.
    #[error(transparent)]
    Prepare(#[from] Error),
    /// QEMU ran.
    #[error(transparent)]
    Guest(#[from] Box<GuestFailure>),
}

/// What ended the boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Reason {
    /// QEMU ended by itself.
    QemuEnded {
        /// Its exit status in words.
        status: String,
    },
    /// The guest cannot go on: QEMU's state of the machine is this.
    GuestStopped {
        /// `internal-error`, `guest-panicked`, `io-error` and so on.
        status: String,
    },
    /// The kernel gave up.
    KernelPanic {
        /// Its last words.
        message: String,
    },
    /// The deadline passed.
    Deadline {
        /// How long the boot was given in the end, stretched by the guest's pace.
        seconds: u64,
    },
    /// The system is up, but units failed.
    Degraded {
        /// Their names.
        units: Vec<String>,
    },
    /// The system waits in its rescue or emergency shell.
    Maintenance,
    /// Whoever waited for the guest was told to stop.
    Interrupted,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::QemuEnded { status } => write!(f, "QEMU ended with {status}"),
            Self::GuestStopped { status } => write!(f, "the machine stopped with {status}"),
            Self::KernelPanic { message } => write!(f, "the kernel panicked: {message}"),
            Self::Deadline { seconds } => write!(f, "the guest was not up after {seconds} s"),
            Self::Degraded { units } => write!(f, "units failed: {}", units.join(", ")),
            Self::Maintenance => f.write_str("the system is in its rescue or emergency mode"),
            Self::Interrupted => f.write_str("waiting for the guest was interrupted"),
        }
    }
}

/// A boot that failed after QEMU was started.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GuestFailure {
    /// What ended it.
    pub reason: Reason,
    /// How far it had come.
    pub stage: Stage,
    /// How long QEMU had run.
    #[serde(rename = "elapsed_seconds", serialize_with = "crate::report::seconds")]
    pub elapsed: Duration,
    /// What executed the guest's instructions, and why.
    pub accelerator: AccelReport,
    /// QEMU's version.
    pub qemu_version: String,
    /// When the stages were reached.
    pub timings: Timings,
    /// How many times slower than usual the guest was.
    pub slowdown: Pace,
    /// The end of what QEMU itself printed.
    pub qemu_output: String,
    /// What systemd wrote to the serial console about units that failed.
    pub serial_failures: Vec<String>,
    /// The last lines of the serial console.
    pub serial_tail: Vec<String>,
    /// What the guest says, where its agent answers.
    pub diagnosis: Option<Diagnosis>,
}

impl std::error::Error for GuestFailure {}

impl std::fmt::Display for GuestFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let elapsed = self.elapsed.as_secs_f32();
        write!(f, "{} (stage reached: {}, {elapsed:.1} s, accelerator {})", self.reason, self.stage, self.accelerator)?;
        if self.slowdown.is_slow() {
            write!(f, "\n  the guest was {} times slower than usual, and had more time for that", self.slowdown)?;
        }
        if !self.qemu_output.is_empty() {
            write_block(f, "QEMU said", self.qemu_output.lines())?;
        }
        if !self.serial_failures.is_empty() {
            write_block(f, "failures on the serial console", self.serial_failures.iter().map(String::as_str))?;
        }
        if self.serial_tail.is_empty() {
            write!(f, "\n  the serial console is empty")?;
        } else {
            write_block(f, "end of the serial console", self.serial_tail.iter().map(String::as_str))?;
        }
        match (&self.diagnosis, &self.reason) {
            (Some(diagnosis), _) => write!(f, "{diagnosis}"),
            (None, Reason::Deadline { .. }) => {
                f.write_str("\n  the guest's agent did not answer: it tells nothing of units, journal and cloud-init")
            }
            (None, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accel::Accelerator;

    #[test]
    fn the_message_tells_the_whole_story() {
        let failure = GuestFailure {
            reason: Reason::Deadline { seconds: 600 },
            stage: Stage::Agent,
            elapsed: Duration::from_millis(600_040),
            accelerator: AccelReport { chosen: Accelerator::Kvm, rejected: Vec::new() },
            qemu_version: "11.1.2".into(),
            timings: Timings::default(),
            slowdown: Pace::default(),
            qemu_output: "warning: something".into(),
            serial_failures: vec!["[FAILED] Failed to start a.service".into()],
            serial_tail: vec!["[  OK  ] Reached target".into(), "vm login:".into()],
            diagnosis: Some(Diagnosis {
                failed_units: "a.service loaded failed failed A".into(),
                jobs: "12 docker.service start running".into(),
                journal: "dockerd: still waiting".into(),
                warnings: "a: no such file".into(),
                cloud_init: "status: error".into(),
            }),
        };
        insta::assert_snapshot!(failure.to_string());
        let without = GuestFailure { diagnosis: None, ..failure };
        assert!(without.to_string().ends_with("it tells nothing of units, journal and cloud-init"), "{without}");
    }
}
