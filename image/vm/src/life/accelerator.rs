//! The accelerator of a start. That hardware does not work can take the probe eight seconds to find out: that answer is kept,
//! for this boot of the computer and this QEMU.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::home::Vm;
use super::state;
use crate::accel::{self, AccelReport, Accelerator};
use crate::folder::RunFolder;
use crate::machine::Arch;
use crate::platform;
use crate::programs::Programs;

/// An answer that takes longer is kept. Others cost nothing to find out anew, and may change: a right to `/dev/kvm`.
const LONG: Duration = Duration::from_secs(2);

/// An answer that was kept, and what it was about.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    about: Vec<String>,
    report: AccelReport,
}

/// Finds the accelerator for guests of `arch`.
pub(crate) fn find(vm: &Vm, programs: &Programs, arch: Arch, folder: &RunFolder) -> Result<AccelReport, Error> {
    let path = vm.home().join(".accelerator.json");
    let about = about(programs, arch);
    // One that cannot be read, or is of another program, is as good as none.
    let kept: Option<Kept> = state::read(&path).ok().flatten();
    if let (Some(kept), Some(about)) = (kept, &about)
        && kept.about == *about
    {
        return Ok(kept.report);
    }
    let begun = Instant::now();
    let report = accel::probe(programs, arch, folder.path())?;
    if let (Some(about), Accelerator::Tcg) = (about, report.chosen)
        && begun.elapsed() > LONG
    {
        state::write(&path, &Kept { about, report: report.clone() })?;
    }
    Ok(report)
}

/// What the answer depends on; nothing where that is not known.
fn about(programs: &Programs, arch: Arch) -> Option<Vec<String>> {
    let argv = programs.qemu.argv();
    let mut about = vec![platform::boot_id()?, format!("{arch:?}")];
    about.extend(argv.iter().map(|word| word.to_string_lossy().into_owned()));
    // Those of the command line that are files: QEMU, and a loader that starts it.
    for meta in argv.iter().filter_map(|word| std::fs::metadata(PathBuf::from(word)).ok()) {
        about.push(format!("{} {} {}", meta.ino(), meta.len(), meta.mtime()));
    }
    Some(about)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::Home;
    use helix_command::Cmd;
    use std::path::Path;

    /// What is found with `script` for QEMU, which appends to the file `runs`; and how often that has run.
    fn found(temp: &Path, script: &str) -> (AccelReport, usize) {
        let vars = temp.join("vars");
        std::fs::write(&vars, "vars").unwrap();
        let runs = temp.join("runs");
        let qemu = Cmd::new("sh").args(["-c", &format!("echo >> '{}'; {script}", runs.display()), "qemu"]);
        let qemu_img = Cmd::new("false");
        let programs =
            Programs { qemu, qemu_img, vsock: None, firmware_code: vars.clone(), firmware_vars: vars, root: None };
        let vm = Home::find(Some(temp)).unwrap().vm("a").unwrap();
        let folder = RunFolder::prepare(&temp.join("run")).unwrap();
        let report = find(&vm, &programs, platform::host_arch().unwrap(), &folder).unwrap();
        (report, std::fs::read_to_string(runs).unwrap().len())
    }

    #[test]
    fn only_an_answer_that_took_long_is_kept() {
        let temp = tempfile::tempdir().unwrap();
        let refuses_at_once = "echo no right >&2; exit 1";
        assert_eq!(found(temp.path(), refuses_at_once).1, 1);
        assert_eq!(found(temp.path(), refuses_at_once).1, 2);
        let refuses_late = "sleep 3; echo broken >&2; exit 1";
        let (first, runs) = found(temp.path(), refuses_late);
        assert_eq!((first.chosen, runs), (Accelerator::Tcg, 3));
        assert_eq!(found(temp.path(), refuses_late), (first, 3));
        // Another QEMU, or a damaged file, is another question.
        assert_eq!(found(temp.path(), "sleep 3; exit 2").1, 4);
        std::fs::write(temp.path().join(".accelerator.json"), "{").unwrap();
        assert_eq!(found(temp.path(), "exit 2").1, 5);
    }
}
