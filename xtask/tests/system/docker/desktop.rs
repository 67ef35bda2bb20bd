//! The desktop of `recipes/containers/helix-debian.yaml`, built for this machine's architecture, runs in an engine.

use std::process::Command;
use std::time::{Duration, Instant};

use super::engine::{Engine, RELEASES};
use super::engines::scratch;
use crate::support::Run;

/// One frame of the desktop, as bytes of red, green and blue.
const FRAME: &str = "num-buffers=1 ! videoconvert ! video/x-raw,format=RGB ! filesink location=/tmp/frame";
/// How many bytes it has, and how many colours.
const COUNT: &str =
    "d = open('/tmp/frame', 'rb').read(); print(len(d), len({d[i:i + 3] for i in range(0, len(d), 3)}))";

#[test]
fn the_desktop_starts_and_its_programs_run() {
    let dir = scratch();
    let data = dir.path().join("data");
    let mut graph = Command::new(env!("CARGO_BIN_EXE_xtask"));
    graph.args(["docker-graph", "--data-root"]).arg(&data).arg("build:helix-debian=helix/debian:latest");
    Run::of(graph).ends_with(0);
    let engine = Engine::start(RELEASES[0], &data);
    engine.says(&["run", "--detach", "--name", "desk", "--network", "none", "helix/debian:latest"]);
    let started = Instant::now();
    // The shell needs some seconds until it has a monitor.
    loop {
        let frame = engine.docker(&["exec", "desk", "timeout", "20", "helix-screencast", FRAME]);
        if frame.code == Some(0) {
            break;
        }
        let logs = engine.docker(&["logs", "--tail", "50", "desk"]);
        assert!(started.elapsed() < Duration::from_secs(120), "no frame: {}\n{}", frame.stderr, logs.stderr);
        std::thread::sleep(Duration::from_secs(1));
    }
    let counted = engine.says(&["exec", "desk", "python3", "-c", COUNT]);
    let numbers: Vec<usize> = counted.split(' ').map(|n| n.parse().expect("a number")).collect();
    assert_eq!(numbers[0], 1920 * 1080 * 3);
    assert!(numbers[1] > 1000, "a picture of {} colours is no desktop", numbers[1]);
    let page = engine.says(&["exec", "desk", "chromium", "--headless", "--dump-dom", "data:text/html,<p>Here</p>"]);
    assert!(page.contains("<p>Here</p>"), "{page}");
    for (program, option, says) in [("go", "version", "go version go1."), ("soffice", "--version", "LibreOffice ")] {
        assert!(engine.says(&["exec", "desk", program, option]).contains(says), "{program}");
    }
    let session = engine.says(&["exec", "desk", "gsettings", "get", "org.gnome.desktop.session", "idle-delay"]);
    assert_eq!(session, "uint32 0");
    engine.says(&["stop", "desk"]);
}
