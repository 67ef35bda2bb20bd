//! The real host encoder: its stream is decoded by another library and compared with what went in.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use gst::prelude::*;
use gst_check::Harness;
use gst_video::VideoFormat;
use helix_host_encoder::{Config, Endpoint, Server, Timeouts, backend};

use crate::support::*;

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("a daemon that can be ended");
    }
}

/// A picture that an encoder can do something with: a slope that moves.
fn slope(index: u64) -> gst::Buffer {
    let info = info(VideoFormat::I420, 320, 240);
    let luma = (0..240_u64).flat_map(|y| (0..320_u64).map(move |x| (16 + (x + y + 2 * index) % 200) as u8));
    let pixels: Vec<u8> = luma.chain(std::iter::repeat_n(128, info.size() - 320 * 240)).collect();
    let mut buffer = gst::Buffer::from_mut_slice(pixels);
    buffer.get_mut().expect("a buffer of its own").set_pts(gst::ClockTime::SECOND * index / 30);
    buffer
}

/// gst-launch with this project's plugin as it is built, thirty frames long, and without any property.
fn launch(folder: &tempfile::TempDir, host: Option<&str>) -> std::process::Output {
    let plugins = std::env::current_exe().expect("a path");
    let mut command = Command::new("gst-launch-1.0");
    command.args(["-q", "videotestsrc", "num-buffers=30", "!", "vsockenc", "!", "h264parse", "!", "filesink"]);
    command.arg(format!("location={}", folder.path().join("stream.h264").display()));
    command.env("GST_PLUGIN_PATH", plugins.parent().expect("a folder"));
    command.env("GST_REGISTRY", folder.path().join("registry.bin")).env_remove("HELIX_ENCODER");
    command.envs(host.map(|host| ("HELIX_ENCODER", host))).output().expect("gst-launch-1.0")
}

#[test]
fn a_pipeline_needs_no_property_of_the_element() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("host.sock");
    let server = Server::start(Config {
        endpoints: vec![Endpoint::Unix(socket.clone())],
        token: None,
        backend: backend::backend("openh264").expect("an encoder"),
        provider: None,
        max_streams: 1,
        timeouts: Timeouts::default(),
        on_stream_end: None,
    });
    let server = server.expect("a server");
    let launched = launch(&folder, Some(&format!("unix:{}", socket.display())));
    assert!(launched.status.success(), "{}", String::from_utf8_lossy(&launched.stderr));
    let stream = std::fs::read(folder.path().join("stream.h264")).expect("a stream");
    // Of one slice each; the types 1 and 5 are slices.
    let slices = stream.windows(4).filter(|bytes| bytes.starts_with(&[0, 0, 1]) && matches!(bytes[3] & 31, 1 | 5));
    assert_eq!(slices.count(), 30);
    assert!(server.stop());
}

#[test]
fn a_machine_without_a_host_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let launched = launch(&folder, None);
    let text = String::from_utf8_lossy(&launched.stderr);
    assert!(!launched.status.success(), "{text}");
    for way in ["property transport", "HELIX_ENCODER", "dev.helix.encoder"] {
        assert!(text.contains(way), "{way}: {text}");
    }
}

/// How a guest comes to the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Unix,
    /// Whoever connects has to show the token, `SECRET`.
    Tcp,
}

const SECRET: &str = "what both ends know";

/// The daemon, when it listens, and where.
fn daemon(folder: &tempfile::TempDir, way: Way) -> (Daemon, String) {
    let mut command = Command::new(std::env::var("HELIX_HOST_ENCODER").expect("the path of the daemon"));
    match way {
        Way::Unix => command.arg("--unix").arg(folder.path().join("host.sock")),
        Way::Tcp => {
            let token = folder.path().join("token");
            std::fs::write(&token, SECRET).expect("a file");
            command.args(["--tcp", "127.0.0.1:0", "--token-file"]).arg(token)
        }
    };
    let mut daemon = Daemon(command.stdout(Stdio::piped()).spawn().expect("the daemon"));
    let lines = BufReader::new(daemon.0.stdout.take().expect("its output")).lines();
    let mut places =
        lines.map_while(Result::ok).filter_map(|line| Some(line.strip_prefix("listening on ")?.to_owned()));
    let place = places.next().expect("a daemon that listens");
    (daemon, place)
}

#[test]
#[ignore = "needs HELIX_HOST_ENCODER, the path of the daemon, and waits for its time-outs"]
fn a_frame_that_comes_after_every_time_out_is_encoded_in_the_same_connection() {
    use helix_frame_protocol::limits::{ANSWER_TIMEOUT, HANDSHAKE_TIMEOUT, IDLE_TIMEOUT, MESSAGE_TIMEOUT};
    let folder = tempfile::tempdir().expect("a folder");
    let (_daemon, transport) = daemon(&folder, Way::Unix);
    // The element's own, TIMEOUT, is far shorter.
    let mut encoder = Encoder::new(&transport, &[]);
    encoder.caps(&info(VideoFormat::I420, 320, 240));
    let idle = ANSWER_TIMEOUT.max(HANDSHAKE_TIMEOUT).max(MESSAGE_TIMEOUT) + 2 * IDLE_TIMEOUT;
    until("the daemon", || !encoder.stat::<String>("encoder").is_empty());
    for index in 0..2 {
        if index > 0 {
            std::thread::sleep(idle);
        }
        encoder.harness.push(slope(index)).expect("a frame");
        let unit = within(SLACK, "the frame after the pause", || encoder.harness.pull()).expect("an access unit");
        assert_eq!(unit.pts(), Some(gst::ClockTime::SECOND * index / 30));
        assert_eq!(unit.flags().contains(gst::BufferFlags::DELTA_UNIT), index > 0);
    }
    assert_eq!((encoder.stat::<u64>("connections"), encoder.stat::<u64>("dropped")), (1, 0));
}

#[test]
#[ignore = "needs HELIX_HOST_ENCODER, the path of the daemon, and gstreamer1.0-libav"]
fn every_frame_is_encoded_by_the_daemon_and_decodes_to_what_it_was() {
    for way in [Way::Unix, Way::Tcp] {
        let folder = tempfile::tempdir().expect("a folder");
        let (_daemon, transport) = daemon(&folder, way);
        // Where no token is asked for, one does no harm.
        encodes(Encoder::new(&transport, &[("bitrate", "4000"), ("token", SECRET)]));
    }
}

#[test]
#[ignore = "needs HELIX_HOST_ENCODER, the path of the daemon"]
fn the_daemon_refuses_a_wrong_token_and_a_missing_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_daemon, transport) = daemon(&folder, Way::Tcp);
    for (token, why) in [(&[("token", "a guess")][..], "the token is wrong"), (&[], "the token is missing")] {
        let mut encoder = Encoder::new(&transport, token);
        encoder.caps(&info(VideoFormat::I420, 320, 240));
        let (error, debug) = within(SLACK, "the error", || encoder.error());
        assert!(error.matches(gst::ResourceError::NotAuthorized), "{error}");
        assert!(debug.contains(why) && !debug.contains("a guess"), "{debug}");
    }
    // Others are served all the same.
    encodes(Encoder::new(&transport, &[("bitrate", "4000"), ("token", SECRET)]));
}

/// What goes in comes out, decoded.
fn encodes(mut encoder: Encoder) {
    encoder.caps(&info(VideoFormat::I420, 320, 240));
    let mut decoder = Harness::new_parse("h264parse ! avdec_h264");
    until("the daemon", || !encoder.stat::<String>("encoder").is_empty());
    for index in 0..60 {
        encoder.harness.push(slope(index)).expect("a frame");
        let unit = encoder.harness.pull().expect("an access unit");
        assert_eq!(unit.pts(), Some(gst::ClockTime::SECOND * index / 30));
        if index == 0 {
            let caps = encoder.harness.sinkpad().and_then(|pad| pad.current_caps()).expect("caps");
            decoder.set_src_caps(caps);
        }
        decoder.push(unit).expect("a unit that is taken");
        // Else all would be over before the host is asked for its figures.
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    until("the host's figures", || encoder.stat::<u64>("host-frames") > 0);
    assert!(encoder.stat::<u64>("host-encode-time-total") >= encoder.stat::<u64>("host-encode-time-max"));
    decoder.push_event(gst::event::Eos::new());
    for index in 0..60 {
        let picture = decoder.pull().expect("a picture");
        let psnr = psnr(&bytes(&slope(index))[..320 * 240], &bytes(&picture)[..320 * 240]);
        assert!(psnr > 30.0, "frame {index}: {psnr:.1} dB");
    }
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(i16::from(*a) - i16::from(*b)).powi(2));
    let mean = squares.sum::<f64>() / a.len() as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}
