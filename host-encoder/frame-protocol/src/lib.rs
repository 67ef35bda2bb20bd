//! The frame protocol, version 2: how raw frames travel from a guest to the host's encoder, and H.264 back.
//!
//! Both ends use this crate, so it opens no sockets and starts no threads. `docs/src/protocol.md` is the specification;
//! tests compare its tables with this code.
//!
//! A message is a header of 32 bytes, a small body and, for pixels and access units only, data. The parts are kept apart
//! so that data is copied at most once on each side:
//!
//! - [`Decoder`] holds header and body in a buffer of fixed size and returns an [`Envelope`]. The data that follows is read
//!   by the caller straight into a buffer of its own ([`Decoder::data_left`]), or skipped when the caller goes on.
//! - [`Outgoing`] puts header and body in front of the caller's slices, for one vectored write.
//! - [`Session`] refuses what is out of order, on either end, before anything is sent or any data is read.
//! - [`Receiver`] reads from a blocking transport with a limit of time for each message.
//! - [`Attach`] and [`Finder`] are how a connection begins on a transport that has none, as a port of virtio-serial.
//!
//! ```
//! use helix_frame_protocol::{Decoder, Envelope, Message, Outgoing};
//!
//! let ping = Envelope { stream: 0, request: 1, message: Message::Ping };
//! let (mut prefix, mut wire) = (Vec::new(), Vec::new());
//! Outgoing::new(&ping, &mut prefix, &[])?.write_all(&mut wire, std::time::Duration::from_secs(1))?;
//! assert_eq!(Decoder::new().feed(&mut &wire[..])?, Some(ping));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attach;
mod body;
mod code;
mod decoder;
mod error;
mod fields;
mod kind;
pub mod limits;
mod message;
mod outgoing;
mod picture;
mod receiver;
mod session;
mod token;

pub use crate::attach::{ATTACH, Attach, Finder, has_attach};
pub use crate::code::{Code, ErrorCode, FrameWay, Matrix, PixelFormat, Profile, Range, Set, SkipReason};
pub use crate::decoder::Decoder;
pub use crate::error::Error;
pub use crate::kind::{Kind, Sender};
pub use crate::message::{
    AccessUnit, Capabilities, Colorimetry, Configure, Configured, Envelope, Failure, Frame, FrameRate, Hello, Level,
    Message, Refusal, Statistics, Welcome,
};
pub use crate::outgoing::Outgoing;
pub use crate::picture::{MODIFIER_LINEAR, Plane, Size, Source, packed_planes};
pub use crate::receiver::{ReceiveError, Receiver};
pub use crate::session::{OrderError, Role, Rule, Session};
pub use crate::token::Token;

/// The version of the protocol that this crate speaks.
pub const VERSION: u16 = 2;

/// The first four bytes of every message.
pub const MAGIC: [u8; 4] = *b"HXFP";
