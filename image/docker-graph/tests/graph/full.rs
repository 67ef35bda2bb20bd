//! A file system that has no room for one more file, at every moment of a run.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

use helix_docker_graph::{Options, import, read_archive};

use crate::common::platform;
use crate::craft::{Crafted, Format, file, folder, layer, saved};

/// Long enough for the slowest machine: only a run that never ends takes as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Small layers on top of each other: most files are made with the trees.
pub(crate) fn image() -> Crafted {
    let one = |at: usize| {
        let names = (0..5).map(|n| file(format!("l{at}/f{n}"), "content"));
        layer(Format::Pax, &[folder(&format!("l{at}"))].into_iter().chain(names).collect::<Vec<_>>())
    };
    Crafted::new("full:1", (0..12).map(one).collect())
}

/// This program in a mount namespace of its own, in which `test` is run.
pub(crate) fn in_namespace(test: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount"]).arg(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command
}

#[test]
fn a_full_file_system_ends_every_run() {
    passes(&mut in_namespace("full::imports_with_room_for_more_and_more_files"));
}

/// Runs a test in another process.
pub(crate) fn passes(command: &mut Command) {
    let out = command.output().expect("the program runs");
    let text = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert!(out.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "mounts file systems: a_full_file_system_ends_every_run runs it in a namespace"]
fn imports_with_room_for_more_and_more_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let archive = dir.path().join("archive.tar");
    std::fs::write(&archive, saved(&[image()])).expect("an archive");
    let mut failures = 0;
    // Files, folders and further names count, each of them.
    for files in (4..).step_by(24) {
        let mount = dir.path().join("mount");
        std::fs::create_dir_all(&mount).expect("a folder");
        let options = format!("nr_inodes={files},mode=755");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &options, "none"]).arg(&mount);
        assert!(command.status().expect("mount runs").success());
        let result = ends(&archive, &mount);
        if let Err(message) = &result {
            failures += 1;
            assert!(message.contains("No space left on device"), "{files} files: {message}");
            assert_eq!(std::fs::read_dir(&mount).expect("the folder").count(), 0, "{files} files: something is left");
        }
        assert!(Command::new("umount").arg(&mount).status().expect("umount runs").success());
        if result.is_ok() {
            break;
        }
    }
    assert!(failures > 20, "only {failures} runs failed");
}

/// Imports on several threads; the error's text.
fn ends(archive: &Path, mount: &Path) -> Result<(), String> {
    let images = read_archive(archive, None, &platform(), mount).expect("an archive");
    let data = mount.join("data");
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let options = Options { threads: 3.try_into().expect("a number"), ..Options::default() };
        let _ = sender.send(import(&data, &images, &options).map(drop).map_err(|e| e.to_string()));
    });
    receiver.recv_timeout(PATIENCE).expect("the run ends")
}
