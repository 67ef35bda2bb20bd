//! Tries again what may do better later.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// The longest that a server may make us wait between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often something is tried again, and after which pauses.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// How many tries follow the first.
    pub times: usize,
    /// The first pause; each further one is twice as long.
    pub pause: Duration,
}

impl Retries {
    /// Tries until it succeeds, fails for good, or has failed too often. `again` says whether another try may help, and
    /// how long the server asks to wait.
    ///
    /// # Errors
    /// The last error.
    pub fn run<T, E: std::fmt::Display>(
        self,
        mut attempt: impl FnMut() -> Result<T, E>,
        again: impl Fn(&E) -> Option<Option<Duration>>,
    ) -> Result<T, E> {
        let growing = ExponentialBuilder::default().with_min_delay(self.pause).with_max_times(self.times);
        let mut pauses = growing.build();
        loop {
            let error = match attempt() {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let Some((asked, planned)) = again(&error).and_then(|asked| Some((asked, pauses.next()?))) else {
                return Err(error);
            };
            let pause = planned.max(asked.unwrap_or_default().min(LONGEST_PAUSE));
            tracing::warn!("{error}; next try in {:.1} s", pause.as_secs_f32());
            std::thread::sleep(pause);
        }
    }
}
