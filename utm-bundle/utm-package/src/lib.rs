//! `helix-linux.utm`: an image as a virtual machine that UTM opens, and a look into such packages.
//!
//! - [`create`] makes a package of an image folder.
//! - [`inspect`] says everything that is wrong with a package; [`config_faults`] does so for a `config.plist` alone.
//!
//! What a package must be was read in the source of UTM 5.0.3 (<https://github.com/utmapp/UTM>), folder `Configuration`. The
//! keys are in one table, from which a configuration is checked; what UTM does with the values beyond their types is in the
//! rules below it.

mod config;
mod create;
mod error;
mod files;
mod format;
mod identity;
mod inspect;
mod keys;
mod png;
mod rules;
mod schema;

pub use create::{Made, Options, check_arguments, create};
pub use error::Error;
pub use inspect::{Fault, config_faults, inspect};
