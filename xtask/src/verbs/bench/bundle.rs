//! `bench bundle`: an app of 800 MB assembled and signed, and the same app copied and hashed once.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use helix_app::{Parts, Programs, Vm};
use helix_build::pipeline::Job;
use helix_command::Cmd;
use serde_json::json;

use super::{ROUNDS, line, median, scratch, timed};
use crate::exit::Failure;

/// The size of the disk in bytes, which is nearly all of the app.
const DISK: usize = 800_000_000;

pub(super) fn run(job: &Job) -> Result<(), Failure> {
    let scratch = scratch(job)?;
    let at = |name: &str| scratch.path().join(name);
    let other = |error: &dyn std::fmt::Display| Failure::Other(error.to_string());
    helix_test_sysroot::build(&at("sysroot")).map_err(|e| other(&e))?;
    helix_test_sysroot::build_own(&at("own")).map_err(|e| other(&e))?;
    image(&at("image"))?;
    let parts =
        Parts { sysroot: &at("sysroot"), own: &[], vm: Vm::Embed(&at("image")), version: "1.0", epoch: 315_532_800 };
    let programs = Programs {
        launcher: &at("own/Helix"),
        host_encoder: &at("own/helix-host-encoder"),
        host_encoder_library: &at("own/libhelix_host_encoder_capi.dylib"),
    };
    let (app, copy) = (at("ours/Helix.app"), at("theirs"));
    let (mut assembled, mut signed, mut busy) = <(Vec<_>, Vec<_>, Vec<_>)>::default();
    let (mut ours, mut theirs) = <(Vec<_>, Vec<_>)>::default();
    for _ in 0..ROUNDS {
        // The first round has nothing to remove.
        let _ = std::fs::remove_dir_all(&app);
        let assembling = timed(|| helix_app::assemble(&parts, &programs, &app).map_err(|e| other(&e)))?;
        let before = processor_time();
        let signing = timed(|| {
            helix_signing::sign(&app, &helix_signing::Identity::ad_hoc(), &AtomicU64::new(0)).map_err(|e| other(&e))
        })?;
        busy.push(processor_time() - before);
        ours.push(assembling + signing);
        assembled.push(assembling);
        signed.push(signing);
        let _ = std::fs::remove_dir_all(&copy);
        theirs.push(timed(|| copied_and_hashed(&app, &copy))?);
    }
    let report = helix_signing::verify(&app).map_err(|e| other(&e))?;
    if !report.faults.is_empty() {
        return Err(Failure::Other(format!("the app that was measured is not good: {:?}", report.faults)));
    }
    let seconds = |times| median(times).as_secs_f64();
    let (assembled, signed, busy) = (seconds(assembled), seconds(signed), seconds(busy));
    crate::ui::out(&format!(
        "assembling {assembled:.2} s, signing {signed:.2} s with {busy:.2} s of the processors: {:.1} of {} cores",
        busy / signed,
        std::thread::available_parallelism().map_or(1, usize::from),
    ));
    line("an app of 800 MB, against cp, sync and sha256 once", median(ours), median(theirs));
    Ok(())
}

/// What this process has had of the processors.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// An image with a disk of noise, which nothing can make smaller.
fn image(folder: &Path) -> Result<(), Failure> {
    let other = |e: std::io::Error| Failure::Other(format!("writing {}: {e}", folder.display()));
    std::fs::create_dir_all(folder).map_err(other)?;
    let disk = folder.join("disk.qcow2");
    let licence = json!([{ "license": { "name": "GPL-2+" } }]);
    let bill = json!({ "components": [{ "name": "base-files", "version": "13", "licenses": licence }] });
    std::fs::write(folder.join("sbom.cdx.json"), bill.to_string()).map_err(other)?;
    let script = format!("head -c {DISK} /dev/urandom > \"$0\"");
    Cmd::new("sh").args(["-c", &script]).arg(&disk).run()?;
    let digest = |file: &Path| -> Result<String, Failure> {
        let text = Cmd::new("openssl").args(["dgst", "-sha256", "-r"]).arg(file).output()?.text();
        Ok(text.split_whitespace().next().unwrap_or_default().to_owned())
    };
    let manifest = json!({
        "schema_version": 1, "recipe": "bench", "architecture": "arm64", "size": DISK,
        "artifacts": { "disk.qcow2": digest(&disk)?, "sbom.cdx.json": digest(&folder.join("sbom.cdx.json"))? },
        "resolved_recipe": { "hostname": "helix", "users": [{ "name": "helix" }] },
    });
    std::fs::write(folder.join("manifest.json"), manifest.to_string()).map_err(other)
}

/// The least that anybody does who makes a copy and a digest of each file. openssl hashes as fast as the processor can.
fn copied_and_hashed(from: &Path, to: &Path) -> Result<(), Failure> {
    Cmd::new("cp").args(["-a", "--reflink=auto"]).arg(from).arg(to).run()?;
    Cmd::new("sync").arg("-f").arg(to).run()?;
    let script = "find \"$0\" -type f -print0 | xargs -0 openssl dgst -sha256 -r > /dev/null";
    Ok(Cmd::new("sh").args(["-c", script]).arg(to).run()?)
}
