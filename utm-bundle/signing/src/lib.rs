//! Signatures of Helix.app, made and checked on any machine.
//!
//! - [`sign`] signs every program and library of an app from the inside out, each with just the entitlements that it needs, and
//!   seals all other files.
//! - [`sign_by_codesign`] does the same by Apple's program, on a Mac.
//! - [`Signature::read`] reads one signature; whether it fits anything is for [`verify`].
//! - [`code_files`] lists what there is to be signed, for others who look at it.
//! - [`verify`] looks at a signed app as if somebody else had made it, and names everything that is not as it was signed;
//!   [`list_faults`] and [`read_timestamp`] do so for parts of it alone.
//!
//! A signature is ad hoc, and says only that nothing was changed, or by a certificate, and says who made it: [`Identity`]. The formats are those of `cs_blobs.h` in the
//! kernel's source and of `libsecurity_codesigning` in Apple's Security framework. The crate apple-codesign makes them too; it
//! looks at single files only when it verifies, and cannot be linked beside this project's decoder of xz.

mod blob;
mod bundle;
mod certificate;
mod codesign;
mod directory;
mod entitlements;
mod error;
mod identity;
mod message;
mod requirement;
mod resources;
mod sign;
mod timestamp;
mod verify;

pub use crate::bundle::{CodeFile, code_files};
pub use crate::codesign::sign_by_codesign;
pub use crate::directory::Signature;
pub use crate::error::{Error, Fault};
pub use crate::identity::{CertificateFiles, Identity, Timestamps};
pub use crate::sign::sign;
pub use crate::timestamp::read_timestamp;
pub use crate::verify::{Authority, Report, cd_hash, list_faults, verify, verify_at};
