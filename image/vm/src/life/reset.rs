//! `vm reset`: a fresh system disk from an image, beside the same data disk.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::copy::Copied;
use super::error::Error;
use super::home::Vm;
use super::image::Image;
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

impl Vm {
    /// Gives the machine a fresh system disk from `image`, or from the image that it was made from. The data disk stays.
    /// `vm.json` is the last to change: an interrupted reset has changed nothing.
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
        let config = create::config(&image, number);
        state::sync_folder(&self.folder())?;
        state::write(&self.config_file(), &config)?;
        self.remove_old_disks(&config)?;
        Ok(Reset { name: self.name().to_owned(), image: image.folder, copied })
    }

    /// With an image named, a damaged `vm.json` does not matter: it is written anew. One of a later program does.
    fn image_for_reset(&self, image: Option<&Path>) -> Result<PathBuf, Error> {
        match (self.config(), image) {
            (Ok(_) | Err(Error::Damaged { .. }), Some(image)) => Ok(image.to_owned()),
            (config, _) => Ok(config?.image),
        }
    }
}
