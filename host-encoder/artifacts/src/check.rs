//! Known frames into a daemon, and what comes out: decoded, compared, and how fast.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use helix_frame_protocol::{Configure, Configured, Message, PixelFormat, packed_planes};
use serde::Serialize;

use crate::client::{Client, Got, frame, hello, wanted};
use crate::daemon::Daemon;
use crate::decoder::{self, decode};
use crate::error::Error;
use crate::pictures::{draw, expected, worst_psnr};
use crate::units::is_keyframe;
use helix_products::Target;

/// How many different pictures there are; they are shown forwards and backwards.
const PICTURES: u32 = 8;
/// What desktops are usually sent as.
const CASES: [(PixelFormat, u32, u32); 4] = [
    (PixelFormat::Nv12, 640, 360),
    (PixelFormat::Bgrx, 640, 360),
    (PixelFormat::Nv12, 1920, 1080),
    (PixelFormat::Bgrx, 1920, 1080),
];

/// What is checked.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The daemon [default: what build-host-encoder made for this machine]
    #[arg(long, value_name = "PATH")]
    pub program: Option<PathBuf>,
    /// The encoder [default: the daemon's own]
    #[arg(long, value_name = "NAME", value_parser = ["videotoolbox", "openh264"])]
    pub encoder: Option<String>,
    /// How many frames of each kind are encoded, once for latency and once for speed
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    pub frames: u32,
}

/// What a run must reach with each kind of frames.
struct Bounds {
    psnr_db: f64,
    latency_p99: Duration,
    fps: f64,
}

impl Bounds {
    /// Hardware keeps up with a desktop of 60 Hz; software has to be usable on two cores that do other things too.
    fn of(encoder: &str) -> Self {
        match encoder {
            "videotoolbox" => Self { psnr_db: 35.0, latency_p99: Duration::from_millis(33), fps: 60.0 },
            _ => Self { psnr_db: 35.0, latency_p99: Duration::from_secs(1), fps: 5.0 },
        }
    }
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    /// The daemon, by its own name and version.
    pub daemon: String,
    /// What encoded.
    pub encoder: String,
    /// Each kind of frames.
    pub kinds: Vec<Measured>,
    /// What is below its bound.
    pub faults: Vec<String>,
}

/// One kind of frames.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Format and size.
    pub kind: String,
    /// How many frames were encoded for each figure.
    pub frames: u32,
    /// The lowest peak signal-to-noise ratio of any plane of any frame, in dB.
    pub psnr_db: f64,
    /// From the first byte of a frame to the last of its access unit, with nothing else under way, in ms: half of the
    /// frames took no longer.
    pub latency_p50_ms: f64,
    /// The same for 99 of 100 frames.
    pub latency_p99_ms: f64,
    /// Frames in a second with as many under way as the daemon takes.
    pub fps: f64,
    /// The mean access unit, in bytes.
    pub unit_bytes: usize,
}

/// Runs the daemon and encodes with it.
///
/// # Errors
/// When the check cannot be run to its end, or the daemon gives no stream that can be decoded. A figure below its bound is
/// a fault of the result.
pub fn check(args: &CheckArgs, root: &Path, say: &dyn Fn(&str)) -> Result<Checked, Error> {
    let program = args.program.clone().map_or_else(|| built(root), Ok)?;
    decoder::ready()?;
    let daemon = Daemon::start(&program, args.encoder.as_deref())?;
    check_socket(&daemon.socket(), args.frames, say)
}

/// Encodes with whoever serves a Unix socket.
///
/// # Errors
/// As [`check`].
pub fn check_socket(socket: &Path, frames: u32, say: &dyn Fn(&str)) -> Result<Checked, Error> {
    let connect = || UnixStream::connect(socket).map_err(Error::file("connecting to", socket));
    let mut checked = Checked { daemon: String::new(), encoder: String::new(), kinds: Vec::new(), faults: Vec::new() };
    for (format, width, height) in CASES {
        let wanted = wanted(format, width, height);
        // Before there is a connection, on which the daemon wants its pings answered.
        let pictures = Pictures::of(&wanted);
        let mut session = Asking { client: Client::new(connect()?) };
        checked.daemon = session.hello()?;
        let (configured, taken) = session.encode(&wanted, &pictures, frames)?;
        drop(session);
        let measured = taken.measured(&wanted, &pictures, frames)?;
        say(&measured.to_string());
        checked.faults.extend(measured.faults(&Bounds::of(&configured.encoder)));
        checked.encoder = configured.encoder;
        checked.kinds.push(measured);
    }
    Ok(checked)
}

/// The daemon that was built for this machine.
fn built(root: &Path) -> Result<PathBuf, Error> {
    let folder = root.join("target/host-encoder").join(Target::host().map_or("", Target::triple));
    let program = folder.join("helix-host-encoder");
    if program.is_file() {
        return Ok(program);
    }
    Err(Error::NotReady(format!(
        "{} is not there: name another with --program, or build it with\n  cargo xtask build-host-encoder",
        program.display()
    )))
}

impl Checked {
    /// Whether everything is within its bounds.
    ///
    /// # Errors
    /// When something is not.
    pub fn verdict(&self) -> Result<(), Error> {
        if self.faults.is_empty() {
            return Ok(());
        }
        Err(Error::Faults { what: format!("{} is below its bounds", self.encoder), faults: self.faults.clone() })
    }
}

fn unexpected(message: &Message) -> Error {
    disobeys(format!("it answers {message:?}"))
}

fn disobeys(fault: String) -> Error {
    Error::Faults { what: "the daemon does not do what it is asked".to_owned(), faults: vec![fault] }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

impl Measured {
    fn faults(&self, bounds: &Bounds) -> Vec<String> {
        let mut faults = Vec::new();
        let mut need = |good: bool, text: String| faults.extend((!good).then(|| format!("{}: {text}", self.kind)));
        need(self.psnr_db >= bounds.psnr_db, format!("{:.1} dB, at least {} are wanted", self.psnr_db, bounds.psnr_db));
        let (found, most) = (self.latency_p99_ms, milliseconds(bounds.latency_p99));
        need(found <= most, format!("latency {found:.1} ms (p99), at most {most} are wanted"));
        need(self.fps >= bounds.fps, format!("{:.1} frames/s, at least {} are wanted", self.fps, bounds.fps));
        faults
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, psnr_db, latency_p50_ms, latency_p99_ms, fps, unit_bytes, .. } = self;
        write!(
            f,
            "{kind:<15} {psnr_db:5.1} dB  latency {latency_p50_ms:6.1} ms (p50) {latency_p99_ms:6.1} ms (p99)  \
             {fps:6.1} frames/s  {unit_bytes:>7} bytes/frame"
        )
    }
}

/// The pictures of a stream, drawn beforehand.
struct Pictures {
    /// As they are sent.
    sent: Vec<Vec<u8>>,
    /// As they should be decoded.
    wanted: Vec<Vec<u8>>,
}

impl Pictures {
    fn of(wanted: &Configure) -> Self {
        let (format, size, colours) = (wanted.format, wanted.size, wanted.colorimetry);
        let (planes, length) = (packed_planes(format, size), format.packed_length(size) as usize);
        Self {
            sent: (0..PICTURES).map(|at| draw(format, size, &planes, length, at, colours)).collect(),
            wanted: (0..PICTURES).map(|at| expected(size, at, colours)).collect(),
        }
    }

    /// The place of the picture of a frame: forwards and backwards, so that nothing jumps.
    fn place(frame: u32) -> usize {
        let at = frame % (2 * PICTURES - 2);
        at.min(2 * PICTURES - 2 - at) as usize
    }
}

/// What came of encoding.
struct Taken {
    /// The access units of frames that were encoded one after the other.
    stream: Vec<u8>,
    /// How long each of them took.
    latencies: Vec<Duration>,
    fps: f64,
}

impl Taken {
    fn measured(mut self, wanted: &Configure, pictures: &Pictures, frames: u32) -> Result<Measured, Error> {
        self.latencies.sort();
        let rank = |percent: usize| (self.latencies.len() * percent).div_ceil(100) - 1;
        Ok(Measured {
            kind: format!("{} {}", wanted.format, wanted.size),
            frames,
            psnr_db: psnr(&self.stream, pictures, frames)?,
            latency_p50_ms: milliseconds(self.latencies[rank(50)]),
            latency_p99_ms: milliseconds(self.latencies[rank(99)]),
            fps: self.fps,
            unit_bytes: self.stream.len() / frames as usize,
        })
    }
}

/// The one stream of a connection.
const STREAM: u32 = 1;

struct Asking {
    client: Client,
}

impl Asking {
    fn send(&mut self, stream: u32, message: Message, data: &[u8]) -> Result<(), Error> {
        let sent = self.client.send(stream, message, data);
        sent.map(drop).map_err(|e| Error::Unfinished(format!("sending to the daemon: {e}")))
    }

    fn get(&mut self) -> Result<Got, Error> {
        self.client.get().map_err(|e| Error::Unfinished(format!("waiting for the daemon: {e}")))
    }

    fn ask(&mut self, stream: u32, message: Message, data: &[u8]) -> Result<Got, Error> {
        self.send(stream, message, data)?;
        self.get()
    }

    /// The access unit that comes next, and whether decoding can begin there.
    fn unit(&mut self) -> Result<(Vec<u8>, bool), Error> {
        let got = self.get()?;
        let Message::AccessUnit(unit) = got.message else { return Err(unexpected(&got.message)) };
        let keyframe = is_keyframe(&got.data).map_err(disobeys)?;
        if unit.keyframe != keyframe {
            let (said, is) = (unit.keyframe, keyframe);
            return Err(disobeys(format!("an access unit is said to be a keyframe: {said}, and is one: {is}")));
        }
        Ok((got.data, keyframe))
    }

    /// The name of the daemon.
    fn hello(&mut self) -> Result<String, Error> {
        match self.ask(0, hello(None), &[])?.message {
            Message::Welcome(welcome) => Ok(welcome.name),
            other => Err(unexpected(&other)),
        }
    }

    fn encode(&mut self, wanted: &Configure, pictures: &Pictures, frames: u32) -> Result<(Configured, Taken), Error> {
        let configured = match self.ask(STREAM, Message::Configure(*wanted), &[])?.message {
            Message::Configured(configured) => configured,
            other => return Err(unexpected(&other)),
        };
        self.keyframe_on_demand(wanted, pictures)?;
        let (stream, latencies) = self.one_by_one(wanted, pictures, frames)?;
        let fps = self.at_once(wanted, pictures, frames, configured.max_in_flight)?;
        match self.ask(STREAM, Message::Close, &[])?.message {
            Message::Closed => Ok((configured, Taken { stream, latencies, fps })),
            other => Err(unexpected(&other)),
        }
    }

    /// Whoever comes late asks for a keyframe, and gets it with the next frame. At the end of the stream the encoder begins
    /// anew, so that what is encoded afterwards can be decoded by itself.
    fn keyframe_on_demand(&mut self, wanted: &Configure, pictures: &Pictures) -> Result<(), Error> {
        for (index, forced) in [(0, false), (1, false), (2, true)] {
            if forced {
                let answer = self.ask(STREAM, Message::ForceKeyframe, &[])?.message;
                (answer == Message::KeyframeForced).then_some(()).ok_or_else(|| unexpected(&answer))?;
            }
            self.send(STREAM, Message::Frame(frame(wanted, None)), &pictures.sent[Pictures::place(index)])?;
            let due = forced || index == 0;
            if self.unit()?.1 != due {
                let what = if due { "no keyframe, though it has to be one" } else { "a keyframe for no reason" };
                return Err(disobeys(format!("the frame {index} of a stream is {what}")));
            }
        }
        match self.ask(STREAM, Message::EndOfStream, &[])?.message {
            Message::Drained => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Encodes frames one after the other: the stream, and how long each took.
    fn one_by_one(
        &mut self,
        wanted: &Configure,
        pictures: &Pictures,
        frames: u32,
    ) -> Result<(Vec<u8>, Vec<Duration>), Error> {
        let (mut units, mut latencies) = (Vec::new(), Vec::new());
        for index in 0..frames {
            let begun = Instant::now();
            self.send(STREAM, Message::Frame(frame(wanted, None)), &pictures.sent[Pictures::place(index)])?;
            units.extend(self.unit()?.0);
            latencies.push(begun.elapsed());
        }
        Ok((units, latencies))
    }

    /// Encodes frames with as many under way as there may be: how many there are in a second.
    fn at_once(&mut self, wanted: &Configure, pictures: &Pictures, frames: u32, most: u8) -> Result<f64, Error> {
        let begun = Instant::now();
        for index in 0..frames {
            if index >= most.into() {
                self.unit()?;
            }
            self.send(STREAM, Message::Frame(frame(wanted, None)), &pictures.sent[Pictures::place(index)])?;
        }
        for _ in 0..frames.min(most.into()) {
            self.unit()?;
        }
        Ok(f64::from(frames) / begun.elapsed().as_secs_f64())
    }
}

/// The lowest ratio of any plane of any frame.
fn psnr(stream: &[u8], pictures: &Pictures, frames: u32) -> Result<f64, Error> {
    let decoded = decode(stream)?;
    let (size, count) = (decoded.size, decoded.frames.len());
    let pairs = || decoded.frames.iter().zip((0..).map(|frame| &pictures.wanted[Pictures::place(frame)]));
    if count != frames as usize || pairs().any(|(found, wanted)| found.len() != wanted.len()) {
        let what = "the stream is not what was encoded".to_owned();
        return Err(Error::Faults { what, faults: vec![format!("{count} frames of {size} instead of {frames}")] });
    }
    Ok(pairs().map(|(found, wanted)| worst_psnr(size, found, wanted)).fold(f64::INFINITY, f64::min))
}
