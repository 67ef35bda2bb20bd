//! A host encoder for tests: its access units say which frame they are of, and it misbehaves as it is told.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use helix_frame_protocol::{
    AccessUnit, Configure, Configured, Envelope, ErrorCode, Failure, Frame, FrameWay, Hello, Kind, Level, Message,
    Outgoing, ReceiveError, Receiver, Role, Session, SkipReason, Source, Statistics, Token, Welcome, limits,
};

const LIMIT: Duration = Duration::from_secs(10);

/// What is wrong with the first answer of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spoilt {
    pub(crate) kind: Kind,
    /// Which byte of it.
    pub(crate) at: usize,
    pub(crate) how: Wrong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// The connection ends before this byte.
    Cut,
    /// Neither this byte nor any other comes, but the connection stays open.
    Stall,
    /// These bits of it are others.
    Garble(u8),
}

/// What the host does wrong, or else.
#[derive(Clone, Default)]
pub(crate) struct Manners {
    pub(crate) token: Option<&'static [u8]>,
    /// The most frames without an answer; 0 stands for 4.
    pub(crate) in_flight: u8,
    /// Answers frames only when so many have come, or when it is drained.
    pub(crate) hold: usize,
    /// Closes the connection after so many bytes were read, in each of the first connections that are listed here.
    pub(crate) cut_after: Vec<usize>,
    /// Neither reads nor answers after so many bytes, but leaves the connection open.
    pub(crate) freeze_after: Option<usize>,
    /// Waits so long before it reads anything.
    pub(crate) slow: Duration,
    /// Does not say welcome.
    pub(crate) mute: bool,
    /// Answers so many frames by errors before it encodes.
    pub(crate) fail_frames: usize,
    /// Refuses configurations.
    pub(crate) refuse_configure: bool,
    /// Ends the connection by a fatal error at each configuration.
    pub(crate) die_at_configure: bool,
    /// Never answers the frame of this number, counted from 1.
    pub(crate) lose_frame: usize,
    /// Answers every so manieth frame by skipped.
    pub(crate) skip_every: usize,
    /// Access units to send one after the other instead of its own.
    pub(crate) canned: Arc<Vec<Vec<u8>>>,
    /// Answers no frame, but says things that nobody asked for, without end.
    pub(crate) chatter: bool,
    /// Ends the connection by a fatal error after so many frames.
    pub(crate) die_after_frames: Option<usize>,
    pub(crate) spoilt: Option<Spoilt>,
    /// Takes frames as resources and blobs, whose bytes this has.
    pub(crate) memory: Option<Memory>,
    /// Says of so many of them that they are not there.
    pub(crate) missing: usize,
}

/// The bytes behind a resource id.
pub(crate) type Memory = Arc<dyn Fn(u32) -> Option<Vec<u8>> + Send + Sync>;

/// What the host saw.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    Hello,
    Configure(Configure),
    Frame(Frame, u64),
    EndOfStream,
    Goodbye,
    /// An answer, with the length of its header and body, and of all of it.
    Answer(Kind, usize, usize),
    /// An answer went out that was spoilt.
    Spoilt,
}

pub(crate) struct Host {
    folder: tempfile::TempDir,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    frozen: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    open: Arc<Mutex<BTreeMap<usize, UnixStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    pub(crate) fn start(manners: Manners) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::start_in(folder, manners)
    }

    pub(crate) fn start_in(folder: tempfile::TempDir, manners: Manners) -> Self {
        let path = folder.path().join("host.sock");
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(path).expect("a socket");
        listener.set_nonblocking(true).expect("a listener that can be stopped");
        let mut host = Self {
            folder,
            seen: Arc::default(),
            connections: Arc::default(),
            frozen: Arc::default(),
            stop: Arc::default(),
            open: Arc::default(),
            thread: None,
        };
        let (seen, connections, stop) = (host.seen.clone(), host.connections.clone(), host.stop.clone());
        let (open, frozen) = (host.open.clone(), host.frozen.clone());
        host.thread = Some(thread::spawn(move || {
            let (mut peers, spoilt) = (Vec::new(), Arc::new(Mutex::new(manners.spoilt)));
            while !stop.load(Ordering::SeqCst) {
                let Ok((stream, _)) = listener.accept() else {
                    thread::sleep(Duration::from_millis(2));
                    continue;
                };
                stream.set_nonblocking(false).expect("a blocking socket");
                let index = connections.fetch_add(1, Ordering::SeqCst);
                open.lock().expect("a lock").insert(index, stream.try_clone().expect("a second handle"));
                let manners = manners.clone();
                let mut peer = Peer::new(stream, index, manners, seen.clone(), frozen.clone(), stop.clone());
                peer.spoilt = spoilt.clone();
                let open = open.clone();
                peers.extract_if(.., |peer: &mut JoinHandle<()>| peer.is_finished()).for_each(join);
                peers.push(thread::spawn(move || {
                    peer.serve();
                    open.lock().expect("a lock").remove(&index);
                }));
            }
            peers.into_iter().for_each(join);
        }));
        host
    }

    /// Stops; the folder can be used by the next host.
    pub(crate) fn stop(mut self) -> tempfile::TempDir {
        self.halt();
        std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"))
    }

    fn halt(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.kill_connections();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a host without a panic");
        }
        let _ = std::fs::remove_file(self.path());
    }

    pub(crate) fn kill_connections(&self) {
        for stream in self.open.lock().expect("a lock").values() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("host.sock")
    }

    pub(crate) fn transport(&self) -> String {
        format!("unix:{}", self.path().display())
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("a lock").clone()
    }

    pub(crate) fn frames(&self) -> Vec<(Frame, u64)> {
        let frame = |seen| if let Seen::Frame(frame, sum) = seen { Some((frame, sum)) } else { None };
        self.seen().into_iter().filter_map(frame).collect()
    }

    /// The sum of the first frame of each connection.
    pub(crate) fn first_frames(&self) -> Vec<u64> {
        let (mut begins, mut firsts) = (false, Vec::new());
        for seen in self.seen() {
            match seen {
                Seen::Hello => begins = true,
                Seen::Frame(_, sum) if std::mem::take(&mut begins) => firsts.push(sum),
                _ => {}
            }
        }
        firsts
    }

    pub(crate) fn configures(&self) -> Vec<Configure> {
        let configure = |seen| if let Seen::Configure(configure) = seen { Some(configure) } else { None };
        self.seen().into_iter().filter_map(configure).collect()
    }

    pub(crate) fn has_spoilt(&self) -> bool {
        self.seen().iter().any(|seen| matches!(seen, Seen::Spoilt))
    }

    /// Whether the client has begun anew after the answer that was spoilt.
    pub(crate) fn is_greeted_again(&self) -> bool {
        let mut behind = self.seen().into_iter().skip_while(|seen| !matches!(seen, Seen::Spoilt));
        behind.any(|seen| matches!(seen, Seen::Hello))
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::SeqCst)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.halt();
    }
}

fn join(peer: JoinHandle<()>) {
    peer.join().expect("a peer without a panic");
}

/// Counts bytes and stops reading when it was told to.
struct Input {
    stream: UnixStream,
    left: Option<usize>,
    freeze: bool,
    slow: Duration,
    frozen: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

impl std::io::Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        thread::sleep(self.slow);
        let Some(left) = self.left else { return self.stream.read(buffer) };
        if left == 0 && self.freeze {
            self.frozen.store(true, Ordering::SeqCst);
            while !self.stop.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(2));
            }
        }
        if left == 0 {
            let _ = self.stream.shutdown(std::net::Shutdown::Both);
            return Ok(0);
        }
        let most = buffer.len().min(left);
        let count = self.stream.read(&mut buffer[..most])?;
        self.left = Some(left - count);
        Ok(count)
    }
}

struct Peer {
    sink: UnixStream,
    receiver: Receiver<Input>,
    session: Session,
    manners: Manners,
    seen: Arc<Mutex<Vec<Seen>>>,
    held: Vec<(u64, Frame, u64)>,
    frames: usize,
    after_configure: bool,
    spoilt: Arc<Mutex<Option<Spoilt>>>,
    /// The client may have understood something else.
    has_spoilt: bool,
    /// Nothing is written any more.
    silent: bool,
    stop: Arc<AtomicBool>,
}

impl Peer {
    fn new(
        stream: UnixStream,
        index: usize,
        manners: Manners,
        seen: Arc<Mutex<Vec<Seen>>>,
        frozen: Arc<AtomicBool>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a time-out");
        stream.set_write_timeout(Some(Duration::from_millis(20))).expect("a time-out");
        let sink = stream.try_clone().expect("a second handle");
        let left = manners.cut_after.get(index).copied().or(manners.freeze_after);
        let freeze = manners.freeze_after.is_some();
        let source = Input { stream, left, freeze, slow: manners.slow, frozen, stop: stop.clone() };
        Self {
            sink,
            receiver: Receiver::new(source, LIMIT),
            session: Session::new(Role::Server),
            manners,
            seen,
            held: Vec::new(),
            frames: 0,
            after_configure: true,
            spoilt: Arc::default(),
            has_spoilt: false,
            silent: false,
            stop,
        }
    }

    fn serve(mut self) {
        while !self.stop.load(Ordering::SeqCst) {
            match self.receiver.receive() {
                Ok(envelope) => {
                    let order = self.session.receiving(&envelope);
                    assert!(order.is_ok() || self.has_spoilt, "a client that keeps to the order: {order:?}");
                    if order.is_err() || !self.handle(envelope) {
                        break;
                    }
                }
                Err(ReceiveError::Idle) => {}
                Err(ReceiveError::Message(e)) => panic!("the client sent no message: {e}"),
                Err(_) => break,
            }
        }
        let _ = self.sink.shutdown(std::net::Shutdown::Both);
    }

    fn note(&self, seen: Seen) {
        self.seen.lock().expect("a lock").push(seen);
    }

    /// Whether the connection goes on.
    fn handle(&mut self, envelope: Envelope) -> bool {
        let (stream, request) = (envelope.stream, envelope.request);
        let message = match envelope.message {
            Message::Hello(hello) => return self.greet(request, hello),
            Message::Configure(configure) => {
                self.note(Seen::Configure(configure));
                if self.manners.die_at_configure {
                    self.send(Envelope::fatal(0, ErrorCode::Encoder, "the encoder died"), &[]);
                    return false;
                }
                if !self.release(stream) {
                    return false;
                }
                self.configured(&configure)
            }
            Message::Frame(frame) => return self.frame(stream, request, frame),
            Message::EndOfStream => {
                self.note(Seen::EndOfStream);
                if !self.release(stream) {
                    return false;
                }
                self.after_configure = true;
                Message::Drained
            }
            Message::Ping => Message::Pong,
            Message::GetStatistics => Message::Statistics(Statistics::default()),
            Message::Error(_) => {
                self.note(Seen::Goodbye);
                return false;
            }
            other => panic!("the client is not expected to send {other:?}"),
        };
        self.send(Envelope { stream, request, message }, &[])
    }

    fn greet(&mut self, request: u64, hello: Hello) -> bool {
        self.note(Seen::Hello);
        if self.manners.mute {
            return true;
        }
        let token = self.manners.token.map(|bytes| Token::new(bytes).expect("a token"));
        if hello.token != token {
            self.send(Envelope::fatal(request, ErrorCode::Unauthorized, "the token is wrong or missing"), &[]);
            return false;
        }
        let version = hello.version().expect("a common version");
        let capabilities = hello.capabilities;
        let welcome = Welcome { version, capabilities, refused: Vec::new(), name: "the host of the tests".to_owned() };
        self.send(Envelope { stream: 0, request, message: Message::Welcome(welcome) }, &[])
    }

    fn configured(&mut self, configure: &Configure) -> Message {
        if self.manners.refuse_configure {
            return Message::Error(Failure::new(ErrorCode::Unsupported, false, "no encoder for this"));
        }
        self.after_configure = true;
        Message::Configured(Configured {
            profile: configure.profile,
            level: configure.level.or(Level::new(42)).expect("a level"),
            way: self.way(configure),
            max_in_flight: if self.manners.in_flight == 0 { 4 } else { self.manners.in_flight },
            encoder: "sums".to_owned(),
        })
    }

    /// The best that both have.
    fn way(&self, configure: &Configure) -> FrameWay {
        let better = [FrameWay::Resource, FrameWay::Blob].into_iter().find(|way| configure.ways.contains(*way));
        better.filter(|_| self.manners.memory.is_some()).unwrap_or(FrameWay::Pixels)
    }

    /// The bytes of a frame, wherever they are; nothing if the client goes away, or the resource is not there.
    fn pixels(&mut self, frame: &Frame) -> Result<Option<Vec<u8>>, ReceiveError> {
        let id = match frame.source {
            Source::Pixels { .. } => {
                let mut pixels = vec![0; self.receiver.data_left()];
                return self.receiver.read_data(&mut pixels).map(|()| Some(pixels));
            }
            Source::Resource { id, .. } | Source::Blob { id, .. } => id,
        };
        let missing = self.manners.missing > 0;
        self.manners.missing -= usize::from(missing);
        Ok(self.manners.memory.as_ref().filter(|_| !missing).and_then(|memory| memory(id)))
    }

    fn frame(&mut self, stream: u32, request: u64, frame: Frame) -> bool {
        let pixels = match self.pixels(&frame) {
            Ok(Some(pixels)) => pixels,
            Ok(None) => {
                let failure = Failure::new(ErrorCode::NoResource, false, "it is not there");
                return self.send(Envelope { stream, request, message: Message::Error(failure) }, &[]);
            }
            Err(_) => return false,
        };
        let sum = picture_sum(&frame, &pixels);
        self.note(Seen::Frame(frame, sum));
        self.frames += 1;
        if self.manners.die_after_frames.is_some_and(|most| self.frames > most) {
            self.send(Envelope::fatal(0, ErrorCode::Encoder, "the encoder died"), &[]);
            return false;
        }
        if self.manners.chatter {
            // A header without a body, of a type that no version has.
            let mut unknown = [0_u8; limits::HEADER];
            unknown[..8].copy_from_slice(b"HXFP\x02\0\x77\x87");
            while self.sink.write_all(&unknown).is_ok() {}
            return false;
        }
        if self.frames == self.manners.lose_frame {
            return true;
        }
        self.held.push((request, frame, sum));
        self.held.len() < self.manners.hold || self.release(stream)
    }

    fn release(&mut self, stream: u32) -> bool {
        std::mem::take(&mut self.held)
            .into_iter()
            .all(|(request, frame, sum)| self.answer(stream, request, &frame, sum))
    }

    fn answer(&mut self, stream: u32, request: u64, frame: &Frame, sum: u64) -> bool {
        if self.manners.fail_frames > 0 {
            self.manners.fail_frames -= 1;
            let failure = Failure::new(ErrorCode::Encoder, false, "this frame cannot be encoded");
            return self.send(Envelope { stream, request, message: Message::Error(failure) }, &[]);
        }
        if self.manners.skip_every > 0 && self.frames.is_multiple_of(self.manners.skip_every) {
            return self.send(Envelope { stream, request, message: Message::Skipped(SkipReason::RateControl) }, &[]);
        }
        let keyframe = frame.keyframe || std::mem::take(&mut self.after_configure);
        let data = match self.manners.canned.len() {
            0 => access_unit(keyframe, sum),
            count => self.manners.canned[(self.frames - 1) % count].clone(),
        };
        let keyframe = keyframe || !self.manners.canned.is_empty();
        let unit = AccessUnit { pts_ns: frame.pts_ns, dts_ns: frame.dts_ns, keyframe, length: data.len() as u32 };
        self.send(Envelope { stream, request, message: Message::AccessUnit(unit) }, &data)
    }

    fn send(&mut self, envelope: Envelope, data: &[u8]) -> bool {
        self.session.sending(&envelope).expect("a host that keeps to the order");
        let mut prefix = Vec::new();
        let outgoing = Outgoing::new(&envelope, &mut prefix, &[data]).expect("a message");
        if let Some(kind) = envelope.message.kind() {
            self.note(Seen::Answer(kind, outgoing.left() - data.len(), outgoing.left()));
        }
        let spoilt = self.spoilt.lock().expect("a lock").take_if(|spoilt| Some(spoilt.kind) == envelope.message.kind());
        if let Some(spoilt) = spoilt {
            return self.send_spoilt(spoilt, outgoing);
        }
        self.silent || outgoing.write_all(&mut self.sink, LIMIT).and_then(|()| self.sink.flush()).is_ok()
    }

    fn send_spoilt(&mut self, spoilt: Spoilt, outgoing: Outgoing<'_>) -> bool {
        let mut bytes = Vec::new();
        outgoing.write_all(&mut bytes, LIMIT).expect("memory takes everything");
        match spoilt.how {
            Wrong::Cut | Wrong::Stall => bytes.truncate(spoilt.at),
            Wrong::Garble(bits) => bytes[spoilt.at] ^= bits,
        }
        (self.has_spoilt, self.silent) = (true, spoilt.how == Wrong::Stall);
        // Few bytes always fit into a socket.
        let sent = self.sink.write_all(&bytes).is_ok();
        self.note(Seen::Spoilt);
        sent && spoilt.how != Wrong::Cut
    }
}

/// Of the pixels only, wherever they lie.
fn picture_sum(frame: &Frame, data: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for plane in 0..frame.format.planes() {
        let (row, rows) = frame.format.rows(frame.size, plane);
        for index in 0..rows {
            let begin = (frame.planes[plane].offset + index * frame.planes[plane].stride) as usize;
            hasher.write(&data[begin..begin + row as usize]);
        }
    }
    hasher.finish()
}

/// Looks like an access unit, and has the sum of its picture as hexadecimal digits.
pub(crate) fn access_unit(keyframe: bool, sum: u64) -> Vec<u8> {
    let head: &[u8] = if keyframe { &[0, 0, 0, 1, 0x65] } else { &[0, 0, 0, 1, 0x41] };
    [head, format!("{sum:016x}").as_bytes()].concat()
}

/// The sum of the picture that an access unit is of.
pub(crate) fn sum_of(unit: &[u8]) -> u64 {
    let text = std::str::from_utf8(&unit[5..]).expect("digits");
    u64::from_str_radix(text, 16).expect("digits")
}
