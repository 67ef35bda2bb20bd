//! Waiting until systemd in the guest has settled, by asking it through the agent.

use std::time::Duration;

use crate::agent::{Agent, Error, ExecOutput, GuestPid};
use crate::pace::Pace;

/// How long the agent of a guest of the usual pace has to answer one question, once it has answered at all.
const ANSWER: Duration = Duration::from_secs(20);

/// What became of the start-up jobs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "failed_units")]
pub enum Settled {
    /// Everything is up.
    Running,
    /// Everything else is up, but these units failed.
    Degraded(Vec<String>),
    /// The rescue or emergency shell waits for someone.
    Maintenance,
}

/// What `systemctl is-system-running` said, in as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Degraded,
    Maintenance,
    /// Not there yet, also while systemd cannot be asked.
    Starting,
}

fn state_of(output: &ExecOutput) -> State {
    match output.stdout_text().as_str() {
        "running" => State::Running,
        "degraded" => State::Degraded,
        "maintenance" => State::Maintenance,
        _ => State::Starting,
    }
}

/// Asks, a look at a time, so that the caller can watch other things in between.
#[derive(Debug, Default)]
pub(crate) struct SettleWatch {
    question: Option<GuestPid>,
}

impl SettleWatch {
    /// The settled state, or nothing as long as there is none.
    ///
    /// # Errors
    /// When the agent does not answer. It may be restarting: the next look asks anew.
    pub(crate) fn look(&mut self, agent: &mut Agent, pace: Pace) -> Result<Option<Settled>, Error> {
        let patience = pace.stretch(ANSWER);
        let pid = match self.question.take() {
            Some(pid) => pid,
            // It waits in the guest by itself; until D-Bus is up it fails at once and is asked again.
            None => agent.start("systemctl is-system-running --wait", patience)?,
        };
        let Some(output) = agent.poll(pid, patience)? else {
            self.question = Some(pid);
            return Ok(None);
        };
        Ok(match state_of(&output) {
            State::Running => Some(Settled::Running),
            State::Degraded => Some(Settled::Degraded(failed_units(agent, patience)?)),
            State::Maintenance => Some(Settled::Maintenance),
            State::Starting => None,
        })
    }
}

/// The names of the units that failed.
fn failed_units(agent: &mut Agent, patience: Duration) -> Result<Vec<String>, Error> {
    let output = agent.exec("systemctl --failed --plain --no-legend --full --no-pager", patience)?;
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    Ok(output.stdout_text().lines().filter_map(first).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Act, serve};
    use base64::prelude::{BASE64_STANDARD, Engine};

    fn answer(text: String) -> Act {
        Act::answer(move |_| format!("{{\"return\": {text}}}\n"))
    }

    fn says(stdout: &str) -> [Act; 2] {
        let data = BASE64_STANDARD.encode(stdout);
        let end = format!("{{\"exited\": true, \"exitcode\": 1, \"out-data\": \"{data}\"}}");
        [answer("{\"pid\": 5}".into()), answer(end)]
    }

    fn looked(replies: Vec<Act>, looks: usize) -> Vec<Option<Settled>> {
        let sync = Act::Answer(Box::new(|request| {
            [b"\xFF{\"return\": ", request["arguments"]["id"].to_string().as_bytes(), b"}\n"].concat()
        }));
        let server = serve([vec![sync], replies].into_iter().flatten().collect());
        let mut agent = Agent::connect(&server.path).unwrap();
        let mut watch = SettleWatch::default();
        (0..looks).map(|_| watch.look(&mut agent, Pace::default()).unwrap()).collect()
    }

    #[test]
    fn a_system_that_is_not_up_is_asked_again() {
        let replies = says("offline\n").into_iter().chain(says("")).chain(says("running\n")).collect();
        assert_eq!(looked(replies, 3), [None, None, Some(Settled::Running)]);
    }

    #[test]
    fn one_question_is_followed_over_several_looks() {
        let waits = [answer("{\"pid\": 5}".into()), answer("{\"exited\": false}".into())];
        let [_, end] = says("maintenance\n");
        let replies = waits.into_iter().chain([end]).collect();
        assert_eq!(looked(replies, 2), [None, Some(Settled::Maintenance)]);
    }

    #[test]
    fn a_degraded_system_names_its_failed_units() {
        let failed = "a.service loaded failed failed A thing\nb.mount loaded failed failed /b\n";
        let replies = says("degraded\n").into_iter().chain(says(failed)).collect();
        assert_eq!(looked(replies, 1), [Some(Settled::Degraded(vec!["a.service".into(), "b.mount".into()]))]);
    }
}
