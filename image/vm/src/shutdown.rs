//! How a machine is ended: as gently as it allows.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::agent::Agent;
use crate::pace::Pace;
use crate::process::Process;
use crate::qmp::Qmp;

/// How long QEMU has to end after each of QMP's `quit` and SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// How long QEMU has to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// What it took to end a machine: the first of these that worked, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shutdown {
    /// The guest powered off when its agent was asked.
    Guest,
    /// The guest powered off when its power button was pressed, by ACPI.
    Button,
    /// QEMU was told to quit, by QMP; it flushes the disks.
    Quit,
    /// QEMU was sent SIGTERM; it flushes the disks.
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

/// Ends a machine. All times are stretched by the guest's pace. It has `timeout` to power off by itself, of which two thirds belong to its agent where that takes
/// the request, and what is left to the power button: a guest without a session manager may ignore it. Then come the steps
/// by force, with five seconds for each but the last.
pub(crate) fn end(
    process: &mut dyn Process,
    agent: Option<&mut Agent>,
    qmp: Option<&mut Qmp>,
    timeout: Duration,
    pace: Pace,
) -> ShutdownOutcome {
    let started = Instant::now();
    let how = steps(process, agent, qmp, started + pace.stretch(timeout), pace);
    ShutdownOutcome { how, took: started.elapsed() }
}

fn steps(
    process: &mut dyn Process,
    agent: Option<&mut Agent>,
    qmp: Option<&mut Qmp>,
    deadline: Instant,
    pace: Pace,
) -> Shutdown {
    let (grace, answer) = (pace.stretch(GRACE), pace.stretch(ANSWER));
    let left = || deadline.saturating_duration_since(Instant::now());
    if agent.is_some_and(|agent| agent.shutdown().is_ok()) && process.wait(left() * 2 / 3) {
        return Shutdown::Guest;
    }
    if let Some(qmp) = qmp {
        // What the requests do not achieve shows in the waits.
        let _ = qmp.execute("system_powerdown", json!({}), answer);
        if process.wait(left()) {
            return Shutdown::Button;
        }
        let _ = qmp.execute("quit", json!({}), answer);
        if process.wait(grace) {
            return Shutdown::Quit;
        }
    }
    process.terminate();
    if process.wait(grace) {
        return Shutdown::Terminated;
    }
    process.kill();
    Shutdown::Killed
}
