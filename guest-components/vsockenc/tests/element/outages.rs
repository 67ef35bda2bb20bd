//! How long frames wait for a host, and what they wait behind.

use std::time::Duration;

use gst_video::VideoFormat;

use crate::host::{Host, Manners, Seen, sum_of};
use crate::support::*;

#[test]
fn frames_do_not_wait_for_ever_for_a_host_that_dies_at_each_configuration() {
    let host = Host::start(Manners { die_at_configure: true, ..Manners::default() });
    let mut encoder = Encoder::with(&host, &[]);
    within(TIMEOUT * 2 + SLACK, "the frames", || (0..9).map(|index| encoder.push(index)).count());
    until("the dropped frames", || encoder.stat::<u64>("dropped") == 9);
    assert!(host.connections() < 20, "{} connections", host.connections());
}

#[test]
fn an_answer_that_is_lost_ends_the_connection_although_others_come() {
    let host = Host::start(Manners { lose_frame: 2, ..Manners::default() });
    let mut encoder = Encoder::with(&host, &[]);
    within(TIMEOUT * 2 + SLACK, "another connection", || {
        for index in 0.. {
            if host.connections() > 1 {
                break;
            }
            encoder.push(index);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert!(encoder.stat::<u64>("access-units") > 5, "the others were answered");
}

#[test]
fn the_outage_of_a_host_that_had_nothing_to_do_begins_when_it_goes() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::new(&host.transport(), &[]);
    until("the connection", || encoder.stat::<bool>("connected"));
    std::thread::sleep(TIMEOUT);
    let folder = host.stop();
    until("the outage", || !encoder.stat::<bool>("connected"));
    encoder.caps(&info(VideoFormat::Nv12, 64, 48));
    let sum = encoder.push(0);
    std::thread::sleep(TIMEOUT / 4);
    let _host = Host::start_in(folder, Manners::default());
    assert_eq!(sum_of(&bytes(&encoder.harness.pull().expect("an access unit"))), sum);
    assert_eq!(encoder.stat::<u64>("dropped"), 0);
}

fn segments(encoder: &mut Encoder) -> usize {
    let events = std::iter::from_fn(|| encoder.harness.try_pull_event());
    events.filter(|event| event.type_() == gst::EventType::Segment).count()
}

#[test]
fn the_events_before_a_dropped_frame_do_not_overtake_the_frames_before_it() {
    let host = Host::start(Manners { hold: 2, ..Manners::default() });
    let mut encoder = Encoder::with(&host, &[("qos", "true")]);
    encoder.push(0);
    encoder.push(1);
    (0..2).for_each(|_| drop(encoder.harness.pull().expect("an access unit")));
    let late = gst::event::Qos::builder(gst::QOSType::Underflow, 2.0, gst::ClockTime::SECOND.nseconds() as i64);
    encoder.harness.push_upstream_event(late.timestamp(gst::ClockTime::from_mseconds(10)).build());
    encoder.push(90);
    until("the frame", || host.frames().len() == 3);
    segments(&mut encoder);
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_rate(1.0);
    segment.set_stop(gst::ClockTime::from_seconds(100));
    encoder.harness.push_event(gst::event::Segment::new(&segment));
    encoder.push(2);
    assert_eq!(encoder.stat::<u64>("dropped"), 1);
    assert_eq!(segments(&mut encoder), 0, "the frame before is still at the host");
    assert!(encoder.harness.push_event(gst::event::Eos::new()));
    assert_eq!(encoder.harness.pull().expect("an access unit").pts(), Some(gst::ClockTime::SECOND * 3));
    assert_eq!(segments(&mut encoder), 1);
    assert!(host.seen().iter().any(|seen| matches!(seen, Seen::EndOfStream)));
}
