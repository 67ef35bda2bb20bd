//! Whether work goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Says that work under way is to end: its caller wants it, or something else has failed.
#[derive(Debug)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    failed: AtomicBool,
}

impl Stop {
    pub(crate) fn new(asked: Arc<AtomicBool>) -> Self {
        Self { asked, failed: AtomicBool::new(false) }
    }

    /// Something has failed, and the rest is in vain.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// An error when work is to end. Only the first failure is shown, which this one never is.
    pub(crate) fn check(&self) -> std::io::Result<()> {
        if self.failed.load(Ordering::Relaxed) || self.asked.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("stopped"));
        }
        Ok(())
    }
}
