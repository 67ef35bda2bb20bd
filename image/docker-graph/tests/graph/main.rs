//! Data roots made from crafted images, without an engine.

mod bad;
mod common;
mod craft;
mod edges;
mod full;
mod good;
mod layout;
mod load;
mod place;
mod registry;
