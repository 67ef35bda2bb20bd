//! What is remembered of a machine on the disk: JSON with a version, written aside and renamed.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::Error;
use super::ports::Ports;
use super::sizes::Sizes;
use crate::accel::AccelReport;
use crate::machine::Arch;
use crate::pace::Pace;

/// What the machine is.
pub(crate) const CONFIG: &str = "vm.json";
/// How QEMU was started.
pub(crate) const RUN: &str = "run.json";
/// The version of both files.
pub(crate) const VERSION: u64 = 1;

/// What a machine was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Config {
    /// The folder of the image, and what its manifest said.
    pub(crate) image: PathBuf,
    pub(crate) recipe: String,
    pub(crate) sha256: String,
    pub(crate) architecture: Arch,
    /// The user who gets the key, and the host name.
    pub(crate) user: String,
    pub(crate) hostname: String,
    /// The number in the name of the system disk's file.
    pub(crate) system: u64,
    /// What the machine was before a reset, until the guest has come up from the new disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<Box<Config>>,
}

/// How QEMU was started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) ports: Ports,
    pub(crate) sizes: Sizes,
    /// The graphics device's window of host memory, where it has one.
    #[serde(default)]
    pub(crate) graphics_mib: Option<u64>,
    pub(crate) accelerator: AccelReport,
    pub(crate) qemu_version: String,
    /// In seconds since 1970.
    pub(crate) started: u64,
    /// Whether the guest has been seen to have settled, and which of its units had failed then.
    pub(crate) ready: bool,
    pub(crate) failed_units: Vec<String>,
    /// How slow the guest was when it came up.
    #[serde(default)]
    pub(crate) pace: Pace,
}

/// Writes `bytes` to `path`, whole or not at all, readable by this user alone.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // One name is enough: whoever writes holds the machine's lock.
    let aside = path.with_file_name(format!(".{name}.new"));
    let write = || {
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&aside, path)
    };
    write().map_err(Error::io("writing", path))?;
    sync_folder(path.parent().unwrap_or(path))
}

/// Brings a file to the disk.
pub(crate) fn sync_file(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|file| file.sync_all()).map_err(Error::io("flushing", path))
}

/// Makes names in `folder` last.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Error> {
    // A folder is flushed as a file is.
    sync_file(folder)
}

/// As [`write_whole`], with a value.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let mut value = serde_json::to_value(value).expect("what is remembered is plain data");
    value["version"] = VERSION.into();
    write_whole(path, format!("{value:#}\n").as_bytes())
}

/// What is in `path`; nothing when there is no such file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(Error::io("reading", path))?,
    };
    let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    let version = value.get("version").and_then(Value::as_u64);
    match version.ok_or_else(|| damaged("it has no version".to_owned()))? {
        found if found > VERSION => Err(Error::Newer { path: path.to_owned(), found, known: VERSION }),
        _ => serde_json::from_value(value).map(Some).map_err(|error| damaged(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accel::Accelerator;

    fn run() -> Run {
        Run {
            ports: Ports { ssh: 2222, api: 8080 },
            sizes: Sizes { cpus: 2, memory_mib: 6144 },
            graphics_mib: Some(256),
            accelerator: AccelReport { chosen: Accelerator::Tcg, rejected: Vec::new() },
            qemu_version: "11.1".into(),
            started: 1,
            ready: true,
            failed_units: vec!["a.service".into()],
            pace: Pace::default(),
        }
    }

    #[test]
    fn what_is_written_is_read_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join(RUN);
        assert_eq!(read::<Run>(&path).unwrap(), None);
        write(&path, &run()).unwrap();
        assert_eq!(read::<Run>(&path).unwrap(), Some(run()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1, "nothing is left aside");
    }

    #[test]
    fn a_file_cut_anywhere_is_a_clear_error_and_never_another_value() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join(RUN);
        write(&path, &run()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        // The last byte is the line's end, which JSON does not need.
        for length in 0..whole.len() - 1 {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = read::<Run>(&path).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }) && error.to_string().contains(RUN), "{length}: {error}");
        }
    }

    #[test]
    fn a_flipped_byte_is_read_as_such_or_refused() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join(RUN);
        write(&path, &run()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x80;
            std::fs::write(&path, &bytes).unwrap();
            // No byte of this file is beyond ASCII, so none of these can be JSON in UTF-8.
            assert!(read::<Run>(&path).is_err(), "{at}");
        }
    }

    #[test]
    fn what_a_later_program_wrote_is_left_to_it() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join(RUN);
        std::fs::write(&path, r#"{"version": 2, "unknown": []}"#).unwrap();
        let error = read::<Run>(&path).unwrap_err();
        assert!(matches!(error, Error::Newer { found: 2, known: 1, .. }), "{error}");
    }

    #[test]
    fn a_writer_that_is_killed_leaves_the_old_file() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join(RUN);
        write(&path, &run()).unwrap();
        std::fs::write(temp.path().join(".run.json.new"), "{\"ver").unwrap();
        assert_eq!(read::<Run>(&path).unwrap(), Some(run()));
        write(&path, &Run { ready: false, ..run() }).unwrap();
        assert!(!read::<Run>(&path).unwrap().unwrap().ready);
    }
}
