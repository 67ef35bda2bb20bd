//! The package in UTM, where the Mac has one: it opens, runs, answers, and goes down.
//!
//! `utmctl` needs somebody who is logged in and consents to automation, and often ends with 0 when it failed: what it was asked for
//! is waited for, and what it complains of is told.

use std::path::Path;
use std::time::Duration;

use helix_command::Cmd;

use super::{Bundle, Patience, Said, Stop, failed, not_run, wait};

const UTMCTL: &str = "/Applications/UTM.app/Contents/MacOS/utmctl";
/// How long UTM may take to open a package.
const OPENING: Duration = Duration::from_secs(60);

pub(super) fn import(bundle: &Bundle, patience: Patience) -> Said {
    if !Path::new(UTMCTL).exists() {
        return Err(Stop::NotRun(format!("there is no UTM: {UTMCTL} is missing")));
    }
    let folder = tempfile::tempdir().map_err(not_run("making a folder in", &std::env::temp_dir()))?;
    Cmd::new("ditto").args(["-x", "-k"]).arg(&bundle.utm_archive).arg(folder.path()).run()?;
    let package = folder.path().join(crate::make::UTM);
    let faults = helix_utm_package::inspect(&package);
    if !faults.is_empty() {
        return failed(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
    }
    let uuid = uuid(&package).ok_or_else(|| Stop::Failed("its configuration has no UUID".to_owned()))?;
    Cmd::new("open").args(["-a", "UTM"]).arg(&package).run()?;
    let vm = InUtm { uuid, patience };
    vm.until(OPENING, "is in UTM's list", &["list"], &vm.uuid)?;
    vm.tell("start")?;
    vm.until(OPENING, "is started", &["status", &vm.uuid], "started")?;
    let question = ["exec", &vm.uuid, "--cmd", "systemctl", "is-system-running"];
    vm.until(patience.boot, "is up", &question, "running")?;
    Cmd::new(UTMCTL).args(["stop", "--request", &vm.uuid]).run()?;
    vm.until(patience.shutdown, "is down", &["status", &vm.uuid], "stopped")?;
    Ok("opened, started, up, and shut down".to_owned())
}

fn uuid(package: &Path) -> Option<String> {
    // It was inspected, and has a bounded size.
    let config = helix_property_list::dictionary(&std::fs::read(package.join("config.plist")).ok()?).ok()?;
    let information = config.get("Information")?.as_dictionary()?;
    Some(information.get("UUID")?.as_string()?.to_owned())
}

/// The VM in UTM. It is taken out of UTM's list in the end.
struct InUtm {
    uuid: String,
    patience: Patience,
}

impl InUtm {
    fn tell(&self, verb: &str) -> Result<(), Stop> {
        Ok(Cmd::new(UTMCTL).args([verb, &self.uuid]).run()?)
    }

    /// Waits until a verb says some word.
    fn until(&self, patience: Duration, what: &str, verb: &[&str], word: &str) -> Result<(), Stop> {
        let mut last = String::new();
        let said = wait(patience, self.patience.look, || {
            last = match Cmd::new(UTMCTL).args(verb).output() {
                Ok(output) => output.text(),
                Err(error) => error.to_string(),
            };
            Ok(last.split_whitespace().any(|one| one.eq_ignore_ascii_case(word)).then_some(()))
        })?;
        said.ok_or_else(|| {
            Stop::Failed(format!("the VM never {what} ({patience:?}); utmctl said last: {}", last.trim()))
        })
    }
}

impl Drop for InUtm {
    fn drop(&mut self) {
        // What is not there, or was told already, need not be told.
        let _ = self.tell("stop");
        let _ = self.tell("delete");
    }
}
