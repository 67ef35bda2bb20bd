//! qcow2 images: a writer that compresses in parallel, and a reader that trusts nothing.
//!
//! The format: QEMU, `docs/interop/qcow2.rst`
//! (<https://gitlab.com/qemu-project/qemu/-/blob/master/docs/interop/qcow2.rst>), called "the specification" here.

mod compress;
mod fields;
mod format;
mod output;
mod reader;
mod writer;

pub use reader::{Error as ReadError, Reader};
pub use writer::{Error as WriteError, Options, Report, write};
