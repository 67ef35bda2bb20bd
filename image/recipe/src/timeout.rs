//! How long a check may take.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A time limit of whole seconds, more than 0, written as a whole number and `s` or `m`. It is displayed in minutes
/// where that is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeout(Duration);

impl Timeout {
    /// The limit as a duration, a whole number of seconds.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

/// A text that is not a time limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeoutError {
    /// There is no whole number in front.
    #[error("a timeout begins with a whole number, such as `60s`")]
    NoNumber,
    /// What is behind the number is neither `s` nor `m`.
    #[error("a timeout ends with s (seconds) or m (minutes), such as `90s` or `2m`")]
    NoUnit,
    /// The limit is 0, so that nothing could ever pass.
    #[error("a timeout must be more than 0")]
    Zero,
    /// The limit is longer than a day.
    #[error("a timeout may be a day (`1440m`) at most")]
    TooLong,
}

impl FromStr for Timeout {
    type Err = TimeoutError;

    fn from_str(text: &str) -> Result<Self, TimeoutError> {
        const DAY: u64 = 24 * 60 * 60;
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let seconds = match (number, unit) {
            ("", _) => return Err(TimeoutError::NoNumber),
            (_, "s") => 1,
            (_, "m") => 60,
            _ => return Err(TimeoutError::NoUnit),
        };
        match number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds)) {
            Some(0) => Err(TimeoutError::Zero),
            Some(seconds) if seconds <= DAY => Ok(Self(Duration::from_secs(seconds))),
            _ => Err(TimeoutError::TooLong),
        }
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            seconds if seconds % 60 == 0 => f.pad(&format!("{}m", seconds / 60)),
            seconds => f.pad(&format!("{seconds}s")),
        }
    }
}

impl Serialize for Timeout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn seconds_and_minutes_are_read() {
        let parse = |text: &str| text.parse::<Timeout>().map(|limit| limit.duration().as_secs());
        assert_eq!(parse("90s"), Ok(90));
        assert_eq!(parse("1440m"), Ok(86_400));
        assert_eq!(parse("0s"), Err(TimeoutError::Zero));
        assert_eq!(parse("60"), Err(TimeoutError::NoUnit));
        assert_eq!(parse("1h"), Err(TimeoutError::NoUnit));
        assert_eq!(parse("s"), Err(TimeoutError::NoNumber));
        assert_eq!(parse("1441m"), Err(TimeoutError::TooLong));
        assert_eq!(parse("99999999999999999999m"), Err(TimeoutError::TooLong));
    }

    proptest! {
        #[test]
        fn what_is_displayed_reads_back(seconds in 1u64..=86_400) {
            let limit = Timeout(Duration::from_secs(seconds));
            prop_assert_eq!(limit.to_string().parse::<Timeout>(), Ok(limit));
            prop_assert!(crate::rule::TIMEOUT.allows(&limit.to_string()));
        }
    }
}
