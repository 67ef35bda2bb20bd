//! The server from outside: streams that an independent decoder decodes, and every fault that a peer can have.

mod client;
mod daemon;
#[cfg(feature = "openh264")]
mod fairness;
mod faults;
#[cfg(feature = "openh264")]
mod pictures;
mod places;
mod scripted;
#[cfg(feature = "openh264")]
mod streams;
