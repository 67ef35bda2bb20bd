//! From a file tree to a partitioned disk, and from there to qcow2, without mounting anything.
//!
//! [`Layout`] says where things go, [`xfs::make_xfs`] makes the root file system from a folder, [`assemble`] joins the
//! file systems and a partition table to a [`Source`], and [`qcow2::write`] stores that compressed. Every step gives the
//! same bytes for the same input, whatever the machine.

pub mod gpt;
pub mod layout;
pub mod qcow2;
pub mod source;
pub mod xfs;

mod extents;

pub use layout::{Architecture, Layout, assemble};
pub use source::Source;
