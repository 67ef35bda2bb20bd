//! `bench`: this tool and the alternative, side by side in one run, with the ratio.

mod bundle;
mod encode;
mod graph;
mod vm;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use helix_build::lock::Lock;
use helix_build::manifest::Manifest;
use helix_build::pipeline::Job;
use helix_command::Cmd;
use helix_disk::{Source, qcow2};

use crate::cli::{BenchArgs, BenchKind, RecipeArgs};
use crate::exit::Failure;

/// How often the short measurements are repeated; the median counts.
const ROUNDS: usize = 3;

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let recipe = RecipeArgs { recipe: args.recipe.clone(), arch: None, mirror: None, output: None };
    let job = || super::job(&recipe);
    match args.what {
        BenchKind::Qcow2 => bench_qcow2(&job()?),
        BenchKind::Build => bench_build(&job()?, args.at_most),
        BenchKind::Steps => bench_steps(&job()?),
        BenchKind::DockerGraph => graph::run(&job()?),
        BenchKind::Bundle => bundle::run(&job()?),
        BenchKind::Encode => encode::run(),
        BenchKind::Vm => vm::run(&job()?),
    }
}

fn scratch(job: &Job) -> Result<tempfile::TempDir, Failure> {
    let parent = job.conduct.workspace.root.join("target");
    tempfile::Builder::new()
        .prefix("bench")
        .tempdir_in(&parent)
        .map_err(|e| Failure::Other(format!("{}: {e}", parent.display())))
}

fn timed(work: impl FnOnce() -> Result<(), Failure>) -> Result<Duration, Failure> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn file_size(path: &Path) -> Result<u64, Failure> {
    std::fs::metadata(path).map(|m| m.len()).map_err(|e| Failure::Other(format!("{}: {e}", path.display())))
}

fn line(what: &str, ours: Duration, theirs: Duration) {
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    crate::ui::out(&format!(
        "{what}: ours {:.1} s, the alternative {:.1} s, ratio {ratio:.2}",
        ours.as_secs_f64(),
        theirs.as_secs_f64()
    ));
}

/// Writes the disk of the built image anew, by our writer and by qemu-img, in turns.
fn bench_qcow2(job: &Job) -> Result<(), Failure> {
    Manifest::read(&job.output)?;
    let dir = scratch(job)?;
    let (raw, ours, theirs) = (dir.path().join("raw"), dir.path().join("ours"), dir.path().join("theirs"));
    let image = job.output.join("disk.qcow2");
    Cmd::new("qemu-img").args(["convert", "-O", "raw"]).arg(&image).arg(&raw).run()?;
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for file in [&ours, &theirs] {
            // The first round has nothing to remove.
            let _ = std::fs::remove_file(file);
        }
        our_times.push(timed(|| write_qcow2(&raw, &ours))?);
        // `-t writeback` makes qemu-img flush at the end, as our writer does.
        their_times.push(timed(|| {
            let cmd = Cmd::new("qemu-img").args([
                "convert",
                "-t",
                "writeback",
                "-c",
                "-O",
                "qcow2",
                "-o",
                "compression_type=zstd",
            ]);
            Ok(cmd.args(["-m", "16", "-W"]).arg(&raw).arg(&theirs).run()?)
        })?);
    }
    line("writing qcow2", median(our_times), median(their_times));
    crate::ui::out(&format!("size: ours {} bytes, qemu-img {} bytes", file_size(&ours)?, file_size(&theirs)?));
    Ok(())
}

fn write_qcow2(raw: &Path, target: &Path) -> Result<(), Failure> {
    let other = |e: &dyn std::fmt::Display| Failure::Other(format!("writing {}: {e}", target.display()));
    let mut source = Source::new(file_size(raw)?);
    source.add_file(0, raw).map_err(|e| other(&e))?;
    let file = std::fs::File::create(target).map_err(|e| other(&e))?;
    qcow2::write(&source, source.size(), &file, &qcow2::Options::default()).map_err(|e| other(&e))?;
    Ok(())
}

/// A cold build with all packages downloaded, and the same packages by mmdebstrap, mke2fs and qemu-img.
fn bench_build(job: &Job, at_most: Option<u32>) -> Result<(), Failure> {
    let dir = scratch(job)?;
    let (ours, peak) = ours_cold(job, dir.path())?;
    crate::ui::out(&format!(
        "ours, cold, to qcow2: {:.1} s; peak memory of the tool {} MiB",
        ours.as_secs_f64(),
        peak >> 10
    ));
    // Whole seconds, as `timeout` takes them.
    let limit = at_most.map(|n| Duration::from_secs((ours * n).as_secs() + 1));
    match theirs_cold(job, dir.path(), limit)? {
        Some(theirs) => line("cold build to qcow2", ours, theirs),
        None => {
            let n = at_most.unwrap_or(1);
            let ratio = 1.0 / f64::from(n);
            crate::ui::out(&format!(
                "cold build to qcow2: the alternative was not done after {n} times our time: ratio below {ratio:.2}"
            ));
        }
    }
    Ok(())
}

/// A build in an empty cache but for the packages: duration, and peak memory of the tool in KiB.
fn ours_cold(job: &Job, dir: &Path) -> Result<(Duration, u64), Failure> {
    let cache = dir.join("cache");
    std::fs::create_dir_all(&cache).map_err(|e| Failure::Other(format!("{}: {e}", cache.display())))?;
    for kind in ["packages", "blobs"] {
        Cmd::new("cp").arg("-a").arg(job.conduct.workspace.cache.join(kind)).arg(&cache).run()?;
    }
    own_build(job, &cache, &dir.join("image"))
}

/// Runs this program's `build-image` and follows its memory.
fn own_build(job: &Job, cache: &Path, output: &Path) -> Result<(Duration, u64), Failure> {
    let program = std::env::current_exe().map_err(|e| Failure::Other(e.to_string()))?;
    let mut command = Command::new(program);
    command.arg("build-image").arg(&job.file).args(["--no-test", "--offline", "--output"]).arg(output);
    followed(command.env("HELIX_CACHE", cache))
}

/// Runs a command to its end: duration, and peak memory in KiB.
fn followed(command: &mut Command) -> Result<(Duration, u64), Failure> {
    let started = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).spawn().map_err(|e| Failure::Other(format!("starting {command:?}: {e}")))?;
    let mut peak = 0;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let now = status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok());
        peak = now.unwrap_or(0).max(peak);
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Ok(Some(status)) if status.success() => return Ok((started.elapsed(), peak)),
            Ok(Some(status)) => return Err(Failure::Other(format!("{command:?} ended with {status}"))),
            Err(e) => return Err(Failure::Other(e.to_string())),
        }
    }
}

/// The alternative, as one would type it; it needs root, mmdebstrap and a host registration of qemu-user.
///
/// `None` when it was not done within `limit`.
fn theirs_cold(job: &Job, dir: &Path, limit: Option<Duration>) -> Result<Option<Duration>, Failure> {
    for program in ["mmdebstrap", "mke2fs", "qemu-img", "qemu-aarch64-static"] {
        if Cmd::new("sh").args(["-c", &format!("command -v {program}")]).run().is_err() {
            return Err(helix_build::Error::Host(format!(
                "{program} is missing; the comparison needs\n    sudo apt-get install mmdebstrap e2fsprogs qemu-utils qemu-user-static binfmt-support"
            ))
            .into());
        }
    }
    let target = helix_build::steps::arch_of(&job.recipe);
    let lock = Lock::read(&job.lock_file())?.unwrap_or_default();
    let resolution = lock.get(target.debian_name()).ok_or_else(|| Failure::Other("the recipe is not locked".into()))?;
    let debs = dir.join("debs");
    std::fs::create_dir_all(&debs).map_err(|e| Failure::Other(e.to_string()))?;
    for package in &resolution.packages {
        let from = job.conduct.workspace.cache.join("packages").join(&package.sha256[..2]).join(&package.sha256);
        let name = format!("{}_{}_{}.deb", package.name, package.version.replace(':', "%3a"), package.architecture);
        std::fs::copy(&from, debs.join(name)).map_err(|e| Failure::Other(format!("{}: {e}", from.display())))?;
    }
    let names: Vec<&str> = resolution.packages.iter().map(|p| p.name.as_str()).collect();
    let (tree, raw, image) = (dir.join("mm"), dir.join("mm.raw"), dir.join("mm.qcow2"));
    let started = Instant::now();
    let result = (|| -> Result<(), helix_command::Error> {
        // In namespaces of its own, which end with it: were it stopped, its processes and its mounts of /proc and /sys
        // would outlive it otherwise, inside a folder that is about to be removed.
        let mut cmd = Cmd::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "timeout", "--signal=KILL"])
            .arg(limit.map_or_else(|| "0".to_owned(), |l| l.as_secs().to_string()))
            .arg("mmdebstrap")
            .args(["--mode=root", "--variant=essential", &format!("--architectures={target}")])
            .arg(format!("--include={}", names.join(",")))
            .arg("--aptopt=APT::Install-Recommends \"false\"")
            .arg(format!(
                "--setup-hook=mkdir -p \"$1\"/var/cache/apt/archives && cp {}/*.deb \"$1\"/var/cache/apt/archives/",
                debs.display()
            ))
            .args(["--skip=cleanup/apt"])
            .arg(&job.recipe.release)
            .arg(&tree);
        for archive in &job.recipe.archives {
            let mirror =
                helix_build::host::own_mirror(&archive.mirror, &archive.suites, true).unwrap_or_else(|| archive.url());
            for suite in &archive.suites {
                cmd = cmd.arg(format!(
                    "deb [signed-by={}] {mirror} {suite} {}",
                    archive.key.path().display(),
                    archive.components.join(" ")
                ));
            }
        }
        cmd.run()?;
        let size = format!("{}K", job.recipe.disk.size.bytes() >> 10);
        Cmd::new("mke2fs").args(["-q", "-t", "ext4", "-d"]).arg(&tree).arg(&raw).arg(size).run()?;
        Cmd::new("qemu-img").args(["convert", "-c", "-O", "qcow2"]).arg(&raw).arg(&image).run()
    })();
    let took = started.elapsed();
    match result {
        Err(_) if limit.is_some_and(|limit| took >= limit) => Ok(None),
        Err(e) => Err(e.into()),
        Ok(()) => Ok(Some(took)),
    }
}

/// What a developer waits for: one changed file, and nothing changed.
fn bench_steps(job: &Job) -> Result<(), Failure> {
    let dir = scratch(job)?;
    let layer = job.conduct.workspace.root.join("recipes");
    let copy = dir.path().join("project");
    std::fs::create_dir_all(&copy).map_err(|e| Failure::Other(e.to_string()))?;
    Cmd::new("cp").arg("-a").arg(&layer).arg(job.conduct.workspace.root.join("guest-components")).arg(&copy).run()?;
    let output = dir.path().join("image");
    let mut copied = job.clone();
    copied.file = copy.join("recipes").join(job.file.file_name().unwrap_or_default());
    own_build(&copied, &job.conduct.workspace.cache, &output)?;
    let changed: PathBuf = copy.join("guest-components/overlay/etc/helix-bench");
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        std::fs::write(&changed, format!("{round}\n")).map_err(|e| Failure::Other(e.to_string()))?;
        let (time, peak) = own_build(&copied, &job.conduct.workspace.cache, &output)?;
        crate::ui::out(&format!(
            "one changed file, round {round}: {:.1} s, peak memory of the tool {} MiB",
            time.as_secs_f64(),
            peak >> 10
        ));
        times.push(time);
    }
    crate::ui::out(&format!("one changed file: {:.1} s (median of {ROUNDS})", median(times).as_secs_f64()));
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(own_build(&copied, &job.conduct.workspace.cache, &output)?.0);
    }
    crate::ui::out(&format!("nothing changed: {:.2} s (median of {ROUNDS})", median(times).as_secs_f64()));
    Ok(())
}
