//! Fuzzing for a short while: the targets of `image/fuzz` with coverage, by the stable compiler.
//!
//! `cargo fuzz` does the same with the address sanitizer, which only a nightly compiler has; for code without `unsafe`
//! the coverage is what matters.

use std::path::Path;
use std::process::Command;

use super::parts::succeed;

/// The targets, each a file in `image/fuzz/fuzz_targets`. Seeds are in `image/fuzz/seeds`; those of recipes are the
/// project's own.
const TARGETS: [&str; 18] = [
    "recipe",
    "lock",
    "qcow2",
    "artifact",
    "layer",
    "manifest",
    "tar-split",
    "frame",
    "attach",
    "macho",
    "macho-edit",
    "utm-config",
    "signature",
    "identity",
    "seal",
    "timestamp",
    "notary",
    "udif",
];

/// How long each target runs, in seconds.
const SECONDS: u32 = 10;

/// What `cargo fuzz build --sanitizer none` passes to the compiler: coverage counters and comparisons for libFuzzer,
/// and the checks of a debug build.
const FLAGS: [&str; 8] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions",
    "--cfg=fuzzing",
    "-Cforce-frame-pointers",
];

/// Builds and runs every target.
///
/// # Errors
/// When one crashes; libFuzzer's own words, and the file with the input, are above then.
pub(crate) fn run(root: &Path, cargo: &Path) -> Result<(), String> {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let target_dir = root.join("target/fuzz");
    let mut build = Command::new(cargo);
    build.current_dir(root.join("image/fuzz")).args(["build", "--release", "--locked", "--target", &triple]);
    build.arg("--target-dir").arg(&target_dir).env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
    succeed(&mut build)?;
    let mut failures = Vec::new();
    for target in TARGETS {
        // What earlier runs found is kept in the first folder; the seeds are only read.
        let corpus = target_dir.join("corpus").join(target);
        std::fs::create_dir_all(&corpus).map_err(|e| format!("making {}: {e}", corpus.display()))?;
        let mut fuzz = Command::new(target_dir.join(&triple).join("release").join(target));
        fuzz.arg(&corpus);
        if target == "recipe" {
            fuzz.arg(format!("-seed_inputs={}", recipes(root)?));
        } else {
            fuzz.arg(root.join("image/fuzz/seeds").join(target));
        }
        fuzz.arg(format!("-max_total_time={SECONDS}")).args([
            "-timeout=10",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
        ]);
        fuzz.arg(format!("-artifact_prefix={}/", target_dir.display()));
        failures.extend(succeed(&mut fuzz).err());
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

/// The recipes of the project, as libFuzzer takes a list of files.
fn recipes(root: &Path) -> Result<String, String> {
    let folder = root.join("recipes");
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("reading {}: {e}", folder.display()))?;
    let files = entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| p.extension().is_some_and(|e| e == "yaml"));
    Ok(files.map(|p| p.display().to_string()).collect::<Vec<_>>().join(","))
}
