//! What a double-click on Helix.app does, and on Linux the program `helix-launcher`: a VM that is up while this runs.
//!
//! - [`App`] finds QEMU, its firmware, the image and the host encoder: in the app's own folder, or those of the system.
//! - [`Machine`] is the state machine, without a clock, a thread or a file: inputs go in, jobs come out.
//! - [`Launcher`] runs the jobs, with `helix-vm`, and tells the user interface what to show.
//! - [`Download`] fetches a disk that the app does not bring along.
//!
//! The user interface is a menu in the menu bar of a Mac, else the terminal. Only `platform` asks which system this is.

mod answer;
mod app;
mod browser;
mod download;
mod error;
mod journal;
mod launcher;
mod machine;
#[cfg(target_os = "macos")]
mod menu_bar;
mod platform;
mod signals;
mod single;
#[cfg(not(target_os = "macos"))]
mod terminal;
mod utm;

pub use app::{App, contents_of};
pub use download::Download;
pub use error::Error;
pub use launcher::{Launcher, Settings};
pub use machine::{Input, Job, Machine, Report, Seen, State, Step};
pub use platform::{complain, run};
pub use utm::set_utm_preferences;
