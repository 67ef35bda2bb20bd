//! What encodes: one trait for all encoders.

use std::sync::Arc;

use helix_frame_protocol::{Configure, Level, PixelFormat, Profile, Set, Size, SkipReason};

use crate::source::{FrameSource, SourceError};

/// A kind of encoder, from which each stream gets one of its own.
pub trait Backend: Send + Sync {
    /// The name, for logs and for the other end; at most 128 bytes.
    fn name(&self) -> &str;

    /// What it can do. That a size is no larger than the largest does not mean that every rate is possible with it.
    fn abilities(&self) -> Abilities;

    /// An encoder for a stream. What becomes of frames is told to `sink`. The first access unit is an IDR.
    ///
    /// # Errors
    /// `Unsupported` when it cannot do what is wanted.
    fn open(&self, wanted: &Configure, sink: Sink) -> Result<Box<dyn Encoder>, EncodeError>;
}

/// What a kind of encoder can do.
#[derive(Debug, Clone, Copy)]
pub struct Abilities {
    /// The formats that it takes or converts.
    pub formats: Set<PixelFormat>,
    /// The profiles that it makes.
    pub profiles: Set<Profile>,
    /// The longest width and height.
    pub max_size: Size,
}

/// An encoder of one stream. To end it, drop it; frames that it still has are lost then.
pub trait Encoder: Send {
    /// What the stream has.
    fn opened(&self) -> Opened;

    /// Takes a frame, which must have the configured size and format. With `keyframe` it becomes an IDR.
    ///
    /// After `Ok` the sink gets the ticket once, maybe before this returns, in the order of the frames.
    ///
    /// # Errors
    /// The ticket is not used then. After a `Source` error the encoder can go on; after another it is of no more use.
    fn encode(&mut self, ticket: u64, frame: &mut dyn FrameSource, keyframe: bool) -> Result<(), EncodeError>;

    /// Waits until the sink has all frames. More may follow; the next becomes an IDR.
    ///
    /// # Errors
    /// When frames are lost.
    fn finish(&mut self) -> Result<(), EncodeError>;
}

/// What an encoder's stream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The profile.
    pub profile: Profile,
    /// The level.
    pub level: Level,
}

/// Where encoders put what became of frames; from any thread.
pub type Sink = Arc<dyn Fn(u64, Outcome) + Send + Sync>;

/// What became of a frame.
#[derive(Debug)]
pub enum Outcome {
    /// Its access unit.
    Unit {
        /// A byte stream (Annex B); SPS and PPS come before each IDR.
        data: Vec<u8>,
        /// Whether it is an IDR.
        keyframe: bool,
    },
    /// It has none.
    Skipped(SkipReason),
    /// It is lost, and the encoder with it.
    Failed(String),
}

/// Why a frame or a stream is not encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The pixels are not to be had; the encoder is as before.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// No encoder of this kind can do that.
    #[error("{0}")]
    Unsupported(String),
    /// The encoder failed.
    #[error("the encoder failed: {0}")]
    Failed(String),
}
