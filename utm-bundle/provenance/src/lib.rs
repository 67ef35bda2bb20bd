//! What is put beside files that are published, so that people can tell them from others.
//!
//! [`publish_beside`] writes for each file `NAME.sha256`, which `sha256sum -c` reads, and with a [`Key`] `NAME.minisig`, which
//! `minisign -V` reads; and for all of them [`STATEMENT`], which says what they were made from: an in-toto Statement of version 1
//! (<https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>) with the predicate SLSA provenance v1
//! (<https://slsa.dev/spec/v1.0/provenance>).
//!
//! Nothing here knows the time: the same files and the same [`Build`] give the same statement. Signatures differ each time, as
//! minisign makes them.

mod digest;
mod error;
mod image;
mod key;
mod publish;
mod statement;

pub use digest::dir_hash;
pub use error::Error;
pub use key::{Key, PASSWORD_VARIABLE, password};
pub use publish::{Published, STATEMENT, publish_beside};
pub use statement::{BUILD_TYPE, Build, Source};
