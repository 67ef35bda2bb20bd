//! The daemon that is checked, for as long as somebody holds it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use helix_command::Cmd;

use crate::error::Error;

/// The name of its socket, in a folder of its own.
const SOCKET: &str = "socket";
/// How long it may take until it listens.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Daemon {
    child: Child,
    folder: tempfile::TempDir,
}

impl Daemon {
    /// Starts the program, and waits until it says that it listens.
    pub(crate) fn start(program: &Path, encoder: Option<&str>) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::file("making a folder in", &std::env::temp_dir()))?;
        let socket = folder.path().join(SOCKET);
        let mut command = Cmd::new(program).arg("--unix").arg(&socket).args(["--log", "warn"]);
        if let Some(name) = encoder {
            command = command.args(["--encoder", name]);
        }
        let mut command = command.to_std();
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(Error::file("starting", program))?;
        let stdout = child.stdout.take().map(BufReader::new);
        // From here on it is ended whatever happens.
        let daemon = Self { child, folder };
        let (sender, first) = channel();
        // It ends with the daemon, or with the program.
        std::thread::spawn(move || {
            let line = stdout.map_or(Ok(String::new()), |out| out.lines().next().unwrap_or(Ok(String::new())));
            sender.send(line)
        });
        let line = first.recv_timeout(PATIENCE).map_err(|_| {
            Error::Unfinished(format!("{} does not say within {PATIENCE:?} that it listens", program.display()))
        })?;
        let line = line.map_err(Error::file("reading from", program))?;
        if line != format!("listening on unix:{}", socket.display()) {
            let said = if line.is_empty() { "nothing; its error is above" } else { &line };
            return Err(Error::Unfinished(format!("{} does not listen, it says {said}", program.display())));
        }
        Ok(daemon)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
