//! Boots with a shell script in the place of QEMU and scripted sockets in the place of a guest.

use std::thread::JoinHandle;

use base64::prelude::{BASE64_STANDARD, Engine};
use helix_command::Cmd;
use serde_json::Value;

use super::*;
use crate::accel::Accelerator;
use crate::checks::{Check, Outcome};
use crate::shutdown::Shutdown;
use crate::testing::{Act, serve_at};

/// A run whose QEMU is `script`, which sees the serial log as `$SERIAL`.
fn config(folder: &Path, script: &str) -> BootConfig {
    let script = format!("[ \"$1\" = -help ] && exec echo QEMU emulator version 9.9; {script}");
    let vars = folder.join("template.fd");
    std::fs::write(&vars, "vars").unwrap();
    let run_folder = folder.join("run");
    BootConfig {
        programs: Programs {
            qemu: Cmd::new("sh").env("SERIAL", run_folder.join("serial.log")).args(["-c", &script, "qemu"]),
            qemu_img: Cmd::new("true"),
            vsock: None,
            firmware_code: vars.clone(),
            firmware_vars: vars,
            root: None,
        },
        run_folder,
        image: folder.join("image.qcow2"),
        disk_size_mib: None,
        data_disk: None,
        seed: None,
        arch: Arch::Arm64,
        accelerator: Some(AccelReport { chosen: Accelerator::Tcg, rejected: Vec::new() }),
        cpus: 1,
        memory_mib: 128,
        ssh_port: None,
        encoder: false,
        deadline: Duration::from_secs(30),
        allow_degraded: false,
    }
}

fn failure(config: &BootConfig) -> GuestFailure {
    match boot(config, &mut |_| {}) {
        Err(BootFailure::Guest(failure)) => *failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_qemu_that_ends_at_once_is_reported_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let failure = failure(&config(temp.path(), "echo 'unknown device' >&2; exit 1"));
    assert_eq!(failure.reason, Reason::QemuEnded { status: "exit status: 1".into() });
    assert_eq!((failure.qemu_output.as_str(), failure.stage), ("unknown device", Stage::Started));
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_stuck_boot_ends_at_the_deadline_with_its_stage_and_console() {
    let temp = tempfile::tempdir().unwrap();
    let mut config = config(temp.path(), "echo 'BdsDxe: starting Boot0001' > $SERIAL; exec sleep 60");
    config.deadline = Duration::from_secs(1);
    let mut last = String::new();
    let result = boot(&config, &mut |progress| last = progress.last_line.to_owned());
    let Err(BootFailure::Guest(failure)) = result else { panic!("{result:?}") };
    assert_eq!((&failure.reason, failure.stage), (&Reason::Deadline { seconds: 1 }, Stage::Loader));
    assert_eq!(failure.serial_tail, ["BdsDxe: starting Boot0001"]);
    assert_eq!(last, "BdsDxe: starting Boot0001");
}

#[test]
fn a_kernel_panic_is_not_waited_out() {
    let temp = tempfile::tempdir().unwrap();
    let words = "Kernel panic - not syncing: no init";
    let failure = failure(&config(temp.path(), &format!("echo '{words}' > $SERIAL; exec sleep 60")));
    assert_eq!(failure.reason, Reason::KernelPanic { message: words.into() });
}

#[test]
fn a_missing_firmware_is_found_before_qemu_starts() {
    let temp = tempfile::tempdir().unwrap();
    let mut config = config(temp.path(), "exit 1");
    config.programs.firmware_vars = "/nonexistent/vars.fd".into();
    let error = boot(&config, &mut |_| {}).unwrap_err();
    assert!(error.to_string().starts_with("cannot read /nonexistent/vars.fd"), "{error}");
}

/// Serves QMP and the agent once the run's QEMU is up. Each command in the guest prints what `guest` makes of it.
fn fake_guest(
    run: &Path,
    status: &'static str,
    guest: impl Fn(&str) -> &'static str + Send + 'static,
) -> JoinHandle<()> {
    let run = run.to_owned();
    std::thread::spawn(move || {
        while !run.join("serial.log").exists() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let qmp = Act::AnswerAll(Box::new(move |request| {
            format!("{{\"return\": {{\"status\": \"{status}\"}}, \"id\": {}}}\n", request["id"]).into_bytes()
        }));
        serve_at(&run.join("qmp.sock"), vec![Act::send("{\"QMP\": {}}\n"), qmp]);
        let last = std::sync::Mutex::new("");
        let port = run.join("agent.sock");
        let agent = Act::AnswerAll(Box::new(move |request| {
            if request["execute"] == "guest-shutdown" {
                std::fs::write(run.join("off"), "").unwrap();
            }
            agent_answer(request, &mut last.lock().unwrap(), &guest)
        }));
        serve_at(&port, vec![agent]);
    })
}

fn agent_answer(request: &Value, last: &mut &'static str, guest: &impl Fn(&str) -> &'static str) -> Vec<u8> {
    let arguments = &request["arguments"];
    match request["execute"].as_str().unwrap() {
        "guest-sync-delimited" => [b"\xFF{\"return\": ", arguments["id"].to_string().as_bytes(), b"}\n"].concat(),
        "guest-exec" => {
            *last = guest(arguments["arg"][1].as_str().unwrap());
            b"{\"return\": {\"pid\": 9}}\n".to_vec()
        }
        "guest-exec-status" => {
            let data = BASE64_STANDARD.encode(*last);
            format!("{{\"return\": {{\"exited\": true, \"exitcode\": 0, \"out-data\": \"{data}\"}}}}\n").into_bytes()
        }
        "guest-shutdown" => Vec::new(),
        _ => b"{\"return\": {}}\n".to_vec(),
    }
}

#[test]
fn a_guest_that_comes_up_is_checked_and_shut_down() {
    let temp = tempfile::tempdir().unwrap();
    let config =
        config(temp.path(), "echo Linux version 6 > $SERIAL; until [ -e ${SERIAL%/*}/off ]; do sleep 0.1; done");
    let fake = fake_guest(&config.run_folder, "running", |command| match command {
        "systemctl is-system-running --wait" => "running\n",
        "systemd-analyze time" => "Startup finished in 3 s\n",
        "docker info" => "overlay2\n",
        crate::diagnosis::JOURNAL => "dockerd: overlay2 it is\n",
        _ => "",
    });
    let mut running = boot(&config, &mut |_| {}).unwrap();
    fake.join().unwrap();
    let check = |name: &str, expect: &str| Check {
        name: name.into(),
        command: "docker info".into(),
        expect: Some(expect.into()),
        timeout: Duration::from_secs(5),
    };
    let mut report = running.check(&[check("right", "overlay2"), check("wrong", "vfs")], &mut |_| {});
    running.explain(&mut report);
    assert_eq!(report.checks[0].outcome, Outcome::Passed);
    assert!(matches!(report.checks[1].outcome, Outcome::Failed { .. }) && !report.passed());
    assert_eq!(report.systemd_analyze.as_deref(), Some("Startup finished in 3 s"));
    assert_eq!(report.serial_tail, ["Linux version 6"]);
    assert_eq!(report.diagnosis.unwrap().journal, "dockerd: overlay2 it is");
    assert!(report.timings.kernel <= report.timings.agent && report.timings.agent <= report.timings.settled);
    assert_eq!(running.shutdown(Duration::from_secs(10)).how, Shutdown::Guest);
}

#[test]
fn a_degraded_guest_is_a_failure_unless_allowed() {
    let units = |command: &str| match command {
        "systemctl is-system-running --wait" => "degraded\n",
        "systemctl --failed --plain --no-legend --full --no-pager" => "a.service loaded failed failed A\n",
        "systemctl list-jobs --no-pager --full" => "No jobs running.",
        crate::diagnosis::JOURNAL => "a: exit 1",
        unit if unit.contains("systemctl status") => "a.service - A: /bin/a: not found",
        cloud if cloud.starts_with("cloud-init status --long") => "status: error",
        _ => "",
    };
    for allow_degraded in [false, true] {
        let temp = tempfile::tempdir().unwrap();
        let mut config = config(temp.path(), "echo up > $SERIAL; exec sleep 60");
        config.allow_degraded = allow_degraded;
        fake_guest(&config.run_folder, "running", units);
        match boot(&config, &mut |_| {}) {
            Ok(running) => {
                assert!(allow_degraded);
                assert_eq!(*running.settled(), Settled::Degraded(vec!["a.service".into()]));
                running.kill();
            }
            Err(BootFailure::Guest(failure)) => {
                assert!(!allow_degraded);
                assert_eq!(failure.reason, Reason::Degraded { units: vec!["a.service".into()] });
                let (text, json) = (failure.to_string(), serde_json::to_value(&failure).unwrap());
                let told = [
                    ("failed_units", "a.service - A: /bin/a: not found"),
                    ("jobs", "No jobs running."),
                    ("journal", "a: exit 1"),
                    ("cloud_init", "status: error"),
                ];
                for (field, words) in told {
                    assert_eq!(json["diagnosis"][field], words);
                    assert!(text.contains(words), "{text}");
                }
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_machine_that_stopped_inside_is_not_waited_for() {
    let temp = tempfile::tempdir().unwrap();
    let config = config(temp.path(), "echo up > $SERIAL; exec sleep 60");
    fake_guest(&config.run_folder, "internal-error", |_| "");
    assert_eq!(failure(&config).reason, Reason::GuestStopped { status: "internal-error".into() });
}

/// A boot of at most `deadline` whose kernel speaks after 0.4 s, and whose guest settles after `settles`, or never.
fn slow_boot(usual: Usual, deadline: f32, settles: Option<f32>, work: &'static str) -> Result<Pace, Box<GuestFailure>> {
    let temp = tempfile::tempdir().unwrap();
    let config = config(temp.path(), "sleep 0.4; echo Linux version 6 > $SERIAL; exec sleep 60");
    let folder = RunFolder::prepare(&config.run_folder).unwrap();
    let facts = QemuFacts::ask(&config.programs).unwrap();
    let child = QemuChild::start(&config.programs.qemu, &folder.qemu_log()).unwrap();
    let begun = Instant::now();
    fake_guest(&config.run_folder, "running", move |command| match command {
        crate::pace::WORK => work,
        "systemctl is-system-running --wait" => match settles {
            Some(after) if begun.elapsed().as_secs_f32() >= after => "running\n",
            _ => "starting\n",
        },
        _ => "",
    });
    let booting = Booting { usual, ..Booting::new(Box::new(child), folder, config.accelerator.unwrap(), facts) };
    let watched = booting.watch(Duration::from_secs_f32(deadline), false, &AtomicBool::new(false), &mut |_| {});
    watched.map(|running| running.pace())
}

/// A kernel usually speaks at once, so that one that takes 0.4 s shows a guest that is eight times slower.
const EIGHT_TIMES: Usual = Usual { kernel: Duration::from_millis(50), ..Usual::QUIET };

#[test]
fn a_boot_that_is_slowed_eight_times_passes_and_one_that_hangs_ends() {
    let eight_times = "100.00 108.00\n";
    std::thread::scope(|scope| {
        // Its first stages show it, or its work does when the time is over.
        for (usual, work) in [(EIGHT_TIMES, ""), (Usual::QUIET, "100.00 108.00\n")] {
            scope.spawn(move || assert!(slow_boot(usual, 2.0, Some(2.2), work).unwrap() >= Pace::from(8.0)));
        }
        for (usual, work, least) in [(Usual::QUIET, "", 0.5), (EIGHT_TIMES, "", 1.3), (EIGHT_TIMES, eight_times, 1.3)] {
            scope.spawn(move || {
                let failure = slow_boot(usual, 0.5, None, work).unwrap_err();
                assert!(matches!(failure.reason, Reason::Deadline { .. }), "{failure}");
                assert!(failure.elapsed.as_secs_f32() >= least, "{failure}");
                assert_eq!(failure.to_string().contains("times slower than usual"), least > 1.0, "{failure}");
            });
        }
    });
}
