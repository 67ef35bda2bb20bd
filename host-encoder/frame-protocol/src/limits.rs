//! Every bound of the protocol. A message that exceeds one is refused by both ends: it is neither sent nor taken.

use std::time::Duration;

/// The size of a header, in bytes.
pub const HEADER: usize = 32;
/// The largest body of any message, in bytes.
pub const MAX_BODY: u32 = 4096;
/// The most bytes, body and data together, of a message of an unknown type, which is skipped.
pub const MAX_UNKNOWN: u64 = 1 << 20;
/// The smallest width and height of a frame, in pixels.
pub const MIN_SIDE: u32 = 16;
/// The largest width and height of a frame, in pixels.
pub const MAX_SIDE: u32 = 8192;
/// The largest distance of two rows of a plane, in bytes.
pub const MAX_STRIDE: u32 = 65_536;
/// What the data of a frame may have beyond twice the size of its packed pixels, in bytes.
///
/// Together with the size that was configured this bounds what a receiver has to set aside for a frame.
pub const PIXELS_SLACK: u32 = 65_536;
/// The most data of a frame, in bytes: twice the largest packed frame, and the slack.
pub const MAX_PIXELS: u32 = 2 * 4 * MAX_SIDE * MAX_SIDE + PIXELS_SLACK;
/// The largest access unit, in bytes.
pub const MAX_ACCESS_UNIT: u32 = 64 << 20;
/// The longest token, in bytes.
pub const MAX_TOKEN: usize = 256;
/// The longest name of a peer or an encoder, and the longest reason of a refusal, in bytes of UTF-8.
pub const MAX_NAME: usize = 128;
/// The longest text of an error, in bytes of UTF-8.
pub const MAX_ERROR_TEXT: usize = 1024;
/// The most streams of a connection.
pub const MAX_STREAMS: u32 = 64;
/// The most unanswered frames of a stream.
pub const MAX_IN_FLIGHT: u8 = 64;
/// The most unanswered requests of one end of a connection: those frames, and some of other kinds.
pub const MAX_PENDING: usize = 5120;
/// The lowest bitrate, in bit/s. It is high enough that a number of kbit/s sent by mistake is noticed.
pub const MIN_BITRATE: u64 = 10_000;
/// The highest bitrate, in bit/s.
pub const MAX_BITRATE: u64 = 1_000_000_000;
/// The largest numerator and denominator of a frame rate.
pub const MAX_RATE_TERM: u32 = 1_000_000;
/// The highest frame rate, in frames per second.
pub const MAX_RATE: u32 = 1000;
/// The longest distance of two keyframes, in frames.
pub const MAX_KEYFRAME_INTERVAL: u32 = 65_535;

/// How long the handshake may take, from the connection to the answer to hello.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a message may take from its first byte to its last, on either end.
pub const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the answer to a request may take.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be silent before the end that hears nothing sends a ping.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
