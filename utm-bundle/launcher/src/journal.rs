//! What the launcher did, in a file: an app has no terminal.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use helix_vm::life::Vm;

/// When a new file is begun, in bytes. The one before is kept.
const FULL: u64 = 1 << 20;

/// The file `.NAME.launcher.log` in the folder of VMs.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
}

impl Journal {
    pub(crate) fn of(vm: &Vm) -> Self {
        Self { path: vm.home().join(format!(".{}.launcher.log", vm.name())) }
    }

    /// Adds a line, with the time in seconds since 1970. A journal that cannot be written is no reason to fail.
    pub(crate) fn note(&self, text: &str) {
        if std::fs::metadata(&self.path).is_ok_and(|meta| meta.len() > FULL) {
            let _ = std::fs::rename(&self.path, self.path.with_extension("log.1"));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let file = File::options().append(true).create(true).open(&self.path);
        let _ = file.and_then(|mut file| writeln!(file, "{now} {text}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use helix_vm::life::Home;

    #[test]
    fn a_full_journal_is_kept_beside_the_new_one() {
        let temp = tempfile::tempdir().unwrap();
        let vm = Home::find(Some(temp.path())).unwrap().vm("a").unwrap();
        let journal = Journal::of(&vm);
        journal.note(&"x".repeat(FULL as usize));
        journal.note("second");
        journal.note("third");
        let text = std::fs::read_to_string(temp.path().join(".a.launcher.log")).unwrap();
        assert_eq!(text.lines().map(|line| line.split_once(' ').unwrap().1).collect::<Vec<_>>(), ["second", "third"]);
        assert!(std::fs::metadata(temp.path().join(".a.launcher.log.1")).unwrap().len() > FULL);
    }
}
