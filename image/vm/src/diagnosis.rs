//! What a guest that does not come up says about itself, as far as its agent answers.

use std::time::Duration;

use crate::agent::Agent;
use crate::pace::Pace;
use crate::serial::readable_text;

/// How long each question may take in a guest of the usual pace: a guest in trouble must not hold up the report for long.
const ANSWER: Duration = Duration::from_secs(15);
/// How much of each answer is kept, in bytes from the end.
const KEPT: usize = 16 * 1024;

/// The guest's own view of its trouble.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Diagnosis {
    /// `systemctl --failed`.
    pub failed_units: String,
    /// `systemctl list-jobs`: what systemd still waits for.
    pub jobs: String,
    /// The end of the journal of this boot, warnings and worse.
    pub journal: String,
}

impl Diagnosis {
    /// Asks the guest. What it does not answer is said in the place of the answer.
    pub(crate) fn take(agent: &mut Agent, pace: &mut Pace) -> Self {
        let mut ask = |command: &str| match agent.exec_at(pace, command, ANSWER) {
            Ok(output) => tail(&readable_text(&[output.stdout, output.stderr].concat()), KEPT).to_owned(),
            Err(error) => format!("({error})"),
        };
        Self {
            failed_units: ask("systemctl --failed --no-pager --full"),
            jobs: ask("systemctl list-jobs --no-pager --full"),
            journal: ask("journalctl -b -n 60 --no-pager -p warning"),
        }
    }
}

impl std::fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (title, text) in
            [("failed units", &self.failed_units), ("waiting jobs", &self.jobs), ("journal, warnings", &self.journal)]
        {
            write_block(f, title, text.lines())?;
        }
        Ok(())
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

    #[test]
    fn a_tail_never_cuts_a_character() {
        assert_eq!(tail("aäöü", 3), "ü");
        assert_eq!(tail("ab", 10), "ab");
    }
}
