//! The thread's life: connecting, serving, and what to do when the host is gone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::connection::{Connection, Ending};
use super::mailbox::Request;
use super::serving::Serving;
use super::{CAT, Event, Fault, FaultKind, Figures, FindGpu, Mailbox, Options, Setup};
use crate::carrier::{self, Gpu};

/// The pause between two attempts to connect: the first, and the longest. A host that starts is noticed quickly, and one
/// that is not there costs nothing.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What outlives a connection.
pub(super) struct Driver {
    options: Options,
    find_gpu: FindGpu,
    pub(super) mailbox: Arc<Mailbox>,
    figures: Arc<Mutex<Figures>>,
    pub(super) gpu: Option<Arc<Gpu>>,
    /// What was asked for and is not sent yet.
    pub(super) queue: VecDeque<Request>,
    /// The setup of the next frame in the queue.
    pub(super) setup: Option<Setup>,
}

/// The time in which no host encodes.
struct Outage {
    since: Instant,
    pause: Duration,
    /// Whether the pipeline was told.
    told: bool,
}

impl Outage {
    fn new(pause: Duration) -> Self {
        Self { since: Instant::now(), pause, told: false }
    }

    /// Whether frames have waited for long enough, or will have after the next pause.
    fn is_over(&self, timeout: Duration) -> bool {
        self.since.elapsed() + self.pause >= timeout
    }
}

impl Driver {
    pub(super) fn new(
        options: Options,
        find_gpu: FindGpu,
        mailbox: Arc<Mailbox>,
        figures: Arc<Mutex<Figures>>,
    ) -> Self {
        Self { options, find_gpu, mailbox, figures, gpu: None, queue: VecDeque::new(), setup: None }
    }

    pub(super) fn figure<T>(&self, change: impl FnOnce(&mut Figures) -> T) -> T {
        change(&mut self.figures.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn run(mut self) {
        match (self.find_gpu)() {
            Ok(gpu) => self.gpu = Some(Arc::new(gpu)),
            Err(reason) => gst::info!(CAT, "frames can travel as pixels only: {reason}"),
        }
        let mut outage = Outage::new(FIRST_PAUSE);
        while !self.mailbox.is_stopped() {
            self.take_requests();
            self.answer_offline();
            match self.connect_and_serve(&mut outage) {
                Ending::Stopped => {}
                Ending::Gone(text) if self.goes_on(&outage) => self.pause(&mut outage, &text),
                Ending::Gone(text) => return self.mailbox.fail(Fault { kind: FaultKind::Host, text }),
                Ending::Final(fault) => return self.mailbox.fail(fault),
            }
        }
    }

    /// Takes what the pipeline asks for. Frames from before a flush are of no interest any more.
    pub(super) fn take_requests(&mut self) {
        self.queue.extend(self.mailbox.take_requests());
        let now = self.mailbox.flushes();
        self.queue.retain(|request| !matches!(request, Request::Frame(_, flushes) if *flushes != now));
    }

    /// Nobody is needed to say that there is nothing to wait for.
    fn answer_offline(&mut self) {
        while let Some(request) = self.queue.pop_front() {
            match request {
                Request::Configure(setup) => self.setup = Some(*setup),
                Request::Drain(number) => self.mailbox.emit(Event::Drained(number)),
                frame @ Request::Frame(..) => return self.queue.push_front(frame),
            }
        }
    }

    /// How the connection ended. A new outage begins behind one that encoded, and behind one that no frame waited for. A host
    /// that fails at once is not asked any faster for that, and frames that wait for it do not wait for longer.
    fn connect_and_serve(&mut self, outage: &mut Outage) -> Ending {
        let mailbox = Arc::clone(&self.mailbox);
        let connection = match self.connect(outage, &mailbox) {
            Ok(connection) => connection,
            Err(ending) => return ending,
        };
        let (ending, encoded) = Serving::new(self, connection).run();
        self.figure(|figures| figures.connected = false);
        if encoded {
            *outage = Outage::new(FIRST_PAUSE);
        } else if !self.frames_wait() {
            *outage = Outage::new(outage.pause);
        }
        ending
    }

    /// Whether to try again. An address at which no host has ever answered is most likely wrong.
    fn goes_on(&mut self, outage: &Outage) -> bool {
        let patient = self.is_patient() || !outage.is_over(self.options.timeout) || !self.frames_wait();
        self.options.reconnect && patient
    }

    /// Whether frames are dropped while the host is away.
    fn is_patient(&self) -> bool {
        self.options.wait_for_first || self.figure(|figures| figures.connections) > 0
    }

    fn frames_wait(&mut self) -> bool {
        self.take_requests();
        self.queue.iter().any(|request| matches!(request, Request::Frame(..)))
    }

    fn connect<'a>(&self, outage: &Outage, mailbox: &'a Mailbox) -> Result<Connection<'a>, Ending> {
        let timeout = self.options.timeout;
        let away = outage.since.elapsed() >= timeout;
        let patience = if away { timeout } else { timeout.saturating_sub(outage.since.elapsed()) };
        let given_up = || mailbox.is_stopped() || (away && mailbox.has_requests());
        let token = self.options.token.token(&self.options.address);
        let token = token.map_err(|text| Ending::Final(Fault { kind: FaultKind::Token, text }))?;
        let ways = carrier::ways(self.gpu.as_ref());
        let (mut connection, welcome) =
            Connection::open(&self.options.address, token, patience, ways, mailbox, &given_up)?;
        connection.set_limit(timeout);
        gst::info!(
            CAT,
            "{} answers at {}; frames can travel as {}",
            welcome.name,
            self.options.address,
            welcome.capabilities.ways
        );
        for refusal in &welcome.refused {
            gst::info!(CAT, "the host takes no frames as {}: {}", refusal.way, refusal.reason);
        }
        self.figure(|figures| {
            figures.connections += 1;
            figures.connected = true;
            figures.host = welcome.name;
        });
        Ok(connection)
    }

    /// Pauses before the next attempt. When the host has been away for too long, frames are dropped until it is back.
    fn pause(&mut self, outage: &mut Outage, text: &str) {
        gst::warning!(CAT, "{text}");
        if !std::mem::replace(&mut outage.told, true) {
            self.mailbox.emit(Event::Away(text.to_owned()));
        }
        if self.is_patient() && outage.is_over(self.options.timeout) {
            self.mailbox.set_away(true);
            self.drop_frames("the host is away");
        }
        // A wait that cannot be had is a pause of no time.
        let _ = self.mailbox.waker.wait(outage.pause);
        outage.pause = (outage.pause * 2).min(LONGEST_PAUSE);
    }

    fn drop_frames(&mut self, reason: &str) {
        self.take_requests();
        let mailbox = &self.mailbox;
        let mut dropped = 0;
        self.queue.retain(|request| {
            let Request::Frame(frame, flushes) = request else { return true };
            mailbox.emit_of(*flushes, Event::Dropped { number: frame.number, reason: reason.to_owned() });
            dropped += 1;
            false
        });
        self.figure(|figures| figures.dropped += dropped);
    }
}
