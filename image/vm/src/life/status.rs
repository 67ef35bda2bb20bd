//! `vm status`: what can be told of a machine without disturbing it.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::encoder::{self, EncoderState};
use super::error::Error;
use super::home::Vm;
use super::ports::Ports;
use super::sizes::Sizes;
use super::{create, lock, start};
use crate::accel::Accelerator;
use crate::machine::Arch;
use crate::overlay::allocated_bytes;
use crate::qmp::Qmp;

/// How long QEMU has to answer somebody who only looks.
const ANSWER: Duration = Duration::from_secs(2);

/// What a machine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It does not run.
    Stopped,
    /// It does not run, and was not shut down by `vm down`: the guest powered off, or QEMU was killed.
    Ended,
    /// Another command works on it; [`Status::detail`] says which.
    Busy,
    /// The guest is up.
    Running,
    /// QEMU runs, and nobody waits for the guest: whoever started it was interrupted. `up` waits on.
    Unattended,
    /// QEMU has stopped the guest; [`Status::detail`] says why. `up` lets it go on.
    Paused,
    /// QEMU runs and does not answer.
    Stuck,
}

/// Everything about a machine.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// More about the state, where there is more.
    pub detail: Option<String>,
    /// Its folder.
    pub folder: PathBuf,
    /// The image's folder, recipe and digest.
    pub image: PathBuf,
    /// The recipe's name.
    pub recipe: String,
    /// The sha256 of the image's disk.
    pub sha256: String,
    /// The guest's architecture.
    pub architecture: Arch,
    /// Whether the system disk from before the last reset can be taken back.
    pub can_roll_back: bool,
    /// What the system disk takes on this computer, in bytes; blocks that it shares with the image are counted too.
    pub system_disk_bytes: u64,
    /// What the data disk takes on this computer, in bytes.
    pub data_disk_bytes: u64,
    /// The host encoder.
    pub encoder: EncoderState,
    /// What is known while QEMU runs.
    pub run: Option<RunStatus>,
}

/// What is known of a machine while QEMU runs.
#[derive(Debug, Clone, Serialize)]
pub struct RunStatus {
    /// QEMU's process.
    pub pid: Option<i32>,
    /// The ports on 127.0.0.1.
    pub ports: Ports,
    /// Whether something in the guest answers HTTP at the API's port; false also while the guest is not up.
    pub api_answers: bool,
    /// Processors and memory.
    #[serde(flatten)]
    pub sizes: Sizes,
    /// How much memory of the computer the graphics device can show its guest, in MiB; nothing where it needs none.
    pub graphics_mib: Option<u64>,
    /// What executes the guest's instructions.
    pub accelerator: Accelerator,
    /// QEMU's version.
    pub qemu_version: String,
    /// When QEMU was started, in seconds since 1970.
    pub started: u64,
    /// Units of the guest that had failed when it came up.
    pub failed_units: Vec<String>,
}

impl Vm {
    /// What the machine is and does.
    ///
    /// # Errors
    /// When it does not exist, or its files cannot be read.
    pub fn status(&self) -> Result<Status, Error> {
        self.must_exist()?;
        let config = self.config()?;
        let alive = start::qemu(self).is_alive()?;
        let (state, detail) = self.state(alive)?;
        let size = |file: String| allocated_bytes(&self.folder().join(file)).unwrap_or(0);
        Ok(Status {
            name: self.name().to_owned(),
            state,
            detail,
            folder: self.folder(),
            system_disk_bytes: size(create::system_disk(config.system)),
            data_disk_bytes: size(create::data_disk(create::DATA_VERSION)),
            can_roll_back: config.previous.is_some(),
            image: config.image,
            recipe: config.recipe,
            sha256: config.sha256,
            architecture: config.architecture,
            encoder: encoder::state(self)?,
            run: if alive { self.run_status(state) } else { None },
        })
    }

    fn state(&self, alive: bool) -> Result<(State, Option<String>), Error> {
        // Whoever works on the machine may talk to QEMU, which talks to one at a time.
        if let Some(by) = lock::holder(&self.lock_file())? {
            return Ok((State::Busy, Some(by)));
        }
        if !alive {
            return Ok((if self.run_file().exists() { State::Ended } else { State::Stopped }, None));
        }
        let status = Qmp::connect(&self.sockets().qmp_socket(), ANSWER).and_then(|mut qmp| qmp.status(ANSWER));
        Ok(match status {
            Err(error) => (State::Stuck, Some(error.to_string())),
            Ok(status) if status != "running" => (State::Paused, Some(status)),
            Ok(_) if self.run().ok().flatten().is_some_and(|run| run.ready) => (State::Running, None),
            Ok(_) => (State::Unattended, None),
        })
    }

    /// A damaged `run.json` is nothing that a look at the machine should fail for.
    fn run_status(&self, state: State) -> Option<RunStatus> {
        let run = self.run().ok().flatten()?;
        Some(RunStatus {
            pid: start::qemu(self).pid(),
            ports: run.ports,
            api_answers: state == State::Running && run.ports.api_answers(run.pace),
            sizes: run.sizes,
            graphics_mib: run.graphics_mib,
            accelerator: run.accelerator.chosen,
            qemu_version: run.qemu_version,
            started: run.started,
            failed_units: run.failed_units,
        })
    }
}
