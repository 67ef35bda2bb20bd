//! The secret that a client shows.

use std::fmt;

use subtle::ConstantTimeEq;

use crate::error::Error;
use crate::kind::Kind;
use crate::limits::MAX_TOKEN;

/// A secret that both ends know: 1 to 256 bytes.
///
/// It is never shown by `Debug`, and comparing two takes the same time whatever they are.
#[derive(Clone)]
pub struct Token(Vec<u8>);

impl Token {
    /// A token of these bytes.
    ///
    /// # Errors
    /// When there are none, so that an empty file never lets everybody in, or more than 256.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let bytes = bytes.into();
        match bytes.len() {
            1..=MAX_TOKEN => Ok(Self(bytes)),
            length => {
                Err(Error::field(Kind::Hello, "token", format!("it has {length} bytes, must have 1 to {MAX_TOKEN}")))
            }
        }
    }

    /// The token of a file: its first line, so that neither an editor's newline nor a remark is part of the secret.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub fn of_file(content: &[u8]) -> Result<Self, Error> {
        let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
        Self::new(line.trim_ascii_end())
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Both have the same length, so that the time of a comparison says nothing about the real one.
    fn padded(&self) -> [u8; MAX_TOKEN] {
        let mut padded = [0; MAX_TOKEN];
        padded[..self.0.len()].copy_from_slice(&self.0);
        padded
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        let lengths = (self.0.len() as u64).ct_eq(&(other.0.len() as u64));
        (self.padded().ct_eq(&other.padded()) & lengths).into()
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_a_file_is_its_first_line() {
        for content in [&b"secret"[..], b"secret\n", b"secret \r\n", b"secret\nof May\n"] {
            assert_eq!(Token::of_file(content).expect("a token").bytes(), b"secret");
        }
        assert!(Token::of_file(b"").is_err() && Token::of_file(b"\nsecret").is_err());
    }

    #[test]
    fn tokens_differ_by_every_byte_and_by_length() {
        let token = |bytes: &[u8]| Token::new(bytes).expect("a token");
        assert_eq!(token(b"secret"), token(b"secret"));
        for other in [&b"secreT"[..], b"Secret", b"secre", b"secret\0", &[b's'; MAX_TOKEN]] {
            assert_ne!(token(b"secret"), token(other));
        }
        assert!(Token::new([]).is_err() && Token::new([1; MAX_TOKEN + 1]).is_err());
        assert!(!format!("{:?}", token(b"secret")).contains("secret"));
    }
}
