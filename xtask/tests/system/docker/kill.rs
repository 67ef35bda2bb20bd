//! `docker-graph` killed at random points: nothing of the new images is seen, and the next run is whole.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::craft::{Crafted, Format, file, layer, saved};
use super::engine::Engine;
use super::engines::{graph, saved_layers, scratch};
use crate::support::Running;

/// How many points are tried.
const KILLS: u32 = 30;

/// Many small files, so that a run takes a while.
fn image(name: &str, layers: usize) -> Crafted {
    let one = |at: usize| {
        let items: Vec<_> =
            (0..3000).map(|n| file(format!("l{at}/f{n}"), format!("{name} {at} {n}")).owner(0, 0)).collect();
        layer(Format::Pax, &items)
    };
    Crafted::new(name, (0..layers).map(one).collect())
}

#[test]
fn a_killed_run_leaves_the_images_that_were_there_and_the_next_run_is_whole() {
    let dir = scratch();
    let data = dir.path().join("data");
    let (first, second) = (image("kill:1", 1), image("kill:2", 4));
    graph(dir.path(), std::slice::from_ref(&first)).ends_with(0);
    let names = data.join("image/vfs/repositories.json");
    let before = std::fs::read_to_string(&names).expect("names");
    let archive = dir.path().join("second.tar");
    std::fs::write(&archive, saved(std::slice::from_ref(&second))).expect("an archive");
    let add = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["docker-graph", "--data-root"]).arg(&data).arg(format!("archive:{}", archive.display()));
        command
    };
    let started = Instant::now();
    let trial = scratch();
    let mut elsewhere = Command::new(env!("CARGO_BIN_EXE_xtask"));
    elsewhere.args(["docker-graph", "--data-root"]).arg(trial.path()).arg(format!("archive:{}", archive.display()));
    crate::support::Run::of(elsewhere).ends_with(0);
    let whole = started.elapsed();
    let mut killed = 0;
    for point in 0..KILLS {
        let mut run = Running::start(add());
        let pause = whole.mul_f64(f64::from(point) / f64::from(KILLS));
        let begun = Instant::now();
        while begun.elapsed() < pause && !run.is_over() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if run.is_over() {
            break;
        }
        run.signal(Signal::KILL);
        let _ = run.wait();
        killed += 1;
        let now = std::fs::read_to_string(&names).expect("names");
        if now != before {
            // Names come last: it was done but for the exit.
            break;
        }
    }
    eprintln!("{killed} kills within {:.2} s", whole.as_secs_f32());
    assert!(killed >= KILLS / 3, "only {killed} kills hit a run of {whole:?}");
    crate::support::Run::of(add()).ends_with(0);
    let left: Vec<String> = std::fs::read_dir(&data)
        .expect("the data root")
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name != "image" && name != "vfs")
        .collect();
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(std::fs::read_dir(data.join("vfs/dir")).expect("the trees").count(), 5);
    let engine = Engine::start("trixie", &data);
    for image in [first, second] {
        assert_eq!(saved_layers(&engine.saved(&image.name)), image.diff_ids());
    }
}

/// The names in a folder; none when it is not there.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|e| e.expect("an entry"));
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Runs `docker-graph` on an archive, sends a signal as soon as `begun` says so, and looks at what is left.
fn interrupted(signal: Signal, archive: &Path, begun: impl Fn(&Path) -> bool) {
    let dir = scratch();
    let data = dir.path().join("data");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["docker-graph", "--data-root"]).arg(&data).arg(format!("archive:{}", archive.display()));
    command.env("HELIX_CACHE", dir.path().join("cache"));
    let mut run = Running::start(command);
    while !begun(dir.path()) {
        assert!(!run.is_over(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(1));
    }
    run.signal(signal);
    run.wait().ends_with(130).says(&["interrupted; the data root is as it was"]);
    assert_eq!(names(&data), Vec::<String>::new());
    assert_eq!(names(&dir.path().join("cache/run")), Vec::<String>::new());
}

#[test]
fn an_interrupted_run_says_so_and_leaves_nothing() {
    let dir = scratch();
    let (archive, pipe) = (dir.path().join("archive.tar"), dir.path().join("pipe"));
    std::fs::write(&archive, saved(&[image("kill:3", 8)])).expect("an archive");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    for signal in [Signal::INT, Signal::TERM] {
        // While layers are read, and while it waits for an archive that never comes.
        interrupted(signal, &archive, |dir| names(&dir.join("data")).iter().any(|name| name.starts_with('.')));
        interrupted(signal, &pipe, |dir| !names(&dir.join("cache/run")).is_empty());
    }
}
