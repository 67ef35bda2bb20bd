//! The host encoder as files that are shipped: built, inspected, and checked by encoding.
//!
//! `cargo xtask build-host-encoder` and `check-host-encoder` are this library. A Mac has no `cargo xtask`, which needs
//! Linux: there the crate's own program has the same two verbs.

mod build;
mod check;
pub mod client;
mod daemon;
pub mod decoder;
mod error;
pub mod pictures;
mod units;

pub use crate::build::{BuildArgs, build, products};
pub use crate::check::{CheckArgs, Checked, Measured, check, check_socket};
pub use crate::error::Error;
