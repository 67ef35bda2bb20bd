//! Packages to tree, by dpkg of the toolbox working on the tree from outside.
//!
//! dpkg 1.23 takes the native architecture of a tree from its `arch-native` file, so that a dpkg built for the host
//! treats a foreign tree as the tree's own dpkg would. Only maintainer scripts run inside.

use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use helix_command::Cmd;

use crate::arch::Arch;
use crate::chroot::{Chroot, build_environment};
use crate::emulation::Emulation;
use crate::{Error, Toolbox};

/// A package file and its name.
#[derive(Debug, Clone)]
pub struct PackageFile {
    /// The package's name.
    pub name: String,
    /// Its `.deb`.
    pub file: PathBuf,
    /// Whether it belongs to the set that every package may rely on (apt's `?essential` with its dependencies).
    pub essential: bool,
}

/// Programs that do nothing while packages are configured, and why.
const MASKED: [&str; 5] = [
    // Made once, by its own step, when all configuration is in place.
    "/usr/sbin/update-initramfs",
    // Boot entries are written by the disk step.
    "/usr/bin/kernel-install",
    "/usr/bin/bootctl",
    // Host keys belong to a machine, not to an image.
    "/usr/bin/ssh-keygen",
    // An index for apropos(1), which nobody asks on such a machine.
    "/usr/bin/mandb",
];

/// It keeps maintainer scripts from starting anything.
const POLICY: &str = "usr/sbin/policy-rc.d";
const ARCH_NATIVE: &str = "var/lib/dpkg/arch-native";

/// Unpacks package files without running anything of theirs: enough for trees of tools.
///
/// # Errors
/// When dpkg-deb fails.
pub fn extract(files: &[PathBuf], dir: &Path, run: &(dyn Fn(&str) -> Cmd + Sync)) -> Result<(), Error> {
    std::fs::create_dir_all(dir).map_err(|e| Error::io("creating", dir, e))?;
    // Packages of one set do not share files, so that several can be unpacked at once; shared folders are no conflict.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let chunk = files.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = files
            .chunks(chunk)
            .map(|part| {
                scope.spawn(move || -> Result<(), Error> {
                    for file in part {
                        run("dpkg-deb").arg("--extract").arg(file).arg(dir).run()?;
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|w| w.join().expect("the worker does not panic"))
    })
}

/// What a bootstrap needs besides the packages.
pub struct Bootstrap<'a> {
    /// Where dpkg comes from.
    pub toolbox: &'a Toolbox,
    /// The tree's architecture.
    pub arch: Arch,
    /// How the tree's programs run.
    pub emulation: &'a Emulation,
    /// Seconds since 1970, for programs that write the time.
    pub epoch: u64,
    /// Called with each package's name and the phase (`unpack` or `configure`).
    pub progress: &'a dyn Fn(&str, &str),
}

impl Bootstrap<'_> {
    /// Installs `packages` into the new folder `tree`.
    ///
    /// # Errors
    /// When dpkg or a maintainer script fails.
    pub fn install(&self, packages: &[PackageFile], tree: &Path) -> Result<(), Error> {
        skeleton(tree, self.arch)?;
        let essential: Vec<PathBuf> = packages.iter().filter(|p| p.essential).map(|p| p.file.clone()).collect();
        // The essential packages' files must be in place before the first maintainer script runs; dpkg unpacks them
        // again, with their own scripts, like any other.
        extract(&essential, tree, &|program| self.toolbox.cmd(program))?;
        let chroot = self.unpack(packages, tree)?;
        for (master, file) in [("passwd.master", "etc/passwd"), ("group.master", "etc/group")] {
            // Maintainer scripts look up users before base-passwd is configured.
            let target = tree.join(file);
            std::fs::copy(tree.join("usr/share/base-passwd").join(master), &target)
                .map_err(|e| Error::io("writing", &target, e))?;
        }
        let first = ["base-passwd", "base-files"].map(OsString::from);
        self.dpkg(tree, "configure", &["--no-triggers", "--force-depends", "--configure"], first.clone())?;
        // Packages rely on the essential set without saying so: it must be configured before all others.
        let rest = packages.iter().filter(|p| p.essential && !first.iter().any(|f| *f == *p.name));
        let rest: Vec<OsString> = rest.map(|p| OsString::from(&p.name)).collect();
        self.dpkg(tree, "configure", &["--no-triggers", "--force-depends", "--configure"], rest)?;
        self.configure(tree, chroot)
    }

    /// Installs more packages into a tree that [`Self::install`] made, or into a view of one.
    ///
    /// # Errors
    /// When dpkg or a maintainer script fails.
    pub fn add(&self, packages: &[PackageFile], tree: &Path) -> Result<(), Error> {
        native(tree, self.arch)?;
        let chroot = self.unpack(packages, tree)?;
        self.configure(tree, chroot)
    }

    fn unpack(&self, packages: &[PackageFile], tree: &Path) -> Result<Chroot, Error> {
        let mut chroot = Chroot::open(tree, self.emulation, self.epoch)?;
        let policy = tree.join(POLICY);
        std::fs::write(&policy, "#!/bin/sh\n# Nothing is started while an image is made.\nexit 101\n")
            .map_err(|e| Error::io("writing", &policy, e))?;
        std::fs::set_permissions(&policy, std::fs::Permissions::from_mode(0o755))
            .map_err(|e| Error::io("writing", &policy, e))?;
        self.dpkg(
            tree,
            "unpack",
            &["--no-triggers", "--force-depends", "--unpack"],
            packages.iter().map(|p| p.file.as_os_str().to_owned()),
        )?;
        for program in MASKED {
            chroot.mask(program)?;
        }
        Ok(chroot)
    }

    /// Configures what is left, and takes away what only the build needs.
    fn configure(&self, tree: &Path, chroot: Chroot) -> Result<(), Error> {
        self.dpkg(tree, "configure", &["--configure", "--pending"], [])?;
        drop(chroot);
        for leftover in [POLICY, ARCH_NATIVE] {
            let leftover = tree.join(leftover);
            std::fs::remove_file(&leftover).map_err(|e| Error::io("removing", &leftover, e))?;
        }
        Ok(())
    }

    fn dpkg(
        &self,
        tree: &Path,
        phase: &str,
        action: &[&str],
        operands: impl IntoIterator<Item = OsString>,
    ) -> Result<(), Error> {
        let mut root = OsString::from("--root=");
        root.push(tree);
        let cmd = build_environment(self.toolbox.cmd_for_tree("dpkg"), self.epoch)
            .arg(root)
            // Nothing is lost with a power cut: an unfinished tree is thrown away.
            .args(["--force-unsafe-io", "--force-confold"])
            .args(action)
            .args(operands);
        cmd.lines(|line| {
            let name = line.strip_prefix("Unpacking ").or_else(|| line.strip_prefix("Setting up "));
            if let Some(name) = name.and_then(|n| n.split_whitespace().next()) {
                (self.progress)(phase, name);
            }
        })?;
        Ok(())
    }
}

/// The folders and links that dpkg and the first scripts take for granted.
fn skeleton(tree: &Path, arch: Arch) -> Result<(), Error> {
    for dir in [
        "dev",
        "etc",
        "proc",
        "run",
        "sys",
        "tmp",
        "usr/bin",
        "usr/lib",
        "usr/sbin",
        "var/lib/dpkg/info",
        "var/lib/dpkg/triggers",
        "var/lib/dpkg/updates",
    ] {
        let path = tree.join(dir);
        std::fs::create_dir_all(&path).map_err(|e| Error::io("creating", &path, e))?;
    }
    let mut links = vec!["bin", "lib", "sbin"];
    if arch == Arch::Amd64 {
        links.push("lib64");
        let path = tree.join("usr/lib64");
        std::fs::create_dir(&path).map_err(|e| Error::io("creating", &path, e))?;
    }
    for link in links {
        let path = tree.join(link);
        symlink(format!("usr/{link}"), &path).map_err(|e| Error::io("linking", &path, e))?;
    }
    for name in ["status", "available"] {
        let path = tree.join("var/lib/dpkg").join(name);
        std::fs::write(&path, "").map_err(|e| Error::io("writing", &path, e))?;
    }
    native(tree, arch)
}

/// Tells dpkg what the tree's own architecture is.
fn native(tree: &Path, arch: Arch) -> Result<(), Error> {
    let path = tree.join(ARCH_NATIVE);
    std::fs::write(&path, format!("{arch}\n")).map_err(|e| Error::io("writing", &path, e))
}
