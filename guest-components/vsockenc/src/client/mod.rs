//! The client's end of the frame protocol.
//!
//! One thread reads, writes, connects and waits, by `poll`, so that it answers the host also while it writes, and so that
//! nothing else ever waits for the host. The pipeline's threads meet it at a [`Mailbox`].

mod connection;
mod driver;
mod mailbox;
mod serving;
mod token;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gst_video::VideoCodecState;
use gst_video::video_codec_state::Readable;
use helix_frame_protocol::{Configured, FrameWay, PixelFormat, Statistics};

use crate::address::Address;
use crate::carrier::Gpu;
use crate::picture::Wanted;
use connection::{Connection, Ending};
use driver::Driver;
pub(crate) use mailbox::{Mailbox, Refused};
pub(crate) use token::TokenSource;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "vsockenc-client",
        gst::DebugColorFlags::empty(),
        Some("The connection of vsockenc to the host"),
    )
});

/// How to reach the host, and what to do when that fails.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) address: Address,
    pub(crate) token: TokenSource,
    /// The longest time without progress.
    pub(crate) timeout: Duration,
    /// Whether to connect again, for as long as it takes.
    pub(crate) reconnect: bool,
    /// Whether to try for as long as it takes also when no connection has succeeded yet.
    pub(crate) wait_for_first: bool,
}

/// How frames from here on are to be encoded.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) input: VideoCodecState<'static, Readable>,
    pub(crate) format: PixelFormat,
    pub(crate) dmabuf: bool,
    pub(crate) wanted: Wanted,
    pub(crate) bitrate_bps: u64,
    /// In frames; 0 leaves it to the host.
    pub(crate) keyframe_interval: u32,
}

/// A frame on its way to the host.
#[derive(Debug)]
pub(crate) struct Frame {
    /// What GStreamer calls it.
    pub(crate) number: u32,
    pub(crate) buffer: gst::Buffer,
    pub(crate) pts: Option<gst::ClockTime>,
    pub(crate) dts: Option<gst::ClockTime>,
    pub(crate) duration: Option<gst::ClockTime>,
    pub(crate) keyframe: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Event {
    /// Access units from here on have these properties.
    Configured(Box<(Setup, Configured)>),
    /// The access unit of a frame.
    Unit { number: u32, data: Vec<u8>, keyframe: bool, dts: Option<gst::ClockTime> },
    /// A frame has no access unit, and why.
    Dropped { number: u32, reason: String },
    /// All frames before are done.
    Drained(u64),
    /// The host is gone for now.
    Away(String),
    /// It is over.
    Failed(Fault),
}

/// What kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// The host cannot be reached, or went away.
    Host,
    /// The token is wrong.
    Token,
    /// The host cannot do what is asked for.
    Unsupported,
}

/// Why there will be no more access units.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) text: String,
}

/// Figures since the start, for the property `stats`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) frames: u64,
    pub(crate) units: u64,
    pub(crate) keyframes: u64,
    pub(crate) bytes: u64,
    pub(crate) dropped: u64,
    pub(crate) connections: u64,
    pub(crate) connected: bool,
    pub(crate) answer_total: Duration,
    pub(crate) answer_max: Duration,
    pub(crate) way: Option<FrameWay>,
    pub(crate) host: String,
    pub(crate) encoder: String,
    /// What the host counted for the stream of this connection, when it was asked last.
    pub(crate) host_figures: Statistics,
}

/// The thread that talks to the host.
pub(crate) struct Client {
    pub(crate) mailbox: Arc<Mailbox>,
    figures: Arc<Mutex<Figures>>,
    thread: Option<JoinHandle<()>>,
}

/// Where the machine's virtio-gpu comes from, or why there is none.
pub(crate) type FindGpu = Arc<dyn Fn() -> Result<Gpu, String> + Send + Sync>;

impl Client {
    pub(crate) fn start(options: Options, find_gpu: FindGpu) -> std::io::Result<Self> {
        let mailbox = Arc::new(Mailbox::new()?);
        let figures = Arc::default();
        let driver = Driver::new(options, find_gpu, Arc::clone(&mailbox), Arc::clone(&figures));
        let fallen = Arc::clone(&mailbox);
        let work = move || {
            if catch_unwind(AssertUnwindSafe(|| driver.run())).is_err() {
                // Else the pipeline would wait for it for ever.
                fallen.fail(Fault { kind: FaultKind::Host, text: "a fault in this element".to_owned() });
            }
        };
        let thread = thread::Builder::new().name("vsockenc-host".into()).spawn(work)?;
        Ok(Self { mailbox, figures, thread: Some(thread) })
    }

    pub(crate) fn figures(&self) -> Figures {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.mailbox.stop();
        if let Some(thread) = self.thread.take() {
            // A panic in there was reported by Rust's handler.
            let _ = thread.join();
        }
    }
}

/// The question whether a host encoder answers, which another thread can give up.
#[derive(Clone)]
pub(crate) struct Probe(Arc<Mailbox>);

impl Probe {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self(Arc::new(Mailbox::new()?)))
    }

    pub(crate) fn give_up(&self) {
        self.0.stop();
    }

    /// Waits for so long; whether it was not given up meanwhile.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let _ = self.0.waker.wait(time);
        !self.0.is_stopped()
    }

    /// The host's name, or why there is none.
    pub(crate) fn ask(&self, address: &Address, token: &TokenSource, limit: Duration) -> Result<String, String> {
        let token = token.token(address)?;
        let ways = crate::carrier::ways(None);
        match Connection::open(address, token, limit, ways, &self.0, &|| self.0.is_stopped()) {
            Ok((mut connection, welcome)) => {
                connection.goodbye();
                Ok(welcome.name)
            }
            Err(Ending::Stopped) => Err("it was given up".to_owned()),
            Err(Ending::Gone(text) | Ending::Final(Fault { text, .. })) => Err(text),
        }
    }
}
