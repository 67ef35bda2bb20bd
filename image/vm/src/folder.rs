//! The folder of one run: sockets, logs, the overlay and the copy of the UEFI variables.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::machine::ENCODER_VSOCK_PORT;
use crate::platform::SOCKET_PATH_MAX;
use crate::programs::{Error, file_error};

/// A folder that belongs to one run of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Creates the folder where it is missing, readable by this user alone, and removes what an earlier run left in it.
    ///
    /// # Errors
    /// When it cannot be created, or its path is too long for the sockets in it.
    pub fn prepare(path: &Path) -> Result<Self, Error> {
        let path = std::path::absolute(path).map_err(|source| file_error("resolve", path, source))?;
        let folder = Self { path };
        for socket in [folder.agent_socket(), folder.qmp_socket(), folder.encoder_vsock()] {
            if socket.as_os_str().as_bytes().len() > SOCKET_PATH_MAX {
                return Err(Error::SocketPath { path: socket, limit: SOCKET_PATH_MAX });
            }
        }
        use std::os::unix::fs::DirBuilderExt;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder.path);
        made.map_err(|source| file_error("create", &folder.path, source))?;
        folder.clear()?;
        Ok(folder)
    }

    /// QEMU refuses to bind over a stale socket, and a stale log would be taken for this run's.
    fn clear(&self) -> Result<(), Error> {
        let old = [self.agent_socket(), self.qmp_socket(), self.serial_log(), self.qemu_log(), self.overlay()];
        let of_some =
            [self.seed(), self.firmware_vars(), self.encoder_socket(), self.console_socket(), self.spice_socket()];
        let of_vsock = [self.vsock_device(), self.vsock(), self.encoder_vsock(), self.vsock_log()];
        for path in old.iter().chain(&of_some).chain(&of_vsock) {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(file_error("remove", path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The folder of a run that may be under way: nothing is created or removed.
    pub(crate) fn of_run(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The socket of the guest agent's port.
    pub fn agent_socket(&self) -> PathBuf {
        self.path.join("agent.sock")
    }

    /// The socket of the port for a host encoder.
    pub fn encoder_socket(&self) -> PathBuf {
        self.path.join("enc.sock")
    }

    /// The socket at which QEMU finds its vsock device.
    pub(crate) fn vsock_device(&self) -> PathBuf {
        self.path.join("vsock.dev")
    }

    /// The socket at which the host reaches ports of the guest.
    pub(crate) fn vsock(&self) -> PathBuf {
        self.path.join("vsock")
    }

    /// The socket at which a host encoder gets what the guest sends to its port [`ENCODER_VSOCK_PORT`] of vsock.
    pub fn encoder_vsock(&self) -> PathBuf {
        self.path.join(format!("vsock_{ENCODER_VSOCK_PORT}"))
    }

    /// What the vsock device printed.
    pub(crate) fn vsock_log(&self) -> PathBuf {
        self.path.join("vsock.log")
    }

    /// The socket of the serial console, of a machine that has one for people.
    pub fn console_socket(&self) -> PathBuf {
        self.path.join("tty.sock")
    }

    /// The socket for a SPICE client, which only a machine with OpenGL has.
    pub(crate) fn spice_socket(&self) -> PathBuf {
        self.path.join("spice.sock")
    }

    /// QMP's socket.
    pub fn qmp_socket(&self) -> PathBuf {
        self.path.join("qmp.sock")
    }

    /// What the guest wrote to its serial console.
    pub fn serial_log(&self) -> PathBuf {
        self.path.join("serial.log")
    }

    /// What QEMU itself printed.
    pub fn qemu_log(&self) -> PathBuf {
        self.path.join("qemu.log")
    }

    /// The qcow2 overlay that takes the guest's writes.
    pub fn overlay(&self) -> PathBuf {
        self.path.join("overlay.qcow2")
    }

    /// The first-boot seed.
    pub fn seed(&self) -> PathBuf {
        self.path.join("seed.img")
    }

    /// This run's copy of the UEFI variables.
    pub fn firmware_vars(&self) -> PathBuf {
        self.path.join("vars.fd")
    }

    /// Copies the template of the UEFI variables into the folder.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub(crate) fn copy_firmware_vars(&self, template: &Path) -> Result<(), Error> {
        let to = self.firmware_vars();
        let copy = |action, path: &Path| std::fs::read(path).map_err(|source| file_error(action, path, source));
        // Reading and writing, instead of copying, drops the template's mode: it is often read only.
        let bytes = copy("read", template)?;
        std::fs::write(&to, bytes).map_err(|source| file_error("write", &to, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_of_an_earlier_run_are_removed() {
        let temp = tempfile::tempdir().unwrap();
        let stale = temp.path().join("qmp.sock");
        std::fs::write(&stale, "").unwrap();
        std::fs::write(temp.path().join("id_ed25519"), "").unwrap();
        RunFolder::prepare(temp.path()).unwrap();
        assert!(!stale.exists() && temp.path().join("id_ed25519").exists());
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_before_anything_is_made() {
        let temp = tempfile::tempdir().unwrap();
        let long = temp.path().join("x".repeat(120));
        let error = RunFolder::prepare(&long).unwrap_err().to_string();
        assert!(error.contains("limited to") && error.contains("shorter run folder"), "{error}");
        assert!(!long.exists());
    }
}
