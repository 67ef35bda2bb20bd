//! Packages of UTM: what is made, and what is found in those that something is wrong with.

mod faults;
mod make;
mod random;
mod support;
mod table;
