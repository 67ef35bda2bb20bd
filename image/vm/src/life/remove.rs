//! `vm rm`, and what interrupted commands leave.

use std::path::Path;

use super::error::Error;
use super::home::Vm;
use super::state::Config;
use super::{create, encoder, start};

impl Vm {
    /// Deletes the machine with all its disks.
    ///
    /// # Errors
    /// When it does not exist, runs, or another command works on it.
    pub fn rm(&self) -> Result<(), Error> {
        let _lock = self.lock("rm")?;
        self.sweep()?;
        self.must_exist()?;
        self.must_not_run()?;
        encoder::end(self)?;
        // Under another name first: half a machine would be taken for a damaged one.
        let old = self.old_folder();
        std::fs::rename(self.folder(), &old).map_err(Error::io("removing", &self.folder()))?;
        remove_folder(&old)
    }

    pub(crate) fn must_not_run(&self) -> Result<(), Error> {
        if start::qemu(self).is_alive()? { Err(Error::Runs { name: self.name().to_owned() }) } else { Ok(()) }
    }

    /// Removes what interrupted commands left. The caller holds the lock, so it is nobody's.
    pub(crate) fn sweep(&self) -> Result<(), Error> {
        remove_folder(&self.new_folder())?;
        remove_folder(&self.old_folder())
    }

    /// Removes system disks that are neither the machine's nor the one that it can go back to.
    pub(crate) fn remove_old_disks(&self, config: &Config) -> Result<(), Error> {
        let kept = [Some(config.system), config.previous.as_ref().map(|previous| previous.system)];
        for number in create::numbers(self, "system.")?.into_iter().filter(|number| !kept.contains(&Some(*number))) {
            let path = self.folder().join(create::system_disk(number));
            std::fs::remove_file(&path).map_err(Error::io("removing", &path))?;
        }
        Ok(())
    }
}

fn remove_folder(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("removing", path)(error)),
        _ => Ok(()),
    }
}
