//! One connection: bytes to messages and back, the order of messages, and all limits of time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use helix_frame_protocol::limits::{HANDSHAKE_TIMEOUT, IDLE_TIMEOUT, MAX_SIDE};
use helix_frame_protocol::{
    Attach, Capabilities, Decoder, Envelope, ErrorCode, Failure, Finder, FrameWay, Hello, Message, Outgoing, Role,
    Session, Set, Size, Token, VERSION, Welcome, has_attach,
};
use rustix::rand::GetRandomFlags;

use super::{Fault, FaultKind, Mailbox};
use crate::address::Address;
use crate::link::{ConnectError, Link, connect};

/// The most reads without a look at what else there is to do. An access unit may take some.
const MAX_READS: usize = 256;

/// How long the first attach is waited for; each further one twice as long.
const FIRST_ATTACH: Duration = Duration::from_millis(250);

/// Why a connection is over.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    /// The pipeline stops, or has something to ask while there is no connection.
    Stopped,
    /// The host is gone; another attempt may help.
    Gone(String),
    /// Another attempt would end the same way.
    Final(Fault),
}

impl Ending {
    fn gone(text: impl ToString) -> Self {
        Self::Gone(text.to_string())
    }

    pub(super) fn unsupported(text: impl ToString) -> Self {
        Self::Final(Fault { kind: FaultKind::Unsupported, text: text.to_string() })
    }

    pub(super) fn text(failure: &Failure) -> String {
        format!("the host says {}: {}", failure.code, failure.text)
    }

    /// What the host's error means for the connection.
    pub(super) fn stated(failure: &Failure) -> Self {
        let text = Self::text(failure);
        let kind = match failure.code {
            ErrorCode::Unauthorized => FaultKind::Token,
            ErrorCode::Version | ErrorCode::Unsupported => FaultKind::Unsupported,
            _ => return Self::Gone(text),
        };
        Self::Final(Fault { kind, text })
    }
}

/// A message with its data.
pub(super) type Arrived = (Envelope, Vec<u8>);

/// A message whose data are still coming.
struct Coming {
    envelope: Envelope,
    data: Vec<u8>,
    filled: usize,
}

pub(super) struct Connection<'a> {
    link: Link,
    mailbox: &'a Mailbox,
    /// The longest time for a message and for an answer.
    limit: Duration,
    session: Session,
    decoder: Decoder,
    coming: Option<Coming>,
    arrived: VecDeque<Arrived>,
    /// Why nothing more will be read. What arrived before still counts.
    ended: Option<Ending>,
    prefix: Vec<u8>,
    /// Somebody asked for something while a message was written, which nobody has looked at yet.
    woken: bool,
    /// When the message began of which the rest is missing.
    message_since: Option<Instant>,
    /// When each request was sent that has no answer yet.
    asked: BTreeMap<u64, Instant>,
    /// A message is written in part, and nothing but its rest can follow.
    cut: bool,
    heard: Instant,
}

impl<'a> Connection<'a> {
    /// Connects and says hello. `given_up` is asked after every wake.
    pub(super) fn open(
        address: &Address,
        token: Option<Token>,
        limit: Duration,
        ways: Set<FrameWay>,
        mailbox: &'a Mailbox,
        given_up: &dyn Fn() -> bool,
    ) -> Result<(Self, Welcome), Ending> {
        let end = Instant::now() + limit.min(HANDSHAKE_TIMEOUT);
        let left = end.saturating_duration_since(Instant::now());
        let link = connect(address, left, &mailbox.waker, given_up).map_err(|e| match e {
            ConnectError::GivenUp => Ending::Stopped,
            e => Ending::Gone(format!("connecting to {address}: {e}")),
        })?;
        let mut connection = Self::new(link, limit, mailbox);
        let welcome = connection.greet(hello(token, ways), end, given_up)?;
        Ok((connection, welcome))
    }

    fn greet(&mut self, hello: Hello, end: Instant, given_up: &dyn Fn() -> bool) -> Result<Welcome, Ending> {
        if self.link.outlives_connections() {
            self.attach(end, given_up)?;
        }
        self.send(0, Message::Hello(hello), &[])?;
        loop {
            if given_up() {
                return Err(Ending::Stopped);
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.next(left)? {
                Some((Envelope { message: Message::Welcome(welcome), .. }, _)) => return Ok(welcome),
                Some((Envelope { message: Message::Error(failure), .. }, _)) => return Err(Ending::stated(&failure)),
                _ if left.is_zero() => return Err(Ending::gone("the host did not answer hello in time")),
                _ => {}
            }
        }
    }

    fn new(link: Link, limit: Duration, mailbox: &'a Mailbox) -> Self {
        let now = Instant::now();
        Self {
            link,
            mailbox,
            limit,
            session: Session::new(Role::Client),
            decoder: Decoder::new(),
            coming: None,
            arrived: VecDeque::new(),
            ended: None,
            prefix: Vec::new(),
            woken: false,
            message_since: None,
            asked: BTreeMap::new(),
            cut: false,
            heard: now,
        }
    }

    /// Begins a connection where others were before. What is sent is lost while nobody is at the other end, or even what was
    /// sent before somebody came, so it is sent until there is an answer.
    fn attach(&mut self, end: Instant, given_up: &dyn Fn() -> bool) -> Result<(), Ending> {
        let mut patience = FIRST_ATTACH;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Ending::gone("nobody answers at the other end of the port"));
            }
            if self.attach_once(patience.min(left), given_up)? {
                return Ok(());
            }
            patience *= 2;
        }
    }

    /// Sends an attach and throws away what comes before its answer; whether that came in time.
    fn attach_once(&mut self, patience: Duration, given_up: &dyn Fn() -> bool) -> Result<bool, Ending> {
        let mut mark = [0; 16];
        rustix::rand::getrandom(&mut mark, GetRandomFlags::empty()).map_err(Ending::gone)?;
        let (attach, mut finder, begun) = (Attach::new(mark), Finder::default(), Instant::now());
        let mut outgoing = Outgoing::attach(&attach);
        loop {
            if outgoing.left() > 0 {
                outgoing.advance(self.link.write(outgoing.slices()).map_err(Ending::gone)?.unwrap_or(0));
            }
            if self.read_to(&attach, &mut finder)? {
                return Ok(true);
            }
            let left = patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            self.link.wait(outgoing.left() > 0, &self.mailbox.waker, left).map_err(Ending::gone)?;
            if given_up() {
                return Err(Ending::Stopped);
            }
        }
    }

    /// Reads what is there; whether the answer to the attach was in it.
    fn read_to(&mut self, attach: &Attach, finder: &mut Finder) -> Result<bool, Ending> {
        let mut buffer = [0; 4096];
        for _ in 0..MAX_READS {
            let Some(count) = self.link.read(&mut buffer).map_err(Ending::gone)? else { break };
            if count == 0 {
                return Err(Ending::gone("nobody is at the other end of the port"));
            }
            let mut bytes = &buffer[..count];
            while let Some((found, end)) = finder.find(bytes) {
                bytes = &bytes[end..];
                if found == *attach {
                    let quiet = bytes.is_empty();
                    return if quiet { Ok(true) } else { Err(Ending::gone("the host speaks before it is asked")) };
                }
            }
        }
        Ok(false)
    }

    /// Whether the data can be sent: on a port they must not look like the beginning of a connection.
    pub(super) fn can_carry(&self, data: &[&[u8]]) -> bool {
        !self.link.outlives_connections() || !has_attach(data)
    }

    /// Sets the longest time for a message and for an answer.
    pub(super) fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    pub(super) fn agreed(&self) -> Option<&Capabilities> {
        self.session.agreed()
    }

    /// Sends a request; its id.
    pub(super) fn send(&mut self, stream: u32, message: Message, data: &[&[u8]]) -> Result<u64, Ending> {
        let request = self.session.next_request();
        self.write(&Envelope { stream, request, message }, data)?;
        // An error may have come while it was written.
        if self.is_open(request) {
            self.asked.insert(request, Instant::now());
        }
        Ok(request)
    }

    fn is_open(&self, request: u64) -> bool {
        self.session.open_requests(Role::Client).any(|(_, open)| open == request)
    }

    /// Writes a message. Reading goes on meanwhile, because the host may wait for that.
    pub(super) fn write(&mut self, envelope: &Envelope, data: &[&[u8]]) -> Result<(), Ending> {
        let mut prefix = std::mem::take(&mut self.prefix);
        let mut outgoing = Outgoing::new(envelope, &mut prefix, data).map_err(Ending::unsupported)?;
        self.session.sending(envelope).map_err(Ending::gone)?;
        let begun = Instant::now();
        self.cut = true;
        while outgoing.left() > 0 {
            match self.link.write(outgoing.slices()) {
                // A port of virtio-serial says so when its queue is broken.
                Ok(Some(0)) => return Err(self.broken(Ending::gone("the host takes nothing any more"))),
                Ok(Some(count)) => outgoing.advance(count),
                Ok(None) => self.wait_for_space(begun, outgoing.left())?,
                Err(e) => return Err(self.broken(Ending::Gone(format!("writing to the host: {e}")))),
            }
        }
        self.cut = false;
        self.prefix = prefix;
        Ok(())
    }

    fn wait_for_space(&mut self, begun: Instant, left: usize) -> Result<(), Ending> {
        let patience = self.limit.saturating_sub(begun.elapsed());
        if patience.is_zero() {
            return Err(self.broken(Ending::Gone(format!("the host left {left} bytes of a message unread"))));
        }
        let ready = self.link.wait(true, &self.mailbox.waker, patience).map_err(Ending::gone)?;
        self.woken |= ready.woken;
        if self.mailbox.is_stopped() {
            return Err(Ending::Stopped);
        }
        if ready.readable {
            self.read();
        }
        match &self.ended {
            Some(_) => Err(self.broken(Ending::gone("the host closed the connection"))),
            None => Ok(()),
        }
    }

    /// The host may have said why before it closed the connection.
    fn broken(&mut self, ending: Ending) -> Ending {
        if self.ended.is_none() {
            self.read();
        }
        self.ended.clone().unwrap_or(ending)
    }

    /// The next message that came already.
    pub(super) fn take_arrived(&mut self) -> Option<Arrived> {
        self.arrived.pop_front()
    }

    /// The next message that came, after waiting for it up to `limit`; nothing if none came, or after a wake.
    pub(super) fn next(&mut self, limit: Duration) -> Result<Option<Arrived>, Ending> {
        if let Some(arrived) = self.arrived.pop_front() {
            return Ok(Some(arrived));
        }
        if let Some(ending) = self.ended.clone() {
            return Err(ending);
        }
        // A wake while a message was written counts here: else what was asked for would wait for the host, which may itself
        // wait for that.
        let limit = if std::mem::take(&mut self.woken) { Duration::ZERO } else { limit };
        let limit = self.deadline().map_or(limit, |left| left.min(limit));
        let ready = self.link.wait(false, &self.mailbox.waker, limit).map_err(Ending::gone)?;
        if ready.readable {
            self.read();
        }
        if self.arrived.is_empty() && self.ended.is_none() && self.deadline().is_some_and(|left| left.is_zero()) {
            let what =
                if self.message_since.is_some() { "stopped in the middle of a message" } else { "gave no answer" };
            return Err(Ending::Gone(format!("the host {what} for {} s", self.limit.as_secs_f64())));
        }
        Ok(self.arrived.pop_front())
    }

    /// What is left of the time that the host has; nothing if it owes nothing.
    fn deadline(&self) -> Option<Duration> {
        let oldest = self.asked.values().next().copied();
        let since = [oldest, self.message_since].into_iter().flatten().min()?;
        Some(self.limit.saturating_sub(since.elapsed()))
    }

    /// Sends a ping if nothing was heard for long; the time until then.
    pub(super) fn keep_alive(&mut self) -> Result<Duration, Ending> {
        let left = IDLE_TIMEOUT.saturating_sub(self.heard.elapsed());
        if left.is_zero() && self.asked.is_empty() {
            self.send(0, Message::Ping, &[])?;
        }
        Ok(if left.is_zero() { IDLE_TIMEOUT } else { left })
    }

    /// Reads what is there, but not for ever: whoever waits next finds the rest.
    fn read(&mut self) {
        for _ in 0..MAX_READS {
            if self.ended.is_some() {
                return;
            }
            match self.read_some() {
                Ok(true) => {}
                Ok(false) => return,
                Err(ending) => self.ended = Some(ending),
            }
        }
    }

    /// Reads once; whether there may be more.
    fn read_some(&mut self) -> Result<bool, Ending> {
        let space = match &mut self.coming {
            Some(coming) => &mut coming.data[coming.filled..],
            None => self.decoder.space(),
        };
        let count = match self.link.read(space) {
            Ok(None) => return Ok(false),
            Ok(Some(0)) => return Err(Ending::gone("the host closed the connection")),
            Ok(Some(count)) => count,
            Err(e) => return Err(Ending::Gone(format!("reading from the host: {e}"))),
        };
        self.heard = Instant::now();
        self.take(count)?;
        let between = self.decoder.between_messages();
        self.message_since = if between { None } else { self.message_since.or(Some(self.heard)) };
        Ok(true)
    }

    fn take(&mut self, count: usize) -> Result<(), Ending> {
        let Some(mut coming) = self.coming.take() else {
            return match self.decoder.advance(count) {
                Ok(Some(envelope)) => self.begin(envelope),
                Ok(None) => Ok(()),
                Err(e) => Err(self.refuse(&Envelope::fatal(0, ErrorCode::Protocol, &e.to_string()), e)),
            };
        };
        self.decoder.data_advance(count);
        coming.filled += count;
        if coming.filled == coming.data.len() {
            self.arrived.push_back((coming.envelope, coming.data));
        } else {
            self.coming = Some(coming);
        }
        Ok(())
    }

    fn begin(&mut self, envelope: Envelope) -> Result<(), Ending> {
        if let Err(e) = self.session.receiving(&envelope) {
            return Err(self.refuse(&e.answer(), e));
        }
        if !self.is_open(envelope.request) {
            self.asked.remove(&envelope.request);
        }
        match self.decoder.data_left() {
            0 if is_noise(&envelope) => {}
            0 => self.arrived.push_back((envelope, Vec::new())),
            length => self.coming = Some(Coming { envelope, data: vec![0; length], filled: 0 }),
        }
        Ok(())
    }

    fn refuse(&mut self, answer: &Envelope, error: impl ToString) -> Ending {
        self.last_words(answer);
        Ending::gone(error)
    }

    /// Says that this end is over, which a host at a virtio-serial port would not notice otherwise.
    pub(super) fn goodbye(&mut self) {
        self.last_words(&Envelope::fatal(0, ErrorCode::ShuttingDown, "the pipeline was stopped"));
    }

    /// Tells the host why the connection ends, if there is space for it: nobody waits for that. In the middle of a message
    /// it would be taken for a part of that.
    fn last_words(&mut self, envelope: &Envelope) {
        if self.cut {
            return;
        }
        let mut prefix = Vec::new();
        if let (Ok(outgoing), Ok(())) = (Outgoing::new(envelope, &mut prefix, &[]), self.session.sending(envelope)) {
            let _ = self.link.write(outgoing.slices());
        }
    }
}

/// What is of no interest whenever it comes, as often as the host likes. It is not kept.
fn is_noise(envelope: &Envelope) -> bool {
    match &envelope.message {
        Message::Unknown(_) => envelope.refusal().is_none(),
        Message::Error(failure) => !failure.fatal && envelope.request == 0,
        _ => false,
    }
}

fn hello(token: Option<Token>, ways: Set<FrameWay>) -> Hello {
    let side = MAX_SIDE;
    let capabilities = Capabilities {
        ways,
        formats: Set::all(),
        profiles: Set::all(),
        max_size: Size { width: side, height: side },
        max_streams: 1,
    };
    let name = concat!("vsockenc ", env!("CARGO_PKG_VERSION")).to_owned();
    Hello { min_version: VERSION, max_version: VERSION, capabilities, name, token }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::{UnixListener, UnixStream};

    use helix_frame_protocol::{ATTACH, Colorimetry, Configure, FrameRate, PixelFormat, Profile};
    use helix_host_encoder::{Config, Endpoint, Server, Timeouts, backend};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A server at a character device that the test plays: a socket that stays when the programs of the guest change.
    fn device() -> (Server, UnixStream, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("chardev");
        let listener = UnixListener::bind(&path).expect("a device");
        let server = Server::start(Config {
            endpoints: vec![Endpoint::VirtioSerial(path)],
            token: None,
            backend: backend::backend("discard").expect("an encoder"),
            provider: None,
            max_streams: 1,
            timeouts: Timeouts::default(),
            on_stream_end: None,
        });
        let (device, _) = listener.accept().expect("the server comes");
        device.set_nonblocking(true).expect("a device that is polled");
        (server.expect("a server"), device, folder)
    }

    /// A program of the guest opens the port.
    fn open<'a>(device: &UnixStream, mailbox: &'a Mailbox) -> Result<Connection<'a>, Ending> {
        let link = Link::port(device.try_clone().expect("a twin").into());
        let mut connection = Connection::new(link, LIMIT, mailbox);
        connection.greet(hello(None, [FrameWay::Pixels].into()), Instant::now() + LIMIT, &|| false)?;
        Ok(connection)
    }

    fn configure() -> Message {
        Message::Configure(Configure {
            size: Size { width: 64, height: 64 },
            format: PixelFormat::Nv12,
            colorimetry: Colorimetry::default(),
            profile: Profile::H264ConstrainedBaseline,
            level: None,
            low_latency: true,
            rate: FrameRate { numerator: 30, denominator: 1 },
            keyframe_interval: 0,
            bitrate: 1_000_000,
            ways: [FrameWay::Pixels].into(),
        })
    }

    #[test]
    fn a_program_finds_the_host_after_others_that_ended_anyhow_on_the_same_port() {
        let (server, mut device, _folder) = device();
        let mailbox = Mailbox::new().expect("an eventfd");
        for round in 0..100 {
            let mut connection = open(&device, &mailbox).unwrap_or_else(|e| panic!("round {round}: {e:?}"));
            connection.send(1, configure(), &[]).expect("it is sent");
            match round % 3 {
                // What the host answers is for nobody.
                0 => connection.goodbye(),
                // Killed in the middle of a frame's header, or of an attach.
                1 => device.write_all(&b"HXFP"[..]).expect("it is sent"),
                _ => device.write_all(&ATTACH[..17]).expect("it is sent"),
            }
        }
        assert!(server.stop());
    }

    #[test]
    fn without_a_host_the_time_is_kept() {
        let (device, _other) = UnixStream::pair().expect("a pair");
        device.set_nonblocking(true).expect("a device that is polled");
        let mailbox = Mailbox::new().expect("an eventfd");
        let mut connection = Connection::new(Link::port(device.into()), LIMIT, &mailbox);
        let (begun, limit) = (Instant::now(), Duration::from_millis(400));
        let error = connection.greet(hello(None, Set::EMPTY), begun + limit, &|| false).expect_err("nobody is there");
        assert!(matches!(error, Ending::Gone(_)), "{error:?}");
        assert!((limit..limit * 3).contains(&begun.elapsed()));
        assert!(!connection.can_carry(&[&ATTACH]) && connection.can_carry(&[&ATTACH[..31]]));
    }
}
