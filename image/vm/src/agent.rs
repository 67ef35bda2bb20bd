//! A small client of the QEMU guest agent: ping, run a program, shut down.
//!
//! The port is a byte pipe that outlives the agent: what an earlier client asked may be answered now, an agent that is
//! not up yet says nothing. Each conversation therefore starts with `guest-sync-delimited`, and each error makes the
//! next command start with it again. See <https://www.qemu.org/docs/master/interop/qemu-ga-ref.html>.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use crate::line::{LineError, Lines, excerpt};
use crate::pace::Pace;

/// The longest answer that is taken, in bytes. The agent itself keeps 16 MiB of a program's output; no check needs that.
const LINE_LIMIT: usize = 8 << 20;
/// The byte that the agent sends before the answer to `guest-sync-delimited`; it never occurs within JSON.
const SENTINEL: u8 = 0xFF;
/// A request to synchronise may be lost when the agent starts in between: it is sent again after this time.
const SYNC_RETRY: Duration = Duration::from_secs(5);
/// How exactly a clock that was set is looked at.
const SECOND: Duration = Duration::from_secs(1);
/// How long a running program is left alone between two looks at it.
const POLL: Duration = Duration::from_millis(100);
/// How long the agent has at least to say whether a program has ended: it answers at once, in the guest's own time.
const STATUS: Duration = Duration::from_secs(5);

/// The agent refused or could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket cannot be reached.
    #[error("cannot connect to the guest agent at {}: {source}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection failed during a command; without an agent in the guest this is a time-out.
    #[error("guest agent, {command}: {source}")]
    Line {
        /// The command.
        command: &'static str,
        /// What happened.
        source: LineError,
    },
    /// The agent sent something that is not its protocol.
    #[error("guest agent, {command}: not understood: {got}")]
    Protocol {
        /// The command.
        command: &'static str,
        /// The start of what came.
        got: String,
    },
    /// The agent refused the command.
    #[error("guest agent, {command}: {description}")]
    Refused {
        /// The command.
        command: &'static str,
        /// The agent's explanation.
        description: String,
    },
    /// A program in the guest did not end in time; it was killed there if that was still possible.
    #[error("`{program}` did not end within {} s", timeout.as_secs_f32())]
    ExecTimeout {
        /// The shell command.
        program: String,
        /// How long it was given.
        timeout: Duration,
    },
}

/// How a program in the guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// The exit code; none when a signal ended the program.
    pub exit_code: Option<i64>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl ExecOutput {
    /// Standard output as text without white space around it.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }

    /// Standard error as text without white space around it.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_owned()
    }
}

/// A program that runs in the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestPid(i64);

/// A connection to the agent's port.
#[derive(Debug)]
pub struct Agent {
    lines: Lines,
    in_sync: bool,
    last_sync: u64,
    /// When the request to synchronise that has no answer yet was sent.
    sync_sent: Option<Instant>,
}

impl Agent {
    /// Connects to the port's socket at `path`. QEMU answers there whether or not an agent runs in the guest.
    ///
    /// # Errors
    /// When the socket cannot be reached.
    pub fn connect(path: &Path) -> Result<Self, Error> {
        let lines = Lines::connect(path, LINE_LIMIT);
        let lines = lines.map_err(|source| Error::Connect { path: path.to_owned(), source })?;
        Ok(Self { lines, in_sync: false, last_sync: 0, sync_sent: None })
    }

    /// Waits until the agent answers.
    ///
    /// # Errors
    /// When it does not within `timeout`.
    pub fn ping(&mut self, timeout: Duration) -> Result<(), Error> {
        self.command("guest-ping", json!({}), Instant::now() + timeout).map(drop)
    }

    /// Runs a shell command in the guest and waits for its end.
    ///
    /// # Errors
    /// When it cannot be started, or does not end within `timeout`; it is then killed.
    pub fn exec(&mut self, shell: &str, timeout: Duration) -> Result<ExecOutput, Error> {
        let deadline = Instant::now() + timeout;
        let pid = self.start(shell, timeout)?;
        match self.follow(pid, deadline)? {
            Some(output) => Ok(output),
            None => Err(self.give_up(pid, shell, timeout)),
        }
    }

    /// As [`Self::exec`], with `timeout` stretched by the guest's pace, which is looked at again when the time is over.
    ///
    /// # Errors
    /// Those of [`Self::exec`].
    pub fn exec_at(&mut self, pace: &mut Pace, shell: &str, timeout: Duration) -> Result<ExecOutput, Error> {
        let begun = Instant::now();
        let pid = self.start(shell, pace.stretch(timeout))?;
        loop {
            if let Some(output) = self.follow(pid, begun + pace.stretch(timeout))? {
                return Ok(output);
            }
            if !pace.ask(self) {
                return Err(self.give_up(pid, shell, pace.stretch(timeout)));
            }
        }
    }

    /// Waits until `deadline` for the end of a program. One that has ended by then counts, however late this is called.
    fn follow(&mut self, pid: GuestPid, deadline: Instant) -> Result<Option<ExecOutput>, Error> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let output = self.poll(pid, left.max(STATUS))?;
            if output.is_some() || left.is_zero() {
                return Ok(output);
            }
            std::thread::sleep(POLL.min(left));
        }
    }

    fn give_up(&mut self, pid: GuestPid, shell: &str, timeout: Duration) -> Error {
        // Whether this works or not, the time-out is what the caller has to know.
        let _ = self.start(&format!("kill -KILL -- -{0} || kill -KILL {0}", pid.0), Duration::from_secs(5));
        Error::ExecTimeout { program: shell.to_owned(), timeout }
    }

    /// Starts a shell command in the guest.
    ///
    /// # Errors
    /// When the agent does not start it within `timeout`.
    pub fn start(&mut self, shell: &str, timeout: Duration) -> Result<GuestPid, Error> {
        let arguments = json!({ "path": "/bin/sh", "arg": ["-c", shell], "capture-output": true });
        let answer = self.command("guest-exec", arguments, Instant::now() + timeout)?;
        let pid = answer.get("pid").and_then(Value::as_i64);
        pid.map(GuestPid).ok_or_else(|| not_understood("guest-exec", &answer))
    }

    /// How the program ended, or nothing while it runs. The agent tells this once.
    ///
    /// # Errors
    /// When the agent does not know the program or does not answer within `timeout`.
    pub fn poll(&mut self, pid: GuestPid, timeout: Duration) -> Result<Option<ExecOutput>, Error> {
        let answer = self.command("guest-exec-status", json!({ "pid": pid.0 }), Instant::now() + timeout)?;
        match answer.get("exited").and_then(Value::as_bool) {
            Some(false) => Ok(None),
            Some(true) => Ok(Some(ExecOutput {
                exit_code: answer.get("exitcode").and_then(Value::as_i64),
                stdout: decoded(&answer, "out-data")?,
                stderr: decoded(&answer, "err-data")?,
            })),
            None => Err(not_understood("guest-exec-status", &answer)),
        }
    }

    /// Sets the guest's clock to `time` since 1970, at once, forwards or back.
    ///
    /// # Errors
    /// When the agent refuses, the clock then shows another time, or there is no answer within `timeout`.
    pub fn set_time(&mut self, time: Duration, timeout: Duration) -> Result<(), Error> {
        let (deadline, begun) = (Instant::now() + timeout, Instant::now());
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let asked = self.command("guest-set-time", json!({ "time": nanos }), deadline);
        let Err(refused @ Error::Refused { .. }) = asked else { return asked.map(drop) };
        // The agent sets the clock, and then the hardware's by `hwclock`, which a guest need not have: the hardware's is
        // QEMU's, and right by itself. So what counts is the clock.
        let shown = self.time(deadline)?;
        if shown.abs_diff(time) <= begun.elapsed() + SECOND { Ok(()) } else { Err(refused) }
    }

    /// What the guest's clock shows, since 1970.
    fn time(&mut self, deadline: Instant) -> Result<Duration, Error> {
        let answer = self.command("guest-get-time", json!({}), deadline)?;
        answer.as_u64().map(Duration::from_nanos).ok_or_else(|| not_understood("guest-get-time", &answer))
    }

    /// Asks the guest to power off. A success has no answer; a refusal that comes within a second is reported.
    ///
    /// # Errors
    /// When the agent is not there or refuses.
    pub fn shutdown(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + Duration::from_secs(1);
        match self.command("guest-shutdown", json!({ "mode": "powerdown" }), deadline) {
            Err(Error::Line { command: "guest-shutdown", source: LineError::Timeout | LineError::Closed }) => Ok(()),
            other => other.map(drop),
        }
    }

    fn command(&mut self, command: &'static str, arguments: Value, deadline: Instant) -> Result<Value, Error> {
        if !self.in_sync {
            self.sync(deadline)?;
        }
        self.in_sync = false;
        let request = json!({ "execute": command, "arguments": arguments }).to_string() + "\n";
        let line = self.lines.send(request.as_bytes(), deadline).and_then(|()| self.lines.next(deadline));
        let line = line.map_err(|source| Error::Line { command, source })?;
        let mut message: Value =
            serde_json::from_slice(&line).map_err(|_| Error::Protocol { command, got: excerpt(&line) })?;
        if let Some(error) = message.get("error") {
            self.in_sync = true;
            let description = error.get("desc").and_then(Value::as_str).unwrap_or("no reason given").to_owned();
            return Err(Error::Refused { command, description });
        }
        let answer = message.get_mut("return").map(Value::take).ok_or_else(|| not_understood(command, &message))?;
        self.in_sync = true;
        Ok(answer)
    }

    /// Skips whatever is under way until the agent has answered the latest request to synchronise.
    fn sync(&mut self, deadline: Instant) -> Result<(), Error> {
        loop {
            let answered = self.ask_sync(deadline).and_then(|retry| self.await_sync(deadline.min(retry)));
            match answered {
                Ok(()) => {
                    (self.in_sync, self.sync_sent) = (true, None);
                    return Ok(());
                }
                Err(LineError::Timeout) if Instant::now() < deadline => {}
                Err(source) => return Err(Error::Line { command: "guest-sync-delimited", source }),
            }
        }
    }

    /// Sends a request unless a recent one is still under way, and returns when the next one is due.
    ///
    /// While no agent runs, requests pile up in the port: one every few seconds does not fill it during a boot.
    fn ask_sync(&mut self, deadline: Instant) -> Result<Instant, LineError> {
        if let Some(due) = self.sync_sent.map(|sent| sent + SYNC_RETRY).filter(|due| *due > Instant::now()) {
            return Ok(due);
        }
        self.last_sync += 1;
        let request = json!({ "execute": "guest-sync-delimited", "arguments": { "id": self.last_sync } });
        // The sentinel in front resets a parser that sits in the middle of someone's half request.
        let request = [&[SENTINEL], request.to_string().as_bytes(), b"\n"].concat();
        let now = Instant::now();
        self.lines.send(&request, deadline)?;
        self.sync_sent = Some(now);
        Ok(now + SYNC_RETRY)
    }

    fn await_sync(&mut self, deadline: Instant) -> Result<(), LineError> {
        loop {
            self.lines.skip_past(SENTINEL, deadline)?;
            let line = match self.lines.next(deadline) {
                Err(LineError::TooLong { .. }) => continue,
                line => line?,
            };
            // Half an answer may stand in front of the one that counts.
            let start = line.iter().rposition(|&byte| byte == SENTINEL).map_or(0, |at| at + 1);
            let answer: Value = serde_json::from_slice(&line[start..]).unwrap_or_default();
            // Another number is the answer to an earlier request.
            if answer.get("return").and_then(Value::as_u64) == Some(self.last_sync) {
                return Ok(());
            }
        }
    }
}

fn decoded(answer: &Value, key: &str) -> Result<Vec<u8>, Error> {
    let Some(data) = answer.get(key) else { return Ok(Vec::new()) };
    let bytes = data.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
    bytes.ok_or_else(|| not_understood("guest-exec-status", data))
}

fn not_understood(command: &'static str, message: &Value) -> Error {
    Error::Protocol { command, got: excerpt(message.to_string().as_bytes()) }
}

#[cfg(test)]
mod tests;
