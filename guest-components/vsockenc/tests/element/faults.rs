//! Hosts that misbehave: nothing waits for longer than its time-out, nothing panics, and the video goes on.

use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_video::VideoFormat;

use crate::host::{Host, Manners, sum_of};
use crate::support::*;

/// A host that closes the connection after so many bytes: each access unit that comes out is that of a frame, the first
/// after each connection is a keyframe, and the end is not late.
fn survives_cut(bytes_read: usize) {
    let host = Host::start(Manners { cut_after: vec![bytes_read], ..Manners::default() });
    let mut encoder = Encoder::with(&host, &[]);
    let sums: Vec<_> = (0..6).map(|index| encoder.push(index)).collect();
    within(TIMEOUT * 2 + SLACK, "the end", || encoder.harness.push_event(gst::event::Eos::new()));
    let units: Vec<_> = std::iter::from_fn(|| encoder.harness.try_pull()).collect();
    let found: Vec<_> = units.iter().map(|unit| sum_of(&bytes(unit))).collect();
    let mut expected = sums.iter();
    assert!(
        found.iter().all(|sum| expected.any(|other| other == sum)),
        "cut after {bytes_read}: frames in their order"
    );
    let lost = 6 - units.len();
    assert!(lost <= 4, "cut after {bytes_read}: {lost} frames are lost, more than can be under way");
    assert_eq!(encoder.stat::<u64>("dropped"), lost as u64);
    // The host says which frame it saw first in each connection.
    for first in host.first_frames() {
        let unit = found.iter().position(|sum| *sum == first).map(|at| &units[at]);
        assert!(unit.is_none_or(is_keyframe), "cut after {bytes_read}: a connection begins without a keyframe");
    }
    assert!(units.first().is_none_or(is_keyframe));
    assert!(host.connections() >= 1);
}

#[test]
fn a_host_killed_at_1000_random_points_is_survived() {
    let seed = seed();
    let mut random = seed;
    for _ in 0..1000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Six frames and what comes before them are not quite as much.
        survives_cut((random >> 33) as usize % 30_000);
    }
}

#[test]
fn a_host_killed_at_each_of_the_first_points_is_survived() {
    (0..320).step_by(7).for_each(survives_cut);
}

#[test]
fn the_host_comes_back_and_the_video_goes_on_with_a_keyframe() {
    let host = Host::start(Manners::default());
    let mut encoder = Encoder::with(&host, &[]);
    encoder.push(0);
    encoder.harness.pull().expect("an access unit");
    encoder.push(1);
    assert!(!is_keyframe(&encoder.harness.pull().expect("an access unit")));
    let folder = host.stop();
    // Frames wait, then they are dropped; the pipeline goes on all the time.
    within(TIMEOUT * 2 + SLACK, "frames without a host", || {
        for index in 2..12 {
            encoder.push(index);
        }
    });
    until("dropped frames", || encoder.stat::<u64>("dropped") > 0);
    let _host = Host::start_in(folder, Manners::default());
    until("the connection", || encoder.stat::<bool>("connected"));
    let unit = loop {
        encoder.push(20);
        if let Some(unit) = encoder.harness.try_pull() {
            break unit;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(is_keyframe(&unit));
}

#[test]
fn a_host_that_is_not_there_yet_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let transport = format!("unix:{}", folder.path().join("host.sock").display());
    let mut encoder = Encoder::new(&transport, &[("on-disconnect", "wait")]);
    encoder.caps(&info(VideoFormat::Nv12, 64, 48));
    within(TIMEOUT * 2 + SLACK, "frames without a host", || {
        for index in 0..9 {
            encoder.push(index);
        }
    });
    let _host = Host::start_in(folder, Manners::default());
    let begun = Instant::now();
    while encoder.harness.try_pull().is_none() {
        encoder.push(10);
        std::thread::sleep(Duration::from_millis(5));
        assert!(begun.elapsed() < SLACK + Duration::from_secs(1));
    }
}

#[test]
fn a_host_that_is_away_is_looked_for_now_and_then() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("host.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    listener.set_nonblocking(true).expect("a socket that is polled");
    let _encoder = {
        let mut encoder = Encoder::new(&format!("unix:{}", path.display()), &[("on-disconnect", "wait")]);
        encoder.caps(&info(VideoFormat::Nv12, 64, 48));
        encoder
    };
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < TIMEOUT * 4 {
        // The connection is closed at once.
        count += usize::from(listener.accept().is_ok());
        std::thread::sleep(Duration::from_millis(1));
    }
    // 20, 40, 80, 160, 320 and then each 500 ms.
    assert!((3..=12).contains(&count), "{count} connections in {:?}", TIMEOUT * 4);
}

#[test]
fn a_host_that_says_much_and_answers_nothing_is_given_up() {
    let host = Host::start(Manners { chatter: true, ..Manners::default() });
    let mut encoder = Encoder::with(&host, &[("on-disconnect", "error")]);
    encoder.push(0);
    within(TIMEOUT * 2 + SLACK, "the error", || encoder.error());
    within(SLACK, "the stop", || encoder.element.set_state(gst::State::Null)).expect("stopped");
}

#[test]
fn without_a_host_the_end_comes_all_the_same() {
    let mut encoder = Encoder::new("unix:/nonexistent/host.sock", &[("on-disconnect", "wait")]);
    encoder.caps(&info(VideoFormat::Nv12, 64, 48));
    encoder.push(0);
    assert!(within(TIMEOUT + SLACK, "the end", || encoder.harness.push_event(gst::event::Eos::new())));
    within(SLACK, "the stop", || encoder.element.set_state(gst::State::Null)).expect("stopped");
}

/// Pushes frames until they are refused.
fn push_until_refused(encoder: &mut Encoder) {
    within(TIMEOUT * 2 + SLACK, "the error", || {
        let refused = (0..1000).find(|index| {
            std::thread::sleep(Duration::from_millis(2));
            encoder.harness.push(frame(&info(VideoFormat::Nv12, 64, 48), *index).0).is_err()
        });
        assert!(refused.is_some(), "the element goes on without a host");
    });
}

#[test]
fn a_first_connection_that_never_succeeds_is_an_error() {
    let mute = Host::start(Manners { mute: true, ..Manners::default() });
    for transport in ["unix:/nonexistent/first.sock".to_owned(), mute.transport()] {
        let mut encoder = Encoder::new(&transport, &[]);
        encoder.caps(&info(VideoFormat::Nv12, 64, 48));
        encoder.push(0);
        // The pipeline ends by the error, not by an end of stream without a frame.
        encoder.harness.push_event(gst::event::Eos::new());
        let (error, debug) = encoder.error();
        assert!(error.matches(gst::ResourceError::Failed), "{error}");
        assert!(debug.contains("nonexistent") || transport == mute.transport(), "{debug}");
        push_until_refused(&mut encoder);
    }
}

#[test]
fn a_host_that_comes_before_the_first_frame_is_in_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let transport = format!("unix:{}", folder.path().join("host.sock").display());
    let mut encoder = Encoder::new(&transport, &[]);
    std::thread::sleep(TIMEOUT * 2);
    let _host = Host::start_in(folder, Manners::default());
    until("the connection", || encoder.stat::<bool>("connected"));
    encoder.caps(&info(VideoFormat::Nv12, 64, 48));
    encoder.push(0);
    encoder.harness.pull().expect("an access unit");
}

/// A frame is refused only when the bus has the element's own error: the source posts another one then.
#[test]
fn the_first_message_of_an_error_is_the_elements_own() {
    for round in 0..3 {
        let manners = Manners { die_after_frames: Some(1 + round), ..Manners::default() };
        let host = Host::start(manners);
        let mut encoder = Encoder::with(&host, &[("on-disconnect", "error")]);
        // A bus that takes its time makes sure of the order.
        encoder.bus.set_sync_handler(|_, message| {
            if message.type_() == gst::MessageType::Error {
                std::thread::sleep(TIMEOUT / 2);
            }
            gst::BusSyncReply::Pass
        });
        push_until_refused(&mut encoder);
        let posted = encoder.bus.pop_filtered(&[gst::MessageType::Error]);
        assert!(posted.is_some(), "round {round}: a frame is refused before the error is posted");
    }
}

#[test]
fn on_disconnect_error_is_an_element_error() {
    let cases = [
        Manners { cut_after: vec![8000], ..Manners::default() },
        Manners { freeze_after: Some(8000), ..Manners::default() },
        Manners { mute: true, ..Manners::default() },
        Manners { die_after_frames: Some(2), ..Manners::default() },
    ];
    for manners in cases {
        let host = Host::start(manners);
        let mut encoder = Encoder::with(&host, &[("on-disconnect", "error")]);
        push_until_refused(&mut encoder);
        assert!(encoder.error().0.is::<gst::ResourceError>());
        within(SLACK, "the stop", || encoder.element.set_state(gst::State::Null)).expect("stopped");
    }
    let mut encoder = Encoder::new("unix:/nonexistent/host.sock", &[("on-disconnect", "error")]);
    encoder.caps(&info(VideoFormat::Nv12, 64, 48));
    push_until_refused(&mut encoder);
    encoder.error();
}

#[test]
fn what_cannot_get_better_is_an_error_also_when_reconnecting() {
    let wrong = Manners { token: Some(b"another"), ..Manners::default() };
    let refusing = Manners { refuse_configure: true, ..Manners::default() };
    for (manners, text) in [(wrong, "token"), (refusing, "no encoder for this")] {
        let host = Host::start(manners);
        let token = if text == "token" { &[("token", "a secret")][..] } else { &[] };
        let mut encoder = Encoder::with(&host, token);
        push_until_refused(&mut encoder);
        let (_, debug) = encoder.error();
        assert!(debug.contains(text) && !debug.contains("a secret"), "{debug}");
        assert_eq!(host.connections(), 1, "it is not tried again");
    }
}

#[test]
fn a_pipe_as_token_file_is_an_error_that_nobody_waits_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("token");
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
    let host = Host::start(Manners::default());
    let encoder = Encoder::with(&host, &[("token-file", pipe.to_str().expect("a path"))]);
    let (error, debug) = within(SLACK, "the error", || encoder.error());
    assert!(error.matches(gst::ResourceError::NotAuthorized), "{error}");
    assert!(debug.contains("no regular file"), "{debug}");
    within(SLACK, "the stop", || encoder.element.set_state(gst::State::Null)).expect("stopped");
}

#[test]
fn frames_answered_by_errors_are_dropped_and_the_next_comes_out() {
    let host = Host::start(Manners { fail_frames: 3, ..Manners::default() });
    let mut encoder = Encoder::with(&host, &[]);
    let sums: Vec<_> = (0..6).map(|index| encoder.push(index)).collect();
    for sum in &sums[3..] {
        assert_eq!(sum_of(&bytes(&encoder.harness.pull().expect("an access unit"))), *sum);
    }
    assert_eq!((encoder.stat::<u64>("dropped"), host.connections()), (3, 1));
}

/// A stop while the host reads nothing: in the middle of a large frame, of the handshake, and while frames wait.
#[test]
fn a_stop_does_not_wait_for_a_host_that_is_frozen() {
    let large = info(VideoFormat::Bgrx, 1920, 1080);
    for freeze_after in [0, 10, 1000, 1_000_000] {
        let host = Host::start(Manners { freeze_after: Some(freeze_after), ..Manners::default() });
        let mut encoder = Encoder::new(&host.transport(), &[("timeout", "10000")]);
        encoder.caps(&large);
        let pad = encoder.harness.srcpad().expect("a pad");
        let pushing = std::thread::spawn(move || {
            let large = info(VideoFormat::Bgrx, 1920, 1080);
            (0..20).map(|index| pad.push(frame(&large, index).0)).find(Result::is_err)
        });
        until("the frozen host", || host.is_frozen());
        std::thread::sleep(Duration::from_millis(100));
        within(SLACK, "the stop", || encoder.element.set_state(gst::State::Null)).expect("stopped");
        let result = pushing.join().expect("no panic");
        assert_eq!(result, Some(Err(gst::FlowError::Flushing)), "frozen after {freeze_after}");
    }
}

#[test]
fn a_flush_does_not_wait_for_a_host_that_is_frozen() {
    let host = Host::start(Manners { freeze_after: Some(9000), ..Manners::default() });
    let mut encoder = Encoder::with(&host, &[("timeout", "10000")]);
    let pad = encoder.harness.srcpad().expect("a pad");
    let pushing = std::thread::spawn(move || {
        let info = info(VideoFormat::Nv12, 64, 48);
        (0..20).map(|index| pad.push(frame(&info, index).0)).find(Result::is_err)
    });
    until("the frozen host", || host.is_frozen());
    std::thread::sleep(Duration::from_millis(100));
    within(SLACK, "the flush", || {
        encoder.harness.push_event(gst::event::FlushStart::new());
        assert_eq!(pushing.join().expect("no panic"), Some(Err(gst::FlowError::Flushing)));
        encoder.harness.push_event(gst::event::FlushStop::new(true));
    });
}

#[test]
fn a_wrong_transport_does_not_start() {
    init();
    for (transport, why) in [
        (None, ["transport", "HELIX_ENCODER", "dev.helix.encoder"]),
        (Some("nonsense"), ["transport", "nonsense", "unix:PATH"]),
        (Some("tcp://host"), ["transport", "tcp://host", "the port is missing"]),
    ] {
        let element = gst::ElementFactory::make("vsockenc").build().expect("the element");
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        element.set_property("transport", transport);
        assert!(element.set_state(gst::State::Paused).is_err(), "{transport:?}");
        let message = bus.pop_filtered(&[gst::MessageType::Error]).expect("an error message");
        let text = format!("{message:?}");
        assert!(why.iter().all(|word| text.contains(word)), "{transport:?}: {text}");
        element.set_state(gst::State::Null).expect("stopped");
    }
}
