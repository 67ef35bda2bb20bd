//! Logs of a machine: the present ones and those of earlier starts.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use super::error::Error;
use super::home::Vm;

/// How many logs of earlier starts are kept.
const KEPT: u32 = 5;
/// How often a log that is followed is looked at.
const POLL: Duration = Duration::from_millis(200);

/// A log of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// What the guest wrote to its serial console.
    Serial,
    /// What QEMU said.
    Qemu,
    /// What the host encoder said.
    Encoder,
}

impl Log {
    fn name(self) -> &'static str {
        match self {
            Self::Serial => "serial",
            Self::Qemu => "qemu",
            Self::Encoder => "encoder",
        }
    }
}

/// The file of a log: of the last start, or of the one so many before it.
fn file(vm: &Vm, log: Log, before: u32) -> PathBuf {
    let number = if before == 0 { String::new() } else { format!(".{before}") };
    vm.run_folder().join(format!("{}{number}.log", log.name()))
}

/// Makes room for the log of a new start.
pub(crate) fn rotate(vm: &Vm, log: Log) -> Result<(), Error> {
    for before in (0..KEPT).rev() {
        let (from, to) = (file(vm, log, before), file(vm, log, before + 1));
        match std::fs::rename(&from, &to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("renaming", &from)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

impl Vm {
    /// Writes a log to `out`; with `follow` also what is added, until `out` fails.
    ///
    /// # Errors
    /// When the machine does not exist or the log cannot be read. That `out` fails is none: its reader has seen enough.
    pub fn logs(&self, log: Log, follow: bool, out: &mut dyn Write) -> Result<(), Error> {
        self.must_exist()?;
        let path = file(self, log, 0);
        let mut open: Option<(u64, File)> = None;
        loop {
            // A start makes a new file of the same name.
            let inode = std::fs::metadata(&path).ok().map(|meta| meta.ino());
            if let Some(inode) = inode.filter(|inode| open.as_ref().is_none_or(|(of, _)| of != inode)) {
                open = Some((inode, File::open(&path).map_err(Error::io("opening", &path))?));
            }
            let mut bytes = Vec::new();
            if let Some((_, file)) = &mut open {
                file.read_to_end(&mut bytes).map_err(Error::io("reading", &path))?;
            }
            if out.write_all(&bytes).and_then(|()| out.flush()).is_err() || !follow {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::Home;

    fn vm(temp: &std::path::Path) -> Vm {
        let vm = Home::find(Some(temp)).unwrap().vm("a").unwrap();
        std::fs::create_dir_all(vm.run_folder()).unwrap();
        vm
    }

    #[test]
    fn five_earlier_logs_are_kept() {
        let temp = tempfile::tempdir().unwrap();
        let vm = vm(temp.path());
        for start in 0..8 {
            rotate(&vm, Log::Qemu).unwrap();
            std::fs::write(file(&vm, Log::Qemu, 0), start.to_string()).unwrap();
        }
        let kept = |before| std::fs::read_to_string(file(&vm, Log::Qemu, before)).unwrap();
        assert_eq!((0..=KEPT).map(kept).collect::<String>(), "765432");
        assert_eq!(std::fs::read_dir(vm.run_folder()).unwrap().count(), 6);
    }

    #[test]
    fn following_goes_on_over_a_new_start() {
        let temp = tempfile::tempdir().unwrap();
        let vm = vm(temp.path());
        let (mut reader, mut writer) = std::os::unix::net::UnixStream::pair().unwrap();
        std::fs::write(file(&vm, Log::Serial, 0), "one").unwrap();
        let follower = std::thread::spawn({
            let vm = vm.clone();
            move || vm.logs(Log::Serial, true, &mut writer)
        });
        let mut seen = [0; 3];
        reader.read_exact(&mut seen).unwrap();
        rotate(&vm, Log::Serial).unwrap();
        std::fs::write(file(&vm, Log::Serial, 0), "two").unwrap();
        reader.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"two");
        // Its end is noticed with the next words.
        drop(reader);
        std::fs::write(file(&vm, Log::Serial, 0), "two and more").unwrap();
        follower.join().unwrap().unwrap();
    }

    #[test]
    fn a_machine_that_was_never_started_has_an_empty_log() {
        let temp = tempfile::tempdir().unwrap();
        let mut out = Vec::new();
        vm(temp.path()).logs(Log::Encoder, false, &mut out).unwrap();
        assert!(out.is_empty());
    }
}
