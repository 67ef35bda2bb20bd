//! What a guest that does not come up says about itself, as far as its agent answers.

use std::time::Duration;

use crate::agent::{Agent, Error};
use crate::pace::Pace;
use crate::serial::readable_text;

/// How long each question may take in a guest of the usual pace: a guest in trouble must not hold up the report for long.
const ANSWER: Duration = Duration::from_secs(15);
/// How much of each answer is kept, in bytes from the end.
const KEPT: usize = 16 * 1024;

/// The guest's own view of its trouble.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Diagnosis {
    /// `systemctl --failed`, and the state and last lines of each of these units.
    pub failed_units: String,
    /// `systemctl list-jobs`: what systemd still waits for.
    pub jobs: String,
    /// The end of the journal of this boot.
    pub journal: String,
    /// The last warnings in it, and worse.
    pub warnings: String,
    /// What cloud-init says of its own state, and the end of what it and its scripts printed.
    pub cloud_init: String,
}

/// A unit's own words may be far from the journal's end, and of any priority.
const FAILED_UNITS: &str = "systemctl --failed --no-pager --full
for unit in $(systemctl --failed --plain --no-legend --no-pager --full | cut -d' ' -f1); do
  echo; systemctl status --no-pager --full --lines=15 -- \"$unit\"
done";
/// Without the lines in which the agent says what it was asked: there are several for each second of the wait.
pub(crate) const JOURNAL: &str = "journalctl -b --no-pager | grep -v ' qemu-ga\\[' | tail -n 40";
const CLOUD_INIT: &str = "cloud-init status --long; tail -n 40 /var/log/cloud-init-output.log";

impl Diagnosis {
    /// Asks the guest. What it does not answer is said in the place of the answer.
    pub(crate) fn take(agent: &mut Agent, pace: &mut Pace) -> Self {
        let mut silent = None;
        let mut ask = |command: &str| {
            if let Some(why) = &silent {
                return format!("(not asked: {why})");
            }
            match agent.exec_at(pace, command, ANSWER) {
                Ok(output) => tail(&readable_text(&[output.stdout, output.stderr].concat()), KEPT).to_owned(),
                Err(error) => {
                    // An agent that does not answer now would hold up the report once for each question.
                    silent = matches!(error, Error::Line { .. }).then(|| error.to_string());
                    format!("({error})")
                }
            }
        };
        Self {
            failed_units: ask(FAILED_UNITS),
            jobs: ask("systemctl list-jobs --no-pager --full"),
            journal: ask(JOURNAL),
            warnings: ask("journalctl -b -n 40 --no-pager -p warning"),
            cloud_init: ask(CLOUD_INIT),
        }
    }
}

impl std::fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let blocks = [
            ("failed units", &self.failed_units),
            ("waiting jobs", &self.jobs),
            ("last warnings of the journal", &self.warnings),
            ("end of the journal", &self.journal),
            ("cloud-init", &self.cloud_init),
        ];
        blocks.into_iter().try_for_each(|(title, text)| write_block(f, title, text.lines()))
    }
}

/// A titled block of indented lines.
pub(crate) fn write_block<'a>(
    f: &mut std::fmt::Formatter<'_>,
    title: &str,
    lines: impl Iterator<Item = &'a str>,
) -> std::fmt::Result {
    write!(f, "\n  {title}:")?;
    lines.into_iter().try_for_each(|line| write!(f, "\n    {line}"))
}

/// The last `limit` bytes of `text`, or a little less where a character would be cut.
pub(crate) fn tail(text: &str, limit: usize) -> &str {
    let mut start = text.len().saturating_sub(limit);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Act, serve};
    use std::time::Instant;

    #[test]
    fn an_agent_that_falls_silent_is_asked_once() {
        let sync = Act::Answer(Box::new(|request| {
            [b"\xFF{\"return\": ", request["arguments"]["id"].to_string().as_bytes(), b"}\n"].concat()
        }));
        // It closes the port after its first answer.
        let server = serve(vec![sync]);
        let (mut agent, begun) = (Agent::connect(&server.path).unwrap(), Instant::now());
        let diagnosis = Diagnosis::take(&mut agent, &mut Pace::default());
        assert!(begun.elapsed() < ANSWER);
        assert!(diagnosis.failed_units.starts_with("(guest agent, guest-exec: "), "{diagnosis}");
        for text in [diagnosis.jobs, diagnosis.journal, diagnosis.warnings, diagnosis.cloud_init] {
            assert!(text.starts_with("(not asked: guest agent, guest-exec: "), "{text}");
        }
    }

    #[test]
    fn a_tail_never_cuts_a_character() {
        assert_eq!(tail("aäöü", 3), "ü");
        assert_eq!(tail("ab", 10), "ab");
    }
}
