//! Data roots made from crafted images, without an engine.

mod bad;
mod common;
mod craft;
mod good;
mod layout;
mod load;
mod registry;
