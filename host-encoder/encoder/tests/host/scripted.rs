//! Encoders that do what a test wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use helix_frame_protocol::*;
use helix_host_encoder::{Abilities, Backend, EncodeError, Encoder, FrameSource, Opened, Outcome, Sink};

/// What becomes of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    /// An access unit of so many bytes.
    Unit(usize),
    /// An access unit after so long.
    Slow(Duration),
    /// The encoder refuses the frame and is of no more use.
    Refuse,
    /// The encoder says later that it failed.
    Fail,
    /// No access unit.
    Skip,
    Panic,
}

/// Asked with the count of all frames, and with that of encoders when one is opened.
pub(crate) struct Scripted {
    pub(crate) act: fn(usize) -> Act,
    pub(crate) opens: fn(usize) -> bool,
    frames: Arc<AtomicUsize>,
    encoders: AtomicUsize,
}

impl Scripted {
    pub(crate) fn backend(act: fn(usize) -> Act, opens: fn(usize) -> bool) -> Arc<dyn Backend> {
        Arc::new(Self { act, opens, frames: Arc::default(), encoders: AtomicUsize::new(0) })
    }
}

impl Backend for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn abilities(&self) -> Abilities {
        let max_size = Size { width: 8192, height: 8192 };
        Abilities { formats: Set::all(), profiles: Set::all(), max_size }
    }

    fn open(&self, _: &Configure, sink: Sink) -> Result<Box<dyn Encoder>, EncodeError> {
        if !(self.opens)(self.encoders.fetch_add(1, Ordering::SeqCst)) {
            return Err(EncodeError::Failed("no encoder is left".into()));
        }
        Ok(Box::new(Acting { act: self.act, frames: Arc::clone(&self.frames), fresh: true, sink }))
    }
}

struct Acting {
    act: fn(usize) -> Act,
    frames: Arc<AtomicUsize>,
    fresh: bool,
    sink: Sink,
}

impl Encoder for Acting {
    fn opened(&self) -> Opened {
        Opened { profile: Profile::H264ConstrainedBaseline, level: Level::new(31).expect("a level") }
    }

    fn encode(&mut self, ticket: u64, frame: &mut dyn FrameSource, keyframe: bool) -> Result<(), EncodeError> {
        frame.picture()?;
        let keyframe = keyframe || self.fresh;
        let outcome = match (self.act)(self.frames.fetch_add(1, Ordering::SeqCst)) {
            Act::Unit(length) => Outcome::Unit { data: vec![1; length], keyframe },
            Act::Slow(time) => {
                std::thread::sleep(time);
                Outcome::Unit { data: vec![1], keyframe }
            }
            Act::Refuse => return Err(EncodeError::Failed("it refuses".into())),
            Act::Fail => Outcome::Failed("it fails".into()),
            Act::Skip => Outcome::Skipped(SkipReason::RateControl),
            Act::Panic => panic!("as the test wants"),
        };
        self.fresh &= !matches!(outcome, Outcome::Unit { .. });
        (self.sink)(ticket, outcome);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), EncodeError> {
        self.fresh = true;
        Ok(())
    }
}
