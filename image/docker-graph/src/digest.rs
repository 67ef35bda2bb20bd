//! SHA-256 digests, the names of everything in a registry and in Docker's store.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest, written `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(bytes)))
    }

    /// The digest of all that `source` has.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_reader(mut source: impl Read) -> std::io::Result<Self> {
        let mut hash = Hasher::default();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match source.read(&mut buffer)? {
                0 => return Ok(hash.finish()),
                n => hash.update(&buffer[..n]),
            }
        }
    }

    /// The 64 digits.
    pub fn hex(&self) -> &str {
        &self.0
    }

    /// The chain id of a layer with this diff id on top of `parent`, as the OCI image specification defines it.
    pub(crate) fn on_top_of(&self, parent: Option<&Self>) -> Self {
        match parent {
            None => self.clone(),
            Some(parent) => Self::of(format!("{parent} {self}").as_bytes()),
        }
    }

    /// Where a content-addressed folder has the blob.
    pub(crate) fn below(&self, folder: &Path) -> std::path::PathBuf {
        folder.join("sha256").join(&self.0)
    }
}

/// A digest that grows.
#[derive(Default)]
pub(crate) struct Hasher(Sha256);

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Digest {
        Digest(hex::encode(self.0.finalize()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text
            .strip_prefix("sha256:")
            .ok_or_else(|| format!("{text:?} is no sha256 digest, and Docker's store has no other"))?;
        if digits.len() == 64 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(digits.to_owned()))
        } else {
            Err(format!("{text:?} is no digest: sha256: is followed by 64 hexadecimal digits in lower case"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_ids_are_those_of_the_specification() {
        let a = Digest::of(b"a");
        let b = Digest::of(b"b");
        assert_eq!(a.on_top_of(None), a);
        assert_eq!(b.on_top_of(Some(&a)), Digest::of(format!("{a} {b}").as_bytes()));
    }

    #[test]
    fn only_sha256_in_lower_case_is_a_digest() {
        assert!(Digest::of(b"").to_string().parse::<Digest>().is_ok());
        for text in
            ["", "sha256:", "sha512:00", &format!("sha256:{}", "A".repeat(64)), &format!("sha256:{}/", "a".repeat(63))]
        {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
