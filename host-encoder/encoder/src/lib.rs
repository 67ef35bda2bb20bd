//! The host's end of the encode path: takes frames of guests, answers with H.264.
//!
//! - [`Server`] listens, speaks the [frame protocol](helix_frame_protocol) and gives each stream an encoder of its own.
//! - [`Backend`] and [`Encoder`] are what encodes; [`backend`] has the ones of this build.
//! - [`FrameProvider`] is where the pixels of resources and blobs come from: a virtual machine monitor implements it.
//!
//! The daemon `helix-host-encoder` is this library with a command line.

pub mod annexb;
pub mod backend;
pub mod convert;
mod encoder;
mod level;
mod server;
mod shared_memory;
mod source;

pub use crate::encoder::{Abilities, Backend, EncodeError, Encoder, Opened, Outcome, Sink};
pub use crate::level::{ASSUMED_RATE, frames_per_second, least_level};
pub use crate::server::{Config, Endpoint, OnStreamEnd, Server, StartError, StreamReport, Timeouts};
pub use crate::shared_memory::SharedMemory;
pub use crate::source::{FrameProvider, FrameSource, Resource, SourceError};
