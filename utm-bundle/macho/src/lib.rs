//! What a Mach-O file is, and whether a Mac will take it: read and judged on any machine.
//!
//! - [`MachO::read`] gives the facts: load commands, imports, signature.
//! - [`AllowList`] is the interface of macOS that a program may use; [`AllowList::stubs`] makes it what a linker asks for.
//! - [`Rules::faults`] compares the two.

mod allow_list;
mod file;
mod imports;
mod rules;
mod signature;

pub use crate::allow_list::{AllowList, Library, ListError, Stub};
pub use crate::file::{Kind, MachO, ReadError, Version};
pub use crate::imports::Import;
pub use crate::rules::{Fault, Rules};
pub use crate::signature::Signature;
