//! The server from outside: streams that an independent decoder decodes, and every fault that a peer can have.

mod client;
mod pictures;
#[cfg(feature = "openh264")]
mod streams;
