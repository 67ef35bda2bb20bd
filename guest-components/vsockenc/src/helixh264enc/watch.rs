//! Whether a host that failed is there again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::choice;
use super::properties::Settings;
use crate::client::Probe;

/// The pause before a host is asked again. It doubles each time the host has failed, so that one that answers and then fails
/// does not cost a change of the encoder every second.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A thread that asks a host until it answers. It ends when this is dropped.
pub(super) struct Watch {
    probe: Probe,
    back: Arc<AtomicBool>,
    pause: Duration,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(settings: Settings, pause: Duration) -> std::io::Result<Self> {
        let (probe, back) = (Probe::new()?, Arc::<AtomicBool>::default());
        let (asking, told) = (probe.clone(), Arc::clone(&back));
        let work = move || {
            while asking.pause(pause) {
                if choice::host(&settings, &asking).is_ok() {
                    return told.store(true, Ordering::Release);
                }
            }
        };
        let thread = Some(thread::Builder::new().name("helixh264enc-host".into()).spawn(work)?);
        Ok(Self { probe, back, pause, thread })
    }

    pub(super) fn is_back(&self) -> bool {
        self.back.load(Ordering::Acquire)
    }

    /// The pause of the next watch.
    pub(super) fn next_pause(&self) -> Duration {
        (self.pause * 2).min(LONGEST_PAUSE)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.probe.give_up();
        if let Some(thread) = self.thread.take() {
            // A panic in there was reported by Rust's handler.
            let _ = thread.join();
        }
    }
}
