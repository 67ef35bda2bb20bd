//! The order of messages, the same on both ends.

use std::collections::BTreeMap;

use crate::code::{ErrorCode, FrameWay, PixelFormat, Set};
use crate::kind::{ANSWER, Kind, Sender, describe};
use crate::limits::MAX_PENDING;
use crate::message::{Capabilities, Configure, Configured, Envelope, Failure, Frame, Hello, Message, Welcome};
use crate::picture::Size;

/// Which end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The end that has frames.
    Client,
    /// The end that encodes.
    Server,
}

impl Role {
    const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    const fn may_send(self, kind: Kind) -> bool {
        matches!(
            (self, kind.sender()),
            (_, Sender::Both) | (Self::Client, Sender::Client) | (Self::Server, Sender::Server)
        )
    }
}

/// A message that comes at the wrong time, with what it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} (stream {stream}, request {request}) from the {}: {rule}", describe(*.message), match .from { Role::Client => "client", Role::Server => "server" })]
pub struct OrderError {
    /// The type of the message.
    pub message: u16,
    /// Who sent it, or was about to.
    pub from: Role,
    /// Its stream.
    pub stream: u32,
    /// Its request.
    pub request: u64,
    /// What it breaks.
    pub rule: Rule,
}

/// What a message can break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// A fatal error ended the connection.
    #[error("the connection is over")]
    Over,
    /// The other end sends this type.
    #[error("this end does not send it")]
    Direction,
    /// A connection begins with hello and its answer, once.
    #[error("a connection begins with hello and its answer, once")]
    Handshake,
    /// The stream id is 0 exactly in messages about the connection.
    #[error("the stream id must be 0 in messages about the connection, and only there")]
    StreamId,
    /// Request ids count upwards.
    #[error("the request id must be higher than {last}, the last one")]
    StaleRequest {
        /// The highest id so far.
        last: u64,
    },
    /// Nobody asked, or an answer was given already, or it belongs to another stream.
    #[error("it answers no open request of its stream")]
    NotAsked,
    /// It answers requests of another type.
    #[error("it is no answer to {asked}")]
    WrongAnswer {
        /// What was asked.
        asked: String,
    },
    /// The answer comes after those to earlier requests of the stream.
    #[error("{open} earlier requests of the stream must be answered before")]
    TooEarly {
        /// How many.
        open: usize,
    },
    /// Too many requests are open.
    #[error("{limit} requests without an answer are as many as there may be")]
    TooManyRequests {
        /// How many there may be.
        limit: usize,
    },
    /// Too many streams are open.
    #[error("{limit} streams are as many as there may be")]
    TooManyStreams {
        /// How many there may be.
        limit: u32,
    },
    /// The stream was never configured, or was closed.
    #[error("the stream is not open")]
    NotOpen,
    /// The stream waits for an answer.
    #[error("the stream waits for the answer to {to}")]
    Waiting {
        /// What was asked.
        to: Kind,
    },
    /// The stream failed; all that can be done is to close it.
    #[error("the stream has failed and can only be closed")]
    Failed,
    /// The message has something that was not agreed upon.
    #[error("{what} {given} was not agreed upon: {agreed}")]
    NotAgreed {
        /// Which field.
        what: &'static str,
        /// What the message has.
        given: String,
        /// What it may have.
        agreed: String,
    },
}

/// What a stream waits for, or that it has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Waiting(Kind),
    Failed,
}

/// What every frame must have.
#[derive(Debug, Clone, Copy)]
struct Active {
    size: Size,
    format: PixelFormat,
    way: FrameWay,
    max_in_flight: usize,
}

#[derive(Debug)]
struct Stream {
    state: State,
    active: Option<Active>,
    /// What was asked for last.
    wanted: Configure,
    /// Frames without an answer.
    frames: usize,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    stream: u32,
    /// Nothing for a type that this end does not know.
    kind: Option<Kind>,
}

/// The requests of one end.
#[derive(Debug, Default)]
struct Requests {
    last: u64,
    open: BTreeMap<u64, Pending>,
}

#[derive(Debug)]
enum Phase {
    Start,
    /// Hello was sent, with this offer.
    Greeting(u16, u16, Capabilities),
    Open(Capabilities),
    Over,
}

/// Watches all messages of a connection, in both directions, and refuses what is out of order.
///
/// Call [`sending`](Self::sending) before a message is written, so that its answer cannot come before it is known, and
/// [`receiving`](Self::receiving) for each message that was read, before its data is. After an error of `receiving` the
/// peer gets [`OrderError::answer`] and the connection is closed; after one of `sending` nothing has changed.
#[derive(Debug)]
pub struct Session {
    role: Role,
    phase: Phase,
    streams: BTreeMap<u32, Stream>,
    client: Requests,
    server: Requests,
}

type Checked = Result<(), Rule>;

impl OrderError {
    /// What the peer is told before the connection is closed.
    pub fn answer(&self) -> Envelope {
        Envelope::fatal(self.request, ErrorCode::Protocol, &self.to_string())
    }
}

impl Session {
    /// A connection that has just been made, at the end `role`.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            phase: Phase::Start,
            streams: BTreeMap::new(),
            client: Requests::default(),
            server: Requests::default(),
        }
    }

    /// The id for this end's next request.
    pub fn next_request(&self) -> u64 {
        self.requests(self.role).last.saturating_add(1)
    }

    /// Looks at a message that will be sent.
    ///
    /// # Errors
    /// When it must not be sent now.
    pub fn sending(&mut self, envelope: &Envelope) -> Result<(), OrderError> {
        self.pass(self.role, envelope)
    }

    /// Looks at a message that was read.
    ///
    /// # Errors
    /// When the peer must not send it now.
    pub fn receiving(&mut self, envelope: &Envelope) -> Result<(), OrderError> {
        self.pass(self.role.other(), envelope)
    }

    /// What both ends agreed upon; nothing before the answer to hello and after the end.
    pub fn agreed(&self) -> Option<&Capabilities> {
        match &self.phase {
            Phase::Open(agreed) => Some(agreed),
            _ => None,
        }
    }

    /// The requests of an end that have no answer yet, with their streams, oldest first. When the peer is gone, or a
    /// stream is closed, its owner answers these.
    pub fn open_requests(&self, of: Role) -> impl Iterator<Item = (u32, u64)> {
        self.requests(of).open.iter().map(|(request, pending)| (pending.stream, *request))
    }

    fn requests(&self, of: Role) -> &Requests {
        match of {
            Role::Client => &self.client,
            Role::Server => &self.server,
        }
    }

    fn requests_mut(&mut self, of: Role) -> &mut Requests {
        match of {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    fn pass(&mut self, from: Role, envelope: &Envelope) -> Result<(), OrderError> {
        let (stream, request) = (envelope.stream, envelope.request);
        let checked = self.check_frame(from, envelope).and_then(|()| match &envelope.message {
            Message::Error(failure) => self.failure(from, envelope, failure),
            Message::Unknown(number) if number & ANSWER != 0 || request == 0 => Ok(()),
            Message::Unknown(_) => self.register(from, envelope),
            message if message.number() & ANSWER == 0 => self.request(from, envelope),
            _ => self.answer(from, envelope),
        });
        checked.map_err(|rule| OrderError { message: envelope.message.number(), from, stream, request, rule })
    }

    /// What holds for all messages: direction, phase, stream id.
    fn check_frame(&self, from: Role, envelope: &Envelope) -> Checked {
        let kind = envelope.message.kind();
        if kind.is_some_and(|kind| !from.may_send(kind)) {
            return Err(Rule::Direction);
        }
        let may_be = match self.phase {
            Phase::Over => return Err(Rule::Over),
            Phase::Start => kind == Some(Kind::Hello) || kind == Some(Kind::Error),
            Phase::Greeting(..) => kind == Some(Kind::Welcome) || kind == Some(Kind::Error),
            Phase::Open(_) => !matches!(kind, Some(Kind::Hello | Kind::Welcome)),
        };
        if !may_be {
            return Err(Rule::Handshake);
        }
        match kind {
            Some(kind) if kind != Kind::Error && kind.of_connection() != (envelope.stream == 0) => Err(Rule::StreamId),
            _ => Ok(()),
        }
    }

    /// Notes a request, for which nothing else stands in the way.
    fn register(&mut self, from: Role, envelope: &Envelope) -> Checked {
        let requests = self.requests_mut(from);
        if envelope.request <= requests.last {
            return Err(Rule::StaleRequest { last: requests.last });
        }
        if requests.open.len() >= MAX_PENDING {
            return Err(Rule::TooManyRequests { limit: MAX_PENDING });
        }
        requests.last = envelope.request;
        requests.open.insert(envelope.request, Pending { stream: envelope.stream, kind: envelope.message.kind() });
        Ok(())
    }

    fn request(&mut self, from: Role, envelope: &Envelope) -> Checked {
        match &envelope.message {
            Message::Hello(hello) => self.greet(from, envelope, hello),
            Message::Ping => self.register(from, envelope),
            Message::Configure(wanted) => self.configure(from, envelope, *wanted),
            message => self.stream_request(from, envelope, message),
        }
    }

    fn greet(&mut self, from: Role, envelope: &Envelope, hello: &Hello) -> Checked {
        self.register(from, envelope)?;
        self.phase = Phase::Greeting(hello.min_version, hello.max_version, hello.capabilities);
        Ok(())
    }

    fn configure(&mut self, from: Role, envelope: &Envelope, wanted: Configure) -> Checked {
        let Phase::Open(agreed) = &self.phase else { return Err(Rule::Handshake) };
        agrees("ways", wanted.ways, agreed.ways, wanted.ways.is_subset(agreed.ways))?;
        agrees("format", wanted.format, agreed.formats, agreed.formats.contains(wanted.format))?;
        agrees("profile", wanted.profile, agreed.profiles, agreed.profiles.contains(wanted.profile))?;
        agrees("size", wanted.size, agreed.max_size, wanted.size.fits(agreed.max_size))?;
        let limit = agreed.max_streams;
        match self.streams.get(&envelope.stream) {
            Some(stream) => stream.check(self.role == from)?,
            None if self.streams.len() >= limit as usize => return Err(Rule::TooManyStreams { limit }),
            None => {}
        }
        self.register(from, envelope)?;
        let new = Stream { state: State::Ready, active: None, wanted, frames: 0 };
        let stream = self.streams.entry(envelope.stream).or_insert(new);
        stream.wanted = wanted;
        stream.wait(Kind::Configure);
        Ok(())
    }

    /// A request about a stream that is there.
    fn stream_request(&mut self, from: Role, envelope: &Envelope, message: &Message) -> Checked {
        let stream = self.streams.get(&envelope.stream).ok_or(Rule::NotOpen)?;
        let is_frame = matches!(message, Message::Frame(_));
        match message {
            Message::GetStatistics | Message::Close => stream.check_there()?,
            Message::Frame(frame) => {
                stream.check(self.role == from)?;
                stream.check_frame(frame)?;
            }
            _ => stream.check(self.role == from)?,
        }
        self.register(from, envelope)?;
        let Some(stream) = self.streams.get_mut(&envelope.stream) else { return Ok(()) };
        stream.frames += usize::from(is_frame);
        match message {
            Message::Close => stream.state = State::Waiting(Kind::Close),
            Message::EndOfStream => stream.wait(Kind::EndOfStream),
            _ => {}
        }
        Ok(())
    }

    fn pending(&self, from: Role, envelope: &Envelope) -> Result<Pending, Rule> {
        let pending = self.requests(from.other()).open.get(&envelope.request).copied();
        pending.filter(|pending| pending.stream == envelope.stream).ok_or(Rule::NotAsked)
    }

    /// A frame or another request is answered.
    fn settle(&mut self, from: Role, envelope: &Envelope, pending: Pending) {
        self.requests_mut(from.other()).open.remove(&envelope.request);
        if let Some(stream) = self.streams.get_mut(&envelope.stream) {
            stream.frames -= usize::from(pending.kind == Some(Kind::Frame));
        }
    }

    fn answer(&mut self, from: Role, envelope: &Envelope) -> Checked {
        let pending = self.pending(from, envelope)?;
        let asked = pending.kind;
        if !envelope.message.kind().zip(asked).is_some_and(|(kind, asked)| kind.answers(asked)) {
            let asked = asked.map_or_else(|| "a request of an unknown type".to_owned(), |asked| asked.to_string());
            return Err(Rule::WrongAnswer { asked });
        }
        match &envelope.message {
            Message::Welcome(welcome) => self.welcome(welcome)?,
            Message::Configured(configured) => self.configured(envelope, configured)?,
            Message::Drained => self.drained(envelope)?,
            Message::Closed => self.closed(from, envelope)?,
            _ => {}
        }
        self.settle(from, envelope, pending);
        Ok(())
    }

    fn welcome(&mut self, welcome: &Welcome) -> Checked {
        let Phase::Greeting(min, max, offered) = &self.phase else { return Err(Rule::Handshake) };
        let (given, good) = (welcome.version, (*min..=*max).contains(&welcome.version));
        agrees("version", given, format!("{min} to {max}"), good)?;
        let agreed = welcome.capabilities;
        let good = agreed.within(offered);
        agrees("the set of capabilities", format!("{agreed:?}"), format!("{offered:?}"), good)?;
        let refused: Set<FrameWay> = welcome.refused.iter().map(|refusal| refusal.way).collect();
        let left = offered.ways.without(agreed.ways);
        agrees("the set of refused ways", refused, left, refused == left)?;
        self.phase = Phase::Open(agreed);
        Ok(())
    }

    /// The answers that come after all answers to earlier frames.
    fn after_frames(&mut self, envelope: &Envelope) -> Result<&mut Stream, Rule> {
        let stream = self.streams.get_mut(&envelope.stream).ok_or(Rule::NotOpen)?;
        if stream.frames > 0 { Err(Rule::TooEarly { open: stream.frames }) } else { Ok(stream) }
    }

    fn configured(&mut self, envelope: &Envelope, configured: &Configured) -> Checked {
        let Phase::Open(Capabilities { profiles, .. }) = self.phase else { return Err(Rule::Handshake) };
        let stream = self.after_frames(envelope)?;
        if stream.state == State::Failed {
            return Err(Rule::Failed);
        }
        let (ways, way) = (stream.wanted.ways, configured.way);
        agrees("way", way, ways, ways.contains(way))?;
        agrees("profile", configured.profile, profiles, profiles.contains(configured.profile))?;
        let Configure { size, format, .. } = stream.wanted;
        stream.active = Some(Active { size, format, way, max_in_flight: configured.max_in_flight.into() });
        // The client may have asked meanwhile to close the stream, without having seen this answer.
        stream.resume(Kind::Configure);
        Ok(())
    }

    fn drained(&mut self, envelope: &Envelope) -> Checked {
        let stream = self.after_frames(envelope)?;
        if stream.state == State::Failed {
            return Err(Rule::Failed);
        }
        stream.resume(Kind::EndOfStream);
        Ok(())
    }

    fn closed(&mut self, from: Role, envelope: &Envelope) -> Checked {
        // Requests of unknown types know no streams, and may have been under way.
        let here = |pending: &&Pending| pending.stream == envelope.stream && pending.kind.is_some();
        let open = self.requests(from.other()).open.values().filter(here).count() - 1;
        if open > 0 {
            return Err(Rule::TooEarly { open });
        }
        self.streams.remove(&envelope.stream);
        Ok(())
    }

    fn failure(&mut self, from: Role, envelope: &Envelope, failure: &Failure) -> Checked {
        if envelope.stream == 0 && failure.fatal {
            self.phase = Phase::Over;
            return Ok(());
        }
        if failure.fatal && from == Role::Client {
            return Err(Rule::Direction);
        }
        if failure.fatal && !self.streams.contains_key(&envelope.stream) {
            return Err(Rule::NotOpen);
        }
        if envelope.request != 0 {
            self.refused(from, envelope)?;
        } else if !matches!(self.phase, Phase::Open(_)) {
            return Err(Rule::Handshake);
        }
        if let Some(stream) = self.streams.get_mut(&envelope.stream).filter(|_| failure.fatal) {
            stream.fail();
        }
        Ok(())
    }

    /// A request is answered by an error.
    fn refused(&mut self, from: Role, envelope: &Envelope) -> Checked {
        let pending = self.pending(from, envelope)?;
        match pending.kind {
            // Without an answer to hello there is no connection, and a stream can always be closed.
            Some(Kind::Hello) => self.phase = Phase::Over,
            Some(Kind::Close) => return Err(Rule::WrongAnswer { asked: Kind::Close.to_string() }),
            Some(kind @ (Kind::Configure | Kind::EndOfStream)) => self.unchanged(envelope, kind)?,
            _ => {}
        }
        self.settle(from, envelope, pending);
        Ok(())
    }

    /// A refused configuration leaves the stream as it was, which for a new one means that there is none.
    fn unchanged(&mut self, envelope: &Envelope, kind: Kind) -> Checked {
        let stream = self.after_frames(envelope)?;
        stream.resume(kind);
        if stream.active.is_none() && stream.state == State::Ready {
            self.streams.remove(&envelope.stream);
        }
        Ok(())
    }
}

impl Stream {
    /// Whether a request may come. The server may have said that the stream failed while requests were under way to it;
    /// these it answers by errors, and only the end that sends knows better.
    fn check(&self, sending: bool) -> Checked {
        match self.state {
            State::Ready => Ok(()),
            State::Waiting(to) => Err(Rule::Waiting { to }),
            State::Failed if sending => Err(Rule::Failed),
            State::Failed => Ok(()),
        }
    }

    /// Whether the stream surely is there for the server too: one whose first configuration has no answer may be refused,
    /// and one that is being closed may be gone.
    fn check_there(&self) -> Checked {
        match self.state {
            State::Waiting(to) if self.active.is_none() || to == Kind::Close => Err(Rule::Waiting { to }),
            _ => Ok(()),
        }
    }

    fn check_frame(&self, frame: &Frame) -> Checked {
        let Some(active) = self.active else { return Err(Rule::NotOpen) };
        if self.frames >= active.max_in_flight {
            return Err(Rule::TooManyRequests { limit: active.max_in_flight });
        }
        agrees("size", frame.size, active.size, frame.size == active.size)?;
        agrees("format", frame.format, active.format, frame.format == active.format)?;
        let way = frame.source.way();
        agrees("way", way, active.way, way == active.way)
    }

    /// A failed stream stays so.
    fn wait(&mut self, kind: Kind) {
        if self.state == State::Ready {
            self.state = State::Waiting(kind);
        }
    }

    fn resume(&mut self, kind: Kind) {
        if self.state == State::Waiting(kind) {
            self.state = State::Ready;
        }
    }

    /// A stream that is being closed goes on with that.
    fn fail(&mut self) {
        if self.state != State::Waiting(Kind::Close) {
            self.state = State::Failed;
        }
    }
}

fn agrees(what: &'static str, given: impl ToString, agreed: impl ToString, good: bool) -> Checked {
    if good {
        return Ok(());
    }
    Err(Rule::NotAgreed { what, given: given.to_string(), agreed: agreed.to_string() })
}
