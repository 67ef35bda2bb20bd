//! One command at a time works on a machine. The kernel keeps the lock, so that it ends with its holder.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::Error;

/// How long a lock may be held by somebody who does not mean it.
const MOMENT: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct VerbLock {
    _file: File,
}

fn open(path: &Path) -> Result<File, Error> {
    let options = File::options().read(true).write(true).create(true).truncate(false).open(path);
    options.map_err(Error::io("opening", path))
}

impl VerbLock {
    /// Takes the lock `path` of the machine `name` for `verb`, or says who has it.
    pub(crate) fn take(path: &Path, name: &str, verb: &str) -> Result<Self, Error> {
        let mut file = open(path)?;
        if !try_for_a_moment(&file).map_err(Error::io("locking", path))? {
            return Err(Error::Busy { name: name.to_owned(), by: told(&mut file) });
        }
        // For people only: what counts is the lock.
        let text = format!("`vm {verb}`, process {}\n", std::process::id());
        let written = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(Error::io("writing", path))?;
        Ok(Self { _file: file })
    }
}

/// Takes the lock of `file` unless somebody has it for longer than a moment. Who only asks has it for one; and a program
/// that is being started has it until it is executed, also when whoever starts it has let go or was killed.
pub(crate) fn try_for_a_moment(file: &File) -> std::io::Result<bool> {
    for_a_moment(|| file.try_lock())
}

fn for_a_moment(attempt: impl Fn() -> Result<(), TryLockError>) -> std::io::Result<bool> {
    let deadline = Instant::now() + MOMENT;
    loop {
        match attempt() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(POLL),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// What the holder of the lock says it does.
fn told(file: &mut File) -> String {
    let mut text = String::new();
    let _ = file.rewind().and_then(|()| file.read_to_string(&mut text));
    let text = text.trim();
    if text.is_empty() { "one that has just begun".to_owned() } else { text.to_owned() }
}

/// The command that works on the machine whose lock is `path`, if one does.
pub(crate) fn holder(path: &Path) -> Result<Option<String>, Error> {
    if !path.exists() {
        return Ok(None);
    }
    let mut file = open(path)?;
    let free = for_a_moment(|| file.try_lock_shared()).map_err(Error::io("asking for the lock", path))?;
    Ok((!free).then(|| told(&mut file)))
}

/// Whether somebody holds the lock of `file`, which is at `path`.
pub(crate) fn is_held(file: &File, path: &Path) -> Result<bool, Error> {
    // Shared, so that two who ask at once do not take each other for the holder.
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(source)) => Err(Error::io("asking for the lock", path)(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_about_the_first() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("lock");
        assert_eq!(holder(&path).unwrap(), None);
        let first = VerbLock::take(&path, "a", "up").unwrap();
        let error = VerbLock::take(&path, "a", "down").unwrap_err().to_string();
        let told = format!("`vm up`, process {}", std::process::id());
        assert!(error.contains(&told), "{error}");
        assert_eq!(holder(&path).unwrap(), Some(told));
        drop(first);
        assert_eq!(holder(&path).unwrap(), None);
        VerbLock::take(&path, "a", "down").unwrap();
    }

    #[test]
    fn a_file_that_a_killed_command_left_is_no_lock() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("lock");
        std::fs::write(&path, "`vm up`, process 1\n").unwrap();
        assert_eq!(holder(&path).unwrap(), None);
        VerbLock::take(&path, "a", "up").unwrap();
    }
}
