//! The files of a package, beside what its configuration says of them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use helix_disk::qcow2::{ReadError, Reader};
use plist::Dictionary;

use crate::format::{self, Format};
use crate::inspect::{CONFIG, Faults};
use crate::png;
use crate::rules::{flag, is_file_name, table, tables, text};

/// The folder of a package for files that the configuration names.
pub(crate) const DATA: &str = "Data";
/// The picture that UTM shows while the VM does not run.
pub(crate) const SCREENSHOT: &str = "screenshot.png";
/// Files that UTM makes by itself, whether or not it has yet (`QEMUPackageFileName`).
const EFI_VARIABLES: &str = "efi_vars.fd";
const DEBUG_LOG: &str = "debug.log";
const TPM_DATA: &str = "tpmdata";

/// What a file in the folder of data is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// A disk that the guest writes to.
    Disk,
    /// A disk or disc that the guest reads, or something that QEMU loads.
    Image,
    Icon,
    /// UTM makes it when it is missing.
    Made,
}

/// Compares the folder `package` with its configuration.
pub(crate) fn check(package: &Path, config: &Dictionary, faults: &mut Faults) {
    let used = used(config);
    let folder = package.join(DATA);
    match fs::symlink_metadata(&folder) {
        Err(error) => return faults.file(DATA, format!("cannot be read: {error}")),
        Ok(data) if !data.is_dir() => return faults.file(DATA, "is no folder"),
        Ok(_) => {}
    }
    for (path, place) in [(package.to_owned(), "the package"), (package.join(CONFIG), CONFIG), (folder.clone(), DATA)] {
        check_mode(&path, place, faults);
    }
    for (name, usage) in &used {
        if *usage != Use::Made {
            check_mode(&folder.join(name), &format!("{DATA}/{name}"), faults);
        }
        check_used(&folder.join(name), *usage, &format!("{DATA}/{name}"), faults);
    }
    match strange(&folder, &used) {
        Ok(names) => {
            for name in names {
                faults.file(
                    &format!("{DATA}/{name}"),
                    "is named nowhere in config.plist; UTM deletes it when it saves the VM",
                );
            }
        }
        Err(error) => faults.file(DATA, format!("cannot be read: {error}")),
    }
    check_screenshot(&package.join(SCREENSHOT), faults);
}

/// The files that the configuration names, and those that UTM knows by itself.
fn used(config: &Dictionary) -> BTreeMap<&str, Use> {
    let mut used = BTreeMap::from([(TPM_DATA, Use::Made)]);
    if let Some(qemu) = table(config, "QEMU") {
        used.extend(flag(qemu, "UEFIBoot").then_some((EFI_VARIABLES, Use::Made)));
        used.extend(flag(qemu, "DebugLog").then_some((DEBUG_LOG, Use::Made)));
    }
    for (_, drive) in tables(config, "Drive") {
        let written = text(drive, "ImageType") == Some("Disk") && !flag(drive, "ReadOnly");
        used.extend(text(drive, "ImageName").map(|name| (name, if written { Use::Disk } else { Use::Image })));
    }
    if let Some(information) = table(config, "Information").filter(|information| flag(information, "IconCustom")) {
        used.extend(text(information, "Icon").map(|name| (name, Use::Icon)));
    }
    // The others are faults of the configuration, and nothing is opened by them.
    used.retain(|name, _| is_file_name(name));
    used
}

fn check_used(path: &Path, usage: Use, place: &str, faults: &mut Faults) {
    match fs::symlink_metadata(path) {
        Err(_) if usage == Use::Made => {}
        Err(error) => faults.file(place, format!("is named in config.plist and cannot be read: {error}")),
        Ok(data) if !data.is_file() => faults.file(place, "is no ordinary file; a package has its files in itself"),
        Ok(_) => match usage {
            Use::Disk => check_disk(path, place, faults),
            Use::Icon => faults.0.extend(png::fault(path).map(|what| crate::Fault { place: place.to_owned(), what })),
            Use::Image => check_image(path, place, faults),
            Use::Made => {}
        },
    }
}

/// The modes of a package that others can read and nobody but its owner can change.
fn check_mode(path: &Path, place: &str, faults: &mut Faults) {
    let Ok(data) = fs::symlink_metadata(path) else { return };
    let (found, wanted) = (data.permissions().mode() & 0o7777, if data.is_dir() { 0o755 } else { 0o644 });
    if !data.is_symlink() && found != wanted {
        faults.file(place, format!("has the mode {found:o}, not {wanted:o}"));
    }
}

/// UTM names no format, so that QEMU takes a file for what it looks like: a guest that may write to a raw disk could make it look
/// like an image whose backing file is any file of the Mac.
fn check_disk(path: &Path, place: &str, faults: &mut Faults) {
    let opened = File::open(path).map_err(ReadError::Read).and_then(Reader::open);
    match opened {
        Ok(_) => {}
        Err(ReadError::NotQcow2) => faults.file(place, "is a disk that the guest writes to, and no qcow2 image"),
        Err(error) => faults.file(place, error.to_string()),
    }
}

/// What the guest only reads leads nowhere either: it is raw, or a qcow2 image that is whole by itself.
fn check_image(path: &Path, place: &str, faults: &mut Faults) {
    match format::of(path) {
        Ok(Format::Raw) => {}
        Ok(Format::Qcow2) => check_disk(path, place, faults),
        Ok(Format::Other(name)) => faults.file(
            place,
            format!("QEMU takes it for {name}, which can lead to other files; convert it to qcow2 or to a raw image"),
        ),
        Err(error) => faults.file(place, format!("cannot be read: {error}")),
    }
}

/// What is in the folder and belongs to nothing.
fn strange(folder: &Path, used: &BTreeMap<&str, Use>) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        match name.to_str() {
            Some(name) if used.contains_key(name) => {}
            _ => names.push(name.to_string_lossy().into_owned()),
        }
    }
    names.sort();
    Ok(names)
}

fn check_screenshot(path: &Path, faults: &mut Faults) {
    match fs::symlink_metadata(path) {
        Ok(data) if data.is_file() => {
            faults.0.extend(png::fault(path).map(|what| crate::Fault { place: SCREENSHOT.to_owned(), what }));
        }
        Ok(_) => faults.file(SCREENSHOT, "is no ordinary file"),
        // UTM makes it when the VM runs.
        Err(_) => {}
    }
}
