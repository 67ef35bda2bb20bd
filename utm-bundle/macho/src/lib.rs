//! What a Mach-O file is, and whether a Mac will take it: read, judged and changed on any machine.
//!
//! - [`Head::read`] gives what load commands say; [`MachO::read`] imports and signature too.
//! - [`Changes::apply`] rewrites install names and rpaths, where there is room for longer ones.
//! - [`Unsigned`] is a file without its signature, with room for another.
//! - [`AllowList`] is the interface of macOS that a program may use; [`AllowList::stubs`] makes it what a linker asks for.
//! - [`Rules::faults`] compares the two.

mod allow_list;
mod edit;
mod file;
mod imports;
mod rules;
mod signature;
mod unsigned;

pub use crate::allow_list::{AllowList, Library, ListError, Stub};
pub use crate::edit::{Changes, EditError};
pub use crate::file::{HEAD_SIZE, Head, Kind, MachO, ReadError, Version};
pub use crate::imports::Import;
pub use crate::rules::{Fault, Rules};
pub use crate::signature::Signature;
pub use crate::unsigned::Unsigned;
