//! The launcher as a program in an app, with stand-ins for QEMU, the host encoder and the browser.
#![cfg(target_os = "linux")]

mod faults;
mod kills;
mod ordinary;
mod support;
