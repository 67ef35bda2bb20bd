//! A client of the frame protocol that asks and waits; for checks and for tests.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use helix_frame_protocol::{
    Capabilities, Colorimetry, Configure, Envelope, Frame, FrameRate, FrameWay, Hello, Message, OrderError, Outgoing,
    PixelFormat, Profile, ReceiveError, Receiver, Role, Session, Set, Size, Source, Token, packed_planes,
};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A socket with time-outs.
pub trait Socket: std::io::Read + std::io::Write + Send {
    /// The same socket once more.
    fn twin(&self) -> Box<dyn Socket>;
    /// Lets reads and writes return now and then, so that limits of time are looked at.
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

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection failed.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// Nothing came for [`PATIENCE`].
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Silent,
    /// What came may not come now.
    #[error(transparent)]
    Order(#[from] OrderError),
}

/// A connection.
pub struct Client {
    /// Where messages are written.
    pub write: Box<dyn Socket>,
    /// Where answers come from.
    pub receiver: Receiver<Box<dyn Socket>>,
    /// What both ends have said.
    pub session: Session,
}

/// An answer with its data.
#[derive(Debug)]
pub struct Got {
    /// The stream.
    pub stream: u32,
    /// The request that is answered.
    pub request: u64,
    /// The answer.
    pub message: Message,
    /// Its data.
    pub data: Vec<u8>,
}

impl Client {
    /// A client of the server at the other end.
    pub fn new(socket: impl Socket + 'static) -> Self {
        socket.tick();
        let receiver = Receiver::new(socket.twin(), PATIENCE);
        Self { write: Box::new(socket), receiver, session: Session::new(Role::Client) }
    }

    /// Sends a request, in order or not.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn send(&mut self, stream: u32, message: Message, data: &[u8]) -> std::io::Result<u64> {
        let request = self.session.next_request();
        let envelope = Envelope { stream, request, message };
        // Tests of faults send what may not be sent.
        let _ = self.session.sending(&envelope);
        let mut prefix = Vec::new();
        Outgoing::new(&envelope, &mut prefix, &[data]).expect("a message").write_all(&mut self.write, PATIENCE)?;
        Ok(request)
    }

    /// The next answer; pings are answered on the way.
    ///
    /// # Errors
    /// When there is none, or it is out of order.
    pub fn get(&mut self) -> Result<Got, ClientError> {
        let begun = Instant::now();
        loop {
            let envelope = match self.receiver.receive() {
                Err(ReceiveError::Idle) if begun.elapsed() < PATIENCE => continue,
                Err(ReceiveError::Idle) => return Err(ClientError::Silent),
                received => received?,
            };
            let mut data = vec![0; self.receiver.data_left()];
            self.receiver.read_data(&mut data)?;
            self.session.receiving(&envelope)?;
            let Envelope { stream, request, message } = envelope;
            if message == Message::Ping {
                self.pong(stream, request)?;
                continue;
            }
            return Ok(Got { stream, request, message, data });
        }
    }

    fn pong(&mut self, stream: u32, request: u64) -> Result<(), ClientError> {
        let pong = Envelope { stream, request, message: Message::Pong };
        self.session.sending(&pong)?;
        let mut prefix = Vec::new();
        let pong = Outgoing::new(&pong, &mut prefix, &[]).expect("a message");
        // The server may have ended meanwhile.
        let _ = pong.write_all(&mut self.write, PATIENCE);
        Ok(())
    }
}

/// Everything that a client can be able to do.
pub fn capabilities() -> Capabilities {
    Capabilities {
        ways: Set::all(),
        formats: Set::all(),
        profiles: Set::all(),
        max_size: Size { width: 8192, height: 8192 },
        max_streams: 64,
    }
}

/// The first message.
pub fn hello(token: Option<&[u8]>) -> Message {
    let token = token.map(|token| Token::new(token).expect("a token"));
    Message::Hello(Hello { min_version: 2, max_version: 2, capabilities: capabilities(), name: "test".into(), token })
}

/// A stream of 30 frames/s at 20 Mbit/s, with the pixels on the wire.
pub fn wanted(format: PixelFormat, width: u32, height: u32) -> Configure {
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

/// A frame of such a stream, packed.
pub fn frame(wanted: &Configure, pts_ns: Option<u64>) -> Frame {
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
