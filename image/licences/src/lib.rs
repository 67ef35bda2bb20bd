//! What programs are made of, with the licences and their texts, which have to be passed on with the files.
//!
//! [`Linked`] asks cargo which crates are linked into a product; [`notices`] and [`copyright`] are the list as a text for
//! people and as the copyright file of a Debian package. The same lock file gives the same bytes.

mod debian;
mod linked;
mod notices;
mod texts;

pub use crate::debian::copyright;
pub use crate::linked::Linked;
pub use crate::notices::notices;

/// Something that was made by somebody and may be passed on under a licence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence, as an SPDX expression.
    pub license: String,
    /// Where its source is; empty if that is not known.
    pub source: String,
    /// The files that are of it, in words or as paths.
    pub files: Vec<String>,
    /// The texts of the licence and of notices.
    pub texts: Vec<Text>,
}

/// A text that has to be passed on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text {
    /// Its file name, or what it is.
    pub title: String,
    /// The text.
    pub text: String,
}

/// Why the licences are not known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// cargo failed.
    #[error(transparent)]
    Command(#[from] helix_command::Error),
    /// cargo says something unexpected.
    #[error("asking cargo for the licences of crates: {0}")]
    Cargo(String),
    /// These crates cannot be passed on.
    #[error("the licences of these crates are not known:\n  {}", .0.join("\n  "))]
    Unknown(Vec<String>),
}
