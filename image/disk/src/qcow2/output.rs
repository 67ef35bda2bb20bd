//! The file being written: mostly from front to back, in large pieces.

use std::fs::File;
use std::io::Result;
use std::os::unix::fs::FileExt;

/// How much is collected before it is written, in bytes.
const PIECE: usize = 4 << 20;

/// Collects what is written at or after `base`, and writes at once what lies before it.
#[derive(Debug)]
pub(super) struct Output<'a> {
    file: &'a File,
    base: u64,
    buffer: Vec<u8>,
}

impl<'a> Output<'a> {
    /// An output that goes on from `base`.
    pub(super) fn new(file: &'a File, base: u64) -> Self {
        Self { file, base, buffer: Vec::with_capacity(PIECE + (1 << 20)) }
    }

    /// Puts `bytes` at `position`. A gap of less than a cluster is filled with zeros.
    pub(super) fn put(&mut self, position: u64, bytes: &[u8]) -> Result<()> {
        if position < self.base {
            return self.file.write_all_at(bytes, position);
        }
        let start = (position - self.base) as usize;
        let end = start + bytes.len();
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        self.buffer[start..end].copy_from_slice(bytes);
        if self.buffer.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    /// Writes what is collected.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.file.write_all_at(&self.buffer, self.base)?;
        self.base += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
