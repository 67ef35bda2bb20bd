//! QEMU, or a program beside it, as a child process: started with its output in a file, ended without leaving anything
//! behind.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use helix_command::Cmd;
use rustix::process::{Pid, Signal, kill_process};

use crate::programs::{Error, file_error};

/// How often a child that is to end is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How much of QEMU's own output is shown, in bytes.
const OUTPUT_TAIL: usize = 4096;

/// A running QEMU. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct QemuChild {
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl QemuChild {
    /// Starts `command` with standard output and standard error in the file `log`.
    pub(crate) fn start(command: &Cmd, log: &Path) -> Result<Self, Error> {
        let file = |source| file_error("create", log, source);
        let out = File::create(log).map_err(file)?;
        let err = out.try_clone().map_err(file)?;
        tracing::debug!(target: "command", "$ {} &", command.quoted());
        let child = command.to_std().stdin(Stdio::null()).stdout(out).stderr(err).spawn().map_err(|source| {
            let program = command.argv()[0].to_string_lossy().into_owned();
            Error::Command(helix_command::Error::Start { program, source })
        })?;
        Ok(Self { child, log: log.to_owned(), ended: None })
    }

    /// How it ended, or nothing while it runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            // Only a child that someone else has waited for gives an error here, and no one else knows it.
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Waits for the end; tells whether it came within `timeout`.
    pub(crate) fn wait(&mut self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        while self.ended().is_none() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(POLL);
        }
        true
    }

    /// Asks the process to end, which QEMU does after flushing its disks.
    pub(crate) fn terminate(&mut self) {
        // A process that has been waited for has no number any more: signalling it could hit a stranger.
        if self.ended().is_none()
            && let Some(pid) = Pid::from_raw(self.child.id().cast_signed())
        {
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Ends the process at once.
    pub(crate) fn kill(&mut self) {
        if self.ended().is_none() {
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }

    /// The end of what QEMU printed.
    pub(crate) fn output_tail(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let start = bytes.len().saturating_sub(OUTPUT_TAIL);
        String::from_utf8_lossy(&bytes[start..]).trim().to_owned()
    }
}

impl Drop for QemuChild {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (tempfile::TempDir, QemuChild) {
        let temp = tempfile::tempdir().unwrap();
        let child = QemuChild::start(&Cmd::new("sh").args(["-c", script]), &temp.path().join("qemu.log")).unwrap();
        (temp, child)
    }

    #[test]
    fn an_early_end_leaves_its_status_and_words() {
        let (_temp, mut child) = shell("echo out; echo 'bad option' >&2; exit 1");
        assert!(child.wait(Duration::from_secs(10)));
        assert_eq!(child.ended().unwrap().code(), Some(1));
        assert_eq!(child.output_tail(), "out\nbad option");
    }

    #[test]
    fn a_child_that_ignores_a_request_is_killed() {
        let (_temp, mut child) = shell("trap '' TERM; echo ready; while :; do sleep 0.1; done");
        while child.output_tail() != "ready" {
            std::thread::sleep(POLL);
        }
        child.terminate();
        assert!(!child.wait(Duration::from_millis(200)));
        child.kill();
        assert!(child.ended().is_some());
    }

    #[test]
    fn dropping_ends_the_process() {
        let (_temp, child) = shell("exec sleep 60");
        let proc = format!("/proc/{}/stat", child.child.id());
        drop(child);
        assert!(!Path::new(&proc).exists());
    }
}
