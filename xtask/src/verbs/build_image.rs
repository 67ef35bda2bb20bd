//! `build-image`: from a recipe to a verified image.

use std::time::Instant;

use helix_build::manifest::Manifest;
use helix_build::pipeline::{Built, Job, Session};
use helix_build::steps::{Step, arch_of};
use helix_build::store::Store;
use helix_build::{host, plan};

use crate::cli::BuildArgs;
use crate::exit::{Failure, interrupted, watch_interrupts};
use crate::ui::{BuildLog, Ui};

pub(crate) fn run(args: &BuildArgs, json: bool) -> Result<(), Failure> {
    let started = Instant::now();
    let job = job(args)?;
    if done_already(&job, args)? {
        return report(&job, args, &Manifest::read(&job.output)?, false, started, json);
    }
    watch_interrupts();
    host::ensure(arch_of(&job.recipe), &job.conduct.workspace.cache, &|text| eprintln!("{text}"))?;
    // Before the first thread: see the documentation of `enter`.
    helix_rootfs::namespace::enter().map_err(helix_build::Error::from)?;
    let store = Store::open(&job.conduct.workspace.cache)?;
    let log = BuildLog::start(&store.dir("run").join(format!("build-{}.log", std::process::id())))
        .map_err(|e| Failure::Other(format!("starting the build log: {e}")))?;
    let result = build(&job, args, &store, &log, started, json);
    if result.is_err() && !interrupted() {
        eprintln!("the log of this run: {}", log.path().display());
    } else {
        // A copy lies with the image.
        let _ = std::fs::remove_file(log.path());
    }
    result
}

/// Whether everything that is asked for is there: then nothing has to be opened.
fn done_already(job: &Job, args: &BuildArgs) -> Result<bool, Failure> {
    if args.sources.update_lock || args.keep_booted || job.break_at.is_some() || job.until < Step::Disk {
        return Ok(false);
    }
    let store = Store::open(&job.conduct.workspace.cache)?;
    let steps = plan::plan(job, &store)?;
    if !steps.iter().filter(|s| s.step >= Step::Disk && s.step <= job.until).all(|s| s.cached) {
        return Ok(false);
    }
    // Parts of the recipe that the disk does not depend on, as checks, are in the manifest too.
    Ok(Manifest::read(&job.output)?.resolved_recipe == job.resolved_recipe())
}

fn build(
    job: &Job,
    args: &BuildArgs,
    store: &Store,
    log: &BuildLog,
    started: Instant,
    json: bool,
) -> Result<(), Failure> {
    let ui = Ui::new();
    let session = Session::open(job, store, &ui)?;
    let (mut manifest, fresh) = match session.build()? {
        Built::Stopped(step) => {
            eprintln!("stopped after step {step}");
            if json {
                super::print_json(&serde_json::json!({ "stopped_after": step }));
            }
            return Ok(());
        }
        Built::Image { manifest, fresh } => (*manifest, fresh),
    };
    let tested_before = manifest.verification.clone();
    let keep_log = || log.keep_in(&job.output).map_err(|e| Failure::Other(format!("keeping the build log: {e}")));
    if job.until == Step::Test {
        let tested = session.verify(&mut manifest);
        // The log of a run that did nothing would replace that of the one that made the image.
        if fresh || manifest.verification != tested_before {
            keep_log()?;
        }
        tested?;
    } else if fresh {
        keep_log()?;
    }
    if interrupted() {
        // The image is whole, but whoever pressed Ctrl-C does not wait for what comes next.
        return Err(helix_build::Error::Interrupted.into());
    }
    report(job, args, &manifest, fresh, started, json)?;
    if args.keep_booted {
        session.keep_booted(&manifest, &|line| crate::ui::out(line), &interrupted)?;
    }
    Ok(())
}

/// Says in a few lines what there is and how to start it.
fn report(
    job: &Job,
    args: &BuildArgs,
    manifest: &Manifest,
    fresh: bool,
    started: Instant,
    json: bool,
) -> Result<(), Failure> {
    let disk = job.output.join("disk.qcow2");
    let seconds = started.elapsed().as_secs_f64();
    if json {
        super::print_json(&serde_json::json!({
            "image": job.output, "disk": disk, "fresh": fresh, "seconds": seconds, "manifest": manifest,
        }));
        return Ok(());
    }
    let checks = match &manifest.verification {
        Some(v) if v.passed => format!("booted by {}, {} checks passed", v.accelerator, v.checks.len()),
        Some(_) => "the boot test failed".to_owned(),
        None => "not booted".to_owned(),
    };
    eprintln!(
        "\n{} {}, {} packages, {:.0} MB on disk, {:.0} GiB virtual; {checks}\n  {}\n  start it:   cargo xtask vm up{}\n  look at it: cargo xtask inspect {}\n({:.1} s{})",
        manifest.recipe,
        manifest.architecture,
        manifest.packages,
        manifest.size as f64 / 1e6,
        manifest.virtual_size as f64 / f64::from(1 << 30),
        disk.display(),
        start(job, args),
        job.output.display(),
        seconds,
        if fresh { "" } else { ", nothing had changed" },
    );
    Ok(())
}

fn job(args: &BuildArgs) -> Result<Job, Failure> {
    let mut job = super::job(&args.recipe)?;
    super::use_sources(&mut job.conduct, &args.sources);
    job.until = if args.no_test { Step::Disk } else { args.until.unwrap_or(Step::Test) };
    if args.no_test && args.until.is_some_and(|s| s < Step::Disk) {
        job.until = args.until.unwrap_or(Step::Disk);
    }
    job.break_at = args.break_at;
    job.boot_deadline = std::time::Duration::from_secs(args.boot_timeout);
    if let Some(threads) = args.threads {
        job.conduct.threads = threads;
    }
    Ok(job)
}

/// The arguments of `vm up` that make a VM of this image: `default` is that of quickstart, others are called as their recipe.
fn start(job: &Job, args: &BuildArgs) -> String {
    if args.recipe.output.is_none() && job.name == "quickstart" {
        return String::new();
    }
    format!(" {} --image {}", vm_name(&job.name), job.output.display())
}

/// A recipe's name as that of a VM, which takes fewer characters and is shorter.
fn vm_name(recipe: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = recipe.chars().map(allowed).take(32).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "image".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_recipe_gives_the_name_of_a_vm() {
        let home = helix_vm::life::Home::find(Some("/nonexistent".as_ref())).unwrap();
        let long = "a".repeat(40);
        for (recipe, name) in [("ubuntu-26.04", "ubuntu-26-04"), ("_My", "my"), ("ä", "image"), (&long, &long[..32])] {
            assert_eq!(super::vm_name(recipe), name);
            assert!(home.vm(name).is_ok(), "{name}");
        }
    }
}
