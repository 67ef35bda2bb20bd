//! The parts that a VM is run with: those in the app, or those of the system.

use std::path::{Path, PathBuf};

use helix_command::Cmd;
use helix_vm::life::Image;
use helix_vm::{Arch, Programs};

use crate::download::Download;
use crate::error::Error;

/// What a VM is made from and run with.
#[derive(Debug, Clone)]
pub struct App {
    /// QEMU and its firmware.
    pub programs: Programs,
    /// The host encoder's program, where there is one.
    pub encoder: Option<PathBuf>,
    /// The image; its disk may have to be downloaded first.
    pub image: Image,
    /// Where the image's disk is, when it is not in the image's folder.
    pub download: Option<Download>,
}

/// The folder `Contents` of the app that `program` is in, as `Contents/MacOS/NAME`.
pub fn contents_of(program: &Path) -> Option<PathBuf> {
    let folder = program.parent()?;
    let contents = folder.parent()?;
    (folder.ends_with("MacOS") && contents.ends_with("Contents")).then(|| contents.to_owned())
}

impl App {
    /// The parts in the app whose folder is `contents`.
    ///
    /// # Errors
    /// When some are missing or damaged: all of them are told.
    pub fn of_bundle(contents: &Path) -> Result<Self, Error> {
        let mut faults = Vec::new();
        let mut part = |name: &str| {
            let path = contents.join(name);
            if !path.is_file() {
                faults.push(format!("{name} is missing"));
            }
            path
        };
        let qemu = part("MacOS/qemu-system-aarch64");
        let qemu_img = part("MacOS/qemu-img");
        let encoder = part("MacOS/helix-host-encoder");
        let firmware_code = part("Resources/qemu/edk2-aarch64-code.fd");
        let firmware_vars = part("Resources/qemu/edk2-arm-vars.fd");
        let icd = part("Resources/vulkan/icd.d/MoltenVK_icd.json");
        let folder = contents.join("Resources/image");
        let image = Image::read(&folder).map_err(|error| faults.push(error.to_string())).ok();
        let download = download_of(&folder, image.as_ref(), &mut faults);
        if let Some(image) = image.as_ref().filter(|image| image.architecture != Arch::Arm64) {
            faults.push(format!("the image is for {:?}, and the app's QEMU runs arm64", image.architecture));
        }
        let Some(image) = image.filter(|_| faults.is_empty()) else {
            return Err(Error::App { path: contents.to_owned(), faults });
        };
        // What UTM sets for ANGLE and MoltenVK: Services/UTMQemuSystem.m of UTM 5.0.3. -L is where QEMU finds its data.
        let qemu = Cmd::new(qemu).env("ANGLE_DEFAULT_PLATFORM", "metal").env("VK_DRIVER_FILES", icd);
        let qemu = qemu.arg("-L").arg(contents.join("Resources/qemu"));
        let qemu_img = Cmd::new(qemu_img);
        let programs = Programs { qemu, qemu_img, vsock: None, firmware_code, firmware_vars, root: None };
        Ok(Self { programs, encoder: Some(encoder), image, download })
    }

    /// The system's QEMU for the image in `folder`; `search` is the value of `PATH`, and `shared` the folder of shared data.
    ///
    /// # Errors
    /// When the image cannot be used, or QEMU or its firmware is missing.
    pub fn of_system(
        folder: &Path,
        encoder: Option<PathBuf>,
        search: &std::ffi::OsStr,
        shared: &Path,
    ) -> Result<Self, Error> {
        let image = Image::read(folder)?;
        let (qemu, package, firmware) = match image.architecture {
            Arch::Arm64 => ("qemu-system-aarch64", "qemu-system-arm qemu-efi-aarch64", ARM64_FIRMWARE),
            Arch::Amd64 => ("qemu-system-x86_64", "qemu-system-x86 ovmf", AMD64_FIRMWARE),
        };
        let missing = |what: &str| Error::Missing {
            what: what.to_owned(),
            help: format!("on Debian and Ubuntu install it by\n  sudo apt-get install qemu-utils {package}"),
        };
        let find = |name: &str| {
            let found = std::env::split_paths(search).map(|folder| folder.join(name)).find(|path| path.is_file());
            found.ok_or_else(|| missing(name))
        };
        let firmware = firmware.iter().map(|(code, vars)| (shared.join(code), shared.join(vars)));
        let (firmware_code, firmware_vars) = firmware
            .into_iter()
            .find(|(code, vars)| code.is_file() && vars.is_file())
            .ok_or_else(|| missing("the UEFI firmware"))?;
        let (qemu, qemu_img) = (Cmd::new(find(qemu)?), Cmd::new(find("qemu-img")?));
        let programs = Programs { qemu, qemu_img, vsock: None, firmware_code, firmware_vars, root: None };
        Ok(Self { programs, encoder, image, download: None })
    }
}

/// Code and variables, below the folder of shared data: Debian's names, then those of QEMU itself.
const ARM64_FIRMWARE: &[(&str, &str)] =
    &[("AAVMF/AAVMF_CODE.fd", "AAVMF/AAVMF_VARS.fd"), ("qemu/edk2-aarch64-code.fd", "qemu/edk2-arm-vars.fd")];
/// As above.
const AMD64_FIRMWARE: &[(&str, &str)] =
    &[("OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd"), ("qemu/edk2-x86_64-code.fd", "qemu/edk2-i386-vars.fd")];

/// Where the disk comes from, when it is not in the image's folder.
fn download_of(folder: &Path, image: Option<&Image>, faults: &mut Vec<String>) -> Option<Download> {
    if folder.join("disk.qcow2").is_file() {
        return None;
    }
    let download = Download::read(&folder.join("download.json")).map_err(|fault| faults.push(fault)).ok()?;
    if image.is_some_and(|image| !image.sha256.eq_ignore_ascii_case(&download.sha256)) {
        faults.push("Resources/image/download.json: its sha256 is not that of manifest.json".to_owned());
    }
    Some(download)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_program_in_an_app_has_its_contents() {
        let contents = |path: &str| contents_of(Path::new(path));
        assert_eq!(contents("/A/Helix.app/Contents/MacOS/Helix"), Some("/A/Helix.app/Contents".into()));
        for other in ["/usr/bin/helix-launcher", "/MacOS/Helix", "/Contents/Resources/Helix", "Helix", "/"] {
            assert_eq!(contents(other), None, "{other}");
        }
    }

    #[test]
    fn an_empty_app_is_told_with_all_that_is_missing() {
        let temp = tempfile::tempdir().unwrap();
        let error = App::of_bundle(temp.path()).unwrap_err().to_string();
        for part in [
            "MacOS/qemu-system-aarch64 is",
            "MacOS/qemu-img is",
            "MacOS/helix-host-encoder is",
            "edk2-aarch64-code.fd is",
            "edk2-arm-vars.fd is",
            "MoltenVK_icd.json is",
            "manifest.json",
            "download.json",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
    }

    #[test]
    fn a_system_without_qemu_is_told_what_to_install() {
        let temp = tempfile::tempdir().unwrap();
        let manifest = serde_json::json!({
            "schema_version": 1, "recipe": "r", "architecture": "amd64", "artifacts": { "disk.qcow2": "00" },
            "resolved_recipe": { "hostname": "h", "users": [{ "name": "u" }] },
        });
        std::fs::write(temp.path().join("manifest.json"), manifest.to_string()).unwrap();
        let find = || App::of_system(temp.path(), None, temp.path().as_os_str(), temp.path()).unwrap_err().to_string();
        assert!(find().contains("the UEFI firmware is missing") && find().contains("apt-get install"), "{}", find());
        std::fs::create_dir(temp.path().join("OVMF")).unwrap();
        for (code, vars) in &AMD64_FIRMWARE[..1] {
            std::fs::write(temp.path().join(code), "").unwrap();
            std::fs::write(temp.path().join(vars), "").unwrap();
        }
        assert!(find().contains("qemu-system-x86_64 is missing"), "{}", find());
    }
}
