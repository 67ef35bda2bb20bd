//! From a folder to the one file that people download: a `.zip`, or a `.dmg` that a Mac opens as a volume.
//!
//! - [`Tree::read`] looks at the folder, and says at once all that cannot be packed.
//! - [`write_zip`] and [`write_disk_image`] pack it. The same tree gives the same bytes on every machine.
//! - What was written is read back before the file gets its name; an earlier file of that name stays until then.

mod aside;
mod contents;
mod deflate;
mod disk_image;
mod error;
mod finder;
mod hdiutil;
mod iso;
mod pipeline;
mod tree;
mod udif;
mod zip;

pub use crate::disk_image::{Volume, largest_in_disk_image, write_disk_image};
pub use crate::error::{Error, Fault};
pub use crate::tree::Tree;
pub use crate::udif::Udif;
pub use crate::zip::write_zip;
