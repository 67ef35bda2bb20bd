//! A client of the protocol for tests, and servers to talk to.

use std::ops::{Deref, DerefMut};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use helix_frame_protocol::*;
use helix_host_encoder::{Backend, Config, Endpoint, Server, Timeouts, backend};
use helix_host_encoder_artifacts::client as artifacts;
use helix_host_encoder_artifacts::client::Socket;

pub(crate) use helix_host_encoder_artifacts::client::{PATIENCE, frame, hello, wanted};

/// A seed for random points, which is printed; `HELIX_SEED` sets it.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("HELIX_SEED").ok().map(|text| text.parse().expect("HELIX_SEED is a number"));
    let seed = given.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos() as u64);
    println!("seed: HELIX_SEED={seed}");
    seed
}

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

/// The checking tool's client; what goes wrong is a failure of the test.
pub(crate) struct Client(artifacts::Client);

impl Deref for Client {
    type Target = artifacts::Client;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
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

impl Client {
    pub(crate) fn new(socket: impl Socket + 'static) -> Self {
        Self(artifacts::Client::new(socket))
    }

    pub(crate) fn ask(&mut self, stream: u32, message: Message, data: &[u8]) -> u64 {
        self.send(stream, message, data).expect("it is sent")
    }

    pub(crate) fn answer(&mut self) -> Got {
        let artifacts::Got { stream, request, message, data } = self.get().expect("an answer");
        Got { stream, request, message, data }
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
