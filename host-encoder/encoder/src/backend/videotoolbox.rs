//! H.264 on a Mac: VideoToolbox.
//!
//! Everything that can be apart from Apple's API is elsewhere and tested on Linux: the conversion of pixels in
//! [`crate::convert`], that of access units in [`crate::annexb`], levels in [`crate::level`].
#![expect(unsafe_code, reason = "all of Apple's API is C; each use says why it is sound")]

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{NonNull, null, null_mut};

use helix_frame_protocol::{Configure, Level, Matrix, Profile, Range, Set, Size, SkipReason};
use objc2_core_foundation::{CFBoolean, CFDictionary, CFNumber, CFRetained, CFString, CFType};
use objc2_core_media::{
    CMFormatDescription, CMSampleBuffer, CMTime, CMVideoFormatDescriptionGetH264ParameterSetAtIndex, kCMTimeInvalid,
    kCMVideoCodecType_H264,
};
use objc2_core_video::*;
use objc2_video_toolbox::*;

use crate::annexb;
use crate::convert::{Nv12Mut, even, to_nv12};
use crate::encoder::{Abilities, Backend, EncodeError, Encoder, Opened, Outcome, Sink};
use crate::level::{frames_per_second, least_level, stated_level};
use crate::source::FrameSource;

/// VideoToolbox in real time: no reordering, low-latency rate control where it is available.
///
/// The level is stated in the stream as configured for the main and high profiles. For constrained baseline the system
/// chooses it, and what [`Opened`] says is the lowest that fits.
#[derive(Debug, Clone, Copy)]
pub struct VideoToolbox;

/// The largest picture of the hardware encoders, in pixels; VideoToolbox itself says which are too large.
const MAX_SIZE: Size = Size { width: 4096, height: 4096 };

impl Backend for VideoToolbox {
    fn name(&self) -> &str {
        "videotoolbox"
    }

    fn abilities(&self) -> Abilities {
        Abilities { formats: Set::all(), profiles: Set::all(), max_size: MAX_SIZE }
    }

    fn open(&self, wanted: &Configure, sink: Sink) -> Result<Box<dyn Encoder>, EncodeError> {
        let size = even(wanted.size);
        let least = least_level(&Configure { size, ..*wanted }).map(|least| stated(wanted.profile, least));
        let level = least.filter(|least| wanted.level.is_none_or(|most| *least <= most));
        let level = level.ok_or_else(|| EncodeError::Unsupported(format!("no allowed level has room for {size}")))?;
        // For constrained baseline the system chooses the level.
        let settable = wanted.profile != Profile::H264ConstrainedBaseline;
        let level = stated_level(level, wanted.level.filter(|_| settable));
        let opened = Opened { profile: wanted.profile, level };
        // Its address is what the callback gets, so that it must stay where it is.
        let sink = Box::new(sink);
        let session = Session::create(wanted, size, level.idc(), NonNull::from(&*sink))?;
        // A rate of less than a frame a second would soon be more than the clock has.
        let frame_ns = (1e9 / frames_per_second(wanted).max(1.0)) as i64;
        let (wanted, count, since_keyframe, fresh) = (*wanted, 0, 0, true);
        Ok(Box::new(Encoding { session, _sink: sink, wanted, size, opened, count, frame_ns, since_keyframe, fresh }))
    }
}

struct Encoding {
    /// Dropped before the sink, after which there are no more callbacks.
    session: Session,
    _sink: Box<Sink>,
    wanted: Configure,
    size: Size,
    opened: Opened,
    count: i64,
    frame_ns: i64,
    /// Frames since one was to be a keyframe.
    since_keyframe: u32,
    fresh: bool,
}

impl Encoder for Encoding {
    fn opened(&self) -> Opened {
        self.opened
    }

    fn encode(&mut self, ticket: u64, frame: &mut dyn FrameSource, keyframe: bool) -> Result<(), EncodeError> {
        let picture = frame.picture()?;
        let buffer = self.session.pixel_buffer()?;
        fill(&buffer, self.size, |out| to_nv12(&picture, self.wanted.colorimetry, out))?;
        // The rate control wants times that go on; those of frames may jump, or not be there.
        let time = self.count * self.frame_ns;
        // With low latency VideoToolbox makes no keyframes of its own.
        let due = self.wanted.keyframe_interval > 0 && self.since_keyframe >= self.wanted.keyframe_interval;
        let keyframe = keyframe || self.fresh || due;
        self.session.encode(&buffer, time, self.frame_ns, ticket, keyframe)?;
        self.count += 1;
        self.since_keyframe = if keyframe { 1 } else { self.since_keyframe.saturating_add(1) };
        self.fresh = false;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), EncodeError> {
        self.fresh = true;
        self.session.complete()
    }
}

fn check(what: &str, status: i32) -> Result<(), EncodeError> {
    if status == 0 { Ok(()) } else { Err(EncodeError::Failed(format!("{what}: error {status} of VideoToolbox"))) }
}

/// A compression session, invalidated when it is dropped.
struct Session(CFRetained<VTCompressionSession>);

// SAFETY: a compression session may be used from any thread, one at a time, which `&mut` of its owner sees to.
unsafe impl Send for Session {}

impl Session {
    fn create(wanted: &Configure, size: Size, level: u8, sink: NonNull<Sink>) -> Result<Self, EncodeError> {
        // Apple documents it for high profiles alone, and not all systems and sizes have it.
        let low = wanted.low_latency && wanted.profile == Profile::H264High;
        let with = |low| {
            let session = Self::create_with(wanted, size, sink, low)?;
            session.set_up(wanted, level)?;
            Ok(session)
        };
        if low { with(true).or_else(|_: EncodeError| with(false)) } else { with(false) }
    }

    fn create_with(wanted: &Configure, size: Size, sink: NonNull<Sink>, low: bool) -> Result<Self, EncodeError> {
        let mut session = null_mut();
        let attributes = pixel_attributes(wanted.colorimetry.range);
        // SAFETY: the key is a constant of the framework.
        let key = unsafe { kVTVideoEncoderSpecification_EnableLowLatencyRateControl };
        let specification = low.then(|| dictionary(&[key], &[CFBoolean::new(true).as_ref()]));
        // SAFETY: the dictionaries hold what their keys ask for; `sink` outlives the session, as `Encoding` drops them in
        // this order; the session is written to a place of this function.
        let status = unsafe {
            VTCompressionSession::create(
                None,
                size.width as i32,
                size.height as i32,
                kCMVideoCodecType_H264,
                specification.as_deref().map(CFDictionary::as_opaque),
                Some(attributes.as_opaque()),
                None,
                Some(on_frame),
                sink.as_ptr().cast(),
                NonNull::from(&mut session),
            )
        };
        check("creating a session", status)?;
        let session = NonNull::new(session).ok_or_else(|| EncodeError::Failed("there is no session".into()))?;
        // SAFETY: `create` gives a reference that is ours.
        Ok(Self(unsafe { CFRetained::from_raw(session) }))
    }

    fn set_up(&self, wanted: &Configure, level: u8) -> Result<(), EncodeError> {
        let number = |value: u64| CFNumber::new_i64(i64::try_from(value).unwrap_or(i64::MAX));
        let rate = CFNumber::new_f64(frames_per_second(wanted));
        // SAFETY: all of these are constants of the frameworks.
        unsafe {
            let (matrix, primaries) = match wanted.colorimetry.matrix {
                Matrix::Bt601 => (kCVImageBufferYCbCrMatrix_ITU_R_601_4, kCVImageBufferColorPrimaries_SMPTE_C),
                Matrix::Bt709 => (kCVImageBufferYCbCrMatrix_ITU_R_709_2, kCVImageBufferColorPrimaries_ITU_R_709_2),
            };
            self.need(kVTCompressionPropertyKey_RealTime, CFBoolean::new(true))?;
            self.need(kVTCompressionPropertyKey_AllowFrameReordering, CFBoolean::new(false))?;
            self.need(kVTCompressionPropertyKey_ProfileLevel, profile_level(wanted.profile, level))?;
            // In bit/s, as on the wire.
            self.need(kVTCompressionPropertyKey_AverageBitRate, &number(wanted.bitrate))?;
            if wanted.keyframe_interval > 0 {
                let interval = number(wanted.keyframe_interval.into());
                self.need(kVTCompressionPropertyKey_MaxKeyFrameInterval, &interval)?;
            }
            self.wish(kVTCompressionPropertyKey_YCbCrMatrix, matrix);
            self.wish(kVTCompressionPropertyKey_ColorPrimaries, primaries);
            self.wish(kVTCompressionPropertyKey_TransferFunction, kCVImageBufferTransferFunction_ITU_R_709_2);
            self.wish(kVTCompressionPropertyKey_ExpectedFrameRate, &rate);
            // A frame that is kept back until others come would be the last one of a screen that then stands still.
            self.wish(kVTCompressionPropertyKey_MaxFrameDelayCount, &number(0));
            check("preparing to encode", self.0.prepare_to_encode_frames())
        }
    }

    fn set(&self, key: &CFString, value: &CFType) -> i32 {
        // SAFETY: the session is valid, and VideoToolbox refuses values of a wrong type.
        unsafe { VTSessionSetProperty(self.0.as_ref(), key, Some(value)) }
    }

    fn need(&self, key: &CFString, value: &CFType) -> Result<(), EncodeError> {
        check(&format!("setting {key}"), self.set(key, value))
    }

    /// Encoders that lack it work without.
    fn wish(&self, key: &CFString, value: &CFType) {
        let status = self.set(key, value);
        if status != 0 {
            tracing::info!("VideoToolbox has no {key} here (error {status})");
        }
    }

    /// A buffer of the session's own pool, whose memory is an IOSurface.
    fn pixel_buffer(&self) -> Result<CFRetained<CVPixelBuffer>, EncodeError> {
        let none = || EncodeError::Failed("VideoToolbox has no pixel buffers".into());
        // SAFETY: the session is valid.
        let pool = unsafe { self.0.pixel_buffer_pool() }.ok_or_else(none)?;
        let mut buffer = null_mut();
        // SAFETY: the buffer is written to a place of this function.
        let status = unsafe { CVPixelBufferPool::create_pixel_buffer(None, &pool, NonNull::from(&mut buffer)) };
        check("making a pixel buffer", status)?;
        // SAFETY: the pool gives a reference that is ours.
        NonNull::new(buffer).map(|buffer| unsafe { CFRetained::from_raw(buffer) }).ok_or_else(none)
    }

    fn encode(&self, buffer: &CVPixelBuffer, ns: i64, length: i64, ticket: u64, key: bool) -> Result<(), EncodeError> {
        const NS: i32 = 1_000_000_000;
        // SAFETY: the key is a constant of the framework.
        let force = unsafe { kVTEncodeFrameOptionKey_ForceKeyFrame };
        let options = key.then(|| dictionary(&[force], &[CFBoolean::new(true).as_ref()]));
        // SAFETY: session and buffer are valid, and retained by VideoToolbox as long as it needs them. The ticket travels
        // as a pointer that nobody follows.
        let status = unsafe {
            self.0.encode_frame(
                buffer,
                CMTime::new(ns, NS),
                CMTime::new(length, NS),
                options.as_deref().map(CFDictionary::as_opaque),
                ticket as usize as *mut c_void,
                null_mut(),
            )
        };
        check("encoding", status)
    }

    fn complete(&self) -> Result<(), EncodeError> {
        // SAFETY: the session is valid; an invalid time means all frames.
        check("completing frames", unsafe { self.0.complete_frames(kCMTimeInvalid) })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Callbacks for frames under way come before this returns; whether it worked does not matter any more.
        let _ = self.complete();
        // SAFETY: the session is valid, and not used after this.
        unsafe { self.0.invalidate() };
    }
}

fn dictionary(keys: &[&CFString], values: &[&CFType]) -> CFRetained<CFDictionary<CFString, CFType>> {
    CFDictionary::from_slices(keys, values)
}

/// NV12 in an IOSurface, so that the hardware reads it where it is.
fn pixel_attributes(range: Range) -> CFRetained<CFDictionary<CFString, CFType>> {
    let format = match range {
        Range::Limited => kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange,
        Range::Full => kCVPixelFormatType_420YpCbCr8BiPlanarFullRange,
    };
    let (format, surface) = (CFNumber::new_i32(format as i32), dictionary(&[], &[]));
    // SAFETY: the keys are constants of the framework.
    let keys = unsafe { [kCVPixelBufferPixelFormatTypeKey, kCVPixelBufferIOSurfacePropertiesKey] };
    dictionary(&keys, &[&format, surface.as_opaque()])
}

/// The level that the stream will state: VideoToolbox has none below 3.0 for the profiles whose level is set.
fn stated(profile: Profile, least: Level) -> Level {
    if profile == Profile::H264ConstrainedBaseline {
        least
    } else {
        Level::new(30).map_or(least, |lowest| least.max(lowest))
    }
}

/// The constant for a profile and the lowest level that is not lower; VideoToolbox has not all of them.
///
/// # Safety
/// None is needed but that constants of the framework are read.
unsafe fn profile_level(profile: Profile, level: u8) -> &'static CFString {
    // SAFETY: all of these are constants of the framework.
    unsafe {
        match (profile, level) {
            (Profile::H264ConstrainedBaseline, _) => kVTProfileLevel_H264_ConstrainedBaseline_AutoLevel,
            (Profile::H264Main, ..=30) => kVTProfileLevel_H264_Main_3_0,
            (Profile::H264Main, 31) => kVTProfileLevel_H264_Main_3_1,
            (Profile::H264Main, 32) => kVTProfileLevel_H264_Main_3_2,
            (Profile::H264Main, 40) => kVTProfileLevel_H264_Main_4_0,
            (Profile::H264Main, 41) => kVTProfileLevel_H264_Main_4_1,
            (Profile::H264Main, 42) => kVTProfileLevel_H264_Main_4_2,
            (Profile::H264Main, 50) => kVTProfileLevel_H264_Main_5_0,
            (Profile::H264Main, 51) => kVTProfileLevel_H264_Main_5_1,
            (Profile::H264Main, _) => kVTProfileLevel_H264_Main_5_2,
            (Profile::H264High, ..=30) => kVTProfileLevel_H264_High_3_0,
            (Profile::H264High, 31) => kVTProfileLevel_H264_High_3_1,
            (Profile::H264High, 32) => kVTProfileLevel_H264_High_3_2,
            (Profile::H264High, 40) => kVTProfileLevel_H264_High_4_0,
            (Profile::H264High, 41) => kVTProfileLevel_H264_High_4_1,
            (Profile::H264High, 42) => kVTProfileLevel_H264_High_4_2,
            (Profile::H264High, 50) => kVTProfileLevel_H264_High_5_0,
            (Profile::H264High, 51) => kVTProfileLevel_H264_High_5_1,
            (Profile::H264High, _) => kVTProfileLevel_H264_High_5_2,
        }
    }
}

/// Has `draw` fill the two planes of a pixel buffer.
fn fill(buffer: &CVPixelBuffer, size: Size, draw: impl FnOnce(&mut Nv12Mut<'_>)) -> Result<(), EncodeError> {
    let flags = CVPixelBufferLockFlags(0);
    // SAFETY: the buffer is valid, and unlocked again below with the same flags.
    check("locking a pixel buffer", unsafe { CVPixelBufferLockBaseAddress(buffer, flags) })?;
    let plane = |index: usize, rows: u32| {
        let address = NonNull::new(CVPixelBufferGetBaseAddressOfPlane(buffer, index));
        let stride = CVPixelBufferGetBytesPerRowOfPlane(buffer, index);
        let height = CVPixelBufferGetHeightOfPlane(buffer, index);
        let good = stride >= size.width as usize && height >= rows as usize;
        address.filter(|_| good).map(|address| (address.cast::<u8>(), stride, stride * height))
    };
    let result = match (plane(0, size.height), plane(1, size.height / 2)) {
        (Some((y, y_stride, y_length)), Some((uv, uv_stride, uv_length))) => {
            // SAFETY: the buffer is locked and nobody else has it yet; it has so many rows of so many bytes, and its planes
            // do not overlap.
            let (y, uv) = unsafe {
                let y = std::slice::from_raw_parts_mut(y.as_ptr(), y_length);
                (y, std::slice::from_raw_parts_mut(uv.as_ptr(), uv_length))
            };
            draw(&mut Nv12Mut { y, y_stride, uv, uv_stride });
            Ok(())
        }
        _ => Err(EncodeError::Failed("a pixel buffer has not the planes that were asked for".into())),
    };
    // SAFETY: it was locked above.
    check("unlocking a pixel buffer", unsafe { CVPixelBufferUnlockBaseAddress(buffer, flags) })?;
    result
}

/// What VideoToolbox calls for each frame, in order, from a thread of its own.
unsafe extern "C-unwind" fn on_frame(
    sink: *mut c_void,
    ticket: *mut c_void,
    status: i32,
    flags: VTEncodeInfoFlags,
    sample: *mut CMSampleBuffer,
) {
    let work = || {
        // SAFETY: it is the sink of `Encoding`, which lives longer than its session.
        let sink = unsafe { &*sink.cast::<Sink>() };
        // SAFETY: VideoToolbox lends the sample for this call, or gives null.
        let sample = unsafe { sample.as_ref() };
        let outcome = match sample {
            _ if status != 0 => Outcome::Failed(format!("error {status} of VideoToolbox")),
            _ if flags.contains(VTEncodeInfoFlags::FrameDropped) => Outcome::Skipped(SkipReason::RateControl),
            None => Outcome::Skipped(SkipReason::RateControl),
            Some(sample) => unit(sample).unwrap_or_else(|e| Outcome::Failed(e.to_string())),
        };
        sink(ticket as usize as u64, outcome);
    };
    // A panic must not pass through VideoToolbox. The frame's answer is lost with it, and the client's time-out ends the
    // connection.
    let _ = catch_unwind(AssertUnwindSafe(work));
}

fn unit(sample: &CMSampleBuffer) -> Result<Outcome, EncodeError> {
    let none = |what: &str| EncodeError::Failed(format!("a sample has no {what}"));
    // SAFETY: the sample is valid.
    let (format, data) = unsafe { (sample.format_description(), sample.data_buffer()) };
    let (format, data) = (format.ok_or_else(|| none("format"))?, data.ok_or_else(|| none("data"))?);
    let (sets, length_size) = parameter_sets(&format)?;
    // SAFETY: the block is valid.
    let mut avcc = vec![0; unsafe { data.data_length() }];
    if let Some(into) = NonNull::new(avcc.as_mut_ptr().cast()) {
        // SAFETY: there is room for so many bytes.
        check("copying an access unit", unsafe { data.copy_data_bytes(0, avcc.len(), into) })?;
    }
    let unit = annexb::from_avcc(&avcc, length_size, &sets).map_err(|e| EncodeError::Failed(e.to_string()))?;
    Ok(Outcome::Unit { data: unit.data, keyframe: unit.keyframe })
}

/// SPS and PPS, and how many bytes the lengths of NAL units have.
fn parameter_sets(format: &CMFormatDescription) -> Result<(Vec<Vec<u8>>, usize), EncodeError> {
    let (mut sets, mut count, mut length_size) = (Vec::new(), 1, 0);
    while sets.len() < count {
        let (mut bytes, mut length) = (null(), 0);
        // SAFETY: the description is valid, and all places are of this function.
        let status = unsafe {
            CMVideoFormatDescriptionGetH264ParameterSetAtIndex(
                format,
                sets.len(),
                &mut bytes,
                &mut length,
                &mut count,
                &mut length_size,
            )
        };
        check("reading parameter sets", status)?;
        if bytes.is_null() {
            break;
        }
        // SAFETY: the description, which is borrowed, has so many bytes there.
        sets.push(unsafe { std::slice::from_raw_parts(bytes, length) }.to_vec());
    }
    Ok((sets, usize::try_from(length_size).unwrap_or(0)))
}
