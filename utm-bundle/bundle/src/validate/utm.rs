//! The package in UTM, where the Mac has one: it opens, runs, answers, and goes down.
//!
//! `utmctl` needs somebody who is logged in and consents to automation, and often ends with 0 when it failed: what it was asked for
//! is waited for, and what it complains of is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use helix_command::Cmd;

use super::{Bundle, Patience, Said, Stop, failed, not_run, program, wait};

/// Where UTM puts its program; somebody may have it in `PATH` too.
const UTMCTL: &str = "/Applications/UTM.app/Contents/MacOS/utmctl";
/// How long UTM may take to open a package.
const OPENING: Duration = Duration::from_secs(60);

pub(super) fn import(bundle: &Bundle, patience: Patience) -> Said {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&search).map(|folder| folder.join("utmctl"));
    let Some(utmctl) = found.chain([UTMCTL.into()]).find(|path| path.exists()) else {
        return Err(Stop::NotRun(format!("there is no UTM: neither utmctl in PATH nor {UTMCTL}")));
    };
    let folder = tempfile::tempdir().map_err(not_run("making a folder in", &std::env::temp_dir()))?;
    program("ditto").args(["-x", "-k"]).arg(&bundle.utm_archive).arg(folder.path()).run()?;
    let package = folder.path().join(crate::make::UTM);
    let faults = helix_utm_package::inspect(&package);
    if !faults.is_empty() {
        return failed(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
    }
    // The same image is the same VM, and somebody may have it in UTM already: this one must be another.
    let uuid = program("uuidgen").output()?.text().trim().to_owned();
    rename(&package, &uuid)?;
    program("open").args(["-a", "UTM"]).arg(&package).run()?;
    let vm = InUtm { utmctl, uuid, patience };
    vm.until(OPENING, "is in UTM's list", &["list"], &vm.uuid)?;
    vm.tell("start")?;
    vm.until(OPENING, "is started", &["status", &vm.uuid], "started")?;
    let question = ["exec", &vm.uuid, "--cmd", "systemctl", "is-system-running"];
    vm.until(patience.boot, "is up", &question, "running")?;
    vm.utmctl(&["stop", "--request", &vm.uuid]).run()?;
    vm.until(patience.shutdown, "is down", &["status", &vm.uuid], "stopped")?;
    Ok("opened, started, up, and shut down".to_owned())
}

/// Gives the package another identifier and name.
fn rename(package: &Path, uuid: &str) -> Result<(), Stop> {
    let path = package.join("config.plist");
    let bytes = std::fs::read(&path).map_err(not_run("reading", &path))?;
    let mut config = helix_property_list::dictionary(&bytes).map_err(Stop::Failed)?;
    let information = config.get_mut("Information").and_then(plist::Value::as_dictionary_mut);
    let information = information.ok_or_else(|| Stop::Failed("its configuration has no Information".to_owned()))?;
    information.insert("UUID".to_owned(), uuid.into());
    information.insert("Name".to_owned(), "helix-validation".into());
    plist::Value::Dictionary(config).to_file_xml(&path).map_err(|error| Stop::NotRun(error.to_string()))
}

/// The VM in UTM. It is taken out of UTM's list in the end.
struct InUtm {
    utmctl: PathBuf,
    uuid: String,
    patience: Patience,
}

impl InUtm {
    fn tell(&self, verb: &str) -> Result<(), Stop> {
        Ok(self.utmctl(&[verb, &self.uuid]).run()?)
    }

    fn utmctl(&self, words: &[&str]) -> Cmd {
        Cmd::new(&self.utmctl).args(words).limit(OPENING)
    }

    /// Waits until a verb says some word.
    fn until(&self, patience: Duration, what: &str, verb: &[&str], word: &str) -> Result<(), Stop> {
        let mut last = String::new();
        let said = wait(patience, self.patience.look, || {
            let (text, ended_well) = match self.utmctl(verb).output() {
                Ok(output) => (output.text(), true),
                Err(error) => (error.to_string(), false),
            };
            last = text;
            Ok((ended_well && last.split_whitespace().any(|one| one.eq_ignore_ascii_case(word))).then_some(()))
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
