//! An app of real Mach-O files is signed, looked at, and spoilt in every way.

mod authority;
mod certificates;
mod good;
mod spoilt;
mod support;
