//! Checks inside the guest. That a check failed and that it could not run are different results.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::agent::{Agent, Error, ExecOutput};
use crate::diagnosis::tail;
use crate::pace::Pace;
use crate::serial::readable_text;

/// How much of what a check printed is kept, in bytes from the end.
const OUTPUT_KEPT: usize = 2048;

/// A shell command that must succeed inside the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The name in reports.
    pub name: String,
    /// The command, for `/bin/sh -c`, run as root.
    pub command: String,
    /// What it must print to standard output, white space around it aside; without it the exit code decides alone.
    pub expect: Option<String>,
    /// How long it may take in a guest of the usual pace.
    pub timeout: Duration,
}

/// What became of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// It exited with 0 and printed what was expected.
    Passed,
    /// It ran to its end and the guest is not as it should be.
    Failed {
        /// What should have been printed, if that was given.
        expected: Option<String>,
        /// The end of what was printed.
        got: String,
        /// The exit code; none when a signal ended the command.
        exit_code: Option<i64>,
        /// The end of standard error.
        stderr_tail: String,
    },
    /// Nothing is known about the guest: the agent did not start the command, or it did not end in time.
    CouldNotRun {
        /// Why.
        why: String,
    },
}

/// A check and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckResult {
    /// The name of the check.
    pub name: String,
    /// Its command.
    pub command: String,
    /// How long it took.
    #[serde(rename = "duration_seconds", serialize_with = "crate::report::seconds")]
    pub duration: Duration,
    /// The end of standard output.
    pub output_tail: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Check {
    /// Runs the check in a guest of this pace.
    pub(crate) fn run(&self, agent: &mut Agent, pace: &mut Pace) -> CheckResult {
        let started = Instant::now();
        let ran = agent.exec_at(pace, &self.command, self.timeout);
        let duration = started.elapsed();
        let output_tail = ran.as_ref().map(|output| kept(&output.stdout)).unwrap_or_default();
        let (name, command) = (self.name.clone(), self.command.clone());
        CheckResult { name, command, duration, output_tail, outcome: self.judge(ran) }
    }

    fn judge(&self, ran: Result<ExecOutput, Error>) -> Outcome {
        let output = match ran {
            Ok(output) => output,
            Err(error) => return Outcome::CouldNotRun { why: error.to_string() },
        };
        let stderr_tail = kept(&output.stderr);
        let as_expected = self.expect.as_ref().is_none_or(|expected| expected.trim() == output.stdout_text());
        if output.exit_code == Some(0) && as_expected {
            return Outcome::Passed;
        }
        Outcome::Failed {
            expected: self.expect.clone(),
            got: kept(&output.stdout),
            exit_code: output.exit_code,
            stderr_tail,
        }
    }
}

/// What a report keeps of an output: its end, readable.
fn kept(output: &[u8]) -> String {
    // Much more than is kept in the end, and little enough to clean up quickly.
    let start = output.len().saturating_sub(8 * OUTPUT_KEPT);
    tail(&readable_text(&output[start..]), OUTPUT_KEPT).to_owned()
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::CouldNotRun { why } => write!(f, "could not run: {why}"),
            Self::Failed { expected, got, exit_code, stderr_tail } => {
                match exit_code {
                    Some(code) => write!(f, "failed with exit code {code}")?,
                    None => f.write_str("ended by a signal")?,
                }
                if let Some(expected) = expected {
                    write!(f, "; expected {expected:?}, got {got:?}")?;
                }
                if stderr_tail.is_empty() { Ok(()) } else { write!(f, "; it said: {stderr_tail}") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Act, serve};
    use base64::prelude::{BASE64_STANDARD, Engine};

    /// What the work prints in a guest that is eight times slower than usual.
    const WORK_EIGHT_TIMES: &str = "100.00 108.00\n";

    fn judged(expect: Option<&str>, exit_code: i64, stdout: &str) -> Outcome {
        let check = Check {
            name: "n".into(),
            command: "c".into(),
            expect: expect.map(str::to_owned),
            timeout: Duration::from_secs(1),
        };
        check.judge(Ok(ExecOutput { exit_code: Some(exit_code), stdout: stdout.into(), stderr: b"oops\n".to_vec() }))
    }

    #[test]
    fn white_space_around_the_output_does_not_matter() {
        assert_eq!(judged(Some("vfs"), 0, " vfs\n"), Outcome::Passed);
        assert_eq!(judged(None, 0, "anything"), Outcome::Passed);
    }

    #[test]
    fn other_output_and_other_exit_codes_fail() {
        assert_eq!(
            judged(Some("vfs"), 0, "overlay2").to_string(),
            r#"failed with exit code 0; expected "vfs", got "overlay2"; it said: oops"#
        );
        assert!(matches!(judged(Some("vfs"), 1, "vfs"), Outcome::Failed { exit_code: Some(1), .. }));
    }

    #[test]
    fn a_report_keeps_no_control_characters() {
        assert_eq!(kept(b"\x1b[31mred\x1b[0m\r\n\0\0two\n"), "red\ntwo");
    }

    #[test]
    fn a_command_that_the_guest_lacks_is_a_fault_of_the_guest() {
        let outcome = judged(None, 127, "");
        assert_eq!(outcome.to_string(), "failed with exit code 127; it said: oops");
    }

    /// Runs a check of 0.2 s that takes `takes`, or never ends, in a guest that says how long its work took.
    fn ran(takes: Option<Duration>, work: &'static str) -> (Outcome, Pace) {
        let begun = Instant::now();
        let agent = Act::AnswerAll(Box::new(move |request| {
            let arguments = &request["arguments"];
            let answer = match request["execute"].as_str().unwrap() {
                "guest-sync-delimited" => format!("\u{FF}{}", arguments["id"]),
                "guest-exec" if arguments["arg"][1] == crate::pace::WORK => r#"{"pid": 2}"#.to_owned(),
                "guest-exec" => r#"{"pid": 1}"#.to_owned(),
                _ if arguments["pid"] == 2 => {
                    format!(r#"{{"exited": true, "exitcode": 0, "out-data": "{}"}}"#, BASE64_STANDARD.encode(work))
                }
                _ if takes.is_some_and(|takes| begun.elapsed() >= takes) => {
                    r#"{"exited": true, "exitcode": 0}"#.to_owned()
                }
                _ => r#"{"exited": false}"#.to_owned(),
            };
            match answer.strip_prefix('\u{FF}') {
                Some(id) => [b"\xFF{\"return\": ", id.as_bytes(), b"}\n"].concat(),
                None => format!("{{\"return\": {answer}}}\n").into_bytes(),
            }
        }));
        let server = serve(vec![agent]);
        let (mut agent, mut pace) = (Agent::connect(&server.path).unwrap(), Pace::default());
        let timeout = Duration::from_millis(200);
        let check = Check { name: "n".into(), command: "c".into(), expect: None, timeout };
        (check.run(&mut agent, &mut pace).outcome, pace)
    }

    #[test]
    fn a_guest_that_is_slowed_eight_times_has_the_time_and_one_that_hangs_ends() {
        let (slow, usual) = (WORK_EIGHT_TIMES, "7.00 7.10\n");
        assert_eq!(ran(Some(Duration::from_millis(700)), slow), (Outcome::Passed, Pace::from(8.0)));
        let could_not = |seconds| Outcome::CouldNotRun { why: format!("`c` did not end within {seconds} s") };
        assert_eq!(ran(None, slow), (could_not("1.6"), Pace::from(8.0)), "the time of a slow guest ends too");
        assert_eq!(ran(None, usual), (could_not("0.2"), Pace::default()));
        assert_eq!(ran(None, "not a time"), (could_not("0.2"), Pace::default()));
        assert_eq!(ran(None, "1.00 100000.00\n"), (could_not("2"), Pace::from(10.0)), "the limit is a hard one");
    }

    #[test]
    fn without_an_agent_nothing_is_known_about_the_guest() {
        let check = Check { name: "n".into(), command: "c".into(), expect: None, timeout: Duration::from_secs(1) };
        let source = crate::line::LineError::Timeout;
        let outcome = check.judge(Err(Error::Line { command: "guest-exec", source }));
        assert_eq!(outcome, Outcome::CouldNotRun { why: "guest agent, guest-exec: no answer in time".into() });
    }
}
