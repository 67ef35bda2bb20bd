//! The Mac itself, and what this project's own checks say there.

use helix_host_encoder_artifacts as encoder;

use super::{Bundle, Said, Stop, failed, program};
use crate::args::CheckArgs;

/// The first macOS that the app runs on.
const OLDEST: u32 = 14;
/// How many frames of each kind are encoded, once for latency and once for speed.
const FRAMES: u32 = 100;

/// Version and processor.
pub(super) fn system() -> Said {
    let version = program("sw_vers").arg("-productVersion").output()?.text();
    let build = program("sw_vers").arg("-buildVersion").output()?.text();
    let machine = program("uname").arg("-m").output()?.text();
    let model = program("sysctl").args(["-n", "machdep.cpu.brand_string"]).output()?.text();
    let said = format!("macOS {} ({}), {}, {}", version.trim(), build.trim(), model.trim(), machine.trim());
    let major: u32 = version.trim().split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major < OLDEST || machine.trim() != "arm64" {
        return failed(format!("{said}; the app needs macOS {OLDEST} or newer on Apple Silicon"));
    }
    Ok(said)
}

/// Each published file has its digest beside it, which the Mac's own program finds too.
pub(super) fn digests(bundle: &Bundle) -> Said {
    let (mut faults, mut count) = (Vec::new(), 0);
    for name in crate::make::PUBLISHED {
        let (file, list) = (bundle.folder.join(name), bundle.folder.join(format!("{name}.sha256")));
        if !file.exists() {
            // Of a disk image another step tells.
            continue;
        }
        count += 1;
        match std::fs::read_to_string(&list) {
            Ok(text) if text.trim_end().ends_with(&format!("  {name}")) && text.lines().count() == 1 => {
                if let Err(error) = program("shasum").args(["-a", "256", "-c"]).arg(&list).dir(&bundle.folder).run() {
                    faults.push(error.to_string());
                }
            }
            Ok(text) => faults.push(format!("{} is no digest of {name}: {text:?}", list.display())),
            Err(error) => faults.push(format!("{}: {error}", list.display())),
        }
    }
    if faults.is_empty() { Ok(format!("{count} files")) } else { failed(faults.join("; ")) }
}

/// What `check-bundle` says.
pub(super) fn check(bundle: &Bundle) -> Said {
    let checked = crate::check(&CheckArgs { paths: vec![bundle.app.clone()] })
        .map_err(|error| Stop::NotRun(error.to_string()))?;
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
