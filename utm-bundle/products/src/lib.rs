//! Programs and libraries of this project as files that are shipped: the same bytes wherever they are built, for a Mac
//! also on Linux, and inspected before they get their names.

mod build;
mod error;
mod launcher;
mod linker;
mod notices;
mod target;

pub use crate::build::{Artifact, MacFacts, Order, Product, build};
pub use crate::error::Error;
pub use crate::launcher::{LAUNCHER_IMPORTS, launcher};
pub use crate::linker::{HEADER_ROOM, MINIMUM_MACOS, Toolchain};
pub use crate::notices::{NOTICES, Notices};
pub use crate::target::Target;
