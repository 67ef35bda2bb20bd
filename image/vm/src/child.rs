//! QEMU, or a program beside it, as a child process: started with its output in a file, ended without leaving anything
//! behind.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};

use helix_command::Cmd;
use rustix::process::{Pid, Signal, kill_process};

use crate::process::{Process, log_tail};
use crate::programs::{Error, file_error};

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

    fn status(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            // Only a child that someone else has waited for gives an error here, and no one else knows it.
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }
}

impl Process for QemuChild {
    fn ended(&mut self) -> Option<String> {
        self.status().map(|status| status.to_string())
    }

    fn terminate(&mut self) {
        // A process that has been waited for has no number any more: signalling it could hit a stranger.
        if self.status().is_none()
            && let Some(pid) = Pid::from_raw(self.child.id().cast_signed())
        {
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    fn kill(&mut self) {
        if self.status().is_none() {
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }

    fn output_tail(&self) -> String {
        log_tail(&self.log)
    }
}

impl Drop for QemuChild {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        assert_eq!(child.ended().unwrap(), "exit status: 1");
        assert_eq!(child.output_tail(), "out\nbad option");
    }

    #[test]
    fn a_child_that_ignores_a_request_is_killed() {
        let (_temp, mut child) = shell("trap '' TERM; echo ready; while :; do sleep 0.1; done");
        while child.output_tail() != "ready" {
            std::thread::sleep(Duration::from_millis(20));
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
