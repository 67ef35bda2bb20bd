//! The system tests: the real program, with archives, servers and disks that the tests make.
//!
//! `cargo xtask test` runs them; by hand:
//! `cargo test --release -p xtask --features system-tests --test system -- faults`.

mod bundle;
mod docker;
mod faults;
mod kill;
mod mac;
// The server that the crate's own tests talk to.
#[expect(dead_code, reason = "most of its faults are for those tests")]
#[path = "../../../utm-bundle/notary/tests/service/server.rs"]
mod notary_server;
mod support;
mod twice;
mod ubuntu;
mod vm;
mod way;
