//! A QEMU that was started, whoever its parent is.

use std::time::{Duration, Instant};

/// How often a process that is to end is looked at.
const POLL: Duration = Duration::from_millis(20);

/// A process that can be watched and ended.
pub(crate) trait Process: std::fmt::Debug + Send {
    /// How it ended, in words, or nothing while it runs.
    fn ended(&mut self) -> Option<String>;

    /// Asks it to end, which QEMU does after flushing its disks.
    fn terminate(&mut self);

    /// Ends it at once.
    fn kill(&mut self);

    /// The end of what it printed.
    fn output_tail(&self) -> String;

    /// Waits for the end; tells whether it came within `timeout`.
    fn wait(&mut self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        while self.ended().is_none() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(POLL);
        }
        true
    }
}

/// The end of what is in the file `log`.
pub(crate) fn log_tail(log: &std::path::Path) -> String {
    /// How much is shown, in bytes.
    const TAIL: usize = 4096;
    let bytes = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(TAIL)..]).trim().to_owned()
}
