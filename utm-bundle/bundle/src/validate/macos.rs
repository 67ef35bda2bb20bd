//! The Mac itself, and what this project's own checks say there.

use std::path::PathBuf;

use helix_command::Cmd;
use helix_host_encoder_artifacts as encoder;

use super::{Bundle, Said, Stop, failed, not_run};
use crate::args::CheckArgs;

/// The first macOS that the app runs on.
const OLDEST: u32 = 14;
/// How many frames of each kind are encoded, once for latency and once for speed.
const FRAMES: u32 = 100;

/// Version and processor.
pub(super) fn system() -> Said {
    let version = Cmd::new("sw_vers").arg("-productVersion").output()?.text();
    let build = Cmd::new("sw_vers").arg("-buildVersion").output()?.text();
    let machine = Cmd::new("uname").arg("-m").output()?.text();
    let model = Cmd::new("sysctl").args(["-n", "machdep.cpu.brand_string"]).output()?.text();
    let said = format!("macOS {} ({}), {}, {}", version.trim(), build.trim(), model.trim(), machine.trim());
    let major: u32 = version.trim().split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major < OLDEST || machine.trim() != "arm64" {
        return failed(format!("{said}; the app needs macOS {OLDEST} or newer on Apple Silicon"));
    }
    Ok(said)
}

/// Each file that has a digest beside it, by the Mac's own program.
pub(super) fn digests(bundle: &Bundle) -> Said {
    let entries = std::fs::read_dir(&bundle.folder).map_err(not_run("reading", &bundle.folder))?;
    let mut lists: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    lists.retain(|path| path.extension().is_some_and(|extension| extension == "sha256"));
    lists.sort();
    if lists.is_empty() {
        return failed("there is no .sha256 beside the app");
    }
    for list in &lists {
        Cmd::new("shasum").args(["-a", "256", "-c"]).arg(list).dir(&bundle.folder).run()?;
    }
    Ok(format!("{} files", lists.len()))
}

/// What `check-bundle` says.
pub(super) fn check(bundle: &Bundle) -> Said {
    let paths = [&bundle.app, &bundle.disk_image].into_iter().filter(|path| path.exists()).cloned().collect();
    let checked = crate::check(&CheckArgs { paths }).map_err(|error| Stop::NotRun(error.to_string()))?;
    let faults: Vec<String> = checked.iter().flat_map(|one| one.faults.clone()).collect();
    if !faults.is_empty() {
        return failed(faults.join("; "));
    }
    Ok(checked.into_iter().find_map(|one| one.signature).map(|by| format!("signed {by}")).unwrap_or_default())
}

/// Known frames through VideoToolbox, by the daemon that is in the app.
pub(super) fn encoder(bundle: &Bundle) -> Said {
    let program = Some(bundle.app.join("Contents/MacOS/helix-host-encoder"));
    let args = encoder::CheckArgs { program, encoder: Some("videotoolbox".to_owned()), frames: FRAMES };
    let checked = encoder::check(&args, &bundle.root, &|_| {}).map_err(|error| match error.exit_code() {
        6 => Stop::Failed(error.to_string()),
        _ => Stop::NotRun(error.to_string()),
    })?;
    let kinds: Vec<String> = checked.kinds.iter().map(ToString::to_string).collect();
    if checked.faults.is_empty() { Ok(kinds.join("; ")) } else { failed(checked.faults.join("; ")) }
}
