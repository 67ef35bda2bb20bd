//! One connection: its handshake, its reading thread, its writing thread.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use helix_frame_protocol::{
    Attach, Capabilities, Configure, Envelope, ErrorCode, Failure, Frame, Hello, Message, OrderError, ReceiveError,
    Receiver, Refusal, Role, Session, Set, VERSION, Welcome,
};

use super::outbox::{self, Outbox};
use super::stream::{Job, Link, Permit, Stream};
use super::transport::{Device, Inbound, Transport};
use super::{Context, StreamKey};

/// How long a connection that ends by an error is read from, so that the error arrives.
const DRAIN: Duration = Duration::from_secs(1);

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) connection: u64,
    /// The listener that it came through.
    pub(crate) name: String,
    /// Whether it has to show the token.
    pub(crate) needs_token: bool,
}

/// Why a connection ends.
enum End {
    /// The peer went, or can hear nothing any more.
    Quiet(String),
    /// What the peer is told as the last thing.
    Fatal(Envelope),
}

impl End {
    fn fatal(request: u64, code: ErrorCode, text: &str) -> Self {
        Self::Fatal(Envelope::fatal(request, code, text))
    }
}

/// Serves a peer until either end has enough, or, on a device, another connection begins.
pub(crate) fn serve(
    context: &Arc<Context>,
    transport: &Transport,
    device: Option<(&mut Device, Attach)>,
    outbox: &Arc<Outbox>,
    peer: &Peer,
) {
    let (device, begin) = device.unzip();
    let session = Arc::new(Mutex::new(Session::new(Role::Server)));
    let limit = context.timeouts.message;
    let writer = {
        let (outbox, session, transport) = (Arc::clone(outbox), Arc::clone(&session), transport.clone());
        Builder::new().name("write".into()).spawn(move || outbox::write(&outbox, &session, transport, begin, limit))
    };
    let writer = match writer {
        Ok(writer) => writer,
        Err(e) => return tracing::error!(connection = peer.connection, "starting a thread: {e}"),
    };
    let deadline = Cell::new(Some(Instant::now() + context.timeouts.handshake));
    let inbound = Inbound { transport: transport.clone(), device, deadline: &deadline };
    let mut reader = Reader {
        context,
        peer,
        outbox,
        session: &session,
        receiver: Receiver::new(inbound, limit),
        ways: Set::EMPTY,
        streams: HashMap::new(),
        leaving: Vec::new(),
        heard: Instant::now(),
        ping: None,
        complaints: 0,
    };
    let end = reader.run(&deadline);
    let told = matches!(end, End::Fatal(_)) || outbox.is_ended();
    match end {
        End::Quiet(why) => {
            tracing::info!(connection = peer.connection, peer = peer.name, "ended: {why}");
            outbox.end(None);
            if !told {
                transport.cut();
            }
        }
        End::Fatal(last) => {
            tracing::warn!(connection = peer.connection, peer = peer.name, "ended: {:?}", last.message);
            outbox.end(Some(last));
        }
    }
    reader.join_streams();
    if reader.complaints > 1 {
        tracing::warn!(connection = peer.connection, "the client said {} errors", reader.complaints);
    }
    // It ends at once, or within the limit for a message that the peer does not read.
    let _ = writer.join();
    if told {
        transport.drain(DRAIN);
    }
}

/// A stream as the reader has it.
struct Handle {
    link: Arc<Link>,
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
    /// The next frame becomes a keyframe.
    force: bool,
}

struct Reader<'a> {
    context: &'a Arc<Context>,
    peer: &'a Peer,
    outbox: &'a Arc<Outbox>,
    session: &'a Mutex<Session>,
    receiver: Receiver<Inbound<'a>>,
    ways: Set<helix_frame_protocol::FrameWay>,
    streams: HashMap<u32, Handle>,
    /// Threads of streams that are closed or were refused.
    leaving: Vec<JoinHandle<()>>,
    heard: Instant,
    /// Since when a ping has no answer.
    ping: Option<Instant>,
    /// How many errors the client said that were not fatal.
    complaints: u64,
}

impl Reader<'_> {
    fn run(&mut self, deadline: &Cell<Option<Instant>>) -> End {
        let hello = loop {
            match self.next() {
                Ok(Some(Envelope { request, message: Message::Hello(hello), .. })) => break (request, hello),
                // The session lets nothing through before but an error.
                Ok(Some(_)) => return End::Quiet("the client said an error instead of hello".into()),
                Ok(None) => {}
                Err(end) => return end,
            }
        };
        deadline.set(None);
        if let Err(end) = self.greet(hello.0, &hello.1) {
            return end;
        }
        self.context.greeted(self.peer.connection);
        loop {
            match self.next().and_then(|envelope| envelope.map_or(Ok(()), |envelope| self.answer(envelope))) {
                Ok(()) => {}
                Err(end) => return end,
            }
            if let Err(end) = self.look_after() {
                return end;
            }
        }
    }

    /// The next message that is in order; nothing if there is none yet.
    fn next(&mut self) -> Result<Option<Envelope>, End> {
        if self.outbox.is_ended() {
            return Err(End::Quiet("this end has ended it".into()));
        }
        let request = |receiver: &Receiver<_>| receiver.request();
        let envelope = match self.receiver.receive() {
            Ok(envelope) => envelope,
            Err(ReceiveError::Idle) => return Ok(None),
            Err(e @ (ReceiveError::Ended | ReceiveError::Cut | ReceiveError::Io(_))) => {
                return Err(End::Quiet(e.to_string()));
            }
            Err(e @ ReceiveError::Stalled { .. }) => return Err(End::fatal(0, ErrorCode::Timeout, &e.to_string())),
            Err(ReceiveError::Message(e)) => {
                return Err(End::fatal(request(&self.receiver), ErrorCode::Protocol, &e.to_string()));
            }
        };
        self.heard = Instant::now();
        let refuse = |e: OrderError| End::fatal(envelope.request, ErrorCode::Protocol, &e.to_string());
        self.session.lock().unwrap_or_else(PoisonError::into_inner).receiving(&envelope).map_err(refuse)?;
        Ok(Some(envelope))
    }

    fn greet(&mut self, request: u64, hello: &Hello) -> Result<(), End> {
        let fatal = |code, text: String| End::fatal(request, code, &text);
        let Some(version) = hello.version() else {
            let (min, max) = (hello.min_version, hello.max_version);
            return Err(fatal(ErrorCode::Version, format!("version {VERSION} is spoken here, not {min} to {max}")));
        };
        if self.peer.needs_token && (hello.token.is_none() || hello.token != self.context.token) {
            let what = if hello.token.is_none() { "missing" } else { "wrong" };
            return Err(fatal(ErrorCode::Unauthorized, format!("the token is {what}")));
        }
        let capabilities = hello.capabilities.common(&self.context.capabilities());
        let capabilities = capabilities
            .map_err(|lack| fatal(ErrorCode::Unsupported, format!("there are no {lack} that both ends have")))?;
        self.ways = capabilities.ways;
        let refused = refusals(&hello.capabilities, &capabilities, self.context.provider.is_some());
        tracing::info!(
            connection = self.peer.connection,
            peer = self.peer.name,
            "hello from {}: frames travel as {}, offered were {}",
            hello.name,
            capabilities.ways,
            hello.capabilities.ways
        );
        let name = concat!("helix-host-encoder ", env!("CARGO_PKG_VERSION")).to_owned();
        self.say(0, request, Message::Welcome(Welcome { version, capabilities, refused, name }));
        Ok(())
    }

    fn say(&self, stream: u32, request: u64, message: Message) {
        self.outbox.push(Envelope { stream, request, message }, Vec::new());
    }

    fn answer(&mut self, envelope: Envelope) -> Result<(), End> {
        let Envelope { stream, request, message } = envelope;
        match message {
            Message::Configure(wanted) => self.configure(stream, request, wanted),
            Message::Frame(frame) => return self.frame(stream, request, frame),
            Message::ForceKeyframe => self.force_keyframe(stream, request),
            Message::GetStatistics => {
                let figures = self.streams.get(&stream).map(|handle| handle.link.figures()).unwrap_or_default();
                self.say(stream, request, Message::Statistics(figures));
            }
            Message::EndOfStream => self.pass_on(stream, Job::EndOfStream(request)),
            Message::Close => self.close(stream, request),
            Message::Ping => self.say(0, request, Message::Pong),
            Message::Pong => self.ping = None,
            Message::Error(failure) => return self.told(stream, request, &failure),
            unknown @ Message::Unknown(_) => {
                let unknown = Envelope { stream, request, message: unknown };
                if let Some(refusal) = unknown.refusal() {
                    self.outbox.push(refusal, Vec::new());
                }
            }
            // The session lets no answers through that were not asked for.
            _ => {}
        }
        Ok(())
    }

    fn told(&mut self, stream: u32, request: u64, failure: &Failure) -> Result<(), End> {
        let text = format!("the client says: {}: {}", failure.code, failure.text);
        if stream == 0 && failure.fatal {
            return Err(End::Quiet(text));
        }
        if request != 0 {
            // The one request of this end is a ping.
            self.ping = None;
        }
        self.complaints += 1;
        // A guest must not fill the log of its host.
        if self.complaints == 1 {
            tracing::warn!(connection = self.peer.connection, stream, "{text}; others are counted");
        }
        Ok(())
    }

    fn pass_on(&mut self, stream: u32, job: Job) {
        if let Some(handle) = self.streams.get(&stream) {
            // A stream's thread that is gone has ended the connection, which the next look finds out.
            let _ = handle.jobs.send(job);
        }
    }

    fn configure(&mut self, stream: u32, request: u64, wanted: Configure) {
        self.reap();
        if !self.streams.contains_key(&stream) {
            match self.open(stream) {
                Ok(handle) => drop(self.streams.insert(stream, handle)),
                Err(text) => {
                    return self.say(stream, request, Message::Error(Failure::new(ErrorCode::Busy, false, &text)));
                }
            }
        }
        self.pass_on(stream, Job::Configure(request, wanted));
    }

    /// Forgets streams that were refused, and threads that are gone.
    fn reap(&mut self) {
        let refused = self.streams.extract_if(|_, handle| handle.link.refused.load(Ordering::Acquire));
        self.leaving.extend(refused.map(|(_, handle)| handle.thread));
        self.leaving.retain(|thread| !thread.is_finished());
    }

    fn open(&self, stream: u32) -> Result<Handle, String> {
        let context = self.context;
        let permit = Permit::take(context);
        let permit =
            permit.ok_or_else(|| format!("there are {} streams, as many as there may be", context.max_streams))?;
        let link =
            Link::new(stream, self.peer.connection, &self.peer.name, Arc::clone(self.outbox), context.backend.name());
        let link = Arc::new(link);
        let (jobs, queue) = channel();
        let worker = Stream::new(Arc::clone(context), Arc::clone(&link), self.ways, permit);
        let listed = Listed::new(Arc::clone(context), Arc::clone(&link));
        let work = move || {
            worker.run(&queue);
            drop(listed);
        };
        let thread = Builder::new().name(format!("stream {stream}")).spawn(work);
        let thread = thread.map_err(|e| format!("starting a thread: {e}"))?;
        Ok(Handle { link, jobs, thread, force: false })
    }

    fn frame(&mut self, stream: u32, request: u64, mut frame: Frame) -> Result<(), End> {
        let Some(handle) = self.streams.get_mut(&stream) else { return Ok(()) };
        let mut data = handle.link.buffer(self.receiver.data_left());
        self.receiver.read_data(&mut data).map_err(|e| match e {
            ReceiveError::Stalled { .. } => End::fatal(request, ErrorCode::Timeout, &e.to_string()),
            e => End::Quiet(e.to_string()),
        })?;
        self.heard = Instant::now();
        frame.keyframe |= std::mem::take(&mut handle.force);
        handle.link.count_frame();
        self.pass_on(stream, Job::Frame(request, frame, data));
        Ok(())
    }

    fn force_keyframe(&mut self, stream: u32, request: u64) {
        let Some(handle) = self.streams.get_mut(&stream) else { return };
        if handle.link.failed.load(Ordering::Acquire) {
            return handle.link.refuse(request, ErrorCode::NoStream, "the stream has failed");
        }
        handle.force = true;
        handle.link.say(request, Message::KeyframeForced);
    }

    fn close(&mut self, stream: u32, request: u64) {
        let Some(handle) = self.streams.remove(&stream) else { return };
        handle.link.closing.store(true, Ordering::Release);
        let _ = handle.jobs.send(Job::Close(request));
        self.leaving.push(handle.thread);
    }

    /// A client that says nothing is asked whether it is there.
    fn look_after(&mut self) -> Result<(), End> {
        let timeouts = self.context.timeouts;
        match self.ping {
            Some(since) if since.elapsed() >= timeouts.answer => {
                let text = format!("no answer to a ping within {} s", timeouts.answer.as_secs_f64());
                Err(End::fatal(0, ErrorCode::Timeout, &text))
            }
            None if self.heard.elapsed() >= timeouts.idle => {
                self.ping = Some(Instant::now());
                self.say(0, 0, Message::Ping);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn join_streams(&mut self) {
        let open = std::mem::take(&mut self.streams).into_values().map(|handle| handle.thread);
        // Their queues are gone, so that they end after what they do now. What they panic with they have said.
        for thread in open.collect::<Vec<_>>().into_iter().chain(self.leaving.drain(..)) {
            let _ = thread.join();
        }
    }
}

/// Why each offered way is not accepted.
fn refusals(offered: &Capabilities, agreed: &Capabilities, has_provider: bool) -> Vec<Refusal> {
    let reason = if has_provider { "this machine does not lend them" } else { "not run by a virtual machine monitor" };
    let left = offered.ways.without(agreed.ways).iter();
    left.map(|way| Refusal { way, reason: reason.into() }).collect()
}

/// A stream in the list of the server, as long as its thread runs.
struct Listed {
    context: Arc<Context>,
    key: StreamKey,
    link: Arc<Link>,
}

impl Listed {
    fn new(context: Arc<Context>, link: Arc<Link>) -> Self {
        let key = context.list(&link);
        Self { context, key, link }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.context.unlist(self.key, &self.link);
    }
}
