//! A program that outlives the command that started it: known by a lock that it inherits, ended by its number.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use helix_command::Cmd;
use rustix::process::{Pid, Signal, kill_process};

use super::error::Error;
use super::lock;
use crate::platform;
use crate::process::{Process, log_tail};

/// How long a program may take to write its number, which is the first thing that it does, on a busy computer.
const NUMBER: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// The program writes its own number before it begins: so that it can be ended also when whoever started it was killed.
const START: &str = "echo $$ > \"$1\" && shift && exec \"$@\"";

/// A program with its files `NAME.lock`, `NAME.pid` and `NAME.log` in a folder, whether or not it runs.
#[derive(Debug)]
pub(crate) struct Daemon {
    lock: PathBuf,
    pid: PathBuf,
    log: PathBuf,
    /// The process, when it is this one's child.
    child: Option<Child>,
}

impl Daemon {
    pub(crate) fn at(folder: &Path, name: &str) -> Self {
        let file = |extension: &str| folder.join(format!("{name}.{extension}"));
        Self { lock: file("lock"), pid: file("pid"), log: file("log"), child: None }
    }

    /// Starts `command`, which must not run. Its standard input is the lock, its output goes to the log.
    pub(crate) fn start(&mut self, command: &Cmd) -> Result<(), Error> {
        let held = self.take_lock()?;
        match std::fs::remove_file(&self.pid) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("removing", &self.pid)(error));
            }
            _ => {}
        }
        // Appended to, so that the log can be cut short while the program writes.
        let out = File::options().append(true).create(true).open(&self.log).map_err(Error::io("making", &self.log))?;
        out.set_len(0).map_err(Error::io("making", &self.log))?;
        let err = out.try_clone().map_err(Error::io("making", &self.log))?;
        tracing::debug!(target: "command", "$ {} &", command.quoted());
        let inner = command.to_std();
        let mut outer = platform::detached("sh");
        outer.args(["-c", START, "sh"]).arg(&self.pid).arg(inner.get_program()).args(inner.get_args());
        outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let started = outer.stdin(Stdio::from(held)).stdout(out).stderr(err).spawn();
        self.child = Some(started.map_err(Error::io("starting", Path::new(inner.get_program())))?);
        Ok(())
    }

    fn take_lock(&self) -> Result<File, Error> {
        let options = File::options().read(true).write(true).create(true).truncate(false).open(&self.lock);
        let file = options.map_err(Error::io("opening", &self.lock))?;
        match lock::try_for_a_moment(&file) {
            Ok(true) => Ok(file),
            Ok(false) => Err(Error::io("locking", &self.lock)(std::io::ErrorKind::ResourceBusy.into())),
            Err(error) => Err(Error::io("locking", &self.lock)(error)),
        }
    }

    /// Whether it runs.
    pub(crate) fn is_alive(&self) -> Result<bool, Error> {
        match File::open(&self.lock) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            file => lock::is_held(&file.map_err(Error::io("opening", &self.lock))?, &self.lock),
        }
    }

    /// Its number, when it runs.
    pub(crate) fn pid(&self) -> Option<i32> {
        let deadline = Instant::now() + NUMBER;
        while self.is_alive().unwrap_or(false) {
            let text = std::fs::read_to_string(&self.pid).unwrap_or_default();
            // Without the end of the line it may be half a number.
            if let Some(number) = text.strip_suffix('\n').and_then(|number| number.parse().ok()) {
                return Some(number);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(POLL);
        }
        None
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid().and_then(Pid::from_raw) {
            // It may have ended by itself just now.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Process for Daemon {
    fn ended(&mut self) -> Option<String> {
        // A child that has ended must be waited for, and then its status is known.
        let status = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
        match status {
            Some(status) => Some(status.to_string()),
            None if self.is_alive().unwrap_or(true) => None,
            None => Some("its end, which nobody saw".to_owned()),
        }
    }

    fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    fn kill(&mut self) {
        self.signal(Signal::KILL);
        // The kernel needs a moment, in which a lock is still held.
        self.wait(NUMBER);
    }

    fn output_tail(&self) -> String {
        log_tail(&self.log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn sleeper(folder: &Path) -> Daemon {
        let mut daemon = Daemon::at(folder, "a");
        daemon.start(&Cmd::new("sleep").arg("100").env("NAME", "value")).unwrap();
        daemon
    }

    #[test]
    fn it_is_known_to_others_and_ends_when_told() {
        let temp = tempfile::tempdir().unwrap();
        let mut mine = sleeper(temp.path());
        let mut other = Daemon::at(temp.path(), "a");
        assert!(other.is_alive().unwrap() && other.ended().is_none());
        assert_eq!(other.pid(), mine.child.as_ref().map(|child| child.id().cast_signed()));
        other.terminate();
        assert!(mine.wait(SOON) && other.wait(SOON));
        assert!(mine.ended().unwrap().contains("signal: 15"));
        assert_eq!(other.pid(), None);
        sleeper(temp.path()).kill();
    }

    #[test]
    fn a_second_one_is_not_started() {
        let temp = tempfile::tempdir().unwrap();
        let mut daemon = sleeper(temp.path());
        let error = Daemon::at(temp.path(), "a").start(&Cmd::new("true")).unwrap_err().to_string();
        assert!(error.contains("locking") && error.contains("a.lock"), "{error}");
        daemon.kill();
        assert!(!daemon.is_alive().unwrap());
    }

    #[test]
    fn files_that_a_dead_one_left_are_no_sign_of_life() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("a.lock"), "").unwrap();
        // Of all numbers the one that must not be killed.
        std::fs::write(temp.path().join("a.pid"), format!("{}\n", std::process::id())).unwrap();
        let mut daemon = Daemon::at(temp.path(), "a");
        assert_eq!((daemon.is_alive().unwrap(), daemon.pid()), (false, None));
        daemon.kill();
        assert!(daemon.ended().is_some());
    }

    #[test]
    fn a_program_that_is_missing_ends_with_the_reason_in_its_log() {
        let temp = tempfile::tempdir().unwrap();
        let mut daemon = Daemon::at(temp.path(), "a");
        daemon.start(&Cmd::new("/nonexistent/program")).unwrap();
        assert!(daemon.wait(SOON));
        assert!(daemon.output_tail().contains("/nonexistent/program"), "{}", daemon.output_tail());
    }
}
