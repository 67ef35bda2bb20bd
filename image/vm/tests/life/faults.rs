//! What goes wrong: a clear error, nothing lost, and the next run is fine.

use std::time::Duration;

use helix_vm::Shutdown;
use helix_vm::life::{EncoderState, Error, Kind, State};

use crate::support::{World, executable, signal, until};

const PATIENCE: Duration = Duration::from_secs(3);

#[test]
fn an_image_that_cannot_be_used_makes_no_machine() {
    type Fault = fn(&std::path::Path);
    let faults: [(&str, Fault); 4] = [
        ("manifest.json: No such file", |image| std::fs::remove_file(image.join("manifest.json")).unwrap()),
        ("disk.qcow2: No such file", |image| std::fs::remove_file(image.join("disk.qcow2")).unwrap()),
        ("disk.qcow2 is damaged", |image| std::fs::write(image.join("disk.qcow2"), "the disk of an imagf").unwrap()),
        ("is for riscv64", |image| {
            let text = std::fs::read_to_string(image.join("manifest.json")).unwrap();
            std::fs::write(image.join("manifest.json"), text.replace("arm64", "riscv64")).unwrap();
        }),
    ];
    for (words, fault) in faults {
        let world = World::new();
        fault(&world.path("image"));
        let error = world.up_with(&world.config("")).unwrap_err();
        assert!(error.kind() == Kind::Image && error.to_string().contains(words), "{words}: {error}");
        assert!(!world.vm().exists() && !world.path("vms/.new-a").exists());
        world.image("image", b"the disk of an image");
        world.up();
    }
}

#[test]
fn a_damaged_image_does_not_touch_a_machine_that_is_reset() {
    let world = World::new();
    world.up();
    world.vm().down(PATIENCE).unwrap();
    std::fs::write(world.path("image/disk.qcow2"), "damaged").unwrap();
    let error = world.vm().reset(None, &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error}");
    // The machine has its own copy.
    let mut config = world.config("");
    config.image = None;
    world.up_with(&config).unwrap();
    assert!(!world.file("system.2.qcow2").exists());
}

#[test]
fn a_port_that_is_taken_in_the_last_moment_is_exchanged() {
    let world = World::new();
    let robbed = world.path("robbed");
    world.up_with(&world.config(&format!("robbed={}", robbed.display()))).unwrap();
    assert!(robbed.exists());
    assert_eq!(world.state(), State::Running);
}

#[test]
fn what_a_crash_of_everything_leaves_is_passed_over() {
    let world = World::new();
    world.up();
    world.vm().down(PATIENCE).unwrap();
    // As after a power failure: sockets, locks and numbers of processes that are no more, the last one of this test.
    let run = world.vm().folder().join("run");
    for socket in ["qmp.sock", "agent.sock", "tty.sock", "enc.sock"] {
        let _ = std::fs::remove_file(run.join(socket));
        drop(std::os::unix::net::UnixListener::bind(run.join(socket)).unwrap());
    }
    for pid in ["qemu.pid", "encoder.pid"] {
        std::fs::write(run.join(pid), format!("{}\n", std::process::id())).unwrap();
    }
    std::fs::write(run.join("run.json"), "{\"version\":1,").unwrap();
    std::fs::write(world.path("vms/.a.lock"), "`vm up`, process 1\n").unwrap();
    assert_eq!(world.state(), State::Ended);
    world.up_with(&world.with_encoder()).unwrap();
    assert_eq!((world.state(), world.ups()), (State::Running, 2));
}

#[test]
fn a_killed_qemu_is_noticed_and_started_again() {
    let world = World::new();
    world.up_with(&world.with_encoder()).unwrap();
    signal(world.pid(), "KILL");
    until("the end of QEMU", || world.state() == State::Ended);
    assert_eq!(world.vm().status().unwrap().encoder, EncoderState::Running);
    world.up_with(&world.with_encoder()).unwrap();
    assert_eq!((world.state(), world.ups()), (State::Running, 2));
    assert_eq!(world.vm().status().unwrap().encoder, EncoderState::Running);
}

#[test]
fn a_killed_encoder_is_told_and_mended() {
    let world = World::new();
    world.up_with(&world.with_encoder()).unwrap();
    let pid: i32 = std::fs::read_to_string(world.file("run/encoder.pid")).unwrap().trim().parse().unwrap();
    signal(pid, "KILL");
    until("the end of the encoder", || world.vm().status().unwrap().encoder == EncoderState::Ended);
    assert_eq!(world.state(), State::Running);
    let qemu = world.pid();
    let up = world.up_with(&world.with_encoder()).unwrap();
    assert!(up.already && up.encoder == EncoderState::Running && world.pid() == qemu);
    world.vm().down(PATIENCE).unwrap();
    assert_eq!(world.vm().status().unwrap().encoder, EncoderState::None);
}

#[test]
fn an_encoder_that_does_not_start_leaves_the_machine_running() {
    let world = World::new();
    let program = world.path("broken");
    executable(&program, "#!/bin/sh\necho 'no such encoder' >&2; exit 1\n");
    let mut config = world.config("");
    config.encoder = Some(program);
    let (up, notes) = world.notes(&config);
    assert_eq!(up.unwrap().encoder, EncoderState::Ended);
    let said = notes.iter().find(|note| note.contains("no such encoder")).expect("a note");
    assert!(said.contains("ended at once") && said.contains("cargo xtask build-host-encoder"), "{said}");
}

#[test]
fn a_second_up_while_one_is_under_way_is_told_so() {
    let world = World::new();
    let mut first = world.launcher("up", "boot=6000");
    until("the first one's QEMU", || world.file("run/qmp.sock").exists());
    let error = world.up_with(&world.config("")).unwrap_err();
    let told = format!("`vm up`, process {}", first.id());
    assert!(error.kind() == Kind::Host && error.to_string().contains(&told), "{error}");
    let status = world.vm().status().unwrap();
    assert_eq!((status.state, status.detail), (State::Busy, Some(told)));
    assert!(matches!(world.vm().down(PATIENCE), Err(Error::Busy { .. })));
    assert!(first.wait().unwrap().success());
    assert!(world.up().already);
}

#[test]
fn seed_key_and_token_that_are_lost_are_made_again() {
    let world = World::new();
    world.up();
    world.vm().down(PATIENCE).unwrap();
    let seed = || std::fs::read(world.file("run/seed.img")).unwrap();
    let first = seed();
    for lost in ["run/seed.img", "known_hosts"] {
        std::fs::remove_file(world.file(lost)).unwrap();
        world.up();
        world.vm().down(PATIENCE).unwrap();
        assert!(seed() == first && world.file("known_hosts").exists(), "{lost}: the seed is the same");
    }
    for lost in ["id_ed25519", "token"] {
        let before = seed();
        std::fs::write(world.file(lost), "").unwrap();
        world.up();
        world.vm().down(PATIENCE).unwrap();
        assert!(seed() != before, "{lost}: the guest is told the new one");
    }
    assert_eq!(world.ups(), 5);
}

#[test]
fn what_a_later_program_made_is_left_alone() {
    let world = World::new();
    world.up();
    world.vm().down(PATIENCE).unwrap();
    std::fs::rename(world.file("data.v1.qcow2"), world.file("data.v2.qcow2")).unwrap();
    let error = world.up_with(&world.config("")).unwrap_err();
    assert!(matches!(error, Error::Newer { found: 2, known: 1, .. }), "{error}");
    assert!(!world.file("data.v1.qcow2").exists(), "no second data disk is made");
    std::fs::rename(world.file("data.v2.qcow2"), world.file("data.v1.qcow2")).unwrap();

    let config = std::fs::read_to_string(world.file("vm.json")).unwrap();
    std::fs::write(world.file("vm.json"), config.replace("\"version\": 1", "\"version\": 9")).unwrap();
    let image = world.path("image");
    assert!(matches!(world.vm().reset(Some(&image), &mut |_, _| {}), Err(Error::Newer { found: 9, .. })));
    assert!(matches!(world.up_with(&world.config("")), Err(Error::Newer { found: 9, .. })));
    std::fs::write(world.file("vm.json"), config).unwrap();
    world.up();
    assert_eq!(world.ups(), 2);
}

#[test]
fn a_damaged_vm_json_is_mended_by_a_reset() {
    let world = World::new();
    world.up();
    world.vm().down(PATIENCE).unwrap();
    let image = world.path("image");
    for damage in ["", "{\"version\": 1, \"ima"] {
        std::fs::write(world.file("vm.json"), damage).unwrap();
        let error = world.up_with(&world.config("")).unwrap_err();
        assert!(error.to_string().contains("cargo xtask vm reset a --image DIR"), "{error}");
        assert!(matches!(world.vm().reset(None, &mut |_, _| {}), Err(Error::Damaged { .. })));
        world.vm().reset(Some(&image), &mut |_, _| {}).unwrap();
        world.up();
        world.vm().down(PATIENCE).unwrap();
    }
    assert_eq!(world.ups(), 3);
}

#[test]
fn a_guest_that_is_stopped_for_a_full_disk_goes_on() {
    let world = World::new();
    let mut config = world.config("paused");
    config.deadline = Duration::from_secs(5);
    let error = world.up_with(&config).unwrap_err();
    assert!(error.to_string().contains("io-error") && error.to_string().contains("QEMU still runs"), "{error}");
    let status = world.vm().status().unwrap();
    assert_eq!((status.state, status.detail.as_deref()), (State::Paused, Some("io-error")));
    let pid = world.pid();
    assert!(!world.up().already);
    assert_eq!((world.state(), world.pid()), (State::Running, pid));
}

#[test]
fn a_guest_that_takes_too_long_is_left_and_waited_for_again() {
    let world = World::new();
    let mut config = world.config("boot=3000");
    config.deadline = Duration::from_secs(1);
    let error = world.up_with(&config).unwrap_err();
    assert_eq!(error.kind(), Kind::Guest);
    let text = error.to_string();
    assert!(text.contains("QEMU still runs") && text.contains("cargo xtask vm console a"), "{text}");
    assert_eq!(world.state(), State::Unattended);
    let pid = world.pid();
    world.up();
    assert_eq!((world.state(), world.pid(), world.ups()), (State::Running, pid, 1));
}

#[test]
fn a_qemu_that_does_not_answer_is_told_and_ended() {
    let world = World::new();
    world.up();
    signal(world.pid(), "STOP");
    // One of its threads may answer once more before all of them have stopped.
    until("a QEMU that does not answer", || world.state() == State::Stuck);
    let error = world.up_with(&world.config("")).unwrap_err();
    assert!(matches!(error, Error::Lost { .. }) && error.to_string().contains("cargo xtask vm down a"), "{error}");
    let down = world.vm().down(Duration::from_secs(1)).unwrap();
    assert_eq!(down.ended.map(|ended| ended.how), Some(Shutdown::Killed));
    world.up();
}

#[test]
fn failed_units_say_why() {
    let world = World::new();
    let up = world.up_with(&world.config("degraded")).unwrap();
    let json = serde_json::to_value(&up).unwrap();
    assert_eq!(json["failed_units"], serde_json::json!(["a.service"]));
    let told = [
        ("failed_units", "a.service: /bin/a: not found"),
        ("journal", "a[1]: the end of the journal"),
        ("cloud_init", "status: error"),
    ];
    for (field, words) in told {
        assert_eq!(json["diagnosis"][field], words);
        assert!(up.diagnosis.as_ref().unwrap().to_string().contains(words), "{words}");
    }
    // A machine that is up already is not asked again, and its failed units are still known.
    let again = world.up_with(&world.config("degraded")).unwrap();
    assert_eq!((again.already, again.failed_units, again.diagnosis), (true, vec!["a.service".to_owned()], None));
}

#[test]
fn a_guest_that_was_slow_to_come_up_has_more_time_to_go() {
    let world = World::new();
    world.up_with(&world.config("deaf,stubborn")).unwrap();
    let text = std::fs::read_to_string(world.file("run/run.json")).unwrap();
    assert!(text.contains("\"pace\": 1.0"), "{text}");
    std::fs::write(world.file("run/run.json"), text.replace("\"pace\": 1.0", "\"pace\": 4.0")).unwrap();
    let ended = world.vm().down(Duration::from_millis(400)).unwrap().ended.unwrap();
    assert_eq!(ended.how, Shutdown::Quit);
    assert!(ended.took >= Duration::from_millis(1600), "{:?}", ended.took);
}

#[test]
fn a_qemu_whose_run_json_is_lost_is_ended_gently_and_started_again() {
    let world = World::new();
    world.up();
    std::fs::remove_file(world.file("run/run.json")).unwrap();
    assert_eq!(world.state(), State::Unattended);
    assert!(matches!(world.up_with(&world.config("")), Err(Error::Lost { .. })));
    assert!(matches!(world.vm().ssh(&[]), Err(Error::NotRunning { .. })));
    let down = world.vm().down(PATIENCE).unwrap();
    assert_eq!(down.ended.map(|ended| ended.how), Some(Shutdown::Guest));
    world.up();
    assert_eq!(world.ups(), 2);
}

#[test]
fn leftovers_of_interrupted_commands_are_removed() {
    let world = World::new();
    for folder in ["vms/.new-a", "vms/.old-a"] {
        std::fs::create_dir_all(world.path(folder)).unwrap();
        std::fs::write(world.path(folder).join("system.1.qcow2"), "half").unwrap();
    }
    world.up();
    world.vm().down(PATIENCE).unwrap();
    // A reset that was killed before its last step.
    std::fs::write(world.file("system.2.qcow2"), "half").unwrap();
    world.up();
    assert!(!world.file("system.2.qcow2").exists() && world.ups() == 2);
    let mut left: Vec<_> =
        std::fs::read_dir(world.path("vms")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [".a.lock", "a"]);
}

#[test]
fn an_up_that_is_interrupted_lets_the_guest_go_on_and_says_so() {
    let world = World::new();
    let config = world.config("boot=6000");
    let interrupted = config.interrupted.clone();
    let up = std::thread::spawn({
        let vm = world.vm();
        move || vm.up(&config, &mut |_| {})
    });
    until("QEMU", || world.file("run/qmp.sock").exists());
    interrupted.store(true, std::sync::atomic::Ordering::Relaxed);
    let error = up.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
    assert!(error.to_string().contains("goes on coming up") && error.to_string().contains("vm down a"), "{error}");
    assert_eq!(world.state(), State::Unattended);
    world.up();
    assert_eq!((world.state(), world.ups()), (State::Running, 1));
}
