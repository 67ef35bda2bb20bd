//! A client of the protocol for tests, and servers to talk to.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use helix_frame_protocol::*;
use helix_host_encoder::{Backend, Config, Endpoint, Server, Timeouts, backend};

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A seed for random points, which is printed; `HELIX_SEED` sets it.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("HELIX_SEED").ok().map(|text| text.parse().expect("HELIX_SEED is a number"));
    let seed = given.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos() as u64);
    println!("seed: HELIX_SEED={seed}");
    seed
}

pub(crate) trait Socket: std::io::Read + std::io::Write + Send {
    fn twin(&self) -> Box<dyn Socket>;
    fn tick(&self);
}

macro_rules! socket {
    ($type:ty) => {
        impl Socket for $type {
            fn twin(&self) -> Box<dyn Socket> {
                Box::new(self.try_clone().expect("a twin"))
            }

            fn tick(&self) {
                self.set_read_timeout(Some(Duration::from_millis(20))).expect("a time-out");
                self.set_write_timeout(Some(Duration::from_millis(20))).expect("a time-out");
            }
        }
    };
}

socket!(UnixStream);
socket!(TcpStream);

/// A server on a Unix socket in a folder of its own.
pub(crate) struct Host {
    pub(crate) server: Option<Server>,
    pub(crate) path: PathBuf,
    _folder: tempfile::TempDir,
}

pub(crate) fn config(backend: Arc<dyn Backend>) -> Config {
    Config {
        endpoints: Vec::new(),
        token: None,
        backend,
        provider: None,
        max_streams: 64,
        timeouts: Timeouts::default(),
        on_stream_end: None,
    }
}

impl Host {
    pub(crate) fn start(mut config: Config) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        config.endpoints.push(Endpoint::Unix(path.clone()));
        Self { server: Some(Server::start(config).expect("a server")), path, _folder: folder }
    }

    pub(crate) fn of(name: &str) -> Self {
        Self::start(config(backend::backend(name).expect("an encoder")))
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    pub(crate) fn connect(&self) -> Client {
        Client::new(UnixStream::connect(&self.path).expect("a connection"))
    }

    pub(crate) fn hello(&self) -> Client {
        let mut client = self.connect();
        client.hello(None);
        client
    }
}

pub(crate) struct Client {
    pub(crate) write: Box<dyn Socket>,
    receiver: Receiver<Box<dyn Socket>>,
    pub(crate) session: Session,
}

/// An answer with its data.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) stream: u32,
    pub(crate) request: u64,
    pub(crate) message: Message,
    pub(crate) data: Vec<u8>,
}

impl Got {
    pub(crate) fn unit(self) -> (AccessUnit, Vec<u8>) {
        match self.message {
            Message::AccessUnit(unit) => (unit, self.data),
            other => panic!("no access unit: {other:?}"),
        }
    }

    pub(crate) fn failure(self) -> Failure {
        match self.message {
            Message::Error(failure) => failure,
            other => panic!("no error: {other:?}"),
        }
    }
}

pub(crate) fn capabilities() -> Capabilities {
    Capabilities {
        ways: Set::all(),
        formats: Set::all(),
        profiles: Set::all(),
        max_size: Size { width: 8192, height: 8192 },
        max_streams: 64,
    }
}

pub(crate) fn hello(token: Option<&[u8]>) -> Message {
    let token = token.map(|token| Token::new(token).expect("a token"));
    Message::Hello(Hello { min_version: 2, max_version: 2, capabilities: capabilities(), name: "test".into(), token })
}

pub(crate) fn wanted(format: PixelFormat, width: u32, height: u32) -> Configure {
    Configure {
        size: Size { width, height },
        format,
        colorimetry: Colorimetry::default(),
        profile: Profile::H264ConstrainedBaseline,
        level: None,
        low_latency: true,
        rate: FrameRate { numerator: 30, denominator: 1 },
        keyframe_interval: 0,
        bitrate: 20_000_000,
        ways: Set::from([FrameWay::Pixels]),
    }
}

pub(crate) fn frame(wanted: &Configure, pts_ns: Option<u64>) -> Frame {
    let (size, format) = (wanted.size, wanted.format);
    Frame {
        size,
        format,
        pts_ns,
        dts_ns: None,
        duration_ns: None,
        keyframe: false,
        source: Source::Pixels { length: format.packed_length(size) },
        planes: packed_planes(format, size),
    }
}

impl Client {
    pub(crate) fn new(socket: impl Socket + 'static) -> Self {
        socket.tick();
        let receiver = Receiver::new(socket.twin(), PATIENCE);
        Self { write: Box::new(socket), receiver, session: Session::new(Role::Client) }
    }

    /// Sends a request, in order or not.
    pub(crate) fn send(&mut self, stream: u32, message: Message, data: &[u8]) -> std::io::Result<u64> {
        let request = self.session.next_request();
        let envelope = Envelope { stream, request, message };
        // Tests of faults send what may not be sent.
        let _ = self.session.sending(&envelope);
        let mut prefix = Vec::new();
        Outgoing::new(&envelope, &mut prefix, &[data]).expect("a message").write_all(&mut self.write, PATIENCE)?;
        Ok(request)
    }

    pub(crate) fn ask(&mut self, stream: u32, message: Message, data: &[u8]) -> u64 {
        self.send(stream, message, data).expect("it is sent")
    }

    /// The next answer; pings are answered on the way.
    pub(crate) fn get(&mut self) -> Result<Got, ReceiveError> {
        let begun = Instant::now();
        loop {
            match self.receiver.receive() {
                Err(ReceiveError::Idle) => assert!(begun.elapsed() < PATIENCE, "no answer"),
                Err(e) => return Err(e),
                Ok(envelope) => {
                    let mut data = vec![0; self.receiver.data_left()];
                    self.receiver.read_data(&mut data)?;
                    let Envelope { stream, request, message } = envelope.clone();
                    self.session.receiving(&envelope).expect("the server is in order");
                    if message == Message::Ping {
                        let pong = Envelope { stream, request, message: Message::Pong };
                        self.session.sending(&pong).expect("in order");
                        let mut prefix = Vec::new();
                        let pong = Outgoing::new(&pong, &mut prefix, &[]).expect("a message");
                        // The server may have ended meanwhile.
                        let _ = pong.write_all(&mut self.write, PATIENCE);
                        continue;
                    }
                    return Ok(Got { stream, request, message, data });
                }
            }
        }
    }

    pub(crate) fn answer(&mut self) -> Got {
        self.get().expect("an answer")
    }

    pub(crate) fn hello(&mut self, token: Option<&[u8]>) -> Welcome {
        self.ask(0, hello(token), &[]);
        match self.answer().message {
            Message::Welcome(welcome) => welcome,
            other => panic!("no welcome: {other:?}"),
        }
    }

    pub(crate) fn configure(&mut self, stream: u32, wanted: &Configure) -> Configured {
        self.ask(stream, Message::Configure(*wanted), &[]);
        match self.answer().message {
            Message::Configured(configured) => configured,
            other => panic!("not configured: {other:?}"),
        }
    }

    /// Sends a frame and waits for its access unit.
    pub(crate) fn encode(&mut self, stream: u32, frame: Frame, data: &[u8]) -> (AccessUnit, Vec<u8>) {
        let request = self.ask(stream, Message::Frame(frame), data);
        let got = self.answer();
        assert_eq!((got.stream, got.request), (stream, request));
        got.unit()
    }

    /// Reads until the connection is over; the last error that the server said.
    pub(crate) fn end(&mut self) -> Option<Failure> {
        let (begun, mut last) = (Instant::now(), None);
        loop {
            assert!(begun.elapsed() < PATIENCE, "the connection does not end");
            match self.receiver.receive() {
                Ok(Envelope { message: Message::Error(failure), .. }) => last = Some(failure),
                Ok(_) | Err(ReceiveError::Idle) => {}
                Err(_) => return last,
            }
        }
    }
}
