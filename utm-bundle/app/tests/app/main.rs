//! The app, from a sysroot of real Mach-O files to the check of what came out.

mod assembling;
mod checking;
mod licences;
mod parts;
mod refusals;
