//! The guest's clock after a sleep of this computer: it stood still, and goes on where it was.
//!
//! A sleep shows in this computer's own clocks: the time of day goes on, and the clock that counts only while the computer is
//! awake does not. What both showed is kept beside what runs, so that any command can tell, and the one that does sets the
//! guest's clock through its agent. A computer's clock that was set, forwards or back, shows in the same way.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::home::Vm;
use super::{start, state};
use crate::agent::Agent;
use crate::platform;
use crate::qmp::Qmp;

/// The least jump that counts. The two clocks are read one after the other, and drift a little where only one is corrected.
const LEAST: Duration = Duration::from_secs(2);
/// How long QEMU, and then the guest's agent, has to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// What this computer's clocks show at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The time of day, since 1970.
    pub wall: Duration,
    /// How long the computer has been awake, from some beginning on.
    pub awake: Duration,
}

impl Reading {
    /// How far the time of day has gone beyond, or stayed behind, the time awake since `earlier`, in milliseconds.
    fn jump_since(&self, earlier: &Self) -> i64 {
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let passed = |now: Duration, then: Duration| millis(now).saturating_sub(millis(then));
        passed(self.wall, earlier.wall).saturating_sub(passed(self.awake, earlier.awake))
    }
}

/// Clocks that can be read: this computer's, or those of a test.
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// What they show now.
    fn now(&self) -> Reading;
}

/// This computer's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Reading {
        Reading { wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), awake: platform::awake() }
    }
}

/// A guest's clock was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClockSet {
    /// How long the computer slept, in milliseconds; less than nothing where its own clock was set back.
    pub jump_millis: i64,
}

impl std::fmt::Display for ClockSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = (self.jump_millis.unsigned_abs() + 500) / 1000;
        let what =
            if self.jump_millis < 0 { "'s clock was set back by" } else { " slept, or its clock was set forward, for" };
        write!(f, "this computer{what} {seconds} s; the guest's clock was set too")
    }
}

impl Vm {
    /// Sets the guest's clock to this computer's where the computer slept, or its clock was set, since this was last looked at.
    /// Does nothing when the machine is not up or is paused, or another command works on it: a later look does it.
    ///
    /// # Errors
    /// When the guest's agent does not set the clock. A later look tries again.
    pub fn follow_clock(&self, clock: &dyn Clock) -> Result<Option<ClockSet>, Error> {
        if self.jump(clock)?.is_none() || !start::qemu(self).is_alive()? {
            return Ok(None);
        }
        let _lock = match self.lock("clock") {
            Err(Error::Busy { .. }) => return Ok(None),
            lock => lock?,
        };
        // Another command may have set it meanwhile.
        let (Some(set), true) = (self.jump(clock)?, self.is_running_guest()) else { return Ok(None) };
        let failed = |source| Error::Clock { name: self.name().to_owned(), source };
        let mut agent = Agent::connect(&self.sockets().agent_socket()).map_err(failed)?;
        agent.ping(ANSWER).map_err(failed)?;
        let now = clock.now();
        agent.set_time(now.wall, ANSWER).map_err(failed)?;
        self.note_clock(&now)?;
        Ok(Some(set))
    }

    /// Remembers what the clocks show while the guest's clock is right.
    pub(crate) fn note_clock(&self, now: &Reading) -> Result<(), Error> {
        state::write(&self.clock_file(), now)
    }

    /// What the clocks have jumped by since the guest's clock was right, where it matters.
    fn jump(&self, clock: &dyn Clock) -> Result<Option<ClockSet>, Error> {
        let Some(earlier) = state::read::<Reading>(&self.clock_file())? else { return Ok(None) };
        let jump_millis = clock.now().jump_since(&earlier);
        let counts = jump_millis.unsigned_abs() >= LEAST.as_millis() as u64;
        Ok(counts.then_some(ClockSet { jump_millis }))
    }

    /// Whether the guest has come up, and QEMU runs it: the agent of one that is paused would be waited for in vain.
    fn is_running_guest(&self) -> bool {
        let status = Qmp::connect(&self.sockets().qmp_socket(), ANSWER).and_then(|mut qmp| qmp.status(ANSWER));
        self.run().ok().flatten().is_some_and(|run| run.ready) && status.is_ok_and(|status| status == "running")
    }

    fn clock_file(&self) -> PathBuf {
        self.run_folder().join("clock.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jump(wall: u64, awake: u64) -> i64 {
        let reading = |wall, awake| Reading { wall: Duration::from_secs(wall), awake: Duration::from_secs(awake) };
        reading(wall, awake).jump_since(&reading(1_000_000, 500))
    }

    #[test]
    fn only_a_sleep_or_a_clock_that_was_set_is_a_jump() {
        assert_eq!([jump(1_000_000, 500), jump(1_090_000, 90_500)], [0, 0]);
        // Asleep for 32 hours, with a minute awake before and after.
        assert_eq!(jump(1_000_000 + 32 * 3600 + 120, 620), 32 * 3_600_000);
        assert_eq!(jump(1_000_010 - 3600, 510), -3_600_000);
        assert!(jump(u64::MAX, 0) > 0, "it does not overflow");
    }

    #[test]
    fn the_computers_clocks_go_on_together() {
        let before = SystemClock.now();
        std::thread::sleep(Duration::from_millis(20));
        let after = SystemClock.now();
        assert!(after.awake - before.awake >= Duration::from_millis(20));
        assert!(after.wall > Duration::from_secs(1_700_000_000));
    }
}
