//! What a connection has to say, in order.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use helix_frame_protocol::{Attach, Envelope, Message, Outgoing, Session};

use super::transport::Transport;

/// A message with its data.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) envelope: Envelope,
    pub(crate) data: Vec<u8>,
}

/// Answers that wait to be written.
///
/// It needs no bound of its own: there is one answer for each request, a request counts as open until its answer is about
/// to be written, and open requests are bounded.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Answer>,
    ended: bool,
}

impl Outbox {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an answer; after the end it is thrown away.
    pub(crate) fn push(&self, envelope: Envelope, data: Vec<u8>) {
        let mut state = self.state();
        if !state.ended {
            state.queue.push_back(Answer { envelope, data });
            self.ready.notify_one();
        }
    }

    /// The last message replaces all that wait; without one nothing more is written.
    pub(crate) fn end(&self, last: Option<Envelope>) {
        let mut state = self.state();
        if !state.ended {
            state.queue.clear();
            state.queue.extend(last.map(|envelope| Answer { envelope, data: Vec::new() }));
            state.ended = true;
            self.ready.notify_one();
        }
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.state().ended
    }

    fn next(&self) -> Option<Answer> {
        let mut state = self.state();
        loop {
            if let Some(answer) = state.queue.pop_front() {
                return Some(answer);
            }
            if state.ended {
                return None;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Writes what a connection begins with, then answers until the end, each within `limit`.
pub(crate) fn write(
    outbox: &Arc<Outbox>,
    session: &Mutex<Session>,
    mut transport: Transport,
    begin: Option<Attach>,
    limit: Duration,
) {
    if let Err(why) = write_all(outbox, session, &mut transport, begin, limit) {
        tracing::info!("writing to the peer: {why}");
        outbox.end(None);
        transport.cut();
    }
    transport.end_writing();
}

fn write_all(
    outbox: &Arc<Outbox>,
    session: &Mutex<Session>,
    transport: &mut Transport,
    begin: Option<Attach>,
    limit: Duration,
) -> Result<(), String> {
    if let Some(attach) = &begin {
        Outgoing::attach(attach).write_all(transport, limit).map_err(|e| e.to_string())?;
    }
    let mut prefix = Vec::new();
    while let Some(mut answer) = outbox.next() {
        write_one(&mut answer, session, transport, &mut prefix, limit)?;
    }
    Ok(())
}

fn write_one(
    answer: &mut Answer,
    session: &Mutex<Session>,
    transport: &mut Transport,
    prefix: &mut Vec<u8>,
    limit: Duration,
) -> Result<(), String> {
    {
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
        // The one request of this end gets its number here, where order is certain.
        if answer.envelope.message == Message::Ping {
            answer.envelope.request = session.next_request();
        }
        session.sending(&answer.envelope).map_err(|e| format!("a fault in this program: {e}"))?;
    }
    let outgoing = Outgoing::new(&answer.envelope, prefix, &[&answer.data]).map_err(|e| e.to_string())?;
    outgoing.write_all(transport, limit).map_err(|e| e.to_string())
}
