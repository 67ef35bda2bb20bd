//! Where machines live, and what is where in the folder of one.

use std::path::{Path, PathBuf};

use super::error::Error;
use super::lock::VerbLock;
use super::state::{self, Config, Run};
use crate::folder::RunFolder;
use crate::platform;

/// The folder that holds all machines of a user.
#[derive(Debug, Clone)]
pub struct Home {
    path: PathBuf,
}

/// A machine by its name, whether or not it exists.
#[derive(Debug, Clone)]
pub struct Vm {
    home: PathBuf,
    name: String,
}

impl Home {
    /// The folder `chosen`, or the one that the system has for a user's data: `$XDG_DATA_HOME/helix/vms`, on a Mac
    /// `~/Library/Application Support/Helix/vms`.
    ///
    /// # Errors
    /// When there is no home folder, or the path cannot be resolved.
    pub fn find(chosen: Option<&Path>) -> Result<Self, Error> {
        let path = chosen.map(Path::to_owned).or_else(platform::machines_folder).ok_or(Error::NoHome)?;
        Ok(Self { path: std::path::absolute(&path).map_err(Error::io("resolving", &path))? })
    }

    /// The machine of this name, which need not exist.
    ///
    /// # Errors
    /// When no machine can have this name.
    pub fn vm(&self, name: &str) -> Result<Vm, Error> {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = name.as_bytes();
        let begins = bytes.first().is_some_and(|&byte| good(byte));
        if !begins || bytes.len() > 32 || !bytes.iter().all(|&byte| good(byte) || byte == b'-') {
            return Err(Error::Name { name: name.to_owned() });
        }
        Ok(Vm { home: self.path.clone(), name: name.to_owned() })
    }

    /// The machines that exist, by name.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn all(&self) -> Result<Vec<Vm>, Error> {
        let entries = match std::fs::read_dir(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io("reading", &self.path))?,
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut vms: Vec<Vm> = names.filter_map(|name| self.vm(&name).ok()).filter(Vm::exists).collect();
        vms.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(vms)
    }
}

impl Vm {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder of all machines of its user.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Its folder.
    pub fn folder(&self) -> PathBuf {
        self.home.join(&self.name)
    }

    /// Whether it has been made.
    pub fn exists(&self) -> bool {
        self.folder().is_dir()
    }

    /// Where it is made before it exists. No name of a machine begins with a dot.
    pub(crate) fn new_folder(&self) -> PathBuf {
        self.home.join(format!(".new-{}", self.name))
    }

    /// Where it goes to be deleted.
    pub(crate) fn old_folder(&self) -> PathBuf {
        self.home.join(format!(".old-{}", self.name))
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder().join(state::CONFIG)
    }

    /// The folder of what runs.
    pub(crate) fn run_folder(&self) -> PathBuf {
        self.folder().join("run")
    }

    pub(crate) fn sockets(&self) -> RunFolder {
        RunFolder::of_run(&self.run_folder())
    }

    pub(crate) fn run_file(&self) -> PathBuf {
        self.run_folder().join(state::RUN)
    }

    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.folder().join("known_hosts")
    }

    /// The name under which the host key is known, whatever port leads to the guest.
    pub(crate) fn host_key_alias(&self) -> String {
        format!("helix-{}", self.name)
    }

    /// The machine's own error when it does not exist.
    pub(crate) fn must_exist(&self) -> Result<(), Error> {
        if self.exists() {
            return Ok(());
        }
        let there = Home { path: self.home.clone() }.all()?.into_iter().map(|vm| vm.name).collect();
        Err(Error::NoVm { name: self.name.clone(), home: self.home.clone(), there })
    }

    /// Keeps other commands away from the machine. The lock lies beside its folder, so that deleting that does not matter.
    pub(crate) fn lock(&self, verb: &str) -> Result<VerbLock, Error> {
        std::fs::create_dir_all(&self.home).map_err(Error::io("making", &self.home))?;
        VerbLock::take(&self.lock_file(), &self.name, verb)
    }

    pub(crate) fn lock_file(&self) -> PathBuf {
        self.home.join(format!(".{}.lock", self.name))
    }

    /// What the machine was made from.
    pub(crate) fn config(&self) -> Result<Config, Error> {
        let path = self.config_file();
        let reason = |why: String| {
            format!(
                "{why}\n  its disks are not touched by that; write the file anew, with a fresh system disk and the same data \
                 disk, by\n    cargo xtask vm reset {} --image DIR",
                self.name
            )
        };
        match state::read(&path) {
            Err(Error::Damaged { path, reason: why }) => Err(Error::Damaged { path, reason: reason(why) }),
            Ok(None) => Err(Error::Damaged { path, reason: reason("is missing".into()) }),
            Ok(Some(config)) => Ok(config),
            Err(other) => Err(other),
        }
    }

    /// How QEMU was started, if that is known.
    pub(crate) fn run(&self) -> Result<Option<Run>, Error> {
        state::read(&self.run_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_harmless() {
        let home = Home::find(Some(Path::new("/h"))).unwrap();
        for good in ["a", "default", "0-a", &"x".repeat(32)] {
            assert_eq!(home.vm(good).unwrap().folder(), Path::new("/h").join(good));
        }
        for bad in ["", "-a", ".new-a", "a/b", "..", "A", "ä", "a b", "a.lock", &"x".repeat(33)] {
            assert!(matches!(home.vm(bad), Err(Error::Name { .. })), "{bad}");
        }
    }

    #[test]
    fn a_machine_that_is_missing_is_told_with_those_there_are() {
        let temp = tempfile::tempdir().unwrap();
        let home = Home::find(Some(temp.path())).unwrap();
        for name in ["two", "one", ".new-three"] {
            std::fs::create_dir(temp.path().join(name)).unwrap();
        }
        std::fs::write(temp.path().join("file"), "").unwrap();
        let error = home.vm("three").unwrap().must_exist().unwrap_err().to_string();
        assert!(error.contains("there are: one, two\n") && error.contains("cargo xtask vm up three"), "{error}");
        assert!(Home::find(Some(&temp.path().join("none"))).unwrap().all().unwrap().is_empty());
    }
}
