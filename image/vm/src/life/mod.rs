//! Machines that stay: each has a name and a folder, outlives the program that started it, and keeps its data.
//!
//! What is in the folder of a machine:
//!
//! | File | What it is |
//! |---|---|
//! | `vm.json` | what the machine was made from, and which file is its system disk |
//! | `system.N.qcow2` | the system disk, a copy of an image; a reset makes the next N, and the one before stays until the guest is up |
//! | `data.vN.qcow2` | the data disk, which a reset keeps; N is the version of what is in it |
//! | `id_ed25519`, `known_hosts` | how to log in, and the host key that was seen through the agent |
//! | `token` | what the guest shows a host encoder that asks for a token |
//! | `run/` | what runs: `run.json`, sockets, logs, locks and numbers of processes; only the user may enter |
//!
//! That a process lives is known by the lock that it inherited, not by its number: numbers are used again, and a lock ends
//! with its holder whatever happens. Everything that must be whole is written aside and renamed; a machine is made in a folder
//! aside. So whatever is killed whenever, the next [`Vm::up`] finds a machine that is whole or none.

mod accelerator;
mod clock;
mod console;
mod copy;
mod create;
mod daemon;
mod down;
mod du;
mod encoder;
mod error;
mod home;
mod image;
mod lock;
mod login;
mod logs;
mod ports;
mod remove;
mod reset;
mod sizes;
mod start;
mod state;
mod status;
mod up;

pub use clock::{Clock, ClockSet, Reading, SystemClock};
pub use copy::{Copied, can_clone};
pub use down::Down;
pub use du::{DiskUse, Du, GuestUse};
pub use encoder::EncoderState;
pub use error::{Error, Kind};
pub use home::{Home, Vm};
pub use image::{Image, read_document};
pub use logs::Log;
pub use ports::Ports;
pub use reset::{Reset, RolledBack};
pub(crate) use sizes::LEAST_GRAPHICS_MIB;
pub use sizes::Sizes;
pub use status::{RunStatus, State, Status};
pub use up::{Event, Up, UpConfig};
