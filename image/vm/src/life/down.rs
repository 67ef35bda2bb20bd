//! `vm down`: as gently as the guest allows, and never without an end.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::error::Error;
use super::home::Vm;
use super::{encoder, start};
use crate::agent::Agent;
use crate::qmp::Qmp;
use crate::shutdown::{self, ShutdownOutcome};

/// How long QEMU has to greet.
const GREETING: Duration = Duration::from_secs(5);

/// What became of a machine that was to end.
#[derive(Debug, Clone, Serialize)]
pub struct Down {
    /// Its name.
    pub name: String,
    /// How it ended; nothing when it did not run.
    #[serde(flatten)]
    pub ended: Option<ShutdownOutcome>,
}

impl Vm {
    /// Ends the machine: its agent is asked, then its power button pressed, and after `timeout` it is ended by force; a
    /// guest that was slow to come up has more time. What an interrupted start left is ended too.
    ///
    /// # Errors
    /// When the machine does not exist, or another command works on it.
    pub fn down(&self, timeout: Duration) -> Result<Down, Error> {
        let _lock = self.lock("down")?;
        self.sweep()?;
        self.must_exist()?;
        let mut qemu = start::qemu(self);
        let ended = if qemu.is_alive()? {
            let sockets = self.sockets();
            // A damaged file is nothing that should keep a machine from being ended.
            let pace = self.run().ok().flatten().map(|run| run.pace).unwrap_or_default();
            // Without one of them the steps that it is for are left out.
            let mut qmp = Qmp::connect(&sockets.qmp_socket(), pace.stretch(GREETING)).ok();
            let mut agent = Agent::connect(&sockets.agent_socket()).ok();
            Some(shutdown::end(&mut qemu, agent.as_mut(), qmp.as_mut(), timeout, pace))
        } else {
            None
        };
        encoder::end(self)?;
        forget(self.run_file())?;
        Ok(Down { name: self.name().to_owned(), ended })
    }
}

fn forget(file: PathBuf) -> Result<(), Error> {
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("removing", &file)(error)),
        _ => Ok(()),
    }
}
