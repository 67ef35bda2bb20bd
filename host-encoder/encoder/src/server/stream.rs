//! One stream: its encoder, its thread, its figures.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use helix_frame_protocol::limits::{MAX_ACCESS_UNIT, MAX_NAME};
use helix_frame_protocol::{
    AccessUnit, Configure, Configured, Envelope, ErrorCode, Failure, Frame, FrameWay, Message, PixelFormat, Set, Size,
    SkipReason, Statistics,
};
use serde::Serialize;

use super::Context;
use super::outbox::Outbox;
use crate::encoder::{EncodeError, Encoder, Outcome};
use crate::source::Located;

/// Frames of a stream wait in at most about so many bytes, unless two are more.
const WAITING_BYTES: u32 = 64 << 20;

/// The most frames of a stream without an answer: one is encoded while the next one is read. More would only wait longer.
pub(crate) fn in_flight(format: PixelFormat, size: Size) -> u8 {
    (WAITING_BYTES / format.packed_length(size)).clamp(2, 4) as u8
}

/// What a stream is asked.
#[derive(Debug)]
pub(crate) enum Job {
    Configure(u64, Configure),
    Frame(u64, Frame, Vec<u8>),
    EndOfStream(u64),
    Close(u64),
}

/// A place among the streams of the server.
pub(crate) struct Permit(Arc<Context>);

impl Permit {
    /// Nothing if there are as many streams as may be.
    pub(crate) fn take(context: &Arc<Context>) -> Option<Self> {
        let more = |count| (count < context.max_streams).then_some(count + 1);
        let taken = context.streams.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        taken.ok().map(|_| Self(Arc::clone(context)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The figures of a stream, as the daemon prints them.
#[derive(Debug, Clone, Serialize)]
pub struct StreamReport {
    /// The connection, counted from 1.
    pub connection: u64,
    /// Who is at its other end.
    pub peer: String,
    /// The stream's id.
    pub stream: u32,
    /// Whether more may follow.
    pub open: bool,
    /// What encodes.
    pub encoder: String,
    /// The size of frames, as `WIDTHxHEIGHT` in pixels; empty before there is a configuration, like the next two.
    pub size: String,
    /// The format of frames.
    pub format: String,
    /// How frames travel.
    pub way: String,
    /// Frames that came.
    pub frames: u64,
    /// Bytes of all access units.
    pub bytes: u64,
    /// The time that encoding took, all frames together, in nanoseconds.
    pub encode_total_ns: u64,
    /// The longest time for one frame, in nanoseconds.
    pub encode_max_ns: u64,
    /// Frames without an access unit.
    pub dropped: u64,
    /// Frames that wait or are being encoded.
    pub queued: u64,
}

/// A frame that is being encoded.
struct Pending {
    pts_ns: Option<u64>,
    dts_ns: Option<u64>,
    keyframe: bool,
    begun: Instant,
}

#[derive(Default)]
struct State {
    figures: Statistics,
    pending: HashMap<u64, Pending>,
    /// Memory of frames, used again.
    buffers: Vec<Vec<u8>>,
    /// What is encoded now.
    active: Option<(Configure, FrameWay)>,
}

/// What the reader of a connection, the stream's thread and its encoder share.
pub(crate) struct Link {
    pub(crate) id: u32,
    pub(crate) connection: u64,
    pub(crate) peer: String,
    pub(crate) outbox: Arc<Outbox>,
    encoder: String,
    state: Mutex<State>,
    /// The client wants no more of it.
    pub(crate) closing: AtomicBool,
    /// It failed; all that is left is to close it.
    pub(crate) failed: AtomicBool,
    /// Its first configuration was refused: there is no such stream.
    pub(crate) refused: AtomicBool,
    /// Its encoder failed.
    broken: AtomicBool,
    /// The next frame has to become a keyframe, as one that was to be one has no access unit.
    keyframe_due: AtomicBool,
}

impl Link {
    pub(crate) fn new(id: u32, connection: u64, peer: &str, outbox: Arc<Outbox>, encoder: &str) -> Self {
        let flag = || AtomicBool::new(false);
        Self {
            id,
            connection,
            peer: peer.to_owned(),
            outbox,
            encoder: encoder.to_owned(),
            state: Mutex::default(),
            closing: flag(),
            failed: flag(),
            refused: flag(),
            broken: flag(),
            keyframe_due: flag(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn say(&self, request: u64, message: Message) {
        self.outbox.push(Envelope { stream: self.id, request, message }, Vec::new());
    }

    pub(crate) fn refuse(&self, request: u64, code: ErrorCode, text: &str) {
        tracing::info!(stream = self.id, "request {request}: {code}: {text}");
        self.say(request, Message::Error(Failure::new(code, false, text)));
    }

    /// Memory for a frame, of any content.
    pub(crate) fn buffer(&self, length: usize) -> Vec<u8> {
        let mut buffer = self.state().buffers.pop().unwrap_or_default();
        // Else it would grow to twice of what it had.
        buffer.reserve_exact(length.saturating_sub(buffer.len()));
        buffer.resize(length, 0);
        buffer
    }

    fn give_back(&self, buffer: Vec<u8>) {
        self.state().buffers.push(buffer);
    }

    pub(crate) fn count_frame(&self) {
        let mut state = self.state();
        state.figures.frames += 1;
        state.figures.queued += 1;
    }

    pub(crate) fn figures(&self) -> Statistics {
        self.state().figures
    }

    pub(crate) fn report(&self, open: bool) -> StreamReport {
        let state = self.state();
        let text = |get: fn(&(Configure, FrameWay)) -> String| state.active.as_ref().map(get).unwrap_or_default();
        let figures = state.figures;
        StreamReport {
            connection: self.connection,
            peer: self.peer.clone(),
            stream: self.id,
            open,
            encoder: self.encoder.clone(),
            size: text(|(configure, _)| configure.size.to_string()),
            format: text(|(configure, _)| configure.format.to_string()),
            way: text(|(_, way)| way.to_string()),
            frames: figures.frames,
            bytes: figures.bytes,
            encode_total_ns: figures.encode_total_ns,
            encode_max_ns: figures.encode_max_ns,
            dropped: figures.dropped,
            queued: figures.queued,
        }
    }

    /// A frame goes to the encoder.
    fn begin(&self, request: u64, frame: &Frame, keyframe: bool) {
        let pending = Pending { pts_ns: frame.pts_ns, dts_ns: frame.dts_ns, keyframe, begun: Instant::now() };
        self.state().pending.insert(request, pending);
    }

    /// A frame gets no access unit.
    fn drop_frame(&self, request: u64, answer: Message) {
        {
            let mut state = self.state();
            if state.pending.remove(&request).is_some_and(|pending| pending.keyframe) {
                self.keyframe_due.store(true, Ordering::Release);
            }
            state.figures.dropped += 1;
            state.figures.queued -= 1;
        }
        self.say(request, answer);
    }

    /// What became of a frame. One that was given up meanwhile has its answer.
    fn outcome(&self, ticket: u64, outcome: Outcome) {
        match outcome {
            Outcome::Unit { data, keyframe } if !data.is_empty() && data.len() <= MAX_ACCESS_UNIT as usize => {
                self.unit(ticket, data, keyframe);
            }
            Outcome::Unit { data, .. } => self.lost(ticket, &format!("an access unit has {} bytes", data.len())),
            Outcome::Skipped(reason) if self.state().pending.contains_key(&ticket) => {
                self.drop_frame(ticket, Message::Skipped(reason));
            }
            Outcome::Skipped(_) => {}
            Outcome::Failed(why) => self.lost(ticket, &why),
        }
    }

    fn lost(&self, ticket: u64, why: &str) {
        self.broken.store(true, Ordering::Release);
        if self.state().pending.contains_key(&ticket) {
            self.drop_frame(ticket, Message::Error(Failure::new(ErrorCode::Encoder, false, why)));
        }
    }

    fn unit(&self, ticket: u64, data: Vec<u8>, keyframe: bool) {
        let (pts_ns, dts_ns) = {
            let mut state = self.state();
            let Some(pending) = state.pending.remove(&ticket) else { return };
            let took = u64::try_from(pending.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let figures = &mut state.figures;
            figures.bytes += data.len() as u64;
            figures.encode_total_ns = figures.encode_total_ns.saturating_add(took);
            figures.encode_max_ns = figures.encode_max_ns.max(took);
            figures.queued -= 1;
            (pending.pts_ns, pending.dts_ns)
        };
        let message = Message::AccessUnit(AccessUnit { pts_ns, dts_ns, keyframe, length: data.len() as u32 });
        self.outbox.push(Envelope { stream: self.id, request: ticket, message }, data);
    }
}

/// The thread of a stream.
pub(crate) struct Stream {
    context: Arc<Context>,
    link: Arc<Link>,
    /// How frames can travel on this connection.
    ways: Set<FrameWay>,
    encoder: Option<Box<dyn Encoder>>,
    /// Its place, until the client hears that it is over.
    permit: Option<Permit>,
}

impl Stream {
    pub(crate) fn new(context: Arc<Context>, link: Arc<Link>, ways: Set<FrameWay>, permit: Permit) -> Self {
        Self { context, link, ways, encoder: None, permit: Some(permit) }
    }

    /// Does what is asked until the stream is closed or the connection is over.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) {
        let link = Arc::clone(&self.link);
        let worked = catch_unwind(AssertUnwindSafe(|| {
            while let Ok(job) = jobs.recv() {
                if self.link.outbox.is_ended() || !self.work(job) {
                    break;
                }
            }
        }));
        if worked.is_err() {
            let text = format!("stream {}: a fault in this program", link.id);
            link.outbox.end(Some(Envelope::fatal(0, ErrorCode::Internal, &text)));
        }
    }

    /// Whether the stream goes on.
    fn work(&mut self, job: Job) -> bool {
        match job {
            Job::Configure(request, wanted) => return self.configure(request, wanted),
            Job::Frame(request, frame, data) => self.frame(request, &frame, data),
            Job::EndOfStream(request) => self.end_of_stream(request),
            Job::Close(request) => {
                self.finish();
                (self.encoder, self.permit) = (None, None);
                self.link.say(request, Message::Closed);
                return false;
            }
        }
        true
    }

    fn open(&self, wanted: &Configure) -> Result<Box<dyn Encoder>, EncodeError> {
        let link = Arc::clone(&self.link);
        self.context.backend.open(wanted, Arc::new(move |ticket, outcome| link.outcome(ticket, outcome)))
    }

    fn configure(&mut self, request: u64, wanted: Configure) -> bool {
        self.finish();
        if self.has_failed(request) {
            return true;
        }
        match self.open(&wanted) {
            Ok(encoder) => self.configured(request, wanted, encoder),
            Err(e) => {
                let first = self.encoder.is_none();
                if first {
                    self.permit = None;
                }
                self.link.refused.store(first, Ordering::Release);
                let unsupported = matches!(e, EncodeError::Unsupported(_));
                let code = if unsupported { ErrorCode::Unsupported } else { ErrorCode::Encoder };
                self.link.refuse(request, code, &e.to_string());
                return !first;
            }
        }
        true
    }

    fn configured(&mut self, request: u64, wanted: Configure, encoder: Box<dyn Encoder>) {
        let opened = encoder.opened();
        // The best way comes first. The session has seen that there is one.
        let way = wanted.ways.common(self.ways).iter().next().unwrap_or(FrameWay::Pixels);
        let name: String = self.context.backend.name().chars().take(MAX_NAME / 4).collect();
        tracing::info!(
            connection = self.link.connection,
            stream = self.link.id,
            "{} {} at {} bit/s, level_idc {}, by {name}; frames travel as {way}, of {}",
            wanted.size,
            wanted.format,
            wanted.bitrate,
            opened.level.idc(),
            wanted.ways,
        );
        {
            let mut state = self.link.state();
            state.active = Some((wanted, way));
            // They may be far too large now.
            state.buffers.clear();
        }
        self.encoder = Some(encoder);
        let max_in_flight = in_flight(wanted.format, wanted.size);
        let (profile, level) = (opened.profile, opened.level);
        self.link.say(request, Message::Configured(Configured { profile, level, way, max_in_flight, encoder: name }));
    }

    fn frame(&mut self, request: u64, frame: &Frame, data: Vec<u8>) {
        // An encoder that answers later can have failed since the frame before.
        if self.link.broken.load(Ordering::Acquire) {
            self.replace(None);
        }
        if self.link.closing.load(Ordering::Acquire) {
            self.link.drop_frame(request, Message::Skipped(SkipReason::Closed));
        } else if self.link.failed.load(Ordering::Acquire) {
            let failure = Failure::new(ErrorCode::NoStream, false, "the stream has failed");
            self.link.drop_frame(request, Message::Error(failure));
        } else {
            self.encode(request, frame, data);
        }
    }

    fn encode(&mut self, request: u64, frame: &Frame, mut data: Vec<u8>) {
        let Some(encoder) = &mut self.encoder else { return };
        let keyframe = self.link.keyframe_due.swap(false, Ordering::AcqRel) || frame.keyframe;
        self.link.begin(request, frame, keyframe);
        let mut source = Located { frame, data: &mut data, provider: self.context.provider.as_deref() };
        let result = encoder.encode(request, &mut source, keyframe);
        match result {
            Ok(()) if !self.link.broken.load(Ordering::Acquire) => self.link.give_back(data),
            Ok(()) => self.replace(None),
            Err(EncodeError::Source(e)) => {
                let failure = Failure::new(ErrorCode::NoResource, false, &e.to_string());
                self.link.drop_frame(request, Message::Error(failure));
            }
            Err(e) => self.replace(Some((request, e))),
        }
    }

    /// A new encoder takes the place of one that failed, and begins with an IDR; only what the old one had is lost. If
    /// there is none, the stream has failed.
    fn replace(&mut self, lost: Option<(u64, EncodeError)>) {
        let wanted = self.link.state().active.map(|(wanted, _)| wanted);
        self.encoder = None;
        self.link.broken.store(false, Ordering::Release);
        let why = lost.as_ref().map_or_else(|| "the encoder failed".to_owned(), |(_, e)| e.to_string());
        tracing::warn!(connection = self.link.connection, stream = self.link.id, "{why}; another one is started");
        let (fatal, text) = match wanted.map(|wanted| self.open(&wanted)) {
            Some(Ok(encoder)) => {
                self.encoder = Some(encoder);
                (false, why)
            }
            Some(Err(e)) => (true, format!("{why}; and starting another: {e}")),
            None => (true, why),
        };
        self.give_up_pending(lost.map(|(request, _)| request), fatal, &text);
    }

    /// Answers what the old encoder had, the frame that it refused last.
    fn give_up_pending(&self, refused: Option<u64>, fatal: bool, text: &str) {
        let mut pending: Vec<u64> = self.link.state().pending.keys().copied().collect();
        pending.sort_unstable();
        pending.retain(|request| Some(*request) != refused);
        for request in pending {
            self.link.drop_frame(request, Message::Error(Failure::new(ErrorCode::Encoder, false, text)));
        }
        self.link.failed.store(fatal, Ordering::Release);
        let failure = Message::Error(Failure::new(ErrorCode::Encoder, fatal, text));
        match refused {
            Some(request) => self.link.drop_frame(request, failure),
            None if fatal => self.link.say(0, failure),
            None => {}
        }
    }

    /// Has all frames answered that the encoder has.
    fn finish(&mut self) {
        let Some(encoder) = &mut self.encoder else { return };
        self.link.keyframe_due.store(true, Ordering::Release);
        if let Err(e) = encoder.finish() {
            tracing::warn!(stream = self.link.id, "{e}");
            self.link.broken.store(true, Ordering::Release);
        }
        if self.link.broken.load(Ordering::Acquire) {
            self.replace(None);
        }
    }

    fn end_of_stream(&mut self, request: u64) {
        // A stream that has failed has no encoder, and nothing to finish.
        self.finish();
        if !self.has_failed(request) {
            self.link.say(request, Message::Drained);
        }
    }

    /// Whether the stream has failed; then the request is answered so.
    fn has_failed(&self, request: u64) -> bool {
        let failed = self.link.failed.load(Ordering::Acquire);
        if failed {
            self.link.refuse(request, ErrorCode::NoStream, "the stream has failed");
        }
        failed
    }
}
