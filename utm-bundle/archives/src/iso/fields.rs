//! Numbers and dates as ECMA-119 writes them.

use time::OffsetDateTime;

/// A number of 32 bits in both byte orders (7.3.3).
pub(super) fn both(number: u64) -> [u8; 8] {
    let number = short(number);
    let mut field = [0; 8];
    field[..4].copy_from_slice(&number.to_le_bytes());
    field[4..].copy_from_slice(&number.to_be_bytes());
    field
}

/// A number of 16 bits in both byte orders (7.2.3).
pub(super) fn both16(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

/// A block's number or an extent's length. The caller has made sure that the volume has no larger ones.
pub(super) fn short(number: u64) -> u32 {
    u32::try_from(number).expect("files are below 4 GiB, and the volume is below 8 TiB")
}

/// A date of seven bytes (9.1.5), in UTC.
pub(super) fn date7(date: OffsetDateTime) -> [u8; 7] {
    let year = u8::try_from(date.year() - 1900).unwrap_or(70);
    [year, date.month().into(), date.day(), date.hour(), date.minute(), date.second(), 0]
}

/// A date of 17 bytes (8.4.26.1), in UTC.
pub(super) fn date17(date: OffsetDateTime) -> Vec<u8> {
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    let (hour, minute, second) = (date.hour(), date.minute(), date.second());
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}00\0").into_bytes()
}
