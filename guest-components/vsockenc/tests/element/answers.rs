//! Answers of the host that are cut, stall or are wrong at each of their bytes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use helix_frame_protocol::{Kind, limits};

use crate::host::{Host, Manners, Seen, Spoilt, Wrong, access_unit};
use crate::support::*;

/// Short, because each of hundreds of hosts makes the element wait for it.
const BRIEF: Duration = Duration::from_millis(200);
/// An element asks for statistics when it has been connected for a second.
const STATISTICS: Duration = Duration::from_millis(1100);
/// Elements at work at the same time, which wait most of it.
const CROWD: usize = 24;
/// So many want a processor at times. Less than any time-out of the protocol that could stand for the element's.
const BUSY: Duration = Duration::from_secs(4);
/// One crowd at a time.
static TURN: Mutex<()> = Mutex::new(());

/// An element at work, the sums of its frames, and whether it has posted an error.
struct Run {
    host: Host,
    encoder: Encoder,
    sums: Vec<u64>,
    /// Access units that may be other than the host meant: of a length that is wrong only the next message tells.
    forgiven: usize,
    failed: bool,
}

impl Run {
    fn start(spoilt: Option<Spoilt>) -> Self {
        let host = Host::start(Manners { spoilt, ..Manners::default() });
        let encoder = Encoder::with(&host, &[("timeout", &BRIEF.as_millis().to_string())]);
        let is_length = |spoilt: Spoilt| spoilt.kind == Kind::AccessUnit && (28..limits::HEADER).contains(&spoilt.at);
        Self { host, encoder, sums: Vec::new(), forgiven: spoilt.is_some_and(is_length).into(), failed: false }
    }

    /// Pushes a frame, if the element still takes any. The access units that are there are those of frames.
    fn step(&mut self, what: &str) -> usize {
        let (buffer, sum) = frame(&info(gst_video::VideoFormat::Nv12, 64, 48), self.sums.len() as u64);
        self.sums.push(sum);
        self.failed |= self.encoder.harness.push(buffer).is_err();
        std::thread::sleep(Duration::from_millis(20));
        let units: Vec<_> = std::iter::from_fn(|| self.encoder.harness.try_pull()).collect();
        let right = units.iter().filter(|unit| self.is_of_a_frame(&bytes(unit))).count();
        let forgiven = self.forgiven.checked_sub(units.len() - right);
        self.forgiven = forgiven.unwrap_or_else(|| panic!("{what}: an access unit of no frame"));
        right
    }

    fn is_of_a_frame(&self, unit: &[u8]) -> bool {
        self.sums.iter().any(|sum| [true, false].iter().any(|keyframe| access_unit(*keyframe, *sum) == unit))
    }

    /// Whether the connection with the answer that was spoilt is over.
    fn is_over(&self) -> bool {
        self.failed || self.host.is_greeted_again()
    }

    /// Goes on until the host's answer was spoilt and an access unit came after that, or an error; if `strict`, not in the
    /// same connection.
    fn recover(&mut self, spoilt: Spoilt, strict: bool) {
        let what = format!("{spoilt:?}");
        let limit = BRIEF * 2 + BUSY + if spoilt.kind == Kind::Statistics { STATISTICS } else { Duration::ZERO };
        let begun = Instant::now();
        loop {
            let hit = self.host.has_spoilt() && (!strict || self.is_over());
            let units = self.step(&what);
            if hit && (units > 0 || self.failed) {
                break;
            }
            assert!(begun.elapsed() < limit, "{what}: {units} units, {} connections", self.host.connections());
        }
        if self.failed {
            self.encoder.error();
        }
    }

    /// Goes on until an access unit came, of a host whose fault comes later.
    fn begin(&mut self, what: &str) {
        let begun = Instant::now();
        while self.step(what) == 0 {
            assert!(
                !self.failed && begun.elapsed() < BRIEF * 2 + BUSY,
                "{what}: no access unit, failed: {}",
                self.failed
            );
        }
    }

    /// Ends the stream, for which nobody waits longer than for any other answer.
    fn end(&mut self, what: &str) -> bool {
        within(BRIEF * 2 + BUSY, what, || self.encoder.harness.push_event(gst::event::Eos::new()))
    }
}

/// The length of the header and body of an answer, and of all of it.
fn lengths(kind: Kind) -> (usize, usize) {
    let mut run = Run::start(None);
    let begun = Instant::now();
    run.begin("a host without a fault");
    while kind == Kind::Statistics && begun.elapsed() < STATISTICS {
        run.step("a host without a fault");
    }
    run.end("the end");
    let of_kind = |seen| match seen {
        Seen::Answer(other, small, all) if other == kind => Some((small, all)),
        _ => None,
    };
    run.host.seen().into_iter().find_map(of_kind).expect("the answer")
}

fn survives(spoilt: Spoilt) {
    // What does not come is noticed, and a header that is all wrong. Another value may be as good as the right one.
    let strict = match spoilt.how {
        Wrong::Cut | Wrong::Stall => true,
        Wrong::Garble(bits) => bits == 0xff && spoilt.at < limits::HEADER,
    };
    let mut run = Run::start(Some(spoilt));
    let what = format!("{spoilt:?}");
    if spoilt.kind == Kind::Drained {
        run.begin(&what);
        assert!(run.end(&what), "{what}");
        until(&what, || !strict || run.is_over());
    } else {
        run.recover(spoilt, strict);
        assert!(run.failed || run.end(&what), "{what}");
    }
    within(BUSY, "the stop", || run.encoder.element.set_state(gst::State::Null)).expect("stopped");
}

/// Every byte is cut off, held back and changed. Access units are data, in which any byte may stand.
fn every_byte_of(kind: Kind) {
    // A test that failed has had its turn.
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (small, all) = lengths(kind);
    let whole = (0..all).flat_map(|at| [Wrong::Cut, Wrong::Stall].map(|how| Spoilt { kind, at, how }));
    let wrong = (0..small).flat_map(|at| [0xff, 0x01].map(|bits| Spoilt { kind, at, how: Wrong::Garble(bits) }));
    let cases = Mutex::new(whole.chain(wrong));
    let next = || cases.lock().expect("a lock").next();
    std::thread::scope(|scope| {
        for _ in 0..CROWD {
            scope.spawn(|| std::iter::from_fn(next).for_each(survives));
        }
    });
}

#[test]
fn every_byte_of_welcome() {
    every_byte_of(Kind::Welcome);
}

#[test]
fn every_byte_of_configured() {
    every_byte_of(Kind::Configured);
}

#[test]
fn every_byte_of_an_access_unit() {
    every_byte_of(Kind::AccessUnit);
}

#[test]
fn every_byte_of_statistics() {
    every_byte_of(Kind::Statistics);
}

#[test]
fn every_byte_of_drained() {
    every_byte_of(Kind::Drained);
}
