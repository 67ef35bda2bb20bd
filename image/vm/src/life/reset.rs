//! `vm reset`: a fresh system disk from an image, beside the same data disk; and back to the one before, as long as the guest has
//! not come up from the fresh one.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::copy::Copied;
use super::error::Error;
use super::home::Vm;
use super::image::Image;
use super::state::Run;
use super::{create, state};

/// A machine with a fresh system disk.
#[derive(Debug, Clone, Serialize)]
pub struct Reset {
    /// Its name.
    pub name: String,
    /// The image that it is made from now.
    pub image: PathBuf,
    /// How the disk was copied.
    pub copied: Copied,
}

/// A machine with the system disk that it had before.
#[derive(Debug, Clone, Serialize)]
pub struct RolledBack {
    /// Its name.
    pub name: String,
    /// The image that it is made from again.
    pub image: PathBuf,
}

impl Vm {
    /// Gives the machine a fresh system disk from `image`, or from the image that it was made from. The data disk stays, and so
    /// does the system disk before, until the guest has come up: [`Vm::roll_back`] takes it again. `vm.json` is the last to
    /// change: an interrupted reset has changed nothing.
    ///
    /// # Errors
    /// When the machine runs, or the image cannot be copied.
    pub fn reset(&self, image: Option<&Path>, advance: &mut dyn FnMut(u64, u64)) -> Result<Reset, Error> {
        let _lock = self.lock("reset")?;
        self.sweep()?;
        self.must_exist()?;
        self.must_not_run()?;
        let image = Image::read(&self.image_for_reset(image)?)?;
        let number = 1 + create::numbers(self, "system.")?.into_iter().max().unwrap_or(0);
        let disk = self.folder().join(create::system_disk(number));
        let copied = image.copy_disk(&disk, advance).inspect_err(|_| {
            // The reason is what counts; the next start removes what remains.
            let _ = std::fs::remove_file(&disk);
        })?;
        // Of several resets in a row the first disk is the one that is known to be good. A damaged vm.json knows none.
        let previous = self.config().ok().map(|config| config.previous.clone().unwrap_or_else(|| Box::new(config)));
        let config = state::Config { previous, ..create::config(&image, number) };
        state::sync_folder(&self.folder())?;
        state::write(&self.config_file(), &config)?;
        self.remove_old_disks(&config)?;
        Ok(Reset { name: self.name().to_owned(), image: image.folder, copied })
    }

    /// Takes back the system disk from before the last reset. The fresh one is removed; the data disk stays as it is.
    ///
    /// # Errors
    /// When the machine runs, or its guest has come up since the reset: then the disk before is gone.
    pub fn roll_back(&self) -> Result<RolledBack, Error> {
        let _lock = self.lock("reset")?;
        self.sweep()?;
        self.must_exist()?;
        self.must_not_run()?;
        let Some(previous) = self.config()?.previous else {
            return Err(Error::NoPrevious { name: self.name().to_owned() });
        };
        state::write(&self.config_file(), &previous)?;
        self.remove_old_disks(&previous)?;
        Ok(RolledBack { name: self.name().to_owned(), image: previous.image })
    }

    /// The guest has come up from its system disk: the one before is not needed any more, unless some unit has failed. A start that
    /// worked does not fail for that: the next one does it.
    pub(crate) fn forget_previous(&self, run: &Run) {
        if run.failed_units.is_empty()
            && let Err(error) = self.try_to_forget_previous()
        {
            tracing::warn!("removing the system disk from before the reset: {error}");
        }
    }

    fn try_to_forget_previous(&self) -> Result<(), Error> {
        let config = self.config()?;
        if config.previous.is_none() {
            return Ok(());
        }
        let config = state::Config { previous: None, ..config };
        state::write(&self.config_file(), &config)?;
        self.remove_old_disks(&config)
    }

    /// With an image named, a damaged `vm.json` does not matter: it is written anew. One of a later program does.
    fn image_for_reset(&self, image: Option<&Path>) -> Result<PathBuf, Error> {
        match (self.config(), image) {
            (Ok(_) | Err(Error::Damaged { .. }), Some(image)) => Ok(image.to_owned()),
            (config, _) => Ok(config?.image),
        }
    }
}
