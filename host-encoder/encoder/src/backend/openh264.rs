//! H.264 in software: Cisco's OpenH264.

use helix_frame_protocol::{Configure, Level, Matrix, Profile, Range, Set, Size};
use openh264::encoder::{
    BitRate, Complexity, Encoder as Inner, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, Level as InnerLevel,
    Profile as InnerProfile, QpRange, RateControlMode, VuiConfig,
};
use openh264::formats::YUVSource;
use openh264::{OpenH264API, Timestamp};

use crate::convert::{I420, Rows, even};
use crate::encoder::{Abilities, Backend, EncodeError, Encoder, Opened, Outcome, Sink};
use crate::level::{frames_per_second, least_level};
use crate::source::FrameSource;

/// OpenH264 in real time: every frame becomes an access unit at once, constrained baseline, one thread per stream.
///
/// Its pictures are at most 3840×2160 or 2160×3840; larger ones are refused.
#[derive(Debug, Clone, Copy)]
pub struct OpenH264;

/// The longer and the shorter side that the crate takes: `Encoder::reinit` of openh264 0.9.9 (src/encoder.rs, line 960).
///
/// The library below it would take 36,864 macroblocks, which 4096×2304 has, but its authors state no more than this.
const SIDES: (u32, u32) = (3840, 2160);

/// The least quantisers that are tried one after the other: the library gives up a frame that becomes larger than its
/// pixels, as noise does at a high bitrate.
const LEAST_QPS: [u8; 4] = [12, 20, 28, 36];

/// What the library says at 4096×2304 and more is an error too late: ask before.
fn fits(size: Size) -> bool {
    size.width.max(size.height) <= SIDES.0 && size.width.min(size.height) <= SIDES.1
}

impl Backend for OpenH264 {
    fn name(&self) -> &str {
        "openh264"
    }

    fn abilities(&self) -> Abilities {
        let profiles = Set::from([Profile::H264ConstrainedBaseline]);
        Abilities { formats: Set::all(), profiles, max_size: Size { width: SIDES.0, height: SIDES.0 } }
    }

    fn open(&self, wanted: &Configure, sink: Sink) -> Result<Box<dyn Encoder>, EncodeError> {
        let level = level(wanted)?;
        let inner = inner(wanted, level, LEAST_QPS[0])?;
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
    if !fits(even(wanted.size)) {
        let (long, short) = SIDES;
        return unsupported(format!("openh264 takes at most {long}x{short} or {short}x{long}, not {}", wanted.size));
    }
    let least = least_level(&Configure { size: even(wanted.size), ..*wanted });
    match (least, wanted.level) {
        (None, _) => unsupported(format!("no level has room for {} at this rate and bitrate", wanted.size)),
        (Some(least), Some(most)) if least > most => {
            let text = "the size, rate and bitrate need";
            unsupported(format!("{text} level_idc {}, at most {} is allowed", least.idc(), most.idc()))
        }
        (Some(least), _) => Ok(least),
    }
}

fn inner(wanted: &Configure, level: Level, least_qp: u8) -> Result<Inner, EncodeError> {
    let inner = Inner::with_api_config(OpenH264API::from_source(), config(wanted, level, least_qp)?);
    let mut inner = inner.map_err(|e| EncodeError::Failed(e.to_string()))?;
    hush(&mut inner);
    Ok(inner)
}

/// Keeps the library from writing to standard error, as it does for each stream in which no frame may be left out.
#[expect(unsafe_code, reason = "the crate sets this only after the library has written")]
fn hush(inner: &mut Inner) {
    let mut level = openh264_sys2::WELS_LOG_QUIET;
    // SAFETY: this option is an int, which the library copies during the call; nothing else depends on it.
    let status =
        unsafe { inner.raw_api().set_option(openh264_sys2::ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast()) };
    if status != 0 {
        tracing::info!("OpenH264 goes on writing to standard error: error {status}");
    }
}

fn config(wanted: &Configure, level: Level, least_qp: u8) -> Result<EncoderConfig, EncodeError> {
    let bitrate = u32::try_from(wanted.bitrate).map_err(|e| EncodeError::Unsupported(format!("bitrate: {e}")))?;
    Ok(EncoderConfig::new()
        .profile(InnerProfile::Baseline)
        .level(inner_level(level))
        .bitrate(BitRate::from_bps(bitrate))
        .max_frame_rate(FrameRate::from_hz(frames_per_second(wanted) as f32))
        .rate_control_mode(RateControlMode::Bitrate)
        // Left out frames are jerks; a guest that wants fewer sends fewer.
        .skip_frames(false)
        .intra_frame_period(IntraFramePeriod::from_num_frames(wanted.keyframe_interval))
        // A keyframe comes when it is asked for and at its interval, not whenever a window opens.
        .scene_change_detect(false)
        .complexity(Complexity::Low)
        .qp(QpRange::new(least_qp, 51))
        // Many streams at once are fair by one thread each.
        .num_threads(1)
        .vui(vui(wanted)))
}

fn vui(wanted: &Configure) -> VuiConfig {
    let vui = match wanted.colorimetry.matrix {
        Matrix::Bt601 => VuiConfig::bt601(),
        Matrix::Bt709 => VuiConfig::bt709(),
    };
    vui.full_range(wanted.colorimetry.range == Range::Full)
}

fn inner_level(level: Level) -> InnerLevel {
    match level.idc() {
        9 => InnerLevel::Level_1_B,
        10 => InnerLevel::Level_1_0,
        11 => InnerLevel::Level_1_1,
        12 => InnerLevel::Level_1_2,
        13 => InnerLevel::Level_1_3,
        20 => InnerLevel::Level_2_0,
        21 => InnerLevel::Level_2_1,
        22 => InnerLevel::Level_2_2,
        30 => InnerLevel::Level_3_0,
        31 => InnerLevel::Level_3_1,
        32 => InnerLevel::Level_3_2,
        40 => InnerLevel::Level_4_0,
        41 => InnerLevel::Level_4_1,
        42 => InnerLevel::Level_4_2,
        50 => InnerLevel::Level_5_0,
        51 => InnerLevel::Level_5_1,
        _ => InnerLevel::Level_5_2,
    }
}

struct Encoding {
    inner: Inner,
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

/// A picture as the library wants it.
struct Planes<'a> {
    size: Size,
    planes: [Rows<'a>; 3],
}

impl YUVSource for Planes<'_> {
    fn dimensions(&self) -> (usize, usize) {
        (self.size.width as usize, self.size.height as usize)
    }

    fn strides(&self) -> (usize, usize, usize) {
        let [y, u, v] = self.planes;
        (y.stride, u.stride, v.stride)
    }

    fn y(&self) -> &[u8] {
        self.planes[0].data
    }

    fn u(&self) -> &[u8] {
        self.planes[1].data
    }

    fn v(&self) -> &[u8] {
        self.planes[2].data
    }
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
        let source = Planes { size: even(picture.size), planes };
        let (data, keyframe) = loop {
            // Before the first frame the library is not initialized, and begins with an IDR anyway.
            if (keyframe || self.fresh) && self.count > 0 {
                self.inner.force_intra_frame();
            }
            // The rate control wants times that go on; those of frames may jump, or not be there.
            let time = Timestamp::from_millis((self.count as f64 * self.frame_ms) as u64);
            match self.inner.encode_at(&source, time) {
                Ok(stream) => break (stream.to_vec(), matches!(stream.frame_type(), FrameType::IDR)),
                Err(e) => {
                    self.tries += 1;
                    let least = LEAST_QPS.get(self.tries).ok_or_else(|| EncodeError::Failed(e.to_string()))?;
                    tracing::info!("a frame does not fit: the quantiser is at least {least} from now on");
                    (self.inner, self.count) = (inner(&self.wanted, self.opened.level, *least)?, 0);
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
