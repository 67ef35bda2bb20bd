//! A small QMP client: greeting, capabilities, commands; events are kept aside.
//!
//! The protocol is <https://www.qemu.org/docs/master/interop/qmp-spec.html>.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::line::{LineError, Lines, excerpt};

/// The longest line that is taken, in bytes; QEMU's answers to what is asked here have a few hundred.
const LINE_LIMIT: usize = 1 << 20;
/// How many events are kept; the oldest go first.
const EVENTS_KEPT: usize = 100;

/// A QMP command failed or could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket cannot be reached.
    #[error("cannot connect to QMP at {}: {source}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection failed during a command.
    #[error("QMP {command}: {source}")]
    Line {
        /// The command, or "greeting".
        command: String,
        /// What happened.
        source: LineError,
    },
    /// QEMU sent something that is not QMP.
    #[error("QMP {command}: not understood: {got}")]
    Protocol {
        /// The command, or "greeting".
        command: String,
        /// The start of what came.
        got: String,
    },
    /// QEMU refused the command.
    #[error("QMP {command}: {class}: {description}")]
    Refused {
        /// The command.
        command: String,
        /// The class of the error.
        class: String,
        /// QEMU's explanation.
        description: String,
    },
}

/// A QMP connection that is ready for commands.
#[derive(Debug)]
pub struct Qmp {
    lines: Lines,
    events: VecDeque<Value>,
    last_id: u64,
}

impl Qmp {
    /// Connects to the socket at `path`, reads the greeting and leaves the negotiation mode.
    ///
    /// # Errors
    /// When the socket cannot be reached or what listens there does not speak QMP within `timeout`.
    pub fn connect(path: &Path, timeout: Duration) -> Result<Self, Error> {
        let lines = Lines::connect(path, LINE_LIMIT);
        let lines = lines.map_err(|source| Error::Connect { path: path.to_owned(), source })?;
        let mut qmp = Self { lines, events: VecDeque::new(), last_id: 0 };
        let greeting = qmp.next_message("greeting", Instant::now() + timeout)?;
        if greeting.get("QMP").is_none() {
            return Err(Error::Protocol { command: "greeting".into(), got: excerpt(greeting.to_string().as_bytes()) });
        }
        qmp.execute("qmp_capabilities", json!({}), timeout)?;
        Ok(qmp)
    }

    /// Runs a command and returns what it returns. Events and late answers to earlier commands are passed over.
    ///
    /// # Errors
    /// When QEMU refuses it, answers nonsense, closes the connection or does not answer within `timeout`.
    pub fn execute(&mut self, command: &str, arguments: Value, timeout: Duration) -> Result<Value, Error> {
        let deadline = Instant::now() + timeout;
        self.last_id += 1;
        let mut request = json!({ "execute": command, "arguments": arguments, "id": self.last_id }).to_string();
        request.push('\n');
        let sent = self.lines.send(request.as_bytes(), deadline);
        sent.map_err(|source| Error::Line { command: command.to_owned(), source })?;
        loop {
            let message = self.next_message(command, deadline)?;
            if let Some(answer) = self.sort(command, message)? {
                return Ok(answer);
            }
        }
    }

    /// The answer that is waited for, or nothing when `message` is something else that may come.
    fn sort(&mut self, command: &str, mut message: Value) -> Result<Option<Value>, Error> {
        if message.get("event").is_some() {
            self.events.truncate(EVENTS_KEPT - 1);
            self.events.push_front(message);
            return Ok(None);
        }
        match message.get("id").and_then(Value::as_u64) {
            Some(id) if id == self.last_id => {}
            // The answer to a command whose time-out has passed.
            Some(id) if id < self.last_id => return Ok(None),
            _ => return Err(not_understood(command, &message)),
        }
        if let Some(error) = message.get("error") {
            let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
            return Err(Error::Refused { command: command.into(), class: text("class"), description: text("desc") });
        }
        let answer = message.get_mut("return").map(Value::take);
        answer.map(Some).ok_or_else(|| not_understood(command, &message))
    }

    fn next_message(&mut self, command: &str, deadline: Instant) -> Result<Value, Error> {
        let line = self.lines.next(deadline).map_err(|source| Error::Line { command: command.to_owned(), source })?;
        let message: Option<Value> = serde_json::from_slice(&line).ok();
        message
            .filter(Value::is_object)
            .ok_or_else(|| Error::Protocol { command: command.to_owned(), got: excerpt(&line) })
    }

    /// The events that have come so far, oldest first; they are handed out once.
    pub fn take_events(&mut self) -> Vec<Value> {
        self.events.drain(..).rev().collect()
    }

    /// The state of the machine: `running`, `internal-error`, `guest-panicked`, `shutdown` and so on.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub fn status(&mut self, timeout: Duration) -> Result<String, Error> {
        let answer = self.execute("query-status", json!({}), timeout)?;
        let status = answer.get("status").and_then(Value::as_str).map(str::to_owned);
        status.ok_or_else(|| not_understood("query-status", &answer))
    }
}

fn not_understood(command: &str, message: &Value) -> Error {
    Error::Protocol { command: command.to_owned(), got: excerpt(message.to_string().as_bytes()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Act, Server, serve};

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn reply(make: impl Fn(u64) -> String + Send + 'static) -> Act {
        Act::answer(move |request| make(request["id"].as_u64().unwrap()))
    }

    fn ok() -> Act {
        reply(|id| format!("{{\"return\": {{}}, \"id\": {id}}}\r\n"))
    }

    fn connected(script: Vec<Act>) -> (Server, Qmp) {
        let greeting = Act::send("{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n");
        let server = serve([vec![greeting, ok()], script].into_iter().flatten().collect());
        let qmp = Qmp::connect(&server.path, TIMEOUT).unwrap();
        (server, qmp)
    }

    #[test]
    fn events_and_late_answers_are_passed_over() {
        let (_server, mut qmp) = connected(vec![reply(|id| {
            let event = "{\"event\": \"RESET\", \"data\": {}}";
            let late = format!("{{\"return\": {{}}, \"id\": {}}}", id - 1);
            format!("{event}\n{late}\n{{\"return\": {{\"status\": \"running\"}}, \"id\": {id}}}\n")
        })]);
        assert_eq!(qmp.status(TIMEOUT).unwrap(), "running");
        assert_eq!(qmp.take_events().len(), 1);
        assert!(qmp.take_events().is_empty());
    }

    #[test]
    fn a_refusal_carries_the_class_and_the_reason() {
        let refusal = "\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no such\"}";
        let (_server, mut qmp) = connected(vec![reply(move |id| format!("{{{refusal}, \"id\": {id}}}\n"))]);
        let error = qmp.execute("x", json!({}), TIMEOUT).unwrap_err();
        assert_eq!(error.to_string(), "QMP x: CommandNotFound: no such");
    }

    #[test]
    fn nonsense_is_a_protocol_error() {
        for nonsense in
            ["hello\n", "[]\n", "{}\n", "{\"return\": {}, \"id\": 999}\n", "{\"return\": {}, \"id\": \"x\"}\n"]
        {
            let (_server, mut qmp) = connected(vec![reply(move |_| nonsense.to_owned())]);
            let error = qmp.status(TIMEOUT).unwrap_err();
            assert!(matches!(error, Error::Protocol { .. }), "{nonsense}: {error}");
        }
        let (_server, mut qmp) = connected(vec![reply(|id| format!("{{\"id\": {id}}}\n"))]);
        assert!(matches!(qmp.status(TIMEOUT), Err(Error::Protocol { .. })));
    }

    #[test]
    fn something_else_that_listens_is_not_taken_for_qemu() {
        let server = serve(vec![Act::send("{\"hello\": 1}\n")]);
        let error = Qmp::connect(&server.path, TIMEOUT).unwrap_err();
        assert_eq!(error.to_string(), "QMP greeting: not understood: {\"hello\":1}");
    }

    #[test]
    fn an_end_and_a_stall_are_told_apart() {
        let (_server, mut qmp) = connected(vec![]);
        let error = qmp.status(TIMEOUT).unwrap_err();
        assert!(matches!(error, Error::Line { source: LineError::Closed, .. }), "{error}");
        let (_server, mut qmp) = connected(vec![Act::Pause(2000)]);
        let error = qmp.status(Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.to_string(), "QMP query-status: no answer in time");
    }
}
