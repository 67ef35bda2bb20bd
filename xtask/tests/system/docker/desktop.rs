//! The desktop of `recipes/containers/helix-debian.yaml`, built for this machine's architecture, runs in an engine.

use std::process::Command;
use std::time::{Duration, Instant};

use super::engine::{Engine, RELEASES};
use super::engines::scratch;
use crate::support::Run;

/// One frame of the desktop, as bytes of red, green and blue.
const FRAME: &str = "num-buffers=1 ! videoconvert ! video/x-raw,format=RGB ! filesink location=/tmp/frame";
/// What counts them.
const COUNT: &str =
    "d = open('/tmp/frame', 'rb').read(); print(len(d), len({d[i:i + 3] for i in range(0, len(d), 3)}))";

/// How many bytes the frame has, and how many colours.
fn counted(engine: &Engine) -> (usize, usize) {
    let text = engine.says(&["exec", "desk", "python3", "-c", COUNT]);
    let mut numbers = text.split(' ').map(|n| n.parse().expect("a number"));
    (numbers.next().expect("a length"), numbers.next().expect("a count"))
}

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
    // The shell needs some seconds until it has a monitor, and some more until everything is drawn.
    loop {
        let frame = engine.docker(&["exec", "desk", "timeout", "20", "helix-screencast", FRAME]);
        let (bytes, colours) = if frame.code == Some(0) { counted(&engine) } else { (0, 0) };
        if bytes == 1920 * 1080 * 3 && colours > 1000 {
            break;
        }
        let logs = engine.docker(&["logs", "--tail", "50", "desk"]);
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "no desktop, but {bytes} bytes of {colours} colours: {}\n{}",
            frame.stderr,
            logs.stderr
        );
        std::thread::sleep(Duration::from_secs(1));
    }
    let page = engine.says(&["exec", "desk", "chromium", "--headless", "--dump-dom", "data:text/html,<p>Here</p>"]);
    assert!(page.contains("<p>Here</p>"), "{page}");
    for (program, option, says) in [("go", "version", "go version go1."), ("soffice", "--version", "LibreOffice ")] {
        assert!(engine.says(&["exec", "desk", program, option]).contains(says), "{program}");
    }
    let session = engine.says(&["exec", "desk", "gsettings", "get", "org.gnome.desktop.session", "idle-delay"]);
    assert_eq!(session, "uint32 0");
    // The shell knows the file by which it has said already that screens cannot be locked, and Chromium the policy by which it
    // shows no bar about its sandbox.
    let quiet =
        "grep -qsr lock-warning-shown /usr/lib/gnome-shell /usr/lib/*/gnome-shell && ls ~/.local/share/gnome-shell";
    assert!(engine.says(&["exec", "desk", "sh", "-c", quiet]).contains("lock-warning-shown"));
    let policy = "grep -qs CommandLineFlagSecurityWarningsEnabled /usr/lib/chromium/chromium && echo known";
    assert_eq!(engine.says(&["exec", "desk", "sh", "-c", policy]), "known");
    engine.says(&["stop", "desk"]);
}
