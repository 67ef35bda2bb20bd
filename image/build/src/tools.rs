//! The tools tree: programs of pinned versions that make file systems, resolve and unpack packages, and run the boot
//! test, for one architecture of image.

use std::path::{Path, PathBuf};

use helix_command::Cmd;
use helix_rootfs::apt::Archive;
use helix_rootfs::{Arch, Toolbox, bootstrap};

use crate::error::{Doing, Error};
use crate::key::Inputs;
use crate::progress::Progress;
use crate::resolve::{LockMode, Question, resolve};
use crate::store::{Kind, Store};
use crate::workspace::Workspace;

/// Raised when the way the tree is made changes.
const REVISION: u32 = 1;

/// What every build needs: dpkg with what its own programs call, apt, and mkfs.xfs.
const COMMON: [&str; 13] = [
    "apt",
    "ca-certificates",
    "coreutils",
    "dash",
    "debian-archive-keyring",
    "diffutils",
    "dpkg",
    "findutils",
    "libc-bin",
    "sed",
    "tar",
    "xfsprogs",
    "zstd",
];

/// A tools tree, open for use.
pub struct Tools {
    tree: PathBuf,
    key: String,
    identity: String,
    versions: std::collections::BTreeMap<String, String>,
    toolbox: Toolbox,
    target: Arch,
}

/// Packages that depend on what image is made: QEMU, its vsock device and firmware for the boot test, and an emulator
/// where one is needed.
fn for_target(host: Arch, target: Arch) -> Vec<&'static str> {
    let mut packages = match target {
        Arch::Arm64 => vec!["qemu-system-arm", "qemu-efi-aarch64", "qemu-utils", "vhost-device-vsock"],
        Arch::Amd64 => vec!["qemu-system-x86", "ovmf", "qemu-utils", "vhost-device-vsock"],
    };
    packages.extend((host != target).then_some("qemu-user"));
    packages
}

impl Tools {
    /// The inputs and the identity that the lock gives for the tree; `None` when the lock has no answer yet.
    pub(crate) fn locked(workspace: &Workspace, host: Arch, target: Arch) -> Option<(Inputs, String)> {
        let lock = crate::lock::Lock::read(&workspace.tools_lock()).ok()??;
        let resolution = lock.get(&lock_name(host, target))?;
        Some((inputs(&resolution.digest()), identity(&resolution.packages)))
    }

    /// Makes the tree where it is not in the cache, and opens it as a toolbox at the empty folder `root`.
    ///
    /// # Errors
    /// When the tools cannot be resolved, fetched or unpacked.
    pub fn open(
        workspace: &Workspace,
        store: &Store,
        target: Arch,
        mode: LockMode,
        offline: bool,
        root: &Path,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        let host = Arch::host().ok_or_else(|| Error::Host("this architecture is not supported".into()))?;
        let run = |program: &str| Cmd::new(program).env("LC_ALL", "C.UTF-8").env("DEBIAN_FRONTEND", "noninteractive");
        let question = Question {
            lock: workspace.tools_lock(),
            name: lock_name(host, target),
            archives: vec![debian(workspace, "testing")],
            debian: true,
            mirror: None,
            packages: COMMON.iter().chain(&for_target(host, target)).map(|p| (*p).to_owned()).collect(),
            layers: Vec::new(),
            essential: false,
            arch: host,
            twins_for: None,
            twin_archives: Vec::new(),
            forgive_expiry: true,
            run: &run,
        };
        let resolution = resolve(&question, store, mode, offline, progress)?.resolution;
        let inputs = inputs(&resolution.digest());
        let blobs = store.blobs(Kind::Packages, offline);
        let entry = store.get_or_make(Kind::Tools, &inputs, |dir| {
            progress.begin("Making the tools tree", None);
            let files: Vec<PathBuf> = resolution.packages.iter().map(|p| blobs.path(&p.sha256)).collect();
            let tree = dir.join("tree");
            bootstrap::extract(&files, &tree, &|program| Cmd::new(program)).doing("unpacking the tools")?;
            prune(&tree, target)?;
            progress.end(&format!("{} packages", files.len()));
            Ok(())
        })?;
        store.set_last(&format!("tools-{}", lock_name(host, target)), &inputs)?;
        let tree = entry.join("tree");
        let toolbox = Toolbox::open(&tree, root).doing("opening the tools tree")?;
        let identity = identity(&resolution.packages);
        let versions = resolution.packages.iter().map(|p| (p.name.clone(), p.version.clone())).collect();
        Ok(Self { tree, key: inputs.key(), identity, versions, toolbox, target })
    }

    /// The toolbox.
    pub fn toolbox(&self) -> &Toolbox {
        &self.toolbox
    }

    /// The key of the tree.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What of the tools has an influence on the bytes of an image: the same on hosts of every architecture.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The emulator for programs of the image's architecture, a static executable.
    pub fn emulator(&self) -> PathBuf {
        self.tree.join("usr/bin").join(format!("qemu-{}", self.target.kernel_name()))
    }

    /// The versions of the tools that have an influence on an image or its test.
    pub fn versions(&self) -> std::collections::BTreeMap<String, String> {
        let named =
            ["apt", "dpkg", "xfsprogs", "qemu-system-arm", "qemu-system-x86", "qemu-user", "qemu-efi-aarch64", "ovmf"];
        self.versions
            .iter()
            .filter(|(name, _)| named.contains(&name.as_str()))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect()
    }

    /// QEMU, its tools and its firmware, for the boot test.
    pub fn qemu(&self) -> helix_vm::Programs {
        let (code, vars) = firmware(self.target);
        helix_vm::Programs {
            qemu: self.toolbox.cmd(&format!("qemu-system-{}", self.target.kernel_name())),
            qemu_img: self.toolbox.cmd("qemu-img"),
            vsock: Some(self.toolbox.cmd("vhost-device-vsock")),
            firmware_code: self.tree.join(code),
            firmware_vars: self.tree.join(vars),
            root: None,
        }
    }
}

/// QEMU, its tools and its firmware for machines that outlive this process: started by the tree's own program loader,
/// outside of any namespace, as the user who calls. Nothing when the tree is not in the cache; it is made by
/// `cargo xtask build-image --until tools`.
pub fn qemu_for_long(workspace: &Workspace, store: &Store, target: Arch) -> Option<helix_vm::Programs> {
    let host = Arch::host()?;
    let locked = Tools::locked(workspace, host, target).map(|(inputs, _)| inputs);
    // Where the archive has moved on, the tree that is used is not the lock's.
    let last = store.last(&format!("tools-{}", lock_name(host, target)));
    let entry = locked.into_iter().chain(last).find_map(|inputs| store.get(Kind::Tools, &inputs.key()))?;
    let tree = entry.join("tree");
    let libraries = tree.join("usr/lib").join(host.triplet());
    let loader = match host {
        Arch::Amd64 => tree.join("usr/lib64").join(host.loader()),
        Arch::Arm64 => libraries.join(host.loader()),
    };
    let start = |program: &str| {
        let program = tree.join("usr/bin").join(program);
        Cmd::new(&loader).arg("--library-path").arg(&libraries).arg(program)
    };
    // Devices are modules, which QEMU looks for where the host has its own; and so are ROMs.
    let qemu = start(&format!("qemu-system-{}", target.kernel_name())).env("QEMU_MODULE_DIR", libraries.join("qemu"));
    let (code, vars) = firmware(target);
    Some(helix_vm::Programs {
        qemu: qemu.arg("-L").arg(tree.join("usr/share/qemu")),
        qemu_img: start("qemu-img"),
        // The encoder's port of virtio-serial is enough.
        vsock: None,
        firmware_code: tree.join(code),
        firmware_vars: tree.join(vars),
        root: None,
    })
}

/// The firmware's code and the template of its variables, in a tools tree.
fn firmware(target: Arch) -> (&'static str, &'static str) {
    match target {
        Arch::Arm64 => ("usr/share/AAVMF/AAVMF_CODE.no-secboot.fd", "usr/share/AAVMF/AAVMF_VARS.fd"),
        Arch::Amd64 => ("usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_VARS_4M.fd"),
    }
}

impl helix_disk::xfs::Tools for Tools {
    fn cmd(&self, program: &str) -> Cmd {
        self.toolbox.cmd(program)
    }
}

/// A suite of Debian, for what no recipe names.
pub(crate) fn debian(workspace: &Workspace, suite: &str) -> Archive {
    Archive {
        name: "debian".to_owned(),
        mirror: "http://ftp.debian.org/debian".to_owned(),
        also_at: Vec::new(),
        suites: vec![suite.to_owned()],
        components: vec!["main".to_owned()],
        key: workspace.root.join("recipes/keys/debian-archive-keyring.asc"),
        allow_expired: false,
        only: Vec::new(),
    }
}

fn identity(packages: &[helix_rootfs::apt::Package]) -> String {
    let of = |name: &str| packages.iter().find(|p| p.name == name).map_or("none", |p| p.version.as_str());
    // A rebuild of the same source for one architecture (+b1) makes the same files.
    let source = |name| of(name).split("+b").next().unwrap_or_default().to_owned();
    format!("dpkg {}, xfsprogs {}", source("dpkg"), source("xfsprogs"))
}

fn lock_name(host: Arch, target: Arch) -> String {
    format!("{host}-for-{target}")
}

fn inputs(resolution: &str) -> Inputs {
    Inputs::of("tools", REVISION).with("packages of the tools", resolution)
}

/// Takes away what no tool needs: documentation, and the emulators of all other architectures.
fn prune(tree: &Path, target: Arch) -> Result<(), Error> {
    for dir in ["doc", "man", "locale", "info"] {
        crate::store::remove_tree(&tree.join("usr/share").join(dir))?;
    }
    let bin = tree.join("usr/bin");
    let keep = format!("qemu-{}", target.kernel_name());
    for entry in std::fs::read_dir(&bin).map_err(|e| Error::io("reading", &bin, e))? {
        let path = entry.map_err(|e| Error::io("reading", &bin, e))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let emulator =
            name.starts_with("qemu-") && !["qemu-img", "qemu-io", "qemu-nbd", "qemu-storage-daemon"].contains(&&*name);
        if emulator && !name.starts_with("qemu-system") && name != keep {
            std::fs::remove_file(&path).map_err(|e| Error::io("removing", &path, e))?;
        }
    }
    Ok(())
}
