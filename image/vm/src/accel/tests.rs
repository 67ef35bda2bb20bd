//! The probe with shell scripts in the place of QEMU.

use super::*;
use helix_command::Cmd;

fn other(arch: Arch) -> Arch {
    if arch == Arch::Arm64 { Arch::Amd64 } else { Arch::Arm64 }
}

/// `script` sees QEMU's arguments as its own, and the serial log as `$SERIAL`.
fn probed(script: &str) -> AccelReport {
    let temp = tempfile::tempdir().unwrap();
    probe(&programs(temp.path(), script), platform::host_arch().unwrap(), temp.path()).unwrap()
}

fn programs(temp: &Path, script: &str) -> Programs {
    let vars = temp.join("vars");
    std::fs::write(&vars, "vars").unwrap();
    let serial = temp.join("probe/serial.log");
    Programs {
        qemu: Cmd::new("sh").env("SERIAL", serial).args(["-c", script, "qemu"]),
        qemu_img: Cmd::new("false"),
        vsock: None,
        firmware_code: vars.clone(),
        firmware_vars: vars,
        root: None,
    }
}

#[test]
fn a_busy_computer_shows_by_emulation_that_the_hardware_needs_more_time() {
    // The emulated firmware takes eight times as long as usual. The hardware's needs more than its usual time; or it is mute.
    for (hardware, works) in [("sleep 1.5; echo UEFI > $SERIAL", true), ("", false)] {
        let temp = tempfile::tempdir().unwrap();
        let emulated = "sleep 0.8; echo UEFI > ${SERIAL%/*/*}/emulated/serial.log";
        let script = format!("case \"$*\" in *tcg*) {emulated};; *) {hardware};; esac; exec sleep 60");
        let (time, usual) = (Duration::from_millis(300), Duration::from_millis(100));
        let programs = programs(temp.path(), &script);
        let answer = sign_of_life(&programs, platform::host_arch().unwrap(), temp.path(), time, usual).unwrap();
        assert_eq!(answer.is_ok(), works, "{answer:?}");
        assert!(works || answer.unwrap_err().starts_with("the firmware gave no sign of life in "));
    }
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
