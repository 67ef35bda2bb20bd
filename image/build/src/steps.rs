//! The steps from a recipe to a verified image, and the inputs of each.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use helix_recipe::{Architecture, Artifact, Location, Recipe};
use helix_rootfs::{Arch, files};
use serde::Serialize;

use crate::error::{Doing, Error};
use crate::key::Inputs;

/// A step of the pipeline, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The tools tree.
    Tools,
    /// The tree of configured packages.
    Packages,
    /// The first initramfs.
    Initramfs,
    /// Files, artifacts and settings over the packages.
    Files,
    /// Container images in Docker's stores.
    Containers,
    /// File systems, partitions and the qcow2.
    Disk,
    /// The boot test.
    Test,
}

impl Step {
    /// All steps in order.
    pub const ALL: [Self; 7] =
        [Self::Tools, Self::Packages, Self::Initramfs, Self::Files, Self::Containers, Self::Disk, Self::Test];

    /// The step's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Packages => "packages",
            Self::Initramfs => "initramfs",
            Self::Files => "files",
            Self::Containers => "containers",
            Self::Disk => "disk",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|s| s.name() == text)
            .ok_or_else(|| format!("there is no step {text}; the steps are {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// Raised when the code of a step changes what the step makes.
mod revision {
    pub(super) const PACKAGES: u32 = 2;
    pub(super) const INITRAMFS: u32 = 1;
    pub(super) const FILES: u32 = 1;
    pub(super) const CONTAINERS: u32 = 5;
    pub(super) const DISK: u32 = 1;
    pub(super) const TEST: u32 = 1;
}

/// What an initramfs is made from besides packages: what lies below these in the layers of files. A hook may copy
/// nothing else into it.
const INITRAMFS_PATHS: [&str; 8] = [
    "etc/initramfs-tools",
    "usr/share/initramfs-tools",
    "etc/modprobe.d",
    "etc/modules-load.d",
    "etc/modules",
    "etc/fstab",
    "etc/udev",
    "usr/lib/udev",
];

/// The architecture as the tree knows it.
pub fn arch_of(recipe: &Recipe) -> Arch {
    arch(recipe.architecture)
}

/// An architecture of recipes as the tree knows it.
pub fn arch(architecture: Architecture) -> Arch {
    match architecture {
        Architecture::Arm64 => Arch::Arm64,
        Architecture::Amd64 => Arch::Amd64,
    }
}

/// The inputs of every step but the tools', which do not depend on the recipe.
#[derive(Debug, Clone)]
pub struct StepInputs {
    /// Of [`Step::Packages`].
    pub packages: Inputs,
    /// Of [`Step::Initramfs`].
    pub initramfs: Inputs,
    /// Of [`Step::Files`].
    pub files: Inputs,
    /// Of [`Step::Containers`]; none, when the recipe names no container images.
    pub containers: Option<Inputs>,
    /// Of [`Step::Disk`].
    pub disk: Inputs,
    /// Of [`Step::Test`].
    pub test: Inputs,
}

impl StepInputs {
    /// Works out all inputs; `resolution` is the digest of the packages' resolution, `epoch` its time, `tools` the identity of the tools,
    /// `tools_key` their key, `guests` the keys of guest components, `containers` what each container image of the recipe is made from.
    ///
    /// # Errors
    /// When a file of the recipe cannot be read.
    pub fn of(
        recipe: &Recipe,
        resolution: &str,
        epoch: u64,
        tools: &str,
        tools_key: &str,
        guests: &[String],
        containers: &[String],
    ) -> Result<Self, Error> {
        let packages = packages_inputs(resolution, tools);
        let mut initramfs = Inputs::of("initramfs", revision::INITRAMFS).with("tree of packages", &packages.key());
        let mut files = Inputs::of("files", revision::FILES)
            .with("tree of packages", &packages.key())
            .with_json("archives", &recipe.archives)
            .with_json("permissions", &recipe.permissions)
            .with("guest components", &guests.join(" "))
            .with_json("artifacts", &artifact_inputs(&recipe.artifacts))
            .with_json("users", &recipe.users)
            .with_json("units", &recipe.units)
            .with_json("hostname, locale, timezone", &(&recipe.hostname, &recipe.locale, &recipe.timezone))
            .with_json("kernel-command-line", &recipe.kernel_command_line)
            .with_json("docker", &recipe.docker)
            .with_json("packages asked for", &recipe.packages);
        for (at, layer) in recipe.files.iter().enumerate() {
            let name = format!("files[{at}] {}", layer.source.relative());
            let digest = files::digest(layer.source.path()).doing("reading the recipe's files")?;
            files = files.with(&name, &format!("{digest} {} {}", layer.target, layer.owner));
            let relevant = initramfs_digest(layer.source.path(), &layer.target)?;
            initramfs = initramfs.with(&name, &relevant);
        }
        files = files.with("initramfs", &initramfs.key());
        let mut disk = Inputs::of("disk", revision::DISK)
            .with("tree", &files.key())
            .with_json("disk", &recipe.disk)
            .with("summary", &recipe.summary)
            .with("tools", tools);
        let containers = (!recipe.container_images.is_empty()).then(|| {
            let mut inputs = Inputs::of("containers", revision::CONTAINERS)
                .with("architecture", recipe.architecture.as_str())
                .with("time of the build", &epoch.to_string());
            for (at, (image, identity)) in recipe.container_images.iter().zip(containers).enumerate() {
                let (name, source) = (image.name.clone().unwrap_or_default(), image.source.to_string());
                let licence = image.licence.as_deref().unwrap_or_default();
                let value = format!("{identity} {name} {} {} {licence}", image.data_root, image.flatten);
                inputs = inputs.with(&format!("container-images[{at}] {source}"), &value);
            }
            inputs
        });
        if let Some(containers) = &containers {
            disk = disk.with("container images", &containers.key());
        }
        let test = test_inputs(&disk, &serde_json::to_value(&recipe.checks).expect("checks are plain data"), tools_key);
        Ok(Self { packages, initramfs, files, containers, disk, test })
    }

    /// The inputs of one step.
    pub fn get(&self, step: Step) -> Option<&Inputs> {
        match step {
            Step::Tools => None,
            Step::Packages => Some(&self.packages),
            Step::Initramfs => Some(&self.initramfs),
            Step::Files => Some(&self.files),
            Step::Containers => self.containers.as_ref(),
            Step::Disk => Some(&self.disk),
            Step::Test => Some(&self.test),
        }
    }
}

/// The inputs of a tree of packages.
pub(crate) fn packages_inputs(resolution: &str, tools: &str) -> Inputs {
    Inputs::of("packages", revision::PACKAGES).with("packages and their versions", resolution).with("tools", tools)
}

/// The inputs of the boot test of a disk.
pub(crate) fn test_inputs(disk: &Inputs, checks: &serde_json::Value, tools: &str) -> Inputs {
    Inputs::of("test", revision::TEST).with("disk", &disk.key()).with_json("checks", checks).with("tools", tools)
}

/// Raised when the code that unpacks artifacts changes what comes out: only what holds unpacked ones is made anew then.
const UNPACKING: u32 = 2;

/// Artifacts by what decides their content: an address does not, once there is a digest.
pub(crate) fn artifact_inputs(artifacts: &[Artifact]) -> Vec<serde_json::Value> {
    artifacts
        .iter()
        .map(|a| {
            serde_json::json!([
                a.sha256,
                a.target,
                a.unpack.then_some(UNPACKING),
                a.strip_components,
                a.mode.bits(),
                matches!(a.url, Location::Local(_))
            ])
        })
        .collect()
}

fn initramfs_digest(source: &Path, target: &str) -> Result<String, Error> {
    let target = Path::new(target.trim_start_matches('/'));
    let mut digests = Vec::new();
    for path in INITRAMFS_PATHS {
        // A layer that goes to `/etc` holds `initramfs-tools`, one that goes to `/` holds `etc/initramfs-tools`.
        let Ok(inside) = Path::new(path).strip_prefix(target) else { continue };
        let file = source.join(inside);
        if file.symlink_metadata().is_ok() {
            digests.push(format!("{path} {}", files::digest(&file).doing("reading the recipe's files")?));
        }
    }
    Ok(blake3::hash(digests.join("\n").as_bytes()).to_hex().to_string())
}
