//! The one way this project runs another program.
//!
//! Every program goes through [`Cmd`]: its argument vector, duration and output become `tracing` events with the target
//! `command` (the build writes those to `build.log`), and a failure names the program, its arguments, its status and the
//! end of what it printed to standard error. Secrets of this project's environment are not passed on.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// How much of standard error an error message repeats, in bytes.
const STDERR_TAIL: usize = 2048;

/// Variables of the environment with secrets of this project, which it reads itself. No program that it runs needs one, and a compiler
/// runs the code of many people.
const SECRETS: [&str; 5] =
    ["HELIX_CERTIFICATE_PASSWORD", "HELIX_MINISIGN_PASSWORD", "APPLE_API_KEY", "APPLE_API_KEY_ID", "APPLE_API_ISSUER"];

/// A program could not be run, or ran and failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program could not be started at all.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program, as it was named.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The program ran and reported failure.
    #[error("{argv}\n  ended with {status} after {:.1} s{}", duration.as_secs_f32(), indent_tail(stderr))]
    Failed {
        /// The quoted command line.
        argv: String,
        /// How it ended.
        status: ExitStatus,
        /// How long it ran.
        duration: Duration,
        /// The last [`STDERR_TAIL`] bytes of standard error.
        stderr: String,
    },
    /// The program did not end in the time that it had, and was killed.
    #[error("{argv}\n  was ended after {} s{}", limit.as_secs(), indent_tail(stderr))]
    TimedOut {
        /// The quoted command line.
        argv: String,
        /// How long it had.
        limit: Duration,
        /// The last [`STDERR_TAIL`] bytes of standard error.
        stderr: String,
    },
    /// Talking to the program through its pipes failed.
    #[error("{argv}: {source}")]
    Pipe {
        /// The quoted command line.
        argv: String,
        /// What the system said.
        source: std::io::Error,
    },
}

fn indent_tail(stderr: &str) -> String {
    let text = stderr.trim_end();
    if text.is_empty() {
        return String::new();
    }
    text.lines().fold(String::from("; it said:"), |all, line| all + "\n    " + line)
}

/// What a program printed to standard output, and how long it took.
#[derive(Debug)]
pub struct Output {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Wall-clock time.
    pub duration: Duration,
}

impl Output {
    /// Standard output as text, with invalid UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// A command line under construction.
#[derive(Debug, Clone)]
pub struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    env_clear: bool,
    dir: Option<PathBuf>,
    stdin: Option<Vec<u8>>,
    root: Option<PathBuf>,
    ends_with_parent: bool,
    limit: Option<Duration>,
}

impl Cmd {
    /// A command that runs `program`, searched in `PATH` when it holds no slash.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: BTreeMap::new(),
            env_clear: false,
            dir: None,
            stdin: None,
            root: None,
            ends_with_parent: false,
            limit: None,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(key.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Starts from an empty environment: what the caller's shell exports must not change the result.
    #[must_use]
    pub fn env_clear(mut self) -> Self {
        self.env_clear = true;
        self
    }

    /// Runs in `dir`.
    #[must_use]
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Gives the program `bytes` on standard input (otherwise it is empty).
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Runs with `root` as the root folder, by `chroot(8)`; the caller must have the right to do so.
    #[must_use]
    pub fn root(mut self, root: impl AsRef<Path>) -> Self {
        self.root = Some(root.as_ref().to_owned());
        self
    }

    /// Is killed when the thread that started it ends, by `setpriv(1)` of Linux: for a program that would run on.
    #[must_use]
    pub fn ends_with_parent(mut self) -> Self {
        self.ends_with_parent = true;
        self
    }

    /// Is killed when it has run for so long; what it started itself is not.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The command line as one would type it.
    pub fn quoted(&self) -> String {
        let words = self.argv();
        words.iter().map(|w| quote(&w.to_string_lossy())).collect::<Vec<_>>().join(" ")
    }

    /// The full argument vector, `chroot` included.
    pub fn argv(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        if self.ends_with_parent {
            words.extend(["setpriv", "--pdeathsig", "KILL", "--"].map(OsString::from));
        }
        if let Some(root) = &self.root {
            words.extend(["chroot".into(), root.clone().into_os_string()]);
        }
        words.push(self.program.clone());
        words.extend(self.args.iter().cloned());
        words
    }

    /// The standard library's form of this command, for callers that keep the child (a virtual machine, a shell).
    pub fn to_std(&self) -> Command {
        let argv = self.argv();
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]);
        if self.env_clear {
            command.env_clear();
        }
        for name in SECRETS {
            command.env_remove(name);
        }
        command.envs(&self.env);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    /// Runs the program to its end; its standard output is returned, its standard error goes to the log.
    ///
    /// # Errors
    /// When it cannot be started, or ends with anything but success.
    pub fn output(&self) -> Result<Output, Error> {
        let mut stdout = Vec::new();
        let duration = self.drive(|pipe| pipe.read_to_end(&mut stdout).map(drop))?;
        Ok(Output { stdout, duration })
    }

    /// Runs the program to its end and hands each line of its standard output to `each` as it comes; standard output
    /// and standard error go to the log too.
    ///
    /// # Errors
    /// When it cannot be started, or ends with anything but success.
    pub fn lines(&self, mut each: impl FnMut(&str)) -> Result<(), Error> {
        self.drive(|pipe| {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line)? > 0 {
                let text = String::from_utf8_lossy(&line);
                tracing::debug!(target: "command", "  {}", text.trim_end());
                each(text.trim_end());
                line.clear();
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Starts the program, lets `read` consume its standard output, and waits for its end.
    fn drive(&self, read: impl FnOnce(&mut ChildStdout) -> std::io::Result<()>) -> Result<Duration, Error> {
        let argv = self.quoted();
        tracing::debug!(target: "command", "$ {argv}");
        let started = Instant::now();
        let mut child = self
            .to_std()
            .stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| Error::Start { program: self.argv()[0].to_string_lossy().into_owned(), source })?;

        let stdin = child.stdin.take();
        let mut stdout = child.stdout.take().expect("standard output is a pipe");
        let stderr = child.stderr.take().expect("standard error is a pipe");
        let child = Mutex::new(child);
        let (over, told) = std::sync::mpsc::channel::<()>();
        let (read, stderr, timed_out) = std::thread::scope(|scope| {
            let watch = self.limit.map(|limit| {
                let child = &child;
                scope.spawn(move || {
                    let late = told.recv_timeout(limit).is_err_and(|why| why == RecvTimeoutError::Timeout);
                    // One that has just ended cannot be killed, and need not be.
                    late && child.lock().is_ok_and(|mut child| child.kill().is_ok())
                })
            });
            if let (Some(mut pipe), Some(bytes)) = (stdin, self.stdin.as_deref()) {
                // A program that does not read its input to the end is judged by its exit status.
                scope.spawn(move || pipe.write_all(bytes));
            }
            let errors = scope.spawn(move || follow(stderr));
            let read = read(&mut stdout);
            // After an error of the reader the program must not wait for one: it writes to a closed pipe, and ends.
            drop(stdout);
            let stderr = errors.join().expect("the reader of standard error does not panic");
            drop(over);
            (read, stderr, watch.is_some_and(|watch| watch.join().expect("the watch does not panic")))
        });
        let mut child = child.into_inner().expect("no holder panics");
        let status = child.wait().map_err(|source| Error::Pipe { argv: argv.clone(), source })?;
        if let (true, Some(limit)) = (timed_out, self.limit) {
            return Err(Error::TimedOut { argv, limit, stderr });
        }
        read.map_err(|source| Error::Pipe { argv: argv.clone(), source })?;
        let duration = started.elapsed();
        tracing::debug!(target: "command", "  {status} after {:.2} s: {argv}", duration.as_secs_f32());
        if !status.success() {
            return Err(Error::Failed { argv, status, duration, stderr });
        }
        Ok(duration)
    }

    /// Runs the program to its end; standard output and standard error go to the log.
    ///
    /// # Errors
    /// When it cannot be started, or ends with anything but success.
    pub fn run(&self) -> Result<(), Error> {
        self.lines(|_| {})
    }
}

/// Logs each line of `stream` as it comes and returns the last [`STDERR_TAIL`] bytes.
fn follow(stream: impl Read) -> String {
    let mut tail = Vec::new();
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(n) if n > 0) {
        tracing::debug!(target: "command", "  {}", String::from_utf8_lossy(&line).trim_end());
        tail.extend_from_slice(&line);
        if tail.len() > 2 * STDERR_TAIL {
            tail.drain(..tail.len() - STDERR_TAIL);
        }
        line.clear();
    }
    let start = tail.len().saturating_sub(STDERR_TAIL);
    String::from_utf8_lossy(&tail[start..]).into_owned()
}

/// Quotes one word for a POSIX shell, only where needed.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=/.,:+@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_its_status_and_what_it_said() {
        let error = Cmd::new("sh").args(["-c", "echo first >&2; echo 'last words' >&2; exit 3"]).run().unwrap_err();
        let text = error.to_string();
        assert!(text.contains("sh -c 'echo first"), "{text}");
        assert!(text.contains("exit status: 3") && text.contains("last words"), "{text}");
    }

    #[test]
    fn the_tail_of_a_flood_is_kept_and_bounded() {
        let error = Cmd::new("sh").args(["-c", "seq 100000 >&2; exit 1"]).run().unwrap_err();
        let Error::Failed { stderr, .. } = error else { panic!("{error}") };
        assert!(stderr.ends_with("100000\n") && stderr.len() <= STDERR_TAIL);
    }

    #[test]
    fn input_that_is_not_read_does_not_block() {
        Cmd::new("true").stdin(vec![0; 1 << 20]).run().unwrap();
    }

    #[test]
    fn a_program_that_hangs_is_ended_at_its_limit() {
        let started = Instant::now();
        let hangs = Cmd::new("sh").args(["-c", "echo waiting >&2; exec sleep 600"]).limit(Duration::from_secs(1));
        let error = hangs.run().unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }) && error.to_string().contains("waiting"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(60));
        // One that ends in time is as without a limit.
        assert_eq!(Cmd::new("echo").arg("a").limit(Duration::from_secs(60)).output().unwrap().text(), "a\n");
        let failed = Cmd::new("false").limit(Duration::from_secs(60)).run().unwrap_err();
        assert!(matches!(failed, Error::Failed { .. }), "{failed}");
    }

    #[test]
    fn a_reader_that_panics_is_no_reason_to_wait_for_the_program() {
        let (sender, over) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let reads = || Cmd::new("yes").lines(|_| panic!("the reader"));
            let _ = sender.send(std::panic::catch_unwind(reads).is_err());
        });
        // Only a run that never ends takes as long.
        assert!(over.recv_timeout(Duration::from_secs(60)).expect("it ends"), "the panic is passed on");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Cmd::new("no-such-program-here").run().unwrap_err();
        assert!(error.to_string().contains("no-such-program-here"), "{error}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_ends_with_the_thread_that_started_it() {
        let start = || Cmd::new("sleep").arg("60").ends_with_parent().to_std().spawn().unwrap();
        let child = std::thread::spawn(move || {
            let child = start();
            let stat = format!("/proc/{}/comm", child.id());
            // Only then the signal is asked for.
            while std::fs::read_to_string(&stat).unwrap_or_default() != "sleep\n" {
                std::thread::sleep(Duration::from_millis(5));
            }
            child
        });
        let mut child = child.join().unwrap();
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn secrets_are_not_passed_on_unless_a_program_is_given_one() {
        let removed = |cmd: Cmd| {
            let std = cmd.to_std();
            let gone = std.get_envs().filter(|(_, value)| value.is_none());
            gone.map(|(name, _)| name.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        let mut all = SECRETS.map(str::to_owned).to_vec();
        all.sort();
        assert_eq!(removed(Cmd::new("a")), all);
        let given = removed(Cmd::new("a").env("APPLE_API_KEY", "x"));
        assert!(given.len() == SECRETS.len() - 1 && !given.contains(&"APPLE_API_KEY".to_owned()), "{given:?}");
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(Cmd::new("a").args(["b c", "", "it's"]).quoted(), r"a 'b c' '' 'it'\''s'");
    }
}
