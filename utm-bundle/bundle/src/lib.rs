//! What people download: Helix.app and helix-linux.utm of an image, signed, packed, and with digests and provenance beside.
//!
//! - [`make`] makes all of it in a folder, which gets its name when everything in it was checked.
//! - [`check`] says what is wrong with an app, a package or a disk image, whoever made it.
//! - [`validate`] asks macOS, on a Mac.
//!
//! `cargo xtask bundle` and `check-bundle` are this library. A Mac has no `cargo xtask`, which needs Linux: there the crate's own
//! program has the same verbs, and the one that only a Mac can do.

mod args;
mod check;
mod error;
mod make;
mod output;
mod validate;

pub use crate::args::{CheckArgs, MakeArgs, StepArg, ValidateArgs, VmArg};
pub use crate::check::{Checked, check};
pub use crate::error::Error;
pub use crate::make::{Made, Progress, make};
pub use crate::validate::{Outcome, Step, Validated, validate};
