//! H.264 in software: Cisco's OpenH264.

mod library;

use helix_frame_protocol::{Configure, Level, Profile, Set, Size};

use self::library::{Library, Picture, Settings};
use crate::convert::{I420, even};
use crate::encoder::{Abilities, Backend, EncodeError, Encoder, Opened, Outcome, Sink};
use crate::level::{frames_per_second, least_level, stated_level};
use crate::source::FrameSource;

/// OpenH264 in real time: every frame becomes an access unit at once, constrained baseline, one thread per stream.
///
/// Its pictures have at most as many macroblocks as level 5.2: 4096×2304 and 2304×4096 are the largest of usual shape.
#[derive(Debug, Clone, Copy)]
pub struct OpenH264;

/// The longest side: what is longer is a strip.
const MAX_SIDE: u32 = 4096;

/// The highest rate that the library knows, in frames/s (`MAX_FRAME_RATE` of its wels_const.h).
const MAX_RATE: f64 = 60.0;

/// The least quantisers that are tried one after the other: the library gives up a frame that becomes larger than its
/// pixels, as noise does at a high bitrate.
const LEAST_QPS: [u8; 4] = [12, 20, 28, 36];

impl Backend for OpenH264 {
    fn name(&self) -> &str {
        "openh264"
    }

    fn abilities(&self) -> Abilities {
        let profiles = Set::from([Profile::H264ConstrainedBaseline]);
        Abilities { formats: Set::all(), profiles, max_size: Size { width: MAX_SIDE, height: MAX_SIDE } }
    }

    fn open(&self, wanted: &Configure, sink: Sink) -> Result<Box<dyn Encoder>, EncodeError> {
        let level = level(wanted)?;
        let inner = library(wanted, level, LEAST_QPS[0])?;
        let opened = Opened { profile: Profile::H264ConstrainedBaseline, level };
        let (scratch, frame_ms) = (I420::default(), 1000.0 / frames_per_second(wanted));
        Ok(Box::new(Encoding {
            inner,
            wanted: *wanted,
            opened,
            scratch,
            tries: 0,
            count: 0,
            frame_ms,
            fresh: true,
            sink,
        }))
    }
}

fn level(wanted: &Configure) -> Result<Level, EncodeError> {
    let unsupported = |text: String| Err(EncodeError::Unsupported(text));
    if wanted.profile != Profile::H264ConstrainedBaseline {
        return unsupported(format!("openh264 has no profile {}", wanted.profile));
    }
    let least = least_level(&Configure { size: even(wanted.size), ..*wanted });
    match (least, wanted.level) {
        (None, _) => unsupported(format!("no level has room for {} at this rate and bitrate", wanted.size)),
        (Some(least), Some(most)) if least > most => {
            let text = "the size, rate and bitrate need";
            unsupported(format!("{text} level_idc {}, at most {} is allowed", least.idc(), most.idc()))
        }
        (Some(least), asked) => Ok(stated_level(least, asked)),
    }
}

fn library(wanted: &Configure, level: Level, least_qp: u8) -> Result<Library, EncodeError> {
    let rate = frames_per_second(wanted);
    // Beyond its highest rate it would give each frame as many bits as at that rate.
    let bitrate = wanted.bitrate as f64 * (MAX_RATE / rate).min(1.0);
    let settings = Settings {
        size: even(wanted.size),
        bitrate: bitrate as i32,
        rate: rate.min(MAX_RATE) as f32,
        interval: wanted.keyframe_interval,
        least_qp,
        level,
        colorimetry: wanted.colorimetry,
    };
    Library::open(&settings).map_err(EncodeError::Failed)
}

struct Encoding {
    inner: Library,
    wanted: Configure,
    opened: Opened,
    scratch: I420,
    /// Which of the least quantisers is used.
    tries: usize,
    /// Frames of this instance of the library.
    count: u64,
    frame_ms: f64,
    /// The next frame has to be an IDR.
    fresh: bool,
    sink: Sink,
}

impl Encoder for Encoding {
    fn opened(&self) -> Opened {
        self.opened
    }

    fn encode(&mut self, ticket: u64, frame: &mut dyn FrameSource, keyframe: bool) -> Result<(), EncodeError> {
        let picture = frame.picture()?;
        let same = picture.size == self.wanted.size && picture.format == self.wanted.format;
        if !same {
            return Err(EncodeError::Failed(format!("a frame has {} {}", picture.size, picture.format)));
        }
        let planes = self.scratch.fill(&picture, self.wanted.colorimetry);
        let (data, keyframe) = loop {
            // Before the first frame the library begins with an IDR anyway.
            let keyframe = (keyframe || self.fresh) && self.count > 0;
            // The rate control wants times that go on; those of frames may jump, or not be there.
            let time_ms = (self.count as f64 * self.frame_ms) as i64;
            match self.inner.encode(&Picture { planes, time_ms }, keyframe) {
                Ok(unit) => break unit,
                Err(e) => {
                    self.tries += 1;
                    let least = LEAST_QPS.get(self.tries).ok_or_else(|| EncodeError::Failed(e.clone()))?;
                    tracing::info!("{e}; most likely a frame that does not fit: its quantiser is at least {least} now");
                    (self.inner, self.count) = (library(&self.wanted, self.opened.level, *least)?, 0);
                }
            }
        };
        self.count += 1;
        self.fresh &= data.is_empty();
        let skipped = Outcome::Skipped(helix_frame_protocol::SkipReason::RateControl);
        (self.sink)(ticket, if data.is_empty() { skipped } else { Outcome::Unit { data, keyframe } });
        Ok(())
    }

    fn finish(&mut self) -> Result<(), EncodeError> {
        self.fresh = true;
        Ok(())
    }
}
