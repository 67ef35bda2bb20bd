//! The step `files`: the recipe's folders, artifacts and settings over the tree of packages.

use std::path::{Path, PathBuf};

use helix_recipe::{Artifact, FilesLayer, Location, Permission};
use helix_rootfs::artifact::{Placement, place};
use helix_rootfs::chroot::Chroot;
use helix_rootfs::files::{Owner, Writer};
use helix_rootfs::{Emulation, settings};

use crate::error::{Doing, Error};
use crate::lock::Resolution;
use crate::pipeline::Session;
use crate::workshop::archive;

/// The keyring of an archive inside the image.
const KEYRINGS: &str = "/usr/share/keyrings";

impl Session<'_> {
    /// Lays those of the recipe's folders over a tree that `wanted` chooses.
    pub(crate) fn lay_files(&self, tree: &Path, epoch: u64, wanted: impl Fn(&FilesLayer) -> bool) -> Result<(), Error> {
        lay(self.job().recipe.files.iter().filter(|layer| wanted(layer)), tree, epoch)
    }

    pub(crate) fn lay_initramfs(&self, tree: &Path, initramfs: &Path, epoch: u64) -> Result<(), Error> {
        Writer::new(tree, epoch).lay(initramfs, Path::new("/"), Owner::default()).doing("laying the initramfs")
    }

    pub(crate) fn apply_settings(
        &self,
        tree: &Path,
        resolution: &Resolution,
        artifacts: &[PathBuf],
        emulation: &Emulation,
    ) -> Result<(), Error> {
        let recipe = &self.job().recipe;
        let epoch = resolution.epoch;
        let writer = Writer::new(tree, epoch);
        let doing = "applying the recipe's settings";
        place_artifacts(&recipe.artifacts, artifacts, tree, epoch)?;
        settings::set_names(tree, &writer, &recipe.hostname, &recipe.locale, &recipe.timezone).doing(doing)?;
        settings::mark_updated(&writer, epoch).doing(doing)?;
        let line = recipe.kernel_command_line.join(" ");
        writer.write("etc/kernel/cmdline", format!("{line}\n"), 0o644).doing(doing)?;
        if let Some(docker) = &recipe.docker {
            let mut json = docker.settings.clone();
            json.insert("storage-driver".into(), docker.storage_driver.as_str().into());
            json.insert("data-root".into(), docker.data_root.clone().into());
            let text = serde_json::to_string_pretty(&json).expect("settings are plain data") + "\n";
            writer.write("etc/docker/daemon.json", text, 0o644).doing(doing)?;
        }
        archive_settings(&recipe.archives, &writer)?;
        let mark: Vec<(String, String)> = resolution
            .packages
            .iter()
            .filter(|p| !recipe.packages.contains(&p.name))
            .map(|p| {
                (
                    p.name.clone(),
                    if p.architecture == "all" { recipe.architecture.to_string() } else { p.architecture.clone() },
                )
            })
            .collect();
        settings::mark_automatic(&writer, &mark).doing(doing)?;
        let chroot = Chroot::open(tree, emulation, epoch).doing(doing)?;
        let users: Vec<settings::User> = recipe.users.iter().map(user).collect();
        settings::add_users(&chroot, &writer, &users).doing("making users")?;
        self.lay_files(tree, epoch, |layer| !is_roots(layer))?;
        let units = &recipe.units;
        settings::set_units(&chroot, &units.enable, &units.disable, &units.mask).doing("setting units")?;
        drop(chroot);
        set_permissions(&recipe.permissions, tree, epoch)
    }
}

/// The image's own apt: the recipe's archives under their public addresses, each bound to its key.
pub(crate) fn archive_settings(archives: &[helix_recipe::Archive], writer: &Writer<'_>) -> Result<(), Error> {
    let doing = "writing apt's sources";
    let leftover = writer.locate(Path::new("etc/apt/sources.list")).doing(doing)?;
    if leftover.exists() {
        std::fs::remove_file(&leftover).map_err(|e| Error::io("removing", &leftover, e))?;
    }
    for item in archives {
        let ending = item.key.path().extension().unwrap_or_default().to_string_lossy().into_owned();
        let ring = format!("{KEYRINGS}/helix-{}.{ending}", item.name);
        writer.copy(item.key.path(), Path::new(&ring), Owner::default(), 0o644).doing(doing)?;
        let archive = archive(item);
        let name = &item.name;
        writer.write(&format!("etc/apt/sources.list.d/{name}.sources"), archive.stanza(&ring), 0o644).doing(doing)?;
        if let Some(preferences) = archive.preferences() {
            writer.write(&format!("etc/apt/preferences.d/{name}.pref"), preferences, 0o644).doing(doing)?;
        }
    }
    Ok(())
}

/// Lays folders over a tree.
pub(crate) fn lay<'f>(layers: impl Iterator<Item = &'f FilesLayer>, tree: &Path, epoch: u64) -> Result<(), Error> {
    let writer = Writer::new(tree, epoch);
    for layer in layers {
        let doing = format!("laying {} over the tree", layer.source.relative());
        let owner = Owner::parse(tree, &layer.owner.to_string()).doing(&doing)?;
        writer.lay(layer.source.path(), Path::new(&layer.target), owner).doing(&doing)?;
    }
    Ok(())
}

/// Puts artifacts into a tree; `files` are theirs, in the same order.
pub(crate) fn place_artifacts(artifacts: &[Artifact], files: &[PathBuf], tree: &Path, epoch: u64) -> Result<(), Error> {
    for (artifact, file) in artifacts.iter().zip(files) {
        let placement = Placement {
            url: match &artifact.url {
                Location::Remote(url) => url.clone(),
                Location::Local(path) => path.relative().to_owned(),
            },
            target: artifact.target.clone().into(),
            unpack: artifact.unpack,
            strip_components: artifact.strip_components as usize,
            mode: artifact.mode.bits(),
        };
        place(file, &placement, tree, epoch).doing("placing artifacts")?;
    }
    Ok(())
}

pub(crate) fn set_permissions(permissions: &[Permission], tree: &Path, epoch: u64) -> Result<(), Error> {
    let writer = Writer::new(tree, epoch);
    for permission in permissions {
        let owner = permission.owner.as_ref().map(|o| Owner::parse(tree, &o.to_string())).transpose();
        let owner = owner.doing("setting permissions")?;
        writer.permit(&permission.path, Some(permission.mode.bits()), owner).doing("setting permissions")?;
    }
    Ok(())
}

/// Whether a layer can be laid before users are made.
pub(crate) fn is_roots(layer: &FilesLayer) -> bool {
    layer.owner.user == "root" && layer.owner.group == "root"
}

pub(crate) fn user(user: &helix_recipe::User) -> settings::User {
    settings::User {
        name: user.name.clone(),
        uid: user.uid,
        groups: user.groups.clone(),
        shell: user.shell.clone(),
        home: user.home.clone(),
        sudo: user.sudo,
    }
}
