//! The types of messages.

use std::fmt;

use crate::limits::{MAX_ACCESS_UNIT, MAX_BODY, MAX_PIXELS};

/// Set in the types of answers, clear in those of requests.
pub(crate) const ANSWER: u16 = 0x8000;

/// Which end sends a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The end that has frames.
    Client,
    /// The end that encodes.
    Server,
    /// Either of them.
    Both,
}

/// The type of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Kind {
    /// The first message of a connection.
    Hello = 0x0001,
    /// Opens a stream, or changes it.
    Configure = 0x0002,
    /// A frame to encode.
    Frame = 0x0003,
    /// Asks that the next frame become a keyframe.
    ForceKeyframe = 0x0005,
    /// Asks for a stream's figures.
    GetStatistics = 0x0006,
    /// Asks whether the other end is there.
    Ping = 0x0007,
    /// Asks for the answers to all frames.
    EndOfStream = 0x0008,
    /// Ends a stream.
    Close = 0x0009,
    /// Something went wrong.
    Error = 0x8000,
    /// The answer to hello.
    Welcome = 0x8001,
    /// The answer to configure.
    Configured = 0x8002,
    /// The answer to a frame: its access unit.
    AccessUnit = 0x8003,
    /// The answer to a frame that has no access unit.
    Skipped = 0x8004,
    /// The answer to force-keyframe.
    KeyframeForced = 0x8005,
    /// The answer to get-statistics.
    Statistics = 0x8006,
    /// The answer to ping.
    Pong = 0x8007,
    /// The answer to end-of-stream, after those to all frames.
    Drained = 0x8008,
    /// The answer to close.
    Closed = 0x8009,
}

/// What a type has: its name, who sends it, and the bounds of body and data, in bytes.
struct About(&'static str, Sender, u32, u32);

impl Kind {
    /// All types, in the order of their numbers.
    pub const ALL: [Self; 18] = [
        Self::Hello,
        Self::Configure,
        Self::Frame,
        Self::ForceKeyframe,
        Self::GetStatistics,
        Self::Ping,
        Self::EndOfStream,
        Self::Close,
        Self::Error,
        Self::Welcome,
        Self::Configured,
        Self::AccessUnit,
        Self::Skipped,
        Self::KeyframeForced,
        Self::Statistics,
        Self::Pong,
        Self::Drained,
        Self::Closed,
    ];

    const fn about(self) -> About {
        use Sender::{Both, Client, Server};
        match self {
            Self::Hello => About("hello", Client, MAX_BODY, 0),
            Self::Configure => About("configure", Client, 40, 0),
            Self::Frame => About("frame", Client, 80, MAX_PIXELS),
            Self::ForceKeyframe => About("force-keyframe", Client, 0, 0),
            Self::GetStatistics => About("get-statistics", Client, 0, 0),
            Self::Ping => About("ping", Both, 0, 0),
            Self::EndOfStream => About("end-of-stream", Client, 0, 0),
            Self::Close => About("close", Client, 0, 0),
            Self::Error => About("error", Both, 1028, 0),
            Self::Welcome => About("welcome", Server, 1024, 0),
            Self::Configured => About("configured", Server, 134, 0),
            Self::AccessUnit => About("access-unit", Server, 24, MAX_ACCESS_UNIT),
            Self::Skipped => About("skipped", Server, 4, 0),
            Self::KeyframeForced => About("keyframe-forced", Server, 0, 0),
            Self::Statistics => About("statistics", Server, 48, 0),
            Self::Pong => About("pong", Both, 0, 0),
            Self::Drained => About("drained", Server, 0, 0),
            Self::Closed => About("closed", Server, 0, 0),
        }
    }

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The name in the specification.
    pub const fn name(self) -> &'static str {
        self.about().0
    }

    /// Which end sends it.
    pub const fn sender(self) -> Sender {
        self.about().1
    }

    /// The largest body, in bytes.
    pub const fn max_body(self) -> u32 {
        self.about().2
    }

    /// The most data, in bytes.
    pub const fn max_data(self) -> u32 {
        self.about().3
    }

    /// Whether it belongs to the connection, so that its stream id is 0. An error may belong to either.
    pub(crate) const fn of_connection(self) -> bool {
        matches!(self, Self::Hello | Self::Welcome | Self::Ping | Self::Pong)
    }

    /// Whether it answers a request of the type `request`. Errors, which answer everything, are not looked at here.
    pub(crate) fn answers(self, request: Self) -> bool {
        let twin = self.number() == request.number() | ANSWER;
        (self != request && twin) || (self == Self::Skipped && request == Self::Frame)
    }

    pub(crate) fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How an error calls a type, known or not.
pub(crate) fn describe(number: u16) -> String {
    Kind::from_number(number).map_or_else(|| format!("a message of the unknown type {number:#06x}"), |k| k.to_string())
}
