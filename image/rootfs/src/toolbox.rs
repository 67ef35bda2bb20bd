//! The tools tree as a place to run programs in.
//!
//! The view is the host's own root with one difference: `/usr` is the tools tree's. Programs of pinned versions thus see
//! every host path under the name the caller uses, and no path has to be translated.

use std::path::{Path, PathBuf};

use helix_command::Cmd;

use crate::Error;
use crate::mounts::Mounts;

/// Top-level names that belong to `/usr` on a merged-`/usr` system and are links in the view.
const USR_LINKS: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// A root made of the host's folders and the tools tree's `/usr`.
#[derive(Debug)]
pub struct Toolbox {
    root: PathBuf,
    _mounts: Mounts,
}

impl Toolbox {
    /// Opens `tools_tree` as a toolbox, mounted at the empty folder `root`.
    ///
    /// Call it inside the namespace, and mount trees that tools shall see either before or below a folder that exists.
    ///
    /// # Errors
    /// When a mount fails.
    pub fn open(tools_tree: &Path, root: &Path) -> Result<Self, Error> {
        let mut mounts = Mounts::default();
        std::fs::create_dir_all(root).map_err(|e| Error::io("creating", root, e))?;
        mounts.tmpfs(root, "755")?;
        let usr = root.join("usr");
        std::fs::create_dir(&usr).map_err(|e| Error::io("creating", &usr, e))?;
        mounts.bind(&tools_tree.join("usr"), &usr)?;
        for link in USR_LINKS {
            let link_path = root.join(link);
            std::os::unix::fs::symlink(format!("usr/{link}"), &link_path)
                .map_err(|e| Error::io("linking", &link_path, e))?;
        }
        for entry in std::fs::read_dir("/").map_err(|e| Error::io("reading", Path::new("/"), e))? {
            let entry = entry.map_err(|e| Error::io("reading", Path::new("/"), e))?;
            let name = entry.file_name();
            let target = root.join(&name);
            if name == "usr" || USR_LINKS.iter().any(|l| name == *l) {
                continue;
            }
            let kind = entry.file_type().map_err(|e| Error::io("reading", &entry.path(), e))?;
            if kind.is_symlink() {
                let to = std::fs::read_link(entry.path()).map_err(|e| Error::io("reading", &entry.path(), e))?;
                std::os::unix::fs::symlink(to, &target).map_err(|e| Error::io("linking", &target, e))?;
            } else if kind.is_dir() {
                std::fs::create_dir(&target).map_err(|e| Error::io("creating", &target, e))?;
                mounts.bind_recursive(&entry.path(), &target)?;
            }
        }
        Ok(Self { root: root.to_owned(), _mounts: mounts })
    }

    /// A command that runs `program` of the tools tree.
    pub fn cmd(&self, program: &str) -> Cmd {
        clean_environment(Cmd::new(program).root(&self.root))
    }
}

/// The environment of every tool: nothing of the caller's but the place for temporary files. apt, which alone needs the
/// network, is told the way to it.
pub(crate) fn clean_environment(cmd: Cmd) -> Cmd {
    let mut cmd = cmd
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env("HOME", "/root");
    if let Some(value) = std::env::var_os("TMPDIR") {
        cmd = cmd.env("TMPDIR", value);
    }
    cmd
}
