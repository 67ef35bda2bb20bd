//! The boot test: boots the image as it is, runs the recipe's checks inside, and keeps the report with the image.

use std::path::Path;
use std::time::Duration;

use helix_rootfs::Arch;
use helix_vm::{BootConfig, BootFailure, BootReport, Check, CheckResult, DiskFormat, Outcome, Seed, SshKey};
use serde_json::Value;

use crate::Error;
use crate::encode_check;
use crate::key::Inputs;
use crate::manifest::{Manifest, Verification};
use crate::output::write_whole;
use crate::pipeline::Session;
use crate::progress::Progress;
use crate::resolve::LockMode;
use crate::store::Store;
use crate::tools::Tools;
use crate::workspace::Workspace;

/// The full report's file name.
pub const REPORT: &str = "boot-report.json";
/// The JUnit file's name.
pub const JUNIT: &str = "junit.xml";
/// How much larger than the image the test's disk is, in MiB: the guest must grow into it.
const GROWTH_MIB: u64 = 4096;
/// The size of the blank data disk that the test attaches, in bytes.
const DATA_DISK: u64 = 2 << 30;
/// How long a guest of the usual pace may take to power off.
const POWER_OFF: Duration = Duration::from_secs(90);

/// What the boot test is told besides the image.
struct Test<'a> {
    /// QEMU and its firmware.
    tools: &'a Tools,
    /// A folder for the run, short enough for sockets.
    run_folder: &'a Path,
    /// How long a guest of the usual pace may take to settle. Under emulation on two slow cores it takes some two minutes.
    deadline: Duration,
    /// The host encoder that the guest's elements are tested with.
    host_encoder: Option<&'a Path>,
    /// Listens.
    progress: &'a dyn Progress,
}

/// Boots the image in `dir` and runs its checks; the outcome goes into its manifest and its report files.
///
/// # Errors
/// [`Error::CheckFailed`] when the image does not boot or a check says no; [`Error::CheckCouldNotRun`] when that cannot
/// be found out.
fn verify(dir: &Path, manifest: &mut Manifest, test: &Test<'_>, inputs: &Inputs) -> Result<BootReport, Error> {
    let mut checks =
        checks(&manifest.resolved_recipe).map_err(|reason| Error::NotAnImage { path: dir.to_owned(), reason })?;
    checks.extend(image_checks(manifest));
    test.progress.begin("Booting the image", None);
    let config = config(dir, manifest, test, None)?;
    let report = match boot(&config, test.progress) {
        Ok(mut running) => {
            test.progress.end("up");
            let total = checks.len() + 1 + test.host_encoder.map_or(0, |_| encode_check::CHECKS);
            test.progress.begin("Running checks in the guest", Some(total as u64));
            let mut report = running.check(&checks, &mut |result| test.progress.advance(1, &result.name));
            report.checks.push(discard_check(&mut running));
            test.progress.advance(1, "discard-reaches-the-image");
            if let Some(program) = test.host_encoder {
                let mut done = |result: &CheckResult| test.progress.advance(1, &result.name);
                report.checks.extend(encode_check::run(&mut running, program, &mut done));
            }
            running.explain(&mut report);
            let ended = running.shutdown(POWER_OFF);
            tracing::info!("the guest ended by {:?} after {:.1} s", ended.how, ended.took.as_secs_f32());
            let passed = report.checks.iter().filter(|c| c.outcome == Outcome::Passed).count();
            let slow = if report.slowdown.is_slow() {
                format!("; the guest was {0} times slower than usual, and had {0} times as long", report.slowdown)
            } else {
                String::new()
            };
            test.progress.end(&format!("{passed} of {} passed{slow}", report.checks.len()));
            report
        }
        Err(BootFailure::Prepare(e)) => {
            return Err(Error::CheckCouldNotRun(format!("the boot test could not start: {e}")));
        }
        Err(BootFailure::Guest(failure)) => BootReport::from(*failure),
    };
    if test.progress.interrupted() {
        return Err(Error::CheckCouldNotRun("the boot test was interrupted".to_owned()));
    }
    record(dir, manifest, &report, inputs)?;
    judge(&report, dir).map(|()| report)
}

/// Boots the image for somebody to log in; returns when the guest has ended or `ended` says so.
///
/// # Errors
/// When the image does not boot.
fn keep_booted(
    dir: &Path,
    manifest: &Manifest,
    test: &Test<'_>,
    say: &dyn Fn(&str),
    ended: &dyn Fn() -> bool,
) -> Result<(), Error> {
    std::fs::create_dir_all(test.run_folder).map_err(|e| Error::io("making", test.run_folder, e))?;
    let could_not = |e: String| Error::CheckCouldNotRun(e);
    let key = SshKey::create(test.run_folder).map_err(|e| could_not(e.to_string()))?;
    let port = free_port().map_err(|e| could_not(format!("no free port on 127.0.0.1: {e}")))?;
    test.progress.begin("Booting the image", None);
    let mut running = boot(&config(dir, manifest, test, Some((&key, port)))?, test.progress).map_err(|e| match e {
        BootFailure::Prepare(e) => could_not(format!("the image could not be booted: {e}")),
        BootFailure::Guest(failure) => Error::DoesNotBoot { failure, report: None },
    })?;
    test.progress.end("up");
    say(&key.command_line(&login(&manifest.resolved_recipe), port));
    while running.is_alive() && !ended() {
        std::thread::sleep(Duration::from_millis(300));
    }
    running.shutdown(POWER_OFF);
    Ok(())
}

fn boot(config: &BootConfig, progress: &dyn Progress) -> Result<helix_vm::Running, BootFailure> {
    let mut last = String::new();
    helix_vm::boot(config, &mut |p| {
        let what = format!("{}: {}", p.stage, p.last_line);
        if what != last {
            progress.advance(0, &what);
            last = what;
        }
    })
}

fn config(
    dir: &Path,
    manifest: &Manifest,
    test: &Test<'_>,
    login_key: Option<(&SshKey, u16)>,
) -> Result<BootConfig, Error> {
    std::fs::create_dir_all(test.run_folder).map_err(|e| Error::io("making", test.run_folder, e))?;
    let data = test.run_folder.join("data.img");
    let file = std::fs::File::create(&data).map_err(|e| Error::io("making", &data, e))?;
    file.set_len(DATA_DISK).map_err(|e| Error::io("making", &data, e))?;
    let recipe = &manifest.resolved_recipe;
    let arch =
        if manifest.architecture == Arch::Amd64.debian_name() { helix_vm::Arch::Amd64 } else { helix_vm::Arch::Arm64 };
    let cpus = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8));
    Ok(BootConfig {
        programs: test.tools.qemu(),
        run_folder: test.run_folder.to_owned(),
        image: std::path::absolute(dir.join("disk.qcow2")).map_err(|e| Error::io("looking up", dir, e))?,
        disk_size_mib: Some((manifest.virtual_size >> 20) + GROWTH_MIB),
        data_disk: Some((data, DiskFormat::Raw)),
        seed: Some(Seed {
            instance_id: "helix-boot-test".to_owned(),
            hostname: recipe["hostname"].as_str().unwrap_or("helix").to_owned(),
            user: login(recipe),
            encoder_token: None,
            authorized_keys: login_key.iter().map(|(key, _)| key.public.clone()).collect(),
            console_login: false,
            network_config: None,
            host_network: None,
        }),
        arch,
        accelerator: None,
        cpus: u32::try_from(cpus).unwrap_or(2),
        memory_mib: 3072,
        ssh_port: login_key.map(|(_, port)| port),
        encoder: test.host_encoder.is_some(),
        deadline: test.deadline,
        allow_degraded: false,
    })
}

/// The first user of the recipe: the one that keys are for.
fn login(recipe: &Value) -> String {
    recipe["users"][0]["name"].as_str().unwrap_or("root").to_owned()
}

pub(crate) fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The checks that the recipe in the manifest lists.
fn checks(recipe: &Value) -> Result<Vec<Check>, String> {
    let list = recipe["checks"].as_array().cloned().unwrap_or_default();
    list.iter()
        .map(|check| {
            let text = |key: &str| check[key].as_str().map(str::to_owned);
            let timeout = text("timeout").and_then(|t| t.parse::<helix_recipe::Timeout>().ok());
            Ok(Check {
                name: text("name").ok_or("a check of the manifest has no name")?,
                command: text("run").ok_or("a check of the manifest has no command")?,
                expect: text("expect"),
                timeout: timeout.map_or(Duration::from_secs(60), helix_recipe::Timeout::duration),
            })
        })
        .collect()
}

/// Whether the engine has the container images that the build put into its store.
fn image_checks(manifest: &Manifest) -> Vec<Check> {
    let own = manifest.resolved_recipe["docker"]["data-root"].as_str().unwrap_or_default();
    let images = manifest.container_images.iter().filter(|image| image.data_root == own).enumerate();
    images
        .map(|(at, image)| Check {
            name: format!("container-image-{}", at + 1),
            command: format!(
                "docker image inspect --format '{{{{.Id}}}}' '{}'",
                image.names.first().unwrap_or(&image.id)
            ),
            expect: Some(image.id.clone()),
            timeout: Duration::from_secs(120),
        })
        .collect()
}

/// Writes and deletes a file in the guest and trims: the space must come back on the host.
fn discard_check(running: &mut helix_vm::Running) -> CheckResult {
    const MIB: u64 = 128;
    let started = std::time::Instant::now();
    let write = format!("dd if=/dev/urandom of=/var/tmp/fill bs=1M count={MIB} conv=fsync 2>&1 && sync");
    let trim = "rm /var/tmp/fill && sync && fstrim / && sync";
    let outcome = (|| {
        let could_not = |why: String| Outcome::CouldNotRun { why };
        let timeout = Duration::from_secs(180);
        let mut step = |command: &str| -> Result<u64, Outcome> {
            let output = running.exec(command, timeout).map_err(|e| could_not(e.to_string()))?;
            if output.exit_code != Some(0) {
                return Err(could_not(format!("{command}: {}{}", output.stdout_text(), output.stderr_text())));
            }
            running.overlay_bytes().map_err(|e| could_not(e.to_string()))
        };
        let full = step(&write)?;
        let trimmed = step(trim)?;
        if full.saturating_sub(trimmed) >= MIB << 19 {
            return Ok(Outcome::Passed);
        }
        Ok(Outcome::Failed {
            expected: Some(format!("at least {} MiB of {MIB} MiB given back", MIB / 2)),
            got: format!("{full} bytes before fstrim, {trimmed} after"),
            exit_code: Some(0),
            stderr_tail: String::new(),
        })
    })()
    .unwrap_or_else(|outcome| outcome);
    CheckResult {
        name: "discard-reaches-the-image".to_owned(),
        command: format!("{write}; {trim}"),
        duration: started.elapsed(),
        outcome,
        output_tail: String::new(),
    }
}

/// Keeps report, JUnit file and the short form in the manifest.
fn record(dir: &Path, manifest: &mut Manifest, report: &BootReport, inputs: &Inputs) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(report).expect("a report is plain data") + "\n";
    write_whole(&dir.join(REPORT), text.as_bytes())?;
    write_whole(&dir.join(JUNIT), report.junit(&manifest.recipe).as_bytes())?;
    let outcome = |check: &CheckResult| match check.outcome {
        Outcome::Passed => "passed",
        Outcome::Failed { .. } => "failed",
        Outcome::CouldNotRun { .. } => "could-not-run",
    };
    manifest.verification = Some(Verification {
        passed: report.passed(),
        accelerator: report.accelerator.chosen,
        checks: report.checks.iter().map(|c| (c.name.clone(), outcome(c).to_owned())).collect(),
        inputs: inputs.clone(),
    });
    manifest.write(dir)
}

fn judge(report: &BootReport, dir: &Path) -> Result<(), Error> {
    let file = dir.join(REPORT);
    if let Some(failure) = &report.failure {
        return Err(Error::DoesNotBoot { failure: Box::new(failure.clone()), report: Some(file) });
    }
    let see = format!("the whole report: {}", file.display());
    let (mut failed, mut unknown) = (Vec::new(), Vec::new());
    for check in &report.checks {
        match &check.outcome {
            Outcome::Passed => {}
            Outcome::Failed { expected, got, exit_code, stderr_tail } => failed.push(format!(
                "  {}: {}\n    $ {}\n    printed: {}{}",
                check.name,
                match expected {
                    Some(expected) => format!("expected {expected:?}"),
                    None =>
                        format!("ended with {}", exit_code.map_or("a signal".to_owned(), |c| format!("exit code {c}"))),
                },
                check.command,
                got.trim(),
                if stderr_tail.trim().is_empty() {
                    String::new()
                } else {
                    format!("\n    stderr: {}", stderr_tail.trim())
                },
            )),
            Outcome::CouldNotRun { why } => unknown.push(format!("  {}: {why}", check.name)),
        }
    }
    if !failed.is_empty() {
        let more =
            if unknown.is_empty() { String::new() } else { format!("\nand could not be run:\n{}", unknown.join("\n")) };
        return Err(Error::CheckFailed(format!("checks failed:\n{}{more}\n{see}", failed.join("\n"))));
    }
    if !unknown.is_empty() {
        return Err(Error::CheckCouldNotRun(format!("checks could not be run:\n{}\n{see}", unknown.join("\n"))));
    }
    Ok(())
}

/// Boots the image in `dir`, which may have been built anywhere, and runs its checks; with a host encoder, those of the
/// encode path too.
///
/// # Errors
/// Those of [`verify`], and when the tools cannot be made.
pub fn test_image(
    workspace: &Workspace,
    store: &Store,
    dir: &Path,
    target: Arch,
    deadline: Duration,
    host_encoder: Option<&Path>,
    progress: &dyn Progress,
) -> Result<BootReport, Error> {
    let mut manifest = Manifest::read(dir)?;
    let run = store.dir("run");
    let work = tempfile::Builder::new().prefix("t").tempdir_in(&run).map_err(|e| Error::io("making", &run, e))?;
    let root = work.path().join("tools");
    let tools = Tools::open(workspace, store, target, LockMode::Prefer, false, &root, progress)?;
    let run_folder = work.path().join("vm");
    // The inputs are those of the disk that was tested: a build that finds them needs no second test.
    let inputs = crate::steps::test_inputs(&manifest.inputs, &manifest.resolved_recipe["checks"], tools.key());
    let test = Test { tools: &tools, run_folder: &run_folder, deadline, host_encoder, progress };
    verify(dir, &mut manifest, &test, &inputs)
}

impl Session<'_> {
    /// The boot test of this session's image, unless it has passed before.
    ///
    /// # Errors
    /// Those of [`verify`].
    pub fn verify(&self, manifest: &mut Manifest) -> Result<(), Error> {
        let checks = &manifest.resolved_recipe["checks"];
        let inputs = crate::steps::test_inputs(&manifest.inputs, checks, self.shop().tools.key());
        if manifest.verification.as_ref().is_some_and(|v| v.passed && v.inputs == inputs) {
            return Ok(());
        }
        let run_folder = self.run_folder();
        let test = Test {
            tools: &self.shop().tools,
            run_folder: &run_folder,
            deadline: self.boot_deadline(),
            host_encoder: None,
            progress: self.shop().progress,
        };
        let report = verify(self.output(), manifest, &test, &inputs);
        self.note_test(&inputs)?;
        report.map(drop)
    }

    /// Boots this session's image for somebody to log in, until the guest ends or `ended` says so.
    ///
    /// # Errors
    /// When the image does not boot.
    pub fn keep_booted(&self, manifest: &Manifest, say: &dyn Fn(&str), ended: &dyn Fn() -> bool) -> Result<(), Error> {
        let run_folder = self.run_folder();
        let test = Test {
            tools: &self.shop().tools,
            run_folder: &run_folder,
            deadline: self.boot_deadline(),
            host_encoder: None,
            progress: self.shop().progress,
        };
        keep_booted(self.output(), manifest, &test, say, ended)
    }
}
