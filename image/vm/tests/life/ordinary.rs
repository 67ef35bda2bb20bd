//! What a machine does on a good day.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use helix_vm::Shutdown;
use helix_vm::life::{Clock, EncoderState, Error, GuestUse, Log, Reading, State, SystemClock};
use helix_vm::qmp::Qmp;

use crate::support::{World, until};

const PATIENCE: Duration = Duration::from_secs(3);

#[test]
fn a_machine_is_made_started_and_found_running() {
    let world = World::new();
    let up = world.up_with(&world.with_encoder()).unwrap();
    assert!(!up.already && up.created.is_some() && up.failed_units.is_empty());
    assert_eq!((up.sizes.cpus, up.sizes.memory_mib, up.encoder), (2, 1024, EncoderState::Running));
    assert_eq!(std::fs::read(world.file("system.1.qcow2")).unwrap(), b"the disk of an image");
    let status = world.vm().status().unwrap();
    assert_eq!((status.state, status.encoder, status.recipe.as_str()), (State::Running, EncoderState::Running, "test"));
    let run = status.run.unwrap();
    assert_eq!((run.ports, run.sizes), (up.ports, up.sizes));
    // Another call finds it as it is, and QEMU is the same.
    let again = world.up_with(&world.with_encoder()).unwrap();
    assert!(again.already && again.created.is_none() && again.ports == up.ports);
    assert_eq!((world.pid(), world.ups()), (run.pid.unwrap(), 1));
}

#[test]
fn ports_are_on_loopback_and_others_when_taken() {
    let world = World::new();
    // Another test may have it: then it is taken all the same.
    let _taken = TcpListener::bind(("127.0.0.1", 2222));
    let (up, notes) = world.notes(&world.config(""));
    let up = up.unwrap();
    assert_ne!(up.ports.ssh, 2222);
    assert!(notes.contains(&format!("port 2222 is taken: SSH is on {}", up.ports.ssh)), "{notes:?}");
    assert_eq!(up.notes, notes);
    assert!(std::net::TcpStream::connect(("127.0.0.1", up.ports.ssh)).is_ok());
}

/// Clocks that a test sets.
#[derive(Debug)]
struct Clocks(Reading);

impl Clock for Clocks {
    fn now(&self) -> Reading {
        self.0
    }
}

/// This computer's clocks after so many seconds awake and a jump of the time of day, forwards or back.
fn after(awake: u64, jump: i64) -> Clocks {
    let now = SystemClock.now();
    let wall = (now.wall + Duration::from_secs(awake)).as_secs().saturating_add_signed(jump);
    Clocks(Reading { wall: Duration::from_secs(wall), awake: now.awake + Duration::from_secs(awake) })
}

#[test]
fn a_guests_clock_follows_a_sleep_both_ways_and_once() {
    let world = World::new();
    world.up();
    let guest = || std::fs::read_to_string(world.file("guest-clock")).unwrap_or_default();
    assert_eq!(world.vm().follow_clock(&SystemClock).unwrap(), None);
    assert_eq!(world.vm().follow_clock(&after(86_400, 0)).unwrap(), None, "a day awake is no sleep");
    assert_eq!(guest(), "");
    let mut clocks = after(60, 115_200);
    for jump in [115_200_i64, -3600] {
        let set = world.vm().follow_clock(&clocks).unwrap().expect("the clock is set");
        assert!((set.jump_millis - jump * 1000).abs() < 1000, "{set:?}");
        assert_eq!(guest(), clocks.0.wall.as_nanos().to_string());
        assert_eq!(world.vm().follow_clock(&clocks).unwrap(), None, "it was told already");
        clocks.0.wall -= Duration::from_secs(3600);
    }
    world.vm().down(PATIENCE).unwrap();
    assert_eq!(world.vm().follow_clock(&clocks).unwrap(), None, "what does not run has no clock");
}

#[test]
fn a_sleep_is_not_forgotten_while_the_guest_cannot_be_told() {
    let world = World::new();
    let mut config = world.config("silent");
    config.deadline = Duration::from_secs(1);
    world.up_with(&config).unwrap_err();
    assert_eq!(world.vm().follow_clock(&after(0, 3600)).unwrap(), None, "a guest on its way takes the time by itself");
    world.vm().down(Duration::ZERO).unwrap();
    world.up();
    let mut qmp = Qmp::connect(&world.file("run/qmp.sock"), PATIENCE).unwrap();
    qmp.execute("stop", serde_json::json!({}), PATIENCE).unwrap();
    drop(qmp);
    assert_eq!(world.vm().follow_clock(&after(0, 3600)).unwrap(), None, "its agent would be waited for in vain");
    world.up();
    assert!(world.vm().follow_clock(&after(0, 3600)).unwrap().is_some());
}

#[test]
fn what_the_disks_take_is_told_and_of_the_guest_while_it_is_up() {
    let world = World::new();
    world.up();
    let du = world.vm().du().unwrap();
    assert_eq!(du.system_disk.guest, Some(GuestUse { used_bytes: 1000, free_bytes: 2000 }));
    assert_eq!(du.data_disk.guest, Some(GuestUse { used_bytes: 30, free_bytes: 40 }));
    assert_eq!((du.data_disk.path, du.note), (world.file("data.v1.qcow2"), None));
    world.vm().down(PATIENCE).unwrap();
    std::fs::write(world.file("system.1.qcow2"), vec![1; 1 << 20]).unwrap();
    world.vm().reset(None, &mut |_, _| {}).unwrap();
    std::fs::remove_dir_all(world.path("image")).unwrap();
    let du = world.vm().du().unwrap();
    assert_eq!((du.image, du.system_disk.path, du.system_disk.guest), (None, world.file("system.2.qcow2"), None));
    assert_eq!(du.note.as_deref(), Some("the guest is not up"));
    let former: Vec<_> = du.former_disks.iter().map(|disk| disk.path.clone()).collect();
    assert_eq!(former, [world.file("system.1.qcow2")]);
    assert!(du.former_disks[0].computer_bytes >= 1 << 20, "{:?}", du.former_disks);
}

#[test]
fn an_api_is_told_only_where_something_answers() {
    // QEMU takes each connection, whatever is in the guest.
    for (ways, answers) in [("", false), ("api=mute", false), ("api", true)] {
        let world = World::new();
        let up = world.up_with(&world.config(ways)).unwrap();
        assert!(std::net::TcpStream::connect(("127.0.0.1", up.ports.api)).is_ok());
        assert_eq!(up.api_answers, answers, "{ways}");
        assert_eq!(world.vm().status().unwrap().run.unwrap().api_answers, answers, "{ways}");
    }
}

#[test]
fn each_way_to_end_is_tried_in_its_turn() {
    let cases = [
        ("", Shutdown::Guest),
        ("deaf", Shutdown::Button),
        ("silent", Shutdown::Button),
        ("deaf,stubborn", Shutdown::Quit),
        ("deaf,stubborn,wedged", Shutdown::Killed),
    ];
    // What is waited for is time: at once.
    std::thread::scope(|scope| cases.map(|(ways, how)| scope.spawn(move || ends_by(ways, how))).len());
}

fn ends_by(ways: &str, how: Shutdown) {
    let world = World::new();
    let mut config = world.config(ways);
    config.deadline = Duration::from_secs(2);
    // Without an agent the guest is never ready, and runs all the same.
    assert_eq!(world.up_with(&config).is_ok(), !ways.contains("silent"), "{ways}");
    let down = world.vm().down(PATIENCE).unwrap();
    assert_eq!(down.ended.map(|ended| ended.how), Some(how), "{ways}");
    assert_eq!(world.state(), State::Stopped, "{ways}");
    assert_eq!(world.vm().down(PATIENCE).unwrap().ended, None, "{ways}: it is down already");
}

#[test]
fn data_outlives_starts_and_resets() {
    let world = World::new();
    for _ in 0..2 {
        world.up();
        world.vm().down(PATIENCE).unwrap();
    }
    std::fs::write(world.file("system.1.qcow2"), "what the guest wrote").unwrap();
    let newer = world.image("newer", b"a newer disk");
    let reset = world.vm().reset(Some(&newer), &mut |_, _| {}).unwrap();
    assert_eq!(reset.image, newer);
    assert_eq!(std::fs::read(world.file("system.2.qcow2")).unwrap(), b"a newer disk");
    // From now on it is made from that image, and not from the other.
    let error = world.up_with(&world.config("")).unwrap_err();
    assert!(matches!(error, Error::OtherImage { .. }), "{error}");
    let mut config = world.config("");
    config.image = None;
    assert!(world.file("system.1.qcow2").exists(), "the newer disk has not shown yet that it is good");
    world.up_with(&config).unwrap();
    assert_eq!(world.ups(), 3);
    assert!(!world.file("system.1.qcow2").exists(), "now it has");
    world.vm().down(PATIENCE).unwrap();
    assert!(matches!(world.vm().roll_back(), Err(Error::NoPrevious { .. })));
}

#[test]
fn a_machine_whose_new_disk_does_not_come_up_goes_back() {
    let world = World::new();
    world.up();
    world.vm().down(PATIENCE).unwrap();
    std::fs::write(world.file("system.1.qcow2"), "what the guest wrote").unwrap();
    let before = std::fs::read(world.file("vm.json")).unwrap();
    // Two resets in a row: what is kept is what was good.
    for name in ["bad", "worse"] {
        let image = world.image(name, b"a disk that does not boot");
        world.vm().reset(Some(&image), &mut |_, _| {}).unwrap();
        let mut config = world.config("silent");
        (config.image, config.deadline) = (None, Duration::from_secs(1));
        let error = world.up_with(&config).unwrap_err();
        assert!(error.to_string().contains("cargo xtask vm reset a --roll-back"), "{error}");
        assert!(matches!(world.vm().roll_back(), Err(Error::Runs { .. })));
        world.vm().down(PATIENCE).unwrap();
        assert!(world.vm().status().unwrap().can_roll_back);
    }
    assert_eq!(world.vm().roll_back().unwrap().image, world.path("image"));
    assert_eq!(std::fs::read(world.file("vm.json")).unwrap(), before);
    assert_eq!(std::fs::read(world.file("system.1.qcow2")).unwrap(), b"what the guest wrote");
    assert!(!world.file("system.2.qcow2").exists() && !world.file("system.3.qcow2").exists());
    world.up();
    assert!(!world.vm().status().unwrap().can_roll_back);
}

#[test]
fn a_running_machine_is_neither_reset_nor_removed() {
    let world = World::new();
    world.up();
    assert!(matches!(world.vm().reset(None, &mut |_, _| {}), Err(Error::Runs { .. })));
    assert!(matches!(world.vm().rm(), Err(Error::Runs { .. })));
    world.vm().down(PATIENCE).unwrap();
    world.vm().rm().unwrap();
    assert!(!world.vm().exists());
    assert!(matches!(world.vm().status(), Err(Error::NoVm { .. })));
    assert!(matches!(world.vm().down(PATIENCE), Err(Error::NoVm { .. })));
    world.up();
    assert_eq!(world.ups(), 1);
}

#[test]
fn the_login_uses_the_key_and_the_host_key_of_the_machine() {
    let world = World::new();
    let up = world.up();
    let known = std::fs::read_to_string(world.file("known_hosts")).unwrap();
    assert!(known.starts_with("helix-a ssh-ed25519 AAAA") && known.lines().count() == 1, "{known}");
    let ssh = world.vm().ssh(&[OsString::from("true")]).unwrap();
    let args: Vec<String> = ssh.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
    for wanted in ["StrictHostKeyChecking=yes", "HostKeyAlias=helix-a", &up.ports.ssh.to_string(), "user", "true"] {
        assert!(args.iter().any(|arg| arg == wanted), "{wanted} in {args:?}");
    }
    world.vm().down(PATIENCE).unwrap();
    assert!(matches!(world.vm().ssh(&[]), Err(Error::NotRunning { .. })));
}

#[test]
fn console_and_logs_are_the_guests() {
    let world = World::new();
    world.up();
    let mut console = world.vm().console().unwrap();
    console.write_all(b"hello").unwrap();
    let mut heard = [0; 5];
    console.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello");
    let log = |log| {
        let mut out = Vec::new();
        world.vm().logs(log, false, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert!(log(Log::Serial).contains("Linux version 6 (stand-in)"));
    assert_eq!((log(Log::Qemu), log(Log::Encoder)), (String::new(), String::new()));
    world.vm().down(PATIENCE).unwrap();
    assert!(matches!(world.vm().console(), Err(Error::NotRunning { .. })));
    world.up();
    until("the log of the start before", || world.file("run/serial.1.log").exists());
}
