//! The real QEMU with real firmware and an empty disk.
//!
//! `cargo xtask test` names the programs; without them these tests fail, because a test that skips itself proves
//! nothing. `HELIX_TEST_QEMU` is the command line of `qemu-system-aarch64` and `HELIX_TEST_QEMU_IMG` that of
//! `qemu-img`, words separated by spaces; `HELIX_TEST_FIRMWARE` is the folder with `AAVMF_CODE.fd` and `AAVMF_VARS.fd`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use helix_command::Cmd;
use helix_vm::{AccelReport, Accelerator, Arch, BootConfig, BootFailure, GuestFailure, Programs, Reason, Seed, Stage};

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run `cargo xtask test`, which sets it"))
}

fn command(name: &str) -> Cmd {
    let line = variable(name);
    let mut words = line.split_whitespace();
    Cmd::new(words.next().expect("a command line has a program")).args(words)
}

fn programs() -> Programs {
    let firmware = PathBuf::from(variable("HELIX_TEST_FIRMWARE"));
    Programs {
        qemu: command("HELIX_TEST_QEMU"),
        qemu_img: command("HELIX_TEST_QEMU_IMG"),
        vsock: None,
        firmware_code: firmware.join("AAVMF_CODE.fd"),
        firmware_vars: firmware.join("AAVMF_VARS.fd"),
        root: None,
    }
}

fn config(folder: &Path) -> BootConfig {
    let programs = programs();
    let image = folder.join("empty.qcow2");
    let create = programs.qemu_img.clone().args(["create", "-q", "-f", "qcow2"]).arg(&image).arg("64M");
    create.run().expect("qemu-img makes an empty image");
    BootConfig {
        programs,
        run_folder: folder.join("run"),
        image,
        disk_size_mib: Some(128),
        data_disk: None,
        seed: Some(Seed {
            instance_id: "test".into(),
            hostname: "test".into(),
            user: "test".into(),
            authorized_keys: Vec::new(),
            encoder_token: None,
            console_login: false,
            network_config: None,
            host_network: None,
        }),
        arch: Arch::Arm64,
        accelerator: Some(AccelReport { chosen: Accelerator::Tcg, rejected: Vec::new() }),
        cpus: 2,
        memory_mib: 512,
        ssh_port: None,
        encoder: false,
        deadline: Duration::from_secs(20),
        allow_degraded: false,
    }
}

fn failure(config: &BootConfig) -> GuestFailure {
    match helix_vm::boot(config, &mut |_| {}) {
        Err(BootFailure::Guest(failure)) => *failure,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("an empty disk booted"),
    }
}

#[test]
fn an_empty_disk_is_stuck_in_the_firmware() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let config = config(temp.path());
    let failure = failure(&config);
    assert_eq!((&failure.reason, failure.stage), (&Reason::Deadline { seconds: 20 }, Stage::Firmware), "{failure}");
    let text = failure.to_string();
    assert!(text.contains("stage reached: firmware") && text.contains("BdsDxe"), "{text}");
    assert!(!text.contains('\u{1b}'), "escape sequences remain: {text:?}");
    assert!(failure.timings.firmware.is_some_and(|after| after < Duration::from_secs(20)));
    // The image under test is as it was: the overlay took everything.
    assert!(helix_vm::allocated_bytes(&config.image).is_ok_and(|bytes| bytes < 1 << 20));
}

#[test]
fn a_port_that_is_taken_is_reported_with_qemus_words() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut config = config(temp.path());
    config.ssh_port = taken.local_addr().ok().map(|address| address.port());
    let started = Instant::now();
    let failure = failure(&config);
    assert!(matches!(failure.reason, Reason::QemuEnded { .. }), "{failure}");
    assert!(failure.qemu_output.contains("host forwarding"), "{failure}");
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[test]
fn the_probe_has_an_answer_and_a_reason() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let report = helix_vm::accel::probe(&programs(), Arch::Arm64, temp.path()).expect("the probe runs");
    // Whichever machine this is: emulation is chosen exactly when something better was rejected.
    assert_eq!(report.chosen == Accelerator::Tcg, !report.rejected.is_empty(), "{report}");
    println!("{report}");
}
