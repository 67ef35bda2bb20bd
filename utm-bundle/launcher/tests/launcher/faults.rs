//! What goes wrong: a clear error, nothing lost, and the next launch is fine.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;

use helix_vm::life::{EncoderState, State};

use crate::support::{DISK, OTHER_DISK, World, server, signal, until};

#[test]
fn an_app_with_missing_parts_tells_all_of_them_and_makes_nothing() {
    let world = World::new();
    for part in ["MacOS/qemu-img", "Resources/qemu/edk2-arm-vars.fd", "Resources/image/disk.qcow2"] {
        std::fs::remove_file(world.contents(part)).unwrap();
    }
    let words = ["install it anew", "MacOS/qemu-img is missing", "edk2-arm-vars.fd is missing", "download.json"];
    world.launch(&[], "").fails(&words);
    assert!(!world.path("vms").exists());
}

#[test]
fn an_image_for_another_architecture_is_refused() {
    let world = World::new();
    let manifest = world.contents("Resources/image/manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("arm64", "amd64")).unwrap();
    world.launch(&[], "").fails(&["the image is for Amd64"]);
    std::fs::write(&manifest, text).unwrap();
    world.ready().quit();
}

#[test]
fn a_damaged_image_makes_no_vm() {
    let world = World::new();
    std::fs::write(world.contents("Resources/image/disk.qcow2"), OTHER_DISK).unwrap();
    world.launch(&[], "").fails(&["disk.qcow2 is damaged"]);
    assert!(!world.vm().exists());
    world.image(DISK);
    world.ready().quit();
}

#[test]
fn a_server_with_another_disk_or_none_makes_no_vm() {
    let world = World::new();
    world.download_from(&server(OTHER_DISK), DISK.len() as u64);
    world.launch(&[], "").fails(&["its sha256 is", "nothing of it is kept"]);
    assert!(!world.vm().exists());
    std::fs::write(world.contents("Resources/image/disk.qcow2"), "").unwrap();
    world.download_from("http://127.0.0.1:1/disk.qcow2", DISK.len() as u64);
    world.launch(&[], "").fails(&["http://127.0.0.1:1/disk.qcow2", "goes on there"]);
    std::fs::write(world.contents("Resources/image/disk.qcow2"), "").unwrap();
    world.download_from(&server(DISK), DISK.len() as u64);
    world.ready().quit();
}

#[test]
fn a_download_that_does_not_fit_is_not_begun() {
    let world = World::new();
    world.download_from("http://127.0.0.1:1/disk.qcow2", 1 << 60);
    world.launch(&[], "").fails(&["MB free", "the image needs"]);
    assert!(!world.vm().exists());
}

#[test]
fn a_disk_that_fills_up_under_way_leaves_nothing_half_made() {
    let world = World::new();
    world.launch_in_little_space().fails(&["copying to ", "system.1.qcow2: File too large"]);
    assert!(!world.vm().exists());
    world.ready().quit();

    let world = World::new();
    world.download_from(&server(DISK), DISK.len() as u64);
    world.launch_in_little_space().fails(&["writing ", "disk.part: File too large"]);
    assert!(!world.vm().exists());
    world.ready().quit();
    assert_eq!(std::fs::read(world.file("system.1.qcow2")).unwrap(), DISK);
}

#[test]
fn a_port_that_is_taken_is_exchanged_and_the_browser_gets_the_other() {
    let world = World::new();
    // Another test may have it: then it is taken all the same.
    let _taken = TcpListener::bind(("127.0.0.1", 8080));
    let launched = world.ready();
    let port = world.vm().status().unwrap().run.unwrap().ports.api;
    assert_ne!(port, 8080);
    until("the browser", || world.opened() == [format!("http://127.0.0.1:{port}")]);
    launched.quit();
}

#[test]
fn a_lock_and_sockets_that_a_crash_left_are_passed_over() {
    let world = World::new();
    world.ready().quit();
    std::fs::write(world.path("vms/.a.launcher"), format!("{}\n", std::process::id())).unwrap();
    let socket = world.file("run/qmp.sock");
    let _ = std::fs::remove_file(&socket);
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    world.ready().quit();
    assert_eq!(world.ups(), 2);
}

#[test]
fn a_qemu_that_is_killed_ends_the_launcher_with_the_reason() {
    let world = World::new();
    let launched = world.ready();
    signal(world.vm().status().unwrap().run.unwrap().pid.unwrap(), "KILL");
    launched.fails(&["the guest has powered off, or QEMU was killed", "the logs are in"]);
    assert_eq!(world.state(), State::Stopped);
    world.ready().quit();
    assert_eq!(world.ups(), 2);
}

#[test]
fn an_encoder_that_is_killed_is_started_again() {
    let world = World::new();
    let launched = world.ready();
    let pid = || std::fs::read_to_string(world.file("run/encoder.pid")).ok()?.trim().parse::<i32>().ok();
    let first = pid().expect("an encoder");
    signal(first, "KILL");
    until("another encoder", || pid().is_some_and(|pid| pid != first));
    until("an encoder that runs", || world.vm().status().unwrap().encoder == EncoderState::Running);
    assert_eq!(world.opened().len(), 1, "that is no news for the browser");
    launched.quit();
    assert_eq!(world.ups(), 1);
}

#[test]
fn an_encoder_that_never_runs_is_told_and_given_up() {
    let world = World::new();
    let starts = world.path("starts");
    world.program("MacOS/helix-host-encoder", &format!("echo >> '{}'; exit 1", starts.display()));
    let launched = world.ready();
    launched.says("the host encoder has ended");
    // The one of the start, and three more.
    until("the last start", || std::fs::read_to_string(&starts).is_ok_and(|text| text.lines().count() == 4));
    assert_eq!(world.opened().len(), 1, "{}", launched.text());
    launched.quit();
    assert_eq!(world.ups(), 1);
}

#[test]
fn a_damaged_vm_is_mended_by_an_update_and_keeps_its_data() {
    let world = World::new();
    world.ready().quit();
    std::fs::write(world.file("vm.json"), "{").unwrap();
    world.launch(&[], "").fails(&["vm.json"]);
    let launched = world.launch(&["--update"], "");
    launched.says("ready: ");
    launched.quit();
    assert_eq!(world.ups(), 2);
}

#[test]
fn a_lost_key_and_seed_are_made_again() {
    let world = World::new();
    world.ready().quit();
    for lost in ["id_ed25519", "token", "run/seed.img"] {
        std::fs::remove_file(world.file(lost)).unwrap();
    }
    let launched = world.ready();
    assert!(["id_ed25519", "token", "run/seed.img"].iter().all(|name| world.file(name).exists()));
    launched.quit();
}

#[test]
fn a_data_disk_of_a_later_app_is_left_alone() {
    let world = World::new();
    world.ready().quit();
    std::fs::rename(world.file("data.v1.qcow2"), world.file("data.v2.qcow2")).unwrap();
    world.launch(&[], "").fails(&["has version 2", "use the newer program"]);
    std::fs::rename(world.file("data.v2.qcow2"), world.file("data.v1.qcow2")).unwrap();
    world.ready().quit();
    assert_eq!(world.ups(), 2);
}

#[test]
fn a_guest_that_is_stopped_at_its_first_boot_is_told() {
    let world = World::new();
    world.launch(&[], "paused").fails(&["io-error"]);
    world.ready().quit();
}

#[test]
fn a_guest_that_is_stopped_later_goes_on_by_itself() {
    let world = World::new();
    let launched = world.ready();
    let mut monitor = UnixStream::connect(world.file("run/qmp.sock")).unwrap();
    monitor.write_all(b"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"stop\"}\n").unwrap();
    monitor.shutdown(Shutdown::Write).unwrap();
    monitor.read_to_end(&mut Vec::new()).unwrap();
    launched.says("paused: io-error");
    until("it goes on", || launched.text().matches("ready: ").count() == 2);
    assert_eq!((world.state(), world.opened().len()), (State::Running, 1));
    launched.quit();
    assert_eq!(world.ups(), 1);
}
