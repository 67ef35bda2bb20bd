//! Logs of a machine: the present ones and those of earlier starts.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Error;
use super::home::Vm;

/// How many logs of earlier starts are kept.
const KEPT: u32 = 5;
/// How long a log may become while its program runs, in bytes.
const FULL: u64 = 16 << 20;
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
    rotate_before(vm, log)?;
    rename(&file(vm, log, 0), &file(vm, log, 1))
}

/// Makes room for the log of the start before.
fn rotate_before(vm: &Vm, log: Log) -> Result<(), Error> {
    for before in (1..KEPT).rev() {
        let (from, to) = (file(vm, log, before), file(vm, log, before + 1));
        rename(&from, &to)?;
    }
    Ok(())
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("renaming", from)(error)),
        _ => Ok(()),
    }
}

/// Keeps the logs of programs that run for long from growing without end: what is full becomes the log before, and the present
/// one begins anew. What is written in the moment between is lost.
pub(crate) fn cut(vm: &Vm, full: u64) -> Result<(), Error> {
    for log in [Log::Serial, Log::Qemu, Log::Encoder] {
        let path = file(vm, log, 0);
        if !is_longer(&path, full) {
            continue;
        }
        let copy = path.with_extension("log.new");
        std::fs::copy(&path, &copy).map_err(Error::io("copying", &path))?;
        let writer = File::options().write(true).open(&path).map_err(Error::io("opening", &path))?;
        writer.set_len(0).map_err(Error::io("cutting", &path))?;
        rotate_before(vm, log)?;
        std::fs::rename(&copy, file(vm, log, 1)).map_err(Error::io("renaming", &copy))?;
    }
    Ok(())
}

fn is_longer(path: &Path, full: u64) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.len() > full)
}

impl Vm {
    /// Begins new logs where those of programs that run have become longer than 16 MiB; while another command works on the
    /// machine, nothing is done. For whoever stays with a machine that runs.
    ///
    /// # Errors
    /// When a log cannot be read or written.
    pub fn cut_logs(&self) -> Result<(), Error> {
        if ![Log::Serial, Log::Qemu, Log::Encoder].iter().any(|log| is_longer(&file(self, *log, 0), FULL)) {
            return Ok(());
        }
        match self.lock("logs") {
            Ok(_lock) => cut(self, FULL),
            Err(Error::Busy { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

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
                go_back_if_cut(file).map_err(Error::io("reading", &path))?;
                file.read_to_end(&mut bytes).map_err(Error::io("reading", &path))?;
            }
            if out.write_all(&bytes).and_then(|()| out.flush()).is_err() || !follow {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
    }
}

/// A log that is shorter than what was read of it has been begun anew.
fn go_back_if_cut(file: &mut File) -> std::io::Result<()> {
    if file.metadata()?.len() < file.stream_position()? {
        file.seek(SeekFrom::Start(0))?;
    }
    Ok(())
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
    fn a_full_log_of_a_program_that_runs_becomes_the_one_before() {
        let temp = tempfile::tempdir().unwrap();
        let vm = vm(temp.path());
        let path = file(&vm, Log::Qemu, 0);
        let mut program = File::options().append(true).create(true).open(&path).unwrap();
        program.write_all(b"0123456789").unwrap();
        cut(&vm, 10).unwrap();
        assert!(!file(&vm, Log::Qemu, 1).exists(), "it is not full yet");
        program.write_all(b"!").unwrap();
        cut(&vm, 10).unwrap();
        program.write_all(b"after").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(std::fs::read_to_string(file(&vm, Log::Qemu, 1)).unwrap(), "0123456789!");
        for _ in 0..8 {
            cut(&vm, 0).unwrap();
            program.write_all(b"more").unwrap();
        }
        assert_eq!(std::fs::read_dir(vm.run_folder()).unwrap().count(), 6);
    }

    #[test]
    fn following_goes_on_after_a_cut() {
        let temp = tempfile::tempdir().unwrap();
        let vm = vm(temp.path());
        let path = file(&vm, Log::Serial, 0);
        std::fs::write(&path, "0123456789").unwrap();
        let mut file = File::open(&path).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        cut(&vm, 5).unwrap();
        std::fs::write(&path, "new").unwrap();
        go_back_if_cut(&mut file).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "0123456789new");
    }

    #[test]
    fn a_machine_that_was_never_started_has_an_empty_log() {
        let temp = tempfile::tempdir().unwrap();
        let mut out = Vec::new();
        vm(temp.path()).logs(Log::Encoder, false, &mut out).unwrap();
        assert!(out.is_empty());
    }
}
