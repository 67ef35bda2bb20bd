//! Which level of H.264 a stream has.

use helix_frame_protocol::{Configure, Level};

/// A row of table A-1 of ITU-T H.264: `level_idc`, macroblocks per second, macroblocks of a frame.
///
/// Level 1b is left out: the baseline profile signals it by a flag that not all decoders know.
const TABLE: [(u8, u64, u64); 16] = [
    (10, 1485, 99),
    (11, 3000, 396),
    (12, 6000, 396),
    (13, 11_880, 396),
    (20, 11_880, 396),
    (21, 19_800, 792),
    (22, 20_250, 1620),
    (30, 40_500, 1620),
    (31, 108_000, 3600),
    (32, 216_000, 5120),
    (40, 245_760, 8192),
    (41, 245_760, 8192),
    (42, 522_240, 8704),
    (50, 589_824, 22_080),
    (51, 983_040, 36_864),
    (52, 2_073_600, 36_864),
];

/// The rate that a stream is taken to have whose rate varies or is not known, in frames per second.
pub const ASSUMED_RATE: f64 = 30.0;

/// Frames per second of a configuration.
pub fn frames_per_second(configure: &Configure) -> f64 {
    match configure.rate.numerator {
        0 => ASSUMED_RATE,
        numerator => f64::from(numerator) / f64::from(configure.rate.denominator),
    }
}

/// The lowest level that has room for the size, rate and bitrate; nothing if none up to 5.2 has.
pub fn least_level(configure: &Configure) -> Option<Level> {
    let side = |pixels: u32| u64::from(pixels.div_ceil(16));
    let (width, height) = (side(configure.size.width), side(configure.size.height));
    let frame = width * height;
    let per_second = (frame as f64 * frames_per_second(configure)).ceil() as u64;
    let fits = |&&(idc, rate, size): &&(u8, u64, u64)| {
        // A side is at most √(8 × the largest frame) (A.3.1).
        let long = width.max(height);
        let shape = long * long <= 8 * size;
        frame <= size
            && per_second <= rate
            && Level::new(idc).is_some_and(|level| configure.bitrate <= level.max_bitrate())
            && shape
    };
    TABLE.iter().find(fits).and_then(|row| Level::new(row.0))
}

/// The level that a stream states which needs `least`: the one that the client asks for, if it does. What is made for a lower
/// level is good for a higher one, and a client that asks for one may take no other.
pub(crate) fn stated_level(least: Level, asked: Option<Level>) -> Level {
    let highest = TABLE.last().and_then(|row| Level::new(row.0));
    asked.min(highest).map_or(least, |asked| asked.max(least))
}

#[cfg(test)]
pub(crate) mod tests {
    use helix_frame_protocol::*;

    use super::*;

    pub(crate) fn configure(width: u32, height: u32, rate: u32, bitrate: u64) -> Configure {
        Configure {
            size: Size { width, height },
            format: PixelFormat::Nv12,
            colorimetry: Colorimetry::default(),
            profile: Profile::H264ConstrainedBaseline,
            level: None,
            low_latency: true,
            rate: FrameRate { numerator: rate, denominator: 1 },
            keyframe_interval: 0,
            bitrate,
            ways: Set::all(),
        }
    }

    #[test]
    fn a_level_that_is_asked_for_is_stated() {
        let level = |idc| Level::new(idc).expect("a level");
        assert_eq!(stated_level(level(30), None), level(30));
        assert_eq!(stated_level(level(30), Some(level(41))), level(41));
        assert_eq!(stated_level(level(30), Some(level(62))), level(52), "no encoder here has a higher one");
    }

    #[test]
    fn levels_of_usual_streams() {
        let level = |w, h, rate, bitrate| least_level(&configure(w, h, rate, bitrate)).map(Level::idc);
        assert_eq!(level(16, 16, 15, 64_000), Some(10));
        assert_eq!(level(640, 360, 30, 1_000_000), Some(30));
        assert_eq!(level(1280, 720, 30, 4_000_000), Some(31));
        assert_eq!(level(1920, 1080, 30, 8_000_000), Some(40));
        assert_eq!(level(1920, 1080, 60, 8_000_000), Some(42));
        assert_eq!(level(1920, 1080, 0, 40_000_000), Some(41));
        assert_eq!(level(3840, 2160, 60, 40_000_000), Some(52));
        assert_eq!(level(4096, 2304, 30, 40_000_000), Some(52));
        assert_eq!(level(4096, 4096, 30, 40_000_000), None);
        assert_eq!(level(8192, 16, 1, 10_000), Some(51));
        assert_eq!(level(640, 360, 30, 999_000_000), None);
    }
}
