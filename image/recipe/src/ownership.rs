//! Who owns a file and who may do what with it.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The owner of files: a user and a group, each a name or a number, written `user:group`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The user's name, or the number as digits.
    pub user: String,
    /// The group's name, or the number as digits.
    pub group: String,
}

/// The permission bits of a file, written as four octal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mode(u32);

impl Mode {
    /// The bits, 0 to 0o7777.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// A text that is neither an owner nor a mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OwnershipError {
    /// Not `user:group`.
    #[error("an owner is `user:group`, names or numbers")]
    Owner,
    /// Not four octal digits.
    #[error("a mode is four octal digits, such as `0755`")]
    Mode,
}

impl FromStr for Owner {
    type Err = OwnershipError;

    fn from_str(text: &str) -> Result<Self, OwnershipError> {
        match text.split_once(':') {
            Some((user, group)) if crate::rule::OWNER.allows(text) => {
                Ok(Self { user: user.to_owned(), group: group.to_owned() })
            }
            _ => Err(OwnershipError::Owner),
        }
    }
}

impl FromStr for Mode {
    type Err = OwnershipError;

    fn from_str(text: &str) -> Result<Self, OwnershipError> {
        match u32::from_str_radix(text, 8) {
            Ok(bits) if crate::rule::MODE.allows(text) => Ok(Self(bits)),
            _ => Err(OwnershipError::Mode),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.user, self.group)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl Serialize for Owner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal_and_read_back() {
        assert_eq!("4755".parse::<Mode>().unwrap().bits(), 0o4755);
        assert_eq!("0044".parse::<Mode>().unwrap().to_string(), "0044");
        for text in ["755", "00755", "0888", "+755", ""] {
            assert_eq!(text.parse::<Mode>(), Err(OwnershipError::Mode), "{text}");
        }
    }

    #[test]
    fn owners_have_two_halves() {
        let owner: Owner = "1000:docker".parse().unwrap();
        assert_eq!((owner.user.as_str(), owner.group.as_str()), ("1000", "docker"));
        assert_eq!("root".parse::<Owner>(), Err(OwnershipError::Owner));
    }
}
