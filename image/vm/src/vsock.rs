//! The vsock device of a machine: a program beside QEMU, which passes connections of the guest on to Unix sockets.

use std::time::{Duration, Instant};

use helix_command::Cmd;

use crate::child::QemuChild;
use crate::folder::RunFolder;
use crate::process::Process;
use crate::programs::{Error, Programs};

/// The guest's address. It means nothing outside of the machine: another machine beside it has the same.
const GUEST_CID: u32 = 3;
/// How much the guest may send before the program at the Unix socket has read it, in bytes: more than the 64 KiB that
/// are usual, because there and back under emulation takes long.
const BUFFER: u32 = 1 << 20;
/// How long the program may take to make its socket: long, for a busy computer, because one that fails ends at once.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks for it.
const POLL: Duration = Duration::from_millis(10);

/// Starts the device, and returns when QEMU can connect to it.
///
/// # Errors
/// When it cannot be started, or makes no socket.
pub(crate) fn start(program: &Cmd, programs: &Programs, folder: &RunFolder) -> Result<QemuChild, Error> {
    let command = program
        .clone()
        .ends_with_parent()
        .arg(format!("--guest-cid={GUEST_CID}"))
        .arg(format!("--socket={}", programs.seen(&folder.vsock_device())?))
        .arg(format!("--uds-path={}", programs.seen(&folder.vsock())?))
        .arg(format!("--tx-buffer-size={BUFFER}"));
    let mut child = QemuChild::start(&command, &folder.vsock_log())?;
    let begun = Instant::now();
    while !folder.vsock_device().exists() {
        if child.ended().is_some() || begun.elapsed() >= PATIENCE {
            let (path, said) = (folder.vsock_device(), child.output_tail());
            return Err(Error::NoDevice { path, patience: PATIENCE, said });
        }
        std::thread::sleep(POLL);
    }
    Ok(child)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn started(folder: &Path, script: &str) -> Result<QemuChild, Error> {
        let programs = Programs {
            qemu: Cmd::new("true"),
            qemu_img: Cmd::new("true"),
            vsock: None,
            firmware_code: "/code.fd".into(),
            firmware_vars: "/vars.fd".into(),
            root: None,
        };
        let folder = RunFolder::prepare(folder)?;
        start(&Cmd::new("sh").args(["-c", script, "device"]), &programs, &folder)
    }

    #[test]
    fn qemu_is_not_started_before_the_socket_is_there() {
        let temp = tempfile::tempdir().unwrap();
        let script = "sleep 0.2; for a; do case $a in --socket=*) : > \"${a#--socket=}\";; esac; done; exec sleep 60";
        let mut child = started(temp.path(), script).unwrap();
        assert!(child.ended().is_none() && temp.path().join("vsock.dev").exists());
    }

    #[test]
    fn a_device_that_ends_at_once_is_an_error_with_its_words() {
        let temp = tempfile::tempdir().unwrap();
        let error = started(temp.path(), "echo 'no such option'; exit 1").unwrap_err().to_string();
        assert!(error.contains("vsock.dev") && error.contains("no such option"), "{error}");
    }
}
