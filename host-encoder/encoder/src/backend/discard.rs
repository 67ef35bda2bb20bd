//! An encoder that encodes nothing, to measure the way of frames to an encoder and back.

use helix_frame_protocol::limits::MAX_SIDE;
use helix_frame_protocol::{Configure, Level, Set, Size};

use crate::encoder::{Abilities, Backend, EncodeError, Encoder, Opened, Outcome, Sink};
use crate::level::least_level;
use crate::source::FrameSource;

/// Answers each frame by an access unit of a few bytes, which no decoder shows.
#[derive(Debug, Clone, Copy)]
pub struct Discard;

/// NAL unit type 12, filler data (7.3.2.7): valid in any stream, and without a picture.
const FILLER: [u8; 7] = [0, 0, 0, 1, 0x0c, 0xff, 0x80];

impl Backend for Discard {
    fn name(&self) -> &str {
        "discard"
    }

    fn abilities(&self) -> Abilities {
        let max_size = Size { width: MAX_SIDE, height: MAX_SIDE };
        Abilities { formats: Set::all(), profiles: Set::all(), max_size }
    }

    fn open(&self, wanted: &Configure, sink: Sink) -> Result<Box<dyn Encoder>, EncodeError> {
        let level = least_level(wanted).or(Level::new(62)).ok_or_else(|| EncodeError::Failed("no level".into()))?;
        Ok(Box::new(Discarding { opened: Opened { profile: wanted.profile, level }, fresh: true, sink }))
    }
}

struct Discarding {
    opened: Opened,
    fresh: bool,
    sink: Sink,
}

impl Encoder for Discarding {
    fn opened(&self) -> Opened {
        self.opened
    }

    fn encode(&mut self, ticket: u64, frame: &mut dyn FrameSource, keyframe: bool) -> Result<(), EncodeError> {
        frame.picture()?;
        let keyframe = keyframe || std::mem::take(&mut self.fresh);
        (self.sink)(ticket, Outcome::Unit { data: FILLER.to_vec(), keyframe });
        Ok(())
    }

    fn finish(&mut self) -> Result<(), EncodeError> {
        self.fresh = true;
        Ok(())
    }
}
