//! That reconnecting leaves nothing behind. What this process has is counted, so that it needs one of its own.

use crate::host::{Host, Manners};
use crate::support::*;

const ELEMENTS: usize = 20;
/// Of each element, in each half.
const RECONNECTS: usize = 250;

/// File descriptors, threads, and KiB of memory.
fn uses() -> [usize; 3] {
    let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).expect("a list").count();
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    [count("fd"), count("task"), memory.trim().trim_end_matches(" kB").parse().expect("a number")]
}

/// The host goes away in the first frame and behind it, in turns: where none encodes for long, the element takes its time.
fn reconnect() {
    let cut_after = (0..RECONNECTS).map(|index| [1000, 6000][index % 2] + 11 * index).collect();
    let host = Host::start(Manners { cut_after, ..Manners::default() });
    let mut encoder = Encoder::with(&host, &[]);
    for index in 0.. {
        if host.connections() > RECONNECTS {
            return;
        }
        encoder.push(index);
        while encoder.harness.try_pull().is_some() {}
    }
}

fn half() -> [usize; 3] {
    init();
    std::thread::scope(|scope| (0..ELEMENTS).for_each(|_| drop(scope.spawn(reconnect))));
    uses()
}

#[test]
#[ignore = "needs a process of its own: cargo xtask test runs it"]
fn ten_thousand_reconnects_leave_nothing_behind() {
    let (before, after) = (half(), half());
    println!("file descriptors, threads, KiB: {before:?} after 5,000 reconnects, {after:?} after 10,000");
    assert!(after[0] <= before[0] + 5 && after[1] <= before[1] + 5, "{before:?} {after:?}");
    // A leak of 4 KiB for each would be 20 MiB.
    assert!(after[2] < before[2] + (16 << 10), "{before:?} {after:?}");
}
