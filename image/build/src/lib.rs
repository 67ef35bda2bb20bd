//! The pipeline from a recipe to a verified image: steps and their keys, the store, the lock, manifest and SBOM.
//!
//! The only crate that knows the others. Reading order: [`pipeline`] is the way through, [`plan`] says what of it is
//! needed, [`store`] keeps what was made.

pub mod cache;
pub mod container;
pub mod containers;
mod contents;
pub mod diff;
mod disk_plan;
mod elf;
mod encode_check;
mod error;
mod files_step;
mod guest;
pub mod host;
pub mod inspect;
pub mod inventory;
pub mod key;
pub mod lock;
pub mod locks;
pub mod manifest;
mod output;
pub mod pipeline;
pub mod plan;
pub mod progress;
pub mod resolve;
mod sbom;
pub mod steps;
pub mod store;
pub mod tools;
pub mod verify;
pub mod workshop;
pub mod workspace;

pub use error::{Error, Kind};
