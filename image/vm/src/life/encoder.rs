//! The host encoder beside QEMU: it sits behind a port of virtio-serial, and connects whenever that is there.

use std::path::Path;
use std::time::Duration;

use helix_command::Cmd;
use serde::Serialize;

use super::daemon::Daemon;
use super::error::Error;
use super::home::Vm;
use crate::process::Process;

/// How long it has to show that its command line is understood.
const BEGIN: Duration = Duration::from_millis(100);
/// How long it has to end: it takes five seconds for streams under way.
const END: Duration = Duration::from_secs(7);

/// Whether the host encoder runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EncoderState {
    /// It runs.
    Running,
    /// It was started and has ended; the next `up` starts it again.
    Ended,
    /// It was not asked for.
    None,
}

pub(crate) fn daemon(vm: &Vm) -> Daemon {
    Daemon::at(&vm.run_folder(), "encoder")
}

pub(crate) fn state(vm: &Vm) -> Result<EncoderState, Error> {
    Ok(match (daemon(vm).is_alive()?, vm.run_folder().join("encoder.pid").exists()) {
        (true, _) => EncoderState::Running,
        (false, true) => EncoderState::Ended,
        (false, false) => EncoderState::None,
    })
}

/// Starts the encoder `program` unless it runs.
pub(crate) fn ensure(vm: &Vm, program: &Path) -> Result<(), Error> {
    let mut daemon = daemon(vm);
    if daemon.is_alive()? {
        return Ok(());
    }
    super::logs::rotate(vm, super::logs::Log::Encoder)?;
    daemon.start(&Cmd::new(program).arg("--virtio-serial").arg(vm.sockets().encoder_socket()))?;
    if daemon.wait(BEGIN) {
        return Err(Error::Encoder { program: program.to_owned(), said: daemon.output_tail() });
    }
    Ok(())
}

/// Ends the encoder, if one runs, and forgets it.
pub(crate) fn end(vm: &Vm) -> Result<(), Error> {
    let mut daemon = daemon(vm);
    if daemon.is_alive()? {
        daemon.terminate();
        if !daemon.wait(END) {
            daemon.kill();
        }
    }
    let pid = vm.run_folder().join("encoder.pid");
    match std::fs::remove_file(&pid) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("removing", &pid)(error)),
        _ => Ok(()),
    }
}
