//! The programs and firmware that the caller brings, and how they see the file system.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use helix_command::Cmd;

/// What can go wrong before the guest's first instruction.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder of the run could not be made.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb: "create", "copy", "open".
        action: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A Unix socket cannot have a path this long.
    #[error(
        "{}: the path of a Unix socket is limited to {limit} bytes and this one has {}; choose a shorter run folder",
        path.display(), path.as_os_str().len()
    )]
    SocketPath {
        /// The path that is too long.
        path: PathBuf,
        /// The limit in bytes.
        limit: usize,
    },
    /// The programs run with another root folder and cannot see this file.
    #[error("{} is outside {}, the root folder that QEMU runs in", path.display(), root.display())]
    OutsideRoot {
        /// The file.
        path: PathBuf,
        /// The root folder of the programs.
        root: PathBuf,
    },
    /// A program beside QEMU did not do its part.
    #[error("vhost-device-vsock made no socket at {} within {} s; it said: {said}", path.display(), patience.as_secs())]
    NoDevice {
        /// The socket.
        path: PathBuf,
        /// How long it was waited for.
        patience: Duration,
        /// The end of what the program printed.
        said: String,
    },
    /// QEMU's options are text.
    #[error("{}: a path given to QEMU must be valid UTF-8", path.display())]
    NotUtf8 {
        /// The path at fault.
        path: PathBuf,
    },
    /// A program failed.
    #[error(transparent)]
    Command(#[from] helix_command::Error),
    /// The seed could not be written.
    #[error(transparent)]
    Seed(#[from] crate::seed::SeedError),
}

/// QEMU, its tools and its firmware.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `qemu-system-aarch64` or `qemu-system-x86_64`; arguments are added after those that it has already.
    pub qemu: Cmd,
    /// `qemu-img`.
    pub qemu_img: Cmd,
    /// `vhost-device-vsock`, where there is vsock: not on a Mac. It sees the same files as QEMU.
    pub vsock: Option<Cmd>,
    /// The UEFI firmware's code, as the caller sees it; it is never written.
    pub firmware_code: PathBuf,
    /// The template of the UEFI variable store, as the caller sees it; each run works on a copy.
    pub firmware_vars: PathBuf,
    /// The root folder of the programs when they run under `chroot(8)`: every file that QEMU is to open must be below
    /// it, and this prefix is taken off the paths that QEMU is told.
    pub root: Option<PathBuf>,
}

impl Programs {
    /// `path` as the programs see it.
    ///
    /// # Errors
    /// When it lies outside their root folder or is not valid UTF-8.
    pub(crate) fn seen(&self, path: &Path) -> Result<String, Error> {
        let absolute = std::path::absolute(path).map_err(|source| file_error("resolve", path, source))?;
        let inside = match &self.root {
            None => absolute,
            Some(root) => match absolute.strip_prefix(root) {
                Ok(rest) => Path::new("/").join(rest),
                Err(_) => return Err(Error::OutsideRoot { path: absolute, root: root.clone() }),
            },
        };
        inside.into_os_string().into_string().map_err(|path| Error::NotUtf8 { path: path.into() })
    }
}

/// What is known of a QEMU before it runs a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QemuFacts {
    /// The version as QEMU prints it: `11.1.2 (Debian 1:11.1.2+ds-3)`.
    pub version: String,
    /// Whether it can end itself with the process that started it (`-run-with exit-with-parent=on`, since 10.2).
    pub exit_with_parent: bool,
}

impl QemuFacts {
    /// Asks QEMU.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn ask(programs: &Programs) -> Result<Self, Error> {
        Ok(Self::parse(&programs.qemu.clone().arg("-help").output()?.text()))
    }

    fn parse(help: &str) -> Self {
        let first = help.lines().next().unwrap_or_default();
        let version = first.strip_prefix("QEMU emulator version ").unwrap_or(first).trim().to_owned();
        Self { version, exit_with_parent: help.contains("exit-with-parent=on|off") }
    }
}

/// An [`Error::File`], for `map_err`.
pub(crate) fn file_error(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(root: Option<&str>) -> Programs {
        Programs {
            qemu: Cmd::new("qemu"),
            qemu_img: Cmd::new("qemu-img"),
            vsock: None,
            firmware_code: "/r/code.fd".into(),
            firmware_vars: "/r/vars.fd".into(),
            root: root.map(PathBuf::from),
        }
    }

    #[test]
    fn a_path_loses_the_root_folder_of_the_programs() {
        assert_eq!(programs(Some("/r")).seen(Path::new("/r/a/b")).unwrap(), "/a/b");
        assert_eq!(programs(None).seen(Path::new("/r/a/b")).unwrap(), "/r/a/b");
    }

    #[test]
    fn a_path_that_the_programs_cannot_see_is_an_error() {
        let error = programs(Some("/r")).seen(Path::new("/rx/a")).unwrap_err();
        assert_eq!(error.to_string(), "/rx/a is outside /r, the root folder that QEMU runs in");
    }

    #[test]
    fn the_version_and_abilities_come_from_the_help_text() {
        let new = "QEMU emulator version 11.1.2 (Debian 1:11.1.2+ds-3)\nusage:\n          [,exit-with-parent=on|off]\n";
        let facts = QemuFacts::parse(new);
        assert_eq!(facts, QemuFacts { version: "11.1.2 (Debian 1:11.1.2+ds-3)".into(), exit_with_parent: true });
        assert!(!QemuFacts::parse("QEMU emulator version 7.2.0\nusage:\n").exit_with_parent);
    }
}
