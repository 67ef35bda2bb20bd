//! The life of machines, and what may go wrong in it: with a stand-in for QEMU, because no guest is needed for that.

mod faults;
mod guest_clock;
mod kills;
mod ordinary;
mod support;
