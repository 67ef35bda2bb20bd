//! How slow a guest is, by what it has shown, and how much longer its time-outs therefore are.
//!
//! Time-outs are written for the slowest ordinary guest: an emulated one, on a quiet computer with two processors. A
//! computer with other work to do makes the guest several times slower, and nothing is wrong with it. Two things show how
//! slow it is. The stages of the boot cost nothing to watch. Load that comes later shows in a small piece of work, which
//! the guest does when a time-out is over. A guest that hangs does not get more time by either: its boot's stages came at
//! the usual pace, and its work takes the usual time, or never ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::Agent;
use crate::report::Timings;

/// The hard limit: no time-out is stretched further.
pub(crate) const MOST: f64 = 10.0;
/// How much slower than usual a guest may be before the time-out of its boot has to be stretched. That one has room: by
/// default it is six times what the boot takes.
const BOOT_ROOM: f64 = 3.0;

/// The usual guest's work: built-in commands alone, and a clock that nobody sets.
pub(crate) const WORK: &str = "read -r a _ < /proc/uptime; i=0; while [ $i -lt 40000 ]; do i=$((i+1)); done; read -r b _ < /proc/uptime; echo $a $b";
/// How long the usual guest takes for it.
const USUAL_WORK: Duration = Duration::from_millis(1000);

/// When a guest reaches the stages that come in every boot alike, counted from the start of QEMU.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usual {
    pub(crate) kernel: Duration,
    pub(crate) userspace: Duration,
    pub(crate) agent: Duration,
}

impl Usual {
    /// Quickstart for arm64, emulated on two quiet x86_64 processors.
    pub(crate) const QUIET: Self =
        Self { kernel: Duration::from_secs(3), userspace: Duration::from_secs(8), agent: Duration::from_secs(100) };

    /// The pace of a boot that has come to these stages.
    pub(crate) fn pace(&self, timings: &Timings) -> Pace {
        let stages = [(timings.kernel, self.kernel), (timings.userspace, self.userspace), (timings.agent, self.agent)];
        let shown = stages.into_iter().filter_map(|(shown, usual)| Some(Pace::of(shown?, usual)));
        shown.fold(Pace::default(), Pace::max)
    }
}

/// How many times slower than usual a guest is: 1 at least, and 10 at most.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(from = "f64")]
pub struct Pace(f64);

impl From<f64> for Pace {
    fn from(times: f64) -> Self {
        Self(if times.is_nan() { 1.0 } else { times.clamp(1.0, MOST) })
    }
}

impl Default for Pace {
    /// The usual pace, or a quicker one.
    fn default() -> Self {
        Self(1.0)
    }
}

impl Pace {
    /// The pace of a guest that took `shown` for what usually takes `usual`. More than one decimal would be noise.
    pub(crate) fn of(shown: Duration, usual: Duration) -> Self {
        let times = shown.as_secs_f64() / usual.as_secs_f64();
        Self::from((times * 10.0).round() / 10.0)
    }

    pub(crate) fn max(self, other: Self) -> Self {
        if other > self { other } else { self }
    }

    /// Whether the guest has shown to be slower than usual.
    pub fn is_slow(self) -> bool {
        self > Self::default()
    }

    /// How long this guest has for what the usual one has `timeout` for.
    pub fn stretch(self, timeout: Duration) -> Duration {
        timeout.mul_f64(self.0)
    }

    /// How long this guest has for its boot, for which the usual one has `timeout`.
    pub(crate) fn stretch_boot(self, timeout: Duration) -> Duration {
        timeout.mul_f64((self.0 / BOOT_ROOM).max(1.0))
    }

    /// Lets the guest work, and tells whether it has shown to be slower than was known.
    pub(crate) fn ask(&mut self, agent: &mut Agent) -> bool {
        let before = *self;
        let limit = USUAL_WORK.mul_f64(2.0 * MOST);
        let shown = agent.exec(WORK, limit).ok().and_then(|output| took(&output.stdout_text()));
        *self = shown.map_or(before, |shown| before.max(Self::of(shown, USUAL_WORK)));
        tracing::info!("the guest took {shown:?} for what usually takes {USUAL_WORK:?}");
        *self > before
    }
}

impl std::fmt::Display for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1}", self.0)
    }
}

/// The time between the two that [`WORK`] prints.
fn took(printed: &str) -> Option<Duration> {
    let (begun, ended) = printed.split_once(' ')?;
    Duration::try_from_secs_f64(ended.parse::<f64>().ok()? - begun.parse::<f64>().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(kernel: u64, userspace: u64, agent: Option<u64>) -> Pace {
        let seconds = |n| Some(Duration::from_secs(n));
        let timings = Timings {
            kernel: seconds(kernel),
            userspace: seconds(userspace),
            agent: agent.map(Duration::from_secs),
            ..Timings::default()
        };
        Usual::QUIET.pace(&timings)
    }

    #[test]
    fn a_boot_shows_the_pace_by_its_slowest_stage() {
        let Usual { kernel, userspace, agent } = Usual::QUIET;
        let [kernel, userspace, agent] = [kernel, userspace, agent].map(|usual| usual.as_secs());
        assert_eq!(Usual::QUIET.pace(&Timings::default()), Pace(1.0));
        assert_eq!(boot(1, 2, Some(3)), Pace(1.0), "a quick guest has the usual time");
        assert_eq!(boot(kernel, 4 * userspace, None), Pace(4.0));
        assert_eq!(boot(2 * kernel, 3 * userspace, Some(8 * agent)), Pace(8.0));
        assert_eq!(boot(kernel, userspace, Some(100 * agent)), Pace(MOST), "there is a hard limit");
    }

    #[test]
    fn time_outs_are_stretched_and_never_shortened() {
        let minute = Duration::from_secs(60);
        assert_eq!([1.0, 8.0].map(|times| Pace(times).stretch(minute).as_secs()), [60, 480]);
        assert_eq!([1.0, 3.0, 6.0].map(|times| Pace(times).stretch_boot(minute).as_secs()), [60, 60, 120]);
    }

    #[test]
    fn what_a_file_says_stays_within_the_limits() {
        let read = ["-1", "0.5", "2.5", "1e300"].map(|text| serde_json::from_str::<Pace>(text).unwrap());
        assert_eq!(read, [Pace(1.0), Pace(1.0), Pace(2.5), Pace(MOST)]);
        assert_eq!(serde_json::to_string(&read[2]).unwrap(), "2.5");
    }

    #[test]
    fn the_work_prints_two_times_on_this_computer() {
        let output = helix_command::Cmd::new("sh").args(["-c", WORK]).output().unwrap();
        assert!(took(output.text().trim()).is_some(), "{}", output.text());
        for bad in ["", "1.00", "a b", "5.00 4.00"] {
            assert_eq!(took(bad), None, "{bad:?}");
        }
    }
}
