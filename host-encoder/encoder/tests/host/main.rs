//! The server from outside: streams that an independent decoder decodes, and every fault that a peer can have.

#[cfg(feature = "openh264")]
mod blobs;
#[cfg(feature = "openh264")]
mod checking;
mod client;
mod daemon;
mod device;
#[cfg(feature = "openh264")]
mod fairness;
mod faults;
mod kills;
#[cfg(feature = "openh264")]
mod pictures;
mod places;
mod refusals;
mod scripted;
#[cfg(feature = "openh264")]
mod streams;
