//! What the two ends say to each other.

use crate::VERSION;
use crate::code::{ErrorCode, FrameWay, Matrix, PixelFormat, Profile, Range, Set, SkipReason};
use crate::error::Error;
use crate::kind::{ANSWER, Kind};
use crate::limits::{
    MAX_BITRATE, MAX_ERROR_TEXT, MAX_IN_FLIGHT, MAX_KEYFRAME_INTERVAL, MAX_NAME, MAX_RATE, MAX_RATE_TERM, MAX_STREAMS,
    MIN_BITRATE,
};
use crate::picture::{Plane, Size, Source, check_layout};
use crate::token::Token;

/// A message with what it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The stream, chosen by the client; 0 is the connection.
    pub stream: u32,
    /// The number of the request, chosen by the end that asks, counting upwards from 1; an answer has its request's.
    /// 0 in an error that answers nothing.
    pub request: u64,
    /// What is said.
    pub message: Message,
}

impl Envelope {
    /// The error that ends a connection, as an answer to `request`, or to nothing if that is 0.
    pub fn fatal(request: u64, code: ErrorCode, text: &str) -> Self {
        Self { stream: 0, request, message: Message::Error(Failure::new(code, true, text)) }
    }

    /// The answer to a request of an unknown type, which is an error; nothing for everything else.
    pub fn refusal(&self) -> Option<Self> {
        let Message::Unknown(number) = self.message else { return None };
        let failure = Failure::new(ErrorCode::UnknownType, false, &crate::kind::describe(number));
        let asks = number & ANSWER == 0 && self.request != 0;
        asks.then_some(Self { message: Message::Error(failure), ..*self })
    }
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The first message of a connection, from the client.
    Hello(Hello),
    /// Its answer.
    Welcome(Welcome),
    /// Opens the stream, or changes it.
    Configure(Configure),
    /// Its answer, after the answers to all frames before it.
    Configured(Configured),
    /// A frame to encode.
    Frame(Frame),
    /// The answer to a frame, in the order of decoding.
    AccessUnit(AccessUnit),
    /// The answer to a frame that has no access unit.
    Skipped(SkipReason),
    /// Asks that the next frame become a keyframe.
    ForceKeyframe,
    /// Its answer.
    KeyframeForced,
    /// Asks for the stream's figures.
    GetStatistics,
    /// Its answer.
    Statistics(Statistics),
    /// Asks whether the other end is there.
    Ping,
    /// Its answer.
    Pong,
    /// Asks for the answers to all frames. The stream can go on afterwards, with a keyframe.
    EndOfStream,
    /// Its answer, after those to all frames.
    Drained,
    /// Ends the stream.
    Close,
    /// Its answer, after the answers to all other requests of the stream.
    Closed,
    /// Something went wrong; the answer to a request that cannot be met.
    Error(Failure),
    /// A message of an unknown type, which was skipped. It is never sent. See [`Envelope::refusal`].
    Unknown(u16),
}

impl Message {
    /// The type; nothing if it is unknown.
    pub fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Hello(_) => Kind::Hello,
            Self::Welcome(_) => Kind::Welcome,
            Self::Configure(_) => Kind::Configure,
            Self::Configured(_) => Kind::Configured,
            Self::Frame(_) => Kind::Frame,
            Self::AccessUnit(_) => Kind::AccessUnit,
            Self::Skipped(_) => Kind::Skipped,
            Self::ForceKeyframe => Kind::ForceKeyframe,
            Self::KeyframeForced => Kind::KeyframeForced,
            Self::GetStatistics => Kind::GetStatistics,
            Self::Statistics(_) => Kind::Statistics,
            Self::Ping => Kind::Ping,
            Self::Pong => Kind::Pong,
            Self::EndOfStream => Kind::EndOfStream,
            Self::Drained => Kind::Drained,
            Self::Close => Kind::Close,
            Self::Closed => Kind::Closed,
            Self::Error(_) => Kind::Error,
            Self::Unknown(_) => return None,
        })
    }

    /// The number of the type on the wire.
    pub fn number(&self) -> u16 {
        match self {
            Self::Unknown(number) => *number,
            known => known.kind().map_or(0, Kind::number),
        }
    }

    /// How many bytes of data follow the body.
    pub fn data_length(&self) -> u32 {
        match self {
            Self::Frame(Frame { source: Source::Pixels { length }, .. })
            | Self::AccessUnit(AccessUnit { length, .. }) => *length,
            _ => 0,
        }
    }

    /// Looks whether all values are what they may be.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Hello(hello) => hello.check(),
            Self::Welcome(welcome) => welcome.check(),
            Self::Configure(configure) => configure.check(),
            Self::Configured(configured) => configured.check(),
            Self::Frame(frame) => frame.check(),
            Self::AccessUnit(unit) => unit.check(),
            Self::Error(failure) => check_text(Kind::Error, "text", &failure.text, MAX_ERROR_TEXT),
            _ => Ok(()),
        }
    }
}

/// What an end can do, or what both can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// How frames may travel.
    pub ways: Set<FrameWay>,
    /// The formats of frames.
    pub formats: Set<PixelFormat>,
    /// The codecs and their profiles.
    pub profiles: Set<Profile>,
    /// The largest size of a frame.
    pub max_size: Size,
    /// The most streams at the same time: 1 to 64.
    pub max_streams: u32,
}

impl Capabilities {
    /// What both ends can do.
    ///
    /// # Errors
    /// The name of what they have nothing of in common.
    pub fn common(&self, other: &Self) -> Result<Self, &'static str> {
        let common = Self {
            ways: self.ways.common(other.ways),
            formats: self.formats.common(other.formats),
            profiles: self.profiles.common(other.profiles),
            max_size: Size {
                width: self.max_size.width.min(other.max_size.width),
                height: self.max_size.height.min(other.max_size.height),
            },
            max_streams: self.max_streams.min(other.max_streams),
        };
        common.lack().map_or(Ok(common), Err)
    }

    fn lack(&self) -> Option<&'static str> {
        if self.ways.is_empty() {
            Some("frame ways")
        } else if self.formats.is_empty() {
            Some("pixel formats")
        } else if self.profiles.is_empty() {
            Some("profiles")
        } else {
            None
        }
    }

    /// Whether this is no more than `other`.
    pub(crate) fn within(&self, other: &Self) -> bool {
        self.ways.is_subset(other.ways)
            && self.formats.is_subset(other.formats)
            && self.profiles.is_subset(other.profiles)
            && self.max_size.fits(other.max_size)
            && self.max_streams <= other.max_streams
    }

    fn check(&self, kind: Kind) -> Result<(), Error> {
        if let Some(reason) = self.max_size.fault() {
            return Err(Error::field(kind, "largest size", reason));
        }
        in_range(kind, "streams", self.max_streams.into(), 1, MAX_STREAMS.into())
    }
}

/// The first message. Its layout is the same in all versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The lowest version that the client speaks.
    pub min_version: u16,
    /// The highest one.
    pub max_version: u16,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Its name and version, for logs: at most 128 bytes.
    pub name: String,
    /// The secret, where the transport asks for one.
    pub token: Option<Token>,
}

impl Hello {
    /// The version to speak with this client; nothing if there is none in common.
    pub fn version(&self) -> Option<u16> {
        (self.min_version..=self.max_version).contains(&VERSION).then_some(VERSION)
    }

    fn check(&self) -> Result<(), Error> {
        if self.min_version > self.max_version {
            let reason = format!("the range {} to {} is empty", self.min_version, self.max_version);
            return Err(Error::field(Kind::Hello, "versions", reason));
        }
        self.capabilities.check(Kind::Hello)?;
        check_text(Kind::Hello, "name", &self.name, MAX_NAME)
    }
}

/// The answer to [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The version that is spoken from now on.
    pub version: u16,
    /// What was offered and is accepted.
    pub capabilities: Capabilities,
    /// The ways that were offered and are not accepted, in the order of their numbers.
    pub refused: Vec<Refusal>,
    /// The name and version of the server, for logs: at most 128 bytes.
    pub name: String,
}

impl Welcome {
    fn check(&self) -> Result<(), Error> {
        if self.version != VERSION {
            let reason = format!("it is {}, must be {VERSION}", self.version);
            return Err(Error::field(Kind::Welcome, "version", reason));
        }
        self.capabilities.check(Kind::Welcome)?;
        if let Some(lack) = self.capabilities.lack() {
            return Err(Error::field(Kind::Welcome, "capabilities", format!("there are no {lack}")));
        }
        for (index, refusal) in self.refused.iter().enumerate() {
            let sorted = self.refused[..index].iter().all(|before| before.way < refusal.way);
            if !sorted || self.capabilities.ways.contains(refusal.way) {
                let reason = format!("{} is out of order, repeated or accepted too", refusal.way);
                return Err(Error::field(Kind::Welcome, "refused", reason));
            }
            check_text(Kind::Welcome, "reason", &refusal.reason, MAX_NAME)?;
        }
        check_text(Kind::Welcome, "name", &self.name, MAX_NAME)
    }
}

/// Why frames cannot travel in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The way.
    pub way: FrameWay,
    /// Why, for logs: at most 128 bytes.
    pub reason: String,
}

/// Frames per second, as a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRate {
    /// Frames: at most 1,000,000. 0 means that the rate varies or is not known.
    pub numerator: u32,
    /// In so many seconds: 1 to 1,000,000.
    pub denominator: u32,
}

/// The level of a stream, as H.264's `level_idc`: ten times the level, and 9 for level 1b.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(u8);

impl Level {
    /// All values of `level_idc`, as table A-1 of ITU-T H.264 has them.
    pub const ALL: [u8; 20] = [9, 10, 11, 12, 13, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52, 60, 61, 62];

    /// The level of this `level_idc`; nothing if there is none.
    pub fn new(level_idc: u8) -> Option<Self> {
        Self::ALL.contains(&level_idc).then_some(Self(level_idc))
    }

    /// The highest bitrate of the baseline and main profiles, in bit/s: MaxBR of table A-1, times 1000.
    pub const fn max_bitrate(self) -> u64 {
        let kbits = match self.0 {
            10 => 64,
            9 => 128,
            11 => 192,
            12 => 384,
            13 => 768,
            20 => 2000,
            21 | 22 => 4000,
            30 => 10_000,
            31 => 14_000,
            32 | 40 => 20_000,
            41 | 42 => 50_000,
            50 => 135_000,
            51 | 52 | 60 => 240_000,
            61 => 480_000,
            _ => 800_000,
        };
        kbits * 1000
    }

    /// The `level_idc`.
    pub const fn idc(self) -> u8 {
        self.0
    }
}

/// What the values of YUV mean. Without it colours shift, most of all in saturated reds and greens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colorimetry {
    /// How it came, or has to come, from red, green and blue.
    pub matrix: Matrix,
    /// Which values are used.
    pub range: Range,
}

impl Default for Colorimetry {
    /// BT.709 in limited range: that of high definition, and what players assume of it when nothing is said.
    fn default() -> Self {
        Self { matrix: Matrix::Bt709, range: Range::Limited }
    }
}

/// How a stream is to be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Configure {
    /// The size of all frames.
    pub size: Size,
    /// Their format.
    pub format: PixelFormat,
    /// What the values of YUV frames mean; what frames of other formats are converted to.
    pub colorimetry: Colorimetry,
    /// The codec and its profile.
    pub profile: Profile,
    /// The highest level; nothing leaves it to the encoder.
    pub level: Option<Level>,
    /// Whether each access unit is wanted as soon as its frame is there, at the cost of size.
    pub low_latency: bool,
    /// The rate of frames.
    pub rate: FrameRate,
    /// The most frames from one keyframe to the next: at most 65,535; 0 leaves it to the encoder.
    pub keyframe_interval: u32,
    /// The mean bitrate, in bit/s: 10,000 to 1,000,000,000.
    pub bitrate: u64,
    /// The ways in which frames of this stream can travel, of those that the server accepted.
    pub ways: Set<FrameWay>,
}

impl Configure {
    fn check(&self) -> Result<(), Error> {
        let kind = Kind::Configure;
        if let Some(reason) = self.size.fault() {
            return Err(Error::field(kind, "size", reason));
        }
        if self.ways.is_empty() {
            return Err(Error::field(kind, "ways", "there is none"));
        }
        let FrameRate { numerator, denominator } = self.rate;
        in_range(kind, "rate numerator", numerator.into(), 0, MAX_RATE_TERM.into())?;
        in_range(kind, "rate denominator", denominator.into(), 1, MAX_RATE_TERM.into())?;
        if u64::from(numerator) > u64::from(MAX_RATE) * u64::from(denominator) {
            let reason = format!("{numerator}/{denominator} is more than {MAX_RATE} frames per second");
            return Err(Error::field(kind, "rate", reason));
        }
        in_range(kind, "keyframe interval", self.keyframe_interval.into(), 0, MAX_KEYFRAME_INTERVAL.into())?;
        in_range(kind, "bitrate", self.bitrate, MIN_BITRATE, MAX_BITRATE)
    }
}

/// How a stream is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    /// The codec and its profile as they will be in the stream.
    pub profile: Profile,
    /// The level as it will be in the stream.
    pub level: Level,
    /// How every frame of the stream has to travel.
    pub way: FrameWay,
    /// The most unanswered frames: 1 to 64.
    pub max_in_flight: u8,
    /// What encodes, for logs: at most 128 bytes.
    pub encoder: String,
}

impl Configured {
    fn check(&self) -> Result<(), Error> {
        in_range(Kind::Configured, "in flight", self.max_in_flight.into(), 1, MAX_IN_FLIGHT.into())?;
        check_text(Kind::Configured, "encoder", &self.encoder, MAX_NAME)
    }
}

/// A frame to encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Its size, that of the configuration.
    pub size: Size,
    /// Its format, that of the configuration.
    pub format: PixelFormat,
    /// When it is shown, in nanoseconds.
    pub pts_ns: Option<u64>,
    /// When it is decoded, in nanoseconds.
    pub dts_ns: Option<u64>,
    /// How long it is shown, in nanoseconds.
    pub duration_ns: Option<u64>,
    /// Whether it must become a keyframe.
    pub keyframe: bool,
    /// Where its pixels are.
    pub source: Source,
    /// Where its planes are in there. What the format does not have is zero.
    pub planes: [Plane; 3],
}

impl Frame {
    fn check(&self) -> Result<(), Error> {
        if let Some(reason) = self.size.fault() {
            return Err(Error::field(Kind::Frame, "size", reason));
        }
        check_times(Kind::Frame, [self.pts_ns, self.dts_ns, self.duration_ns])?;
        check_layout(self.format, self.size, &self.planes, self.source)
            .map_err(|(field, reason)| Error::field(Kind::Frame, field, reason))
    }
}

/// What became of a frame. Its data are NAL units as Annex B of H.264 has them, with SPS and PPS before each IDR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessUnit {
    /// When it is shown, in nanoseconds.
    pub pts_ns: Option<u64>,
    /// When it is decoded, in nanoseconds.
    pub dts_ns: Option<u64>,
    /// Whether decoding can begin here.
    pub keyframe: bool,
    /// The size of its data, in bytes: 1 to 67,108,864.
    pub length: u32,
}

impl AccessUnit {
    fn check(&self) -> Result<(), Error> {
        check_times(Kind::AccessUnit, [self.pts_ns, self.dts_ns, None])?;
        let limit = Kind::AccessUnit.max_data();
        in_range(Kind::AccessUnit, "data length", self.length.into(), 1, limit.into())
    }
}

/// The figures of a stream since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Frames that came.
    pub frames: u64,
    /// Bytes of all access units.
    pub bytes: u64,
    /// The time that encoding took, all frames together, in nanoseconds.
    pub encode_total_ns: u64,
    /// The longest time for one frame, in nanoseconds.
    pub encode_max_ns: u64,
    /// Frames that have no access unit.
    pub dropped: u64,
    /// Frames that wait or are being encoded now.
    pub queued: u64,
}

/// Something went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of error.
    pub code: ErrorCode,
    /// Whether it ends its stream, or, on stream 0, the connection.
    pub fatal: bool,
    /// What happened, for people: at most 1024 bytes.
    pub text: String,
}

impl Failure {
    /// An error; of `text` is kept what fits and can be shown in one line.
    pub fn new(code: ErrorCode, fatal: bool, text: &str) -> Self {
        let mut kept = String::new();
        for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
            if kept.len() + c.len_utf8() > MAX_ERROR_TEXT {
                break;
            }
            kept.push(c);
        }
        Self { code, fatal, text: kept }
    }
}

/// Texts go to logs and terminals as they are: one line, without escape sequences.
fn check_text(kind: Kind, field: &'static str, text: &str, limit: usize) -> Result<(), Error> {
    if text.len() > limit {
        return Err(Error::field(kind, field, format!("it has {} bytes, at most {limit} are allowed", text.len())));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(Error::field(kind, field, format!("it holds the control character {c:?}"))),
        None => Ok(()),
    }
}

/// What other systems write for "none" must not travel as a time.
fn check_times(kind: Kind, [pts, dts, duration]: [Option<u64>; 3]) -> Result<(), Error> {
    for (field, time) in [("pts", pts), ("dts", dts), ("duration", duration)] {
        if time == Some(u64::MAX) {
            return Err(Error::field(kind, field, "it is 2^64-1; a time that is not there has its bit clear"));
        }
    }
    Ok(())
}

fn in_range(kind: Kind, field: &'static str, value: u64, least: u64, most: u64) -> Result<(), Error> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::field(kind, field, format!("it is {value}, must be {least} to {most}")))
}
