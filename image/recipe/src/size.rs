//! Sizes in bytes.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

const UNITS: [(&str, u32); 5] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

/// A size in bytes, written as a whole number and a unit: `B`, `KiB`, `MiB`, `GiB` or `TiB`, each 1024 of the one
/// before. It is displayed with the largest unit that divides it, so that what is displayed reads back the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

impl ByteSize {
    /// A size of so many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size of so many MiB; `None` beyond 2⁶⁴ bytes.
    pub const fn from_mib(mib: u64) -> Option<Self> {
        match mib.checked_mul(1 << 20) {
            Some(bytes) => Some(Self(bytes)),
            None => None,
        }
    }

    /// The size in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The sum; `None` beyond 2⁶⁴ bytes.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

/// A text that is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SizeError {
    /// There is no whole number in front.
    #[error("a size begins with a whole number, such as `64GiB`")]
    NoNumber,
    /// There is no unit behind the number.
    #[error("a size needs a unit: B, KiB, MiB, GiB or TiB")]
    NoUnit,
    /// The unit is none of those known; the second field is what may have been meant.
    #[error("`{0}` is not a unit of size; expected B, KiB, MiB, GiB or TiB{hint}", hint = meant(.1))]
    UnknownUnit(String, Option<&'static str>),
    /// The size has more than 64 bits.
    #[error("the size is larger than 2⁶⁴ bytes")]
    TooLarge,
}

fn meant(unit: &Option<&'static str>) -> String {
    unit.map_or(String::new(), |unit| format!(" (did you mean {unit}?)"))
}

impl FromStr for ByteSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err(SizeError::NoNumber);
        }
        let shift = match UNITS.iter().find(|(name, _)| *name == unit) {
            Some((_, shift)) => *shift,
            None if unit.is_empty() => return Err(SizeError::NoUnit),
            None => return Err(SizeError::UnknownUnit(unit.chars().take(20).collect(), close_unit(unit))),
        };
        let number: u64 = number.parse().map_err(|_| SizeError::TooLarge)?;
        number.checked_mul(1 << shift).map(Self).ok_or(SizeError::TooLarge)
    }
}

/// The unit that begins with the same letter: `G`, `GB`, `gib` mean GiB.
fn close_unit(unit: &str) -> Option<&'static str> {
    let first = unit.trim_start().chars().next()?.to_ascii_uppercase();
    UNITS.iter().find(|(name, _)| name.starts_with(first)).map(|(name, _)| *name)
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = |shift: u32| self.0 != 0 && self.0.trailing_zeros() >= shift;
        let (unit, shift) = UNITS.into_iter().find(|(_, shift)| exact(*shift)).unwrap_or(("B", 0));
        f.pad(&format!("{}{unit}", self.0 >> shift))
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<u64, SizeError> {
        text.parse::<ByteSize>().map(ByteSize::bytes)
    }

    #[test]
    fn sizes_are_read_in_powers_of_1024() {
        assert_eq!(parse("0B"), Ok(0));
        assert_eq!(parse("512MiB"), Ok(512 << 20));
        assert_eq!(parse("64GiB"), Ok(64 << 30));
        assert_eq!(parse("16777215TiB"), Ok(16_777_215 << 40));
    }

    #[test]
    fn errors_say_what_is_missing() {
        assert_eq!(parse("GiB"), Err(SizeError::NoNumber));
        assert_eq!(parse("-1GiB"), Err(SizeError::NoNumber));
        assert_eq!(parse("64"), Err(SizeError::NoUnit));
        assert_eq!(parse("64 GiB"), Err(SizeError::UnknownUnit(" GiB".into(), Some("GiB"))));
        assert_eq!(parse("1.5GiB"), Err(SizeError::UnknownUnit(".5GiB".into(), None)));
        let text = parse("64GB").unwrap_err().to_string();
        assert_eq!(text, "`GB` is not a unit of size; expected B, KiB, MiB, GiB or TiB (did you mean GiB?)");
    }

    #[test]
    fn overflow_is_an_error_in_the_number_and_in_the_product() {
        assert_eq!(parse("18446744073709551616B"), Err(SizeError::TooLarge));
        assert_eq!(parse("16777216TiB"), Err(SizeError::TooLarge));
        assert_eq!(ByteSize(u64::MAX).checked_add(ByteSize(1)), None);
    }

    proptest! {
        #[test]
        fn what_is_displayed_reads_back(bytes in any::<u64>(), shift in 0u32..60) {
            let size = ByteSize::from_bytes(bytes >> shift << shift);
            prop_assert_eq!(size.to_string().parse::<ByteSize>(), Ok(size));
        }

        #[test]
        // A pattern cannot say that a number is too large; seven digits of any unit are not.
        fn the_rule_of_the_schema_allows_what_is_read(text in "[0-9]{0,7}[BKMGTi]{0,3}") {
            prop_assert_eq!(text.parse::<ByteSize>().is_ok(), crate::rule::SIZE.allows(&text));
        }
    }
}
