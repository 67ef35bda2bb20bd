//! A tree with what its programs need around them while they run.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use helix_command::Cmd;

use crate::Error;
use crate::emulation::Emulation;
use crate::mounts::Mounts;
use crate::toolbox::fixed_environment;

/// Device nodes that programs expect; everything else of the host's `/dev` stays out of reach.
const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];

/// A tree whose programs can run: `/proc`, a small `/dev`, empty `/run` and `/tmp`, and emulation where it is needed.
///
/// Dropping it takes all of that away again; the tree keeps only what the programs wrote.
#[derive(Debug)]
pub struct Chroot {
    tree: PathBuf,
    epoch: u64,
    mounts: Mounts,
}

impl Chroot {
    /// Prepares `tree`. `epoch` (seconds since 1970) is what its programs are told the time of the build is.
    ///
    /// # Errors
    /// When a mount fails.
    pub fn open(tree: &Path, emulation: &Emulation, epoch: u64) -> Result<Self, Error> {
        let mut mounts = Mounts::default();
        for dir in ["dev", "proc", "run", "tmp"] {
            let path = tree.join(dir);
            std::fs::create_dir_all(&path).map_err(|e| Error::io("creating", &path, e))?;
        }
        mounts.bind_recursive(Path::new("/proc"), &tree.join("proc"))?;
        mounts.tmpfs(&tree.join("run"), "755")?;
        mounts.tmpfs(&tree.join("tmp"), "1777")?;
        devices(&tree.join("dev"), &mut mounts)?;
        emulation.mount_into(tree, &mut mounts)?;
        Ok(Self { tree: tree.to_owned(), epoch, mounts })
    }

    /// A command that runs `program` of the tree, in an environment that has nothing of the caller's.
    pub fn cmd(&self, program: &str) -> Cmd {
        build_environment(fixed_environment(Cmd::new(program).root(&self.tree)), self.epoch)
    }

    /// The tree.
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// Hides `program` behind one that does nothing and succeeds, until `Chroot` ends.
    ///
    /// # Errors
    /// When the mount fails.
    pub fn mask(&mut self, program: &str) -> Result<(), Error> {
        let target = self.tree.join(program.trim_start_matches('/'));
        if !target.exists() {
            return Ok(());
        }
        let nothing = self.tree.join("run/helix-nothing");
        std::fs::write(&nothing, "#!/bin/sh\nexit 0\n").map_err(|e| Error::io("writing", &nothing, e))?;
        std::fs::set_permissions(&nothing, std::fs::Permissions::from_mode(0o755))
            .map_err(|e| Error::io("writing", &nothing, e))?;
        self.mounts.bind(&nothing, &target)
    }
}

/// What maintainer scripts are told besides: no questions, no services, and one fixed time.
pub(crate) fn build_environment(cmd: Cmd, epoch: u64) -> Cmd {
    cmd.env("DEBIAN_FRONTEND", "noninteractive")
        .env("DEBCONF_NONINTERACTIVE_SEEN", "true")
        .env("SYSTEMD_OFFLINE", "1")
        .env("PYTHONHASHSEED", "0")
        .env("SOURCE_DATE_EPOCH", epoch.to_string())
}

fn devices(dev: &Path, mounts: &mut Mounts) -> Result<(), Error> {
    mounts.tmpfs(dev, "755")?;
    for name in DEVICES {
        let node = dev.join(name);
        std::fs::write(&node, "").map_err(|e| Error::io("creating", &node, e))?;
        mounts.bind(&Path::new("/dev").join(name), &node)?;
    }
    for (link, target) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        let path = dev.join(link);
        std::os::unix::fs::symlink(target, &path).map_err(|e| Error::io("linking", &path, e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_a_tree_get_a_fixed_environment() {
        let chroot = Chroot { tree: "/tree".into(), epoch: 7, mounts: Mounts::default() };
        let cmd = chroot.cmd("true").to_std();
        let given: Vec<_> =
            cmd.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?))).collect();
        let names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
        let expected = [
            "DEBCONF_NONINTERACTIVE_SEEN",
            "DEBIAN_FRONTEND",
            "HOME",
            "LC_ALL",
            "PATH",
            "PYTHONHASHSEED",
            "SOURCE_DATE_EPOCH",
            "SYSTEMD_OFFLINE",
            "TZ",
        ];
        assert_eq!(names, expected);
        assert!(given.contains(&("SOURCE_DATE_EPOCH", "7")));
    }
}
