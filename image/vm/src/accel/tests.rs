//! The probe with shell scripts in the place of QEMU.

use super::*;
use helix_command::Cmd;

fn other(arch: Arch) -> Arch {
    if arch == Arch::Arm64 { Arch::Amd64 } else { Arch::Arm64 }
}

/// `script` sees QEMU's arguments as its own, and the serial log as `$SERIAL`.
fn probed(script: &str) -> AccelReport {
    let temp = tempfile::tempdir().unwrap();
    let vars = temp.path().join("vars");
    std::fs::write(&vars, "vars").unwrap();
    let serial = temp.path().join("probe/serial.log");
    let programs = Programs {
        qemu: Cmd::new("sh").env("SERIAL", serial).args(["-c", script, "qemu"]),
        qemu_img: Cmd::new("false"),
        vsock: None,
        firmware_code: vars.clone(),
        firmware_vars: vars,
        root: None,
    };
    probe(&programs, platform::host_arch().unwrap(), temp.path()).unwrap()
}

#[test]
fn a_guest_that_speaks_is_believed() {
    assert_eq!(probed("echo UEFI > $SERIAL; sleep 5").chosen, platform::HARDWARE);
}

#[test]
fn an_accelerator_that_qemu_refuses_is_rejected_with_its_words() {
    let report =
        probed("echo 'warning: old' >&2; echo 'Could not access KVM kernel module' >&2; echo more >&2; exit 1");
    assert_eq!(report.chosen, Accelerator::Tcg);
    let rejected = format!("emulation (TCG); not {}: Could not access KVM kernel module", platform::HARDWARE);
    assert_eq!(report.to_string(), rejected);
}

#[test]
fn a_foreign_architecture_is_emulated_without_a_probe() {
    let none = Programs {
        qemu: Cmd::new("no-such-program"),
        qemu_img: Cmd::new("no-such-program"),
        vsock: None,
        firmware_code: "/nonexistent".into(),
        firmware_vars: "/nonexistent".into(),
        root: None,
    };
    let foreign = other(platform::host_arch().unwrap());
    let report = probe(&none, foreign, Path::new("/nonexistent")).unwrap();
    assert_eq!(report.chosen, Accelerator::Tcg);
    assert!(report.to_string().contains(&format!("the guest is {foreign} and")), "{report}");
}
