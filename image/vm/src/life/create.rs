//! The making of a machine: in a folder aside, which takes its name when everything is in it and on the disk.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use ssh_key::rand_core::{OsRng, RngCore};

use super::copy::{self, Copied};
use super::error::Error;
use super::home::Vm;
use super::image::Image;
use super::state::{self, Config};
use crate::programs::Programs;
use crate::ssh::SshKey;

/// The version of what is on the data disk: which folders, in which file system. The guest's `data-disk` makes them.
pub(crate) const DATA_VERSION: u64 = 1;
/// How large the data disk is for the guest; on the computer it takes what is in it.
const DATA_SIZE: &str = "256G";

/// Makes the machine from `image`. What an interrupted attempt left is removed; the caller holds the lock.
pub(crate) fn create(
    vm: &Vm,
    image: &Image,
    programs: &Programs,
    interrupted: &AtomicBool,
    advance: &mut dyn FnMut(u64, u64),
) -> Result<Copied, Error> {
    let folder = vm.new_folder();
    std::fs::DirBuilder::new().mode(0o700).create(&folder).map_err(Error::io("making", &folder))?;
    let made = fill(&folder, image, programs, interrupted, advance).and_then(|how| {
        std::fs::rename(&folder, vm.folder()).map_err(Error::io("finishing", &vm.folder()))?;
        state::sync_folder(folder.parent().unwrap_or(&folder))?;
        Ok(how)
    });
    if made.is_err() {
        // The reason is what counts; what remains is removed at the next attempt.
        let _ = std::fs::remove_dir_all(&folder);
    }
    made
}

fn fill(
    folder: &Path,
    image: &Image,
    programs: &Programs,
    interrupted: &AtomicBool,
    advance: &mut dyn FnMut(u64, u64),
) -> Result<Copied, Error> {
    const FIRST: u64 = 1;
    let how = copy::copy(image, &folder.join(system_disk(FIRST)), interrupted, advance)?;
    let data = programs.seen(&folder.join(data_disk(DATA_VERSION)))?;
    let make = programs.qemu_img.clone().args(["create", "-q", "-f", "qcow2", &data, DATA_SIZE]);
    make.run().map_err(crate::programs::Error::from)?;
    state::sync_file(&folder.join(data_disk(DATA_VERSION)))?;
    SshKey::create(folder)?;
    write_token(folder)?;
    state::write(&folder.join(state::CONFIG), &config(image, FIRST))?;
    Ok(how)
}

/// What is remembered of a machine made from `image`.
pub(crate) fn config(image: &Image, system: u64) -> Config {
    Config {
        image: image.folder.clone(),
        recipe: image.recipe.clone(),
        sha256: image.sha256.clone(),
        architecture: image.architecture,
        user: image.user.clone(),
        hostname: image.hostname.clone(),
        system,
        previous: None,
    }
}

/// The file name of a system disk.
pub(crate) fn system_disk(number: u64) -> String {
    format!("system.{number}.qcow2")
}

/// The file name of a data disk.
pub(crate) fn data_disk(version: u64) -> String {
    format!("data.v{version}.qcow2")
}

/// The numbers of the files `PREFIX` N `.qcow2` in the machine's folder.
pub(crate) fn numbers(vm: &Vm, prefix: &str) -> Result<Vec<u64>, Error> {
    let folder = vm.folder();
    let entries = std::fs::read_dir(&folder).map_err(Error::io("reading", &folder))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter_map(|name| name.strip_prefix(prefix)?.strip_suffix(".qcow2")?.parse().ok()).collect())
}

/// The secret that the guest shows a host encoder, made where it is missing.
pub(crate) fn token(folder: &Path) -> Result<String, Error> {
    let path = folder.join("token");
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        _ => write_token(folder),
    }
}

fn write_token(folder: &Path) -> Result<String, Error> {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    state::write_whole(&folder.join("token"), format!("{text}\n").as_bytes())?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stays_and_an_empty_one_is_made_anew() {
        let temp = tempfile::tempdir().unwrap();
        let first = token(temp.path()).unwrap();
        assert_eq!((first.len(), token(temp.path()).unwrap()), (64, first.clone()));
        std::fs::write(temp.path().join("token"), "\n").unwrap();
        assert_ne!(token(temp.path()).unwrap(), first);
    }
}
