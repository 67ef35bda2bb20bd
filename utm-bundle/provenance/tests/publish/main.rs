//! What is put beside files, read back by the programs that people have.

mod keys;
mod statement;
mod sums;
mod support;
