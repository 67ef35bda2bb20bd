//! A small sysroot for tests, of the shape that UTM's build leaves: real Mach-O files for arm64, made in seconds.
//!
//! UTM's own (`sysroot-macOS-arm64` of `scripts/build_dependencies.sh`, version 5.0.3) takes hours on a Mac. What matters
//! to a bundle is here, by the same names: libraries that are reached on several ways and through others, install names
//! and rpaths of the machine that built them, links beside the files, older and newer forms of fixups, weak and
//! re-exported dependencies, programs that link to QEMU's library, an ICD that points astray, firmware and licences.
//! [`build`] makes a sysroot without a fault; [`Recipe`] makes one with the faults that a test asks for.
//!
//! Nothing of it can be run: the functions return numbers. It is linked by the linker that comes with Rust, on a Mac too.

mod compiler;
mod files;
mod parts;

use std::path::{Path, PathBuf};

use crate::compiler::Compiler;
pub use crate::parts::Part;

/// The folder that the sysroot claims to have been built in; no machine of a user has it.
pub const BUILT_IN: &str = "/Users/builder/UTM/sysroot-macOS-arm64";

/// Why a sysroot was not made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The compiler or the linker failed.
    #[error("{0}")]
    Command(#[from] helix_command::Error),
    /// The toolchain cannot link for a Mac.
    #[error("{0}")]
    Toolchain(#[from] helix_products::Error),
    /// A file cannot be written.
    #[error("writing {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What is to be built: the usual parts, with the changes that a test makes.
#[derive(Debug, Clone)]
pub struct Recipe {
    parts: Vec<Part>,
}

impl Default for Recipe {
    fn default() -> Self {
        Self { parts: parts::sysroot() }
    }
}

impl Recipe {
    /// The usual parts, without a fault.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes the part with this path below the sysroot, as `lib/libslirp.0.dylib`.
    ///
    /// # Panics
    /// When there is no such part.
    #[must_use]
    pub fn with(mut self, path: &str, change: impl FnOnce(&mut Part)) -> Self {
        change(self.parts.iter_mut().find(|part| part.path == path).expect("a part of the sysroot"));
        self
    }

    /// Builds it in the empty or missing folder `to`.
    ///
    /// # Errors
    /// When the toolchain cannot link for a Mac, or a file cannot be written.
    pub fn build(&self, to: &Path) -> Result<(), Error> {
        Compiler::find()?.build(&self.parts, to)?;
        files::write(to)
    }
}

/// Builds the usual sysroot, without a fault, in the empty or missing folder `to`.
///
/// # Errors
/// When the toolchain cannot link for a Mac, or a file cannot be written.
pub fn build(to: &Path) -> Result<(), Error> {
    Recipe::new().build(to)
}

/// Builds what the project itself adds to an application, as stand-ins, in the folder `to`: the programs `Helix` and
/// `helix-host-encoder`, and `libhelix_host_encoder_capi.dylib`.
///
/// # Errors
/// When the toolchain cannot link for a Mac, or a file cannot be written.
pub fn build_own(to: &Path) -> Result<(), Error> {
    Compiler::find()?.build(&parts::own(), to)
}
