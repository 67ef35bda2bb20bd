//! Runs of the real program, and what is asserted about them.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a run of these tests may take: the longest one boots an image under emulation, on a computer that has other work.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Runs a command to its end.
    pub(crate) fn of(command: Command) -> Self {
        Running::start(command).wait()
    }

    /// Asserts the exit code, with everything that was said when it is another.
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "the exit code; it said:\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that standard error holds all of `phrases`.
    pub(crate) fn says(self, phrases: &[&str]) -> Self {
        for phrase in phrases {
            assert!(self.stderr.contains(phrase), "{phrase:?} is missing in:\n{}", self.stderr);
        }
        self
    }

    /// Standard output as the one JSON document that it must be.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON document ({e}):\n{}", self.stdout))
    }
}

/// A run under way, in a process group of its own.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    readers: Vec<std::thread::JoinHandle<String>>,
}

impl Running {
    /// Starts a command with its streams caught.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?} cannot be started: {e}"));
        let readers = vec![drain(child.stdout.take()), drain(child.stderr.take())];
        Self { child, readers }
    }

    /// Sends a signal to the whole group, as the terminal does, and `kill -9` on a group.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let group = rustix::process::Pid::from_child(&self.child);
        // It may have ended by itself just now.
        let _ = rustix::process::kill_process_group(group, signal);
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_some()
    }

    /// Waits for the end, but not for ever.
    pub(crate) fn wait(mut self) -> Run {
        let started = Instant::now();
        while !self.is_over() {
            if started.elapsed() > PATIENCE {
                self.signal(rustix::process::Signal::KILL);
                panic!("the run was not over after {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let code = self.child.wait().expect("a child can be waited for").code();
        let mut texts = self.readers.into_iter().map(|r| r.join().expect("a reader does not panic"));
        let (stdout, stderr) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
        Run { code, stdout, stderr }
    }
}

fn drain(stream: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.map(|mut s| s.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
