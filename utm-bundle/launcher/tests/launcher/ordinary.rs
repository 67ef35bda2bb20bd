//! What an app does on a good day.

use helix_vm::life::{EncoderState, State};

use crate::support::{DISK, World, server, until};

#[test]
fn a_first_launch_makes_the_vm_opens_the_browser_and_shuts_it_down_at_the_end() {
    let world = World::new();
    let launched = world.ready();
    let status = world.vm().status().unwrap();
    assert_eq!((status.state, status.encoder), (State::Running, EncoderState::Running));
    let address = format!("http://127.0.0.1:{}", status.run.unwrap().ports.api);
    launched.says(&format!("ready: {address}"));
    until("the browser", || world.opened() == [address.clone()]);
    assert_eq!(std::fs::read(world.file("system.1.qcow2")).unwrap(), DISK);
    launched.quit();
    assert_eq!((world.state(), world.ups()), (State::Stopped, 1));
    let journal = std::fs::read_to_string(world.path("vms/.a.launcher.log")).unwrap();
    for state in [" Preparing(", " Ready {", " Stopping", " Stopped"] {
        assert!(journal.contains(state), "{state} in {journal}");
    }
    world.ready().quit();
    assert_eq!((world.state(), world.ups()), (State::Stopped, 2));
}

#[test]
fn after_a_sleep_the_guests_clock_is_set() {
    let world = World::new();
    let launched = world.ready();
    // As if what was kept were from before a night of sleep.
    let file = world.file("run/clock.json");
    let mut kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let wall = kept["wall"]["secs"].as_u64().unwrap();
    kept["wall"]["secs"] = (wall - 8 * 3600).into();
    // Whole or not at all, for the launcher reads it every two seconds.
    std::fs::write(world.path("kept"), kept.to_string()).unwrap();
    std::fs::rename(world.path("kept"), &file).unwrap();
    until("a guest that was told the time", || world.file("guest-clock").exists());
    until("a note in the journal", || {
        let journal = std::fs::read_to_string(world.path("vms/.a.launcher.log")).unwrap();
        journal.contains("slept, or its clock was set forward, for 2880")
    });
    let told: u64 = std::fs::read_to_string(world.file("guest-clock")).unwrap().parse().unwrap();
    assert!(told / 1_000_000_000 >= wall, "{told}");
    launched.quit();
}

#[test]
fn qemu_of_the_app_finds_its_data_and_moltenvk() {
    let world = World::new();
    world.ready().quit();
    let environment = std::fs::read_to_string(world.path("environment")).unwrap();
    let icd = world.contents("Resources/vulkan/icd.d/MoltenVK_icd.json");
    for line in ["ANGLE_DEFAULT_PLATFORM=metal", &format!("VK_DRIVER_FILES={}", icd.display())] {
        assert!(environment.lines().any(|there| there == line), "{line} in {environment}");
    }
}

#[test]
fn where_nobody_sits_at_a_screen_the_address_is_told_only() {
    let world = World::new();
    let launched = world.launch_with(&[], "", "");
    launched.says("ready: http://127.0.0.1:");
    launched.quit();
    assert_eq!(world.opened(), [""; 0]);
    let launched = world.launch(&["--no-browser"], "");
    launched.says("ready: http://127.0.0.1:");
    launched.quit();
    assert_eq!(world.opened(), [""; 0]);
}

#[test]
fn a_second_launch_opens_the_browser_and_leaves_the_rest_to_the_first() {
    let world = World::new();
    let first = world.launch(&["--no-browser"], "boot=3000");
    until("the first one's QEMU", || world.file("run/qmp.sock").exists());
    let mut second = world.launch(&[], "");
    assert!(second.ends().success());
    second.says("the VM a is on its way: another launcher works on it");
    first.says("ready: ");
    let mut third = world.launch(&[], "");
    assert!(third.ends().success());
    third.says("the VM a is up already: http://127.0.0.1:");
    until("the browser", || world.opened().len() == 1);
    assert_eq!((world.state(), world.ups()), (State::Running, 1));
    first.quit();
}

#[test]
fn a_disk_that_the_app_does_not_bring_is_downloaded_once() {
    let world = World::new();
    world.download_from(&server(DISK), DISK.len() as u64);
    let launched = world.ready();
    assert_eq!(std::fs::read(world.file("system.1.qcow2")).unwrap(), DISK);
    assert!(!world.path("vms/.download").exists(), "the VM has its own copy");
    assert!(!launched.text().contains("--update"), "{}", launched.text());
    launched.quit();
    // The server is needed no more.
    std::fs::write(world.contents("Resources/image/disk.qcow2"), "").unwrap();
    world.download_from("http://127.0.0.1:1/", DISK.len() as u64);
    world.ready().quit();
    assert_eq!(world.ups(), 2);
}

#[test]
fn a_download_takes_the_way_that_the_environment_names() {
    // Nobody answers for the proxy, and the server is on this machine.
    let world = World::new();
    world.download_from(&server(DISK), DISK.len() as u64);
    let launched = world.launch_through("http://127.0.0.1:1");
    launched.says("ready: ");
    launched.quit();
    // Nobody answers for the name but the proxy.
    let world = World::new();
    world.download_from("http://disk.invalid/disk.qcow2", DISK.len() as u64);
    let launched = world.launch_through(&server(DISK));
    launched.says("ready: ");
    launched.quit();
}

#[test]
fn an_app_with_another_image_says_so_and_takes_it_only_when_told() {
    let world = World::new();
    world.ready().quit();
    world.image(b"a newer disk");
    let launched = world.ready();
    launched.says("--update");
    assert_eq!(std::fs::read(world.file("system.1.qcow2")).unwrap(), DISK);
    launched.quit();
    let launched = world.launch(&["--update"], "");
    launched.says("ready: ");
    assert_eq!(std::fs::read(world.file("system.2.qcow2")).unwrap(), b"a newer disk");
    assert!(!launched.text().contains("with --update"), "{}", launched.text());
    launched.quit();
    assert_eq!(world.ups(), 3, "the data disk stays");
}

#[test]
fn an_image_that_does_not_come_up_gives_way_to_the_one_before() {
    let world = World::new();
    world.ready().quit();
    world.image(b"a disk that does not boot");
    let good = std::fs::read_to_string(world.contents("MacOS/qemu-system-aarch64")).unwrap();
    let bad = "case \"$*\" in *system.2.qcow2*) echo 'no bootable device' >&2; exit 1;; esac";
    world.program("MacOS/qemu-system-aarch64", &format!("{bad}\n{good}"));
    let mut launched = world.launch(&["--update"], "");
    assert_eq!(launched.ends().code(), Some(1));
    launched.says("the earlier one is in its place again, beside the same data disk");
    launched.says("no bootable device");
    assert!(!launched.text().contains("--roll-back"), "what is done need not be done: {}", launched.text());
    assert!(world.file("system.1.qcow2").exists() && !world.file("system.2.qcow2").exists());
    world.ready().quit();
    assert_eq!(world.ups(), 2, "the data disk stays");
}

#[test]
fn ctrl_c_while_the_guest_comes_up_ends_it() {
    let world = World::new();
    let launched = world.launch(&[], "boot=600000");
    until("QEMU", || world.file("run/qmp.sock").exists());
    launched.signal("INT");
    launched.quit_was_heard();
    assert_eq!(world.state(), State::Stopped);
}
