//! The system tests: the real program, with archives, servers and disks that the tests make.
//!
//! `cargo xtask test` runs them; by hand:
//! `cargo test --release -p xtask --features system-tests --test system -- faults`.

mod bundle;
mod docker;
mod faults;
mod kill;
mod mac;
mod support;
mod twice;
mod ubuntu;
mod vm;
