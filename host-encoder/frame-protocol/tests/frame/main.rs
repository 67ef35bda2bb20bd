//! The frame protocol from outside: bytes, order, limits, and whether the specification says the same.

mod arbitrary;
mod document;
mod order;
mod races;
mod samples;
mod transport;
mod vectors;
mod wire;
