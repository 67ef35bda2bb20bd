//! Where the pipeline's threads and the host's thread meet. Whoever waits here is woken by a flush and by the stop.

use std::collections::VecDeque;
use std::io;
use std::mem::discriminant;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use helix_frame_protocol::limits::MAX_IN_FLIGHT;

use super::{Event, Fault, Frame, Setup};
use crate::link::Waker;

/// Frames that wait here or at the host, at most. More would only add latency, fewer would let the host wait for frames.
const WINDOW: usize = 4;
const _: () = assert!(WINDOW <= MAX_IN_FLIGHT as usize);

/// What the pipeline asks for, in its order.
#[derive(Debug)]
pub(super) enum Request {
    Configure(Box<Setup>),
    /// With the number of the flushes before it.
    Frame(Frame, u64),
    /// With its number, by which its answer is known.
    Drain(u64),
}

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The pipeline is being flushed or stopped.
    Flushing,
    /// The host has been away for too long.
    Away,
    /// It is over; the element has said why.
    Failed,
    /// Pushing access units failed downstream.
    Downstream(gst::FlowError),
}

#[derive(Debug, Default)]
struct State {
    inbox: VecDeque<Request>,
    outbox: VecDeque<Event>,
    /// Frames that were taken and are not finished.
    pending: usize,
    window: usize,
    flushes: u64,
    force_keyframe: bool,
    flushing: bool,
    stopped: bool,
    failed: bool,
    away: bool,
    /// How often was drained, and the last that is done.
    drains: u64,
    drained: u64,
    downstream: Option<gst::FlowError>,
}

#[derive(Debug)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
    changed: Condvar,
    pub(super) waker: Waker,
}

impl Mailbox {
    pub(super) fn new() -> io::Result<Self> {
        let state = State { window: WINDOW, ..State::default() };
        Ok(Self { state: Mutex::new(state), changed: Condvar::new(), waker: Waker::new()? })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A change that only the pipeline's threads may wait for. The host's thread, which makes most of them, must not wake
    /// itself: its next pause would be none.
    fn tell<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// A change that the host's thread has to look at too.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = self.tell(change);
        self.waker.wake();
        result
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

/// For the pipeline.
impl Mailbox {
    /// Frames from here on are encoded like this.
    pub(crate) fn configure(&self, setup: Setup) {
        self.change(|state| state.inbox.push_back(Request::Configure(Box::new(setup))));
    }

    /// Takes a frame, after waiting for as many as necessary to be done.
    pub(crate) fn submit(&self, mut frame: Frame) -> Result<(), Refused> {
        let mut state = self.lock();
        while state.may_go_on()? && !state.away && state.pending >= state.window {
            state = self.wait(state);
        }
        if state.away {
            return Err(Refused::Away);
        }
        frame.keyframe |= std::mem::take(&mut state.force_keyframe);
        state.pending += 1;
        let flushes = state.flushes;
        state.inbox.push_back(Request::Frame(frame, flushes));
        drop(state);
        self.waker.wake();
        Ok(())
    }

    /// Waits until all frames are done, which the host's thread sees to, also when there is no host.
    pub(crate) fn drain(&self) -> Result<(), Refused> {
        let number = self.change(|state| {
            state.drains += 1;
            state.inbox.push_back(Request::Drain(state.drains));
            state.drains
        });
        let mut state = self.lock();
        while state.may_go_on()? && state.drained < number {
            state = self.wait(state);
        }
        Ok(())
    }

    /// The next event, with the number of flushes before it; nothing when the pipeline is being stopped.
    pub(crate) fn next_event(&self) -> Option<(Event, u64)> {
        let mut state = self.lock();
        while !state.stopped && (state.flushing || state.outbox.is_empty()) {
            state = self.wait(state);
        }
        let event = if state.stopped { None } else { state.outbox.pop_front() };
        event.map(|event| (event, state.flushes))
    }

    /// A frame that was taken has been finished.
    pub(crate) fn finished(&self) {
        self.tell(|state| state.pending = state.pending.saturating_sub(1));
    }

    /// The answer to a wait that a flush has ended may come during the next one.
    pub(crate) fn drained(&self, number: u64) {
        self.tell(|state| state.drained = state.drained.max(number));
    }

    /// The first error of pushing is the answer to the next frame.
    pub(crate) fn downstream_failed(&self, error: gst::FlowError) {
        self.tell(|state| state.downstream = state.downstream.or(Some(error)));
    }

    /// It is over, and the element has said why.
    pub(crate) fn failed(&self) {
        self.tell(|state| state.failed = true);
    }

    pub(crate) fn set_flushing(&self, flushing: bool) {
        self.change(|state| state.flushing = flushing);
    }

    /// How often was flushed. What an earlier number belongs to is of no interest any more.
    pub(crate) fn flushes(&self) -> u64 {
        self.lock().flushes
    }

    /// Forgets all frames. The next one is a keyframe, because nobody has those that it could refer to.
    pub(crate) fn flush(&self) {
        self.change(|state| {
            state.flushes += 1;
            state.inbox.retain(|request| matches!(request, Request::Configure(_)));
            state.outbox.retain(|event| matches!(event, Event::Configured(_) | Event::Failed(_)));
            state.pending = 0;
            state.force_keyframe = true;
            state.downstream = None;
        });
    }

    /// Ends every wait, for good.
    pub(crate) fn stop(&self) {
        self.change(|state| state.stopped = true);
    }
}

/// For the host's thread.
impl Mailbox {
    pub(super) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Whether somebody waits for something although there is no host.
    pub(super) fn has_requests(&self) -> bool {
        !self.lock().inbox.is_empty()
    }

    pub(super) fn take_requests(&self) -> VecDeque<Request> {
        std::mem::take(&mut self.lock().inbox)
    }

    /// Says something that is about no frame. What it replaces is not kept, so that connections that come and go while
    /// nobody listens fill no memory.
    pub(super) fn emit(&self, event: Event) {
        self.tell(|state| {
            let of_frame = |event: &Event| matches!(event, Event::Unit { .. } | Event::Dropped { .. });
            let last = state.outbox.iter().rposition(of_frame).map_or(0, |index| index + 1);
            let mut behind = state.outbox.split_off(last);
            behind.retain(|old| discriminant(old) != discriminant(&event));
            state.outbox.append(&mut behind);
            state.outbox.push_back(event);
        });
    }

    /// Says what became of a frame, unless it was flushed meanwhile.
    pub(super) fn emit_of(&self, flushes: u64, event: Event) {
        self.tell(|state| {
            if state.flushes == flushes {
                state.outbox.push_back(event);
            }
        });
    }

    /// The last event. Frames are refused only when the element has posted it: else the source, which hears of the refusal,
    /// could be the first to post an error, and one that says nothing of the cause.
    pub(super) fn fail(&self, fault: Fault) {
        self.tell(|state| state.outbox.push_back(Event::Failed(fault)));
    }

    /// While the host is away, frames are refused.
    pub(super) fn set_away(&self, away: bool) {
        self.tell(|state| state.away = away);
    }

    /// Bounds the frames under way by what the host takes.
    pub(super) fn set_window(&self, most: u8) {
        // One more can be prepared for a host that takes one at a time.
        self.tell(|state| state.window = usize::from(most).clamp(2, WINDOW));
    }

    /// The next frame that is taken becomes a keyframe.
    pub(crate) fn force_keyframe(&self) {
        self.tell(|state| state.force_keyframe = true);
    }
}

impl State {
    fn may_go_on(&self) -> Result<bool, Refused> {
        match self.downstream {
            _ if self.stopped || self.flushing => Err(Refused::Flushing),
            _ if self.failed => Err(Refused::Failed),
            Some(error) => Err(Refused::Downstream(error)),
            None => Ok(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn what_the_hosts_thread_says_does_not_end_its_own_pause() {
        let mailbox = Mailbox::new().expect("an eventfd");
        for round in 0..100 {
            mailbox.emit(Event::Away(round.to_string()));
            mailbox.set_away(true);
        }
        assert_eq!(mailbox.lock().outbox.len(), 1, "only the last is of interest");
        let (begun, pause) = (Instant::now(), Duration::from_millis(50));
        mailbox.waker.wait(pause).expect("a wait");
        assert!(begun.elapsed() >= pause);
        mailbox.stop();
        mailbox.waker.wait(Duration::from_secs(60)).expect("a wait");
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn the_answer_to_a_drain_that_was_flushed_does_not_end_the_next_one() {
        let mailbox = Mailbox::new().expect("an eventfd");
        std::thread::scope(|scope| {
            let asked = || loop {
                if let Some(Request::Drain(number)) = mailbox.take_requests().pop_back() {
                    return number;
                }
                std::thread::yield_now();
            };
            let flushed = scope.spawn(|| mailbox.drain());
            let first = asked();
            mailbox.set_flushing(true);
            assert_eq!(flushed.join().expect("no panic"), Err(Refused::Flushing));
            mailbox.set_flushing(false);
            let next = scope.spawn(|| mailbox.drain());
            let second = asked();
            mailbox.drained(first);
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(!next.is_finished(), "its frames are not done");
            mailbox.drained(second);
            assert_eq!(next.join().expect("no panic"), Ok(()));
        });
    }
}
