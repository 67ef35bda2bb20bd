//! Unix time in the form of FAT.

/// The first second that a FAT entry can express: 1980-01-01 00:00:00 UTC, in Unix seconds.
const FIRST: u64 = 315_532_800;
/// The last second that a FAT entry can express: 2107-12-31 23:59:58 UTC, in Unix seconds.
const LAST: u64 = 4_354_819_198;
/// Seconds in a day.
const DAY: u64 = 86_400;

/// A date and a time of day as a folder entry stores them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Year since 1980, month and day.
    pub(crate) date: u16,
    /// Hour, minute and half of the second.
    pub(crate) time: u16,
}

impl Stamp {
    /// The stamp of `timestamp` (Unix seconds, UTC), clamped to what FAT can express.
    pub(crate) fn new(timestamp: u64) -> Self {
        let timestamp = timestamp.clamp(FIRST, LAST);
        let second = timestamp % DAY;
        let (year, month, day) = civil(timestamp / DAY);
        let (hour, minute, pair) = (second / 3600, second / 60 % 60, second % 60 / 2);
        let time = hour << 11 | minute << 5 | pair;
        Self { date: ((year - 1980) << 9 | month << 5 | day) as u16, time: time as u16 }
    }
}

/// The Gregorian year, month and day that lie `days` after 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    let mut rest = days;
    let mut year = 1970;
    while rest >= year_length(year) {
        rest -= year_length(year);
        year += 1;
    }
    let mut month = 1;
    while rest >= month_length(year, month) {
        rest -= month_length(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn year_length(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn month_length(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(timestamp: u64) -> [u16; 6] {
        let Stamp { date, time } = Stamp::new(timestamp);
        [1980 + (date >> 9), date >> 5 & 15, date & 31, time >> 11, time >> 5 & 63, (time & 31) * 2]
    }

    #[test]
    fn seconds_become_a_calendar_date() {
        assert_eq!(at(951_827_696), [2000, 2, 29, 12, 34, 56]);
        assert_eq!(at(1_700_000_001), [2023, 11, 14, 22, 13, 20]);
        assert_eq!(at(1_798_761_599), [2026, 12, 31, 23, 59, 58]);
    }

    #[test]
    fn times_that_fat_cannot_express_are_clamped() {
        assert_eq!(at(0), [1980, 1, 1, 0, 0, 0]);
        assert_eq!(at(u64::MAX), [2107, 12, 31, 23, 59, 58]);
    }
}
