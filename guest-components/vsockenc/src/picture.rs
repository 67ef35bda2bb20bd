//! What GStreamer says about pictures, in the words of the protocol.

use gst::glib;
use gst_video::{
    VideoColorMatrix, VideoColorPrimaries, VideoColorRange, VideoColorimetry, VideoFormat, VideoInfo,
    VideoTransferFunction,
};
use helix_frame_protocol::limits::{MAX_RATE, MAX_RATE_TERM};
use helix_frame_protocol::{Colorimetry, FrameRate, Level, Matrix, PixelFormat, Profile, Range, Size};

/// All formats, those first that cost least on the wire.
pub(crate) const FORMATS: [VideoFormat; 6] =
    [VideoFormat::Nv12, VideoFormat::I420, VideoFormat::Bgrx, VideoFormat::Bgra, VideoFormat::Rgbx, VideoFormat::Rgba];

/// Profiles, those first that give the better picture.
pub(crate) const PROFILES: [Profile; 3] = [Profile::H264High, Profile::H264Main, Profile::H264ConstrainedBaseline];

/// The protocol's name of a format; nothing if it has none.
pub(crate) fn pixel_format(format: VideoFormat) -> Option<PixelFormat> {
    Some(match format {
        VideoFormat::Bgrx => PixelFormat::Bgrx,
        VideoFormat::Bgra => PixelFormat::Bgra,
        VideoFormat::Rgbx => PixelFormat::Rgbx,
        VideoFormat::Rgba => PixelFormat::Rgba,
        VideoFormat::Nv12 => PixelFormat::Nv12,
        VideoFormat::I420 => PixelFormat::I420,
        _ => return None,
    })
}

/// Whether frames have all rows of one moment. The host would take two fields for one picture.
pub(crate) fn is_progressive(caps: &gst::CapsRef) -> bool {
    let mode = caps.structure(0).and_then(|structure| structure.get::<&str>("interlace-mode").ok());
    mode.is_none_or(|mode| mode == "progressive")
}

pub(crate) fn size(info: &VideoInfo) -> Size {
    Size { width: info.width(), height: info.height() }
}

/// The colours of YUV frames, or those that RGB frames are to become.
pub(crate) fn colorimetry(info: &VideoInfo) -> Colorimetry {
    if info.is_rgb() {
        return Colorimetry::default();
    }
    let matrix = if info.colorimetry().matrix() == VideoColorMatrix::Bt601 { Matrix::Bt601 } else { Matrix::Bt709 };
    let full = info.colorimetry().range() == VideoColorRange::Range0_255;
    Colorimetry { matrix, range: if full { Range::Full } else { Range::Limited } }
}

/// What caps of the stream state of its pictures.
pub(crate) fn stream_info(info: &VideoInfo) -> Result<VideoInfo, glib::BoolError> {
    VideoInfo::builder_from_info(info).colorimetry(&stream_colorimetry(info)).build()
}

/// The colours that hosts write into the stream: the wire states matrix and range, and the rest goes with the matrix.
fn stream_colorimetry(info: &VideoInfo) -> VideoColorimetry {
    let Colorimetry { matrix, range } = colorimetry(info);
    let range = if range == Range::Full { VideoColorRange::Range0_255 } else { VideoColorRange::Range16_235 };
    let (matrix, transfer, primaries) = match matrix {
        Matrix::Bt601 => (VideoColorMatrix::Bt601, VideoTransferFunction::Bt601, VideoColorPrimaries::Smpte170m),
        Matrix::Bt709 => (VideoColorMatrix::Bt709, VideoTransferFunction::Bt709, VideoColorPrimaries::Bt709),
    };
    VideoColorimetry::new(range, matrix, transfer, primaries)
}

/// The frame rate; one that the wire cannot state is sent as one that is not known.
pub(crate) fn frame_rate(info: &VideoInfo) -> FrameRate {
    let unknown = FrameRate { numerator: 0, denominator: 1 };
    let (Ok(numerator), Ok(denominator)) = (u32::try_from(info.fps().numer()), u32::try_from(info.fps().denom()))
    else {
        return unknown;
    };
    let terms = numerator <= MAX_RATE_TERM && (1..=MAX_RATE_TERM).contains(&denominator);
    let fits = terms && u64::from(numerator) <= u64::from(MAX_RATE) * u64::from(denominator);
    if fits { FrameRate { numerator, denominator } } else { unknown }
}

/// A profile as caps name it, the exact name first. What is of the constrained baseline profile is of the baseline profile too
/// (A.2.1.1 of H.264).
pub(crate) fn profile_names(profile: Profile) -> &'static [&'static str] {
    match profile {
        Profile::H264ConstrainedBaseline => &["constrained-baseline", "baseline"],
        Profile::H264Main => &["main"],
        Profile::H264High => &["high"],
    }
}

/// The name of a profile that caps allow, or the exact one.
pub(crate) fn allowed_name(allowed: &gst::CapsRef, profile: Profile) -> &'static str {
    let names = profile_names(profile);
    names.iter().find(|name| allows(allowed, name)).unwrap_or(&names[0])
}

/// A level as caps name it.
pub(crate) fn level_name(level: Level) -> String {
    match level.idc() {
        9 => "1b".to_owned(),
        idc if idc % 10 == 0 => (idc / 10).to_string(),
        idc => format!("{}.{}", idc / 10, idc % 10),
    }
}

/// What the other elements ask of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// In the order of preference, not empty.
    pub(crate) profiles: Vec<Profile>,
    /// The highest level.
    pub(crate) level: Option<Level>,
}

/// Reads what caps that an output may have ask for; nothing if no profile is left.
pub(crate) fn wanted(allowed: &gst::CapsRef) -> Option<Wanted> {
    let profiles: Vec<_> = PROFILES
        .into_iter()
        .filter(|profile| profile_names(*profile).iter().any(|name| allows(allowed, name)))
        .collect();
    let levels: Vec<_> = allowed.iter().map(highest_level).collect();
    // A structure without a level takes every one.
    let level = levels.iter().copied().collect::<Option<Vec<_>>>().and_then(|levels| levels.into_iter().max());
    (!profiles.is_empty()).then_some(Wanted { profiles, level })
}

/// The highest level of a structure that has one or a list of them.
fn highest_level(structure: &gst::StructureRef) -> Option<Level> {
    if let Ok(list) = structure.get::<gst::List>("level") {
        return list.iter().filter_map(|level| level.get::<&str>().ok().and_then(level_of)).max();
    }
    structure.get::<&str>("level").ok().and_then(level_of)
}

fn allows(allowed: &gst::CapsRef, profile: &str) -> bool {
    let one = gst::Caps::builder("video/x-h264").field("profile", profile).build();
    allowed.can_intersect(&one)
}

fn level_of(name: &str) -> Option<Level> {
    Level::ALL.into_iter().filter_map(Level::new).find(|level| level_name(*level) == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    fn caps(text: &str) -> gst::Caps {
        gst::init().expect("GStreamer");
        gst::Caps::from_str(text).expect("caps")
    }

    #[test]
    fn levels_have_the_names_of_caps() {
        let names: Vec<_> = Level::ALL.into_iter().filter_map(Level::new).map(level_name).collect();
        assert_eq!(names[..6], ["1b", "1", "1.1", "1.2", "1.3", "2"]);
        assert_eq!(names.last().map(String::as_str), Some("6.2"));
    }

    #[test]
    fn caps_say_what_is_wanted() {
        let all = wanted(&caps("video/x-h264")).expect("everything");
        assert_eq!(all, Wanted { profiles: PROFILES.to_vec(), level: None });
        let some =
            wanted(&caps("video/x-h264, profile={constrained-baseline, main}, level=(string)4.1")).expect("some");
        assert_eq!(some.profiles, [Profile::H264Main, Profile::H264ConstrainedBaseline]);
        assert_eq!(some.level.map(Level::idc), Some(41));
        let list = wanted(&caps("video/x-h264, level=(string){3, 4.1, 3.1}")).expect("some");
        assert_eq!(list.level.map(Level::idc), Some(41));
        assert_eq!(wanted(&caps("video/x-h264, profile=high-10")), None);
        let baseline = caps("video/x-h264, profile=baseline");
        assert_eq!(wanted(&baseline).expect("some").profiles, [Profile::H264ConstrainedBaseline]);
        assert_eq!(allowed_name(&baseline, Profile::H264ConstrainedBaseline), "baseline");
        assert_eq!(allowed_name(&caps("video/x-h264"), Profile::H264ConstrainedBaseline), "constrained-baseline");
    }

    #[test]
    fn colours_are_those_of_the_frames_or_of_high_definition() {
        gst::init().expect("GStreamer");
        let of = |format, text: &str| {
            let colours = text.parse::<gst_video::VideoColorimetry>().expect("colorimetry");
            let info = VideoInfo::builder(format, 64, 64).colorimetry(&colours).build().expect("video info");
            let Colorimetry { matrix, range } = colorimetry(&info);
            (matrix, range)
        };
        assert_eq!(of(VideoFormat::Nv12, "bt601"), (Matrix::Bt601, Range::Limited));
        assert_eq!(of(VideoFormat::I420, "bt709"), (Matrix::Bt709, Range::Limited));
        assert_eq!(of(VideoFormat::Nv12, "1:4:0:0"), (Matrix::Bt601, Range::Full));
        assert_eq!(of(VideoFormat::Bgrx, "sRGB"), (Matrix::Bt709, Range::Limited));
    }

    #[test]
    fn caps_say_of_the_colours_what_the_wire_says() {
        gst::init().expect("GStreamer");
        let cases = [
            (VideoFormat::Nv12, "bt601", "bt601"),
            (VideoFormat::Nv12, "bt709", "bt709"),
            // In the full range.
            (VideoFormat::I420, "1:4:0:0", "1:4:16:4"),
            // Neither of the wire's matrices, and one that is not known, as is its range.
            (VideoFormat::Nv12, "smpte240m", "bt709"),
            (VideoFormat::Nv12, "bt2020", "bt709"),
            (VideoFormat::I420, "0:0:0:0", "bt709"),
            (VideoFormat::Bgrx, "sRGB", "bt709"),
        ];
        for (format, frames, stream) in cases {
            let colours = frames.parse::<VideoColorimetry>().expect("colorimetry");
            let info = VideoInfo::builder(format, 64, 64).colorimetry(&colours).build().expect("video info");
            assert_eq!(stream_colorimetry(&info).to_string(), stream, "{format:?} {frames}");
        }
    }

    #[test]
    fn rates_beyond_the_wire_are_unknown() {
        gst::init().expect("GStreamer");
        let rate = |n, d| {
            let info = VideoInfo::builder(VideoFormat::Nv12, 64, 64).fps(gst::Fraction::new(n, d)).build();
            frame_rate(&info.expect("video info"))
        };
        assert_eq!(rate(30_000, 1001), FrameRate { numerator: 30_000, denominator: 1001 });
        assert_eq!(rate(0, 1), FrameRate { numerator: 0, denominator: 1 });
        assert_eq!(rate(2000, 1), FrameRate { numerator: 0, denominator: 1 });
    }
}
