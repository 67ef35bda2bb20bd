//! Helix.app from its parts, and a check of what it must be; both run on any machine.
//!
//! - [`assemble`] takes a sysroot as UTM's build leaves it, the project's own programs and an image, and makes the folder
//!   of the application: every library that is needed as a framework, all names rewritten, firmware, Vulkan's driver
//!   description, the VM, licences.
//! - [`check`] looks at such a folder as if somebody else had made it. [`assemble`] asks it before an app gets its name.
//!
//! Signatures are not made here: after [`assemble`] the old ones do not fit any more.

mod app;
mod check;
mod closure;
mod component;
mod crates;
mod fault;
mod icd;
mod icon;
mod image;
mod info;
mod layout;
mod notices;
mod sysroot;
mod write;

pub use crate::app::{Parts, Programs, Vm, assemble, judge};
pub use crate::check::check;
pub use crate::crates::of_crates;
pub use crate::fault::{Error, Fault, Wrong};
pub use crate::info::IDENTIFIER;
pub use helix_licences::{Component, Text};
