//! The tools tree as a place to run programs in.
//!
//! The view is the host's own root with one difference: `/usr` is the tools tree's. Programs of pinned versions thus see
//! every host path under the name the caller uses, and no path has to be translated.

use std::ffi::OsString;
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

    /// A command that runs `program` of the tools tree. Of the caller's environment it gets the folder for temporary files, if
    /// tools see that. apt, which alone needs the network, is told the way to it.
    pub fn cmd(&self, program: &str) -> Cmd {
        self.with_environment_of(self.cmd_for_tree(program), |name| std::env::var_os(name))
    }

    /// A command that runs `program` of the tools tree, which then runs programs of another tree: those inherit what it
    /// has, and nothing of the caller's means anything to them.
    pub(crate) fn cmd_for_tree(&self, program: &str) -> Cmd {
        fixed_environment(Cmd::new(program).root(&self.root))
    }

    fn with_environment_of(&self, cmd: Cmd, caller: impl Fn(&str) -> Option<OsString>) -> Cmd {
        match caller("TMPDIR").and_then(|folder| self.seen(Path::new(&folder))) {
            Some(folder) => cmd.env("TMPDIR", folder),
            None => cmd,
        }
    }

    /// The absolute path of a folder of the caller's, if it is a folder in the view too: one in the caller's own `/usr`
    /// is not.
    fn seen(&self, folder: &Path) -> Option<PathBuf> {
        let folder = folder.canonicalize().ok()?;
        let inside = self.root.join(folder.strip_prefix("/").ok()?);
        inside.is_dir().then_some(folder)
    }
}

/// The environment of every program of a tree, whatever the caller's is.
pub(crate) fn fixed_environment(cmd: Cmd) -> Cmd {
    cmd.env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env("HOME", "/root")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The environment of a command, from an empty one.
    fn environment(cmd: &Cmd) -> BTreeMap<String, String> {
        let cmd = cmd.to_std();
        let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
        cmd.get_envs().filter_map(|(name, value)| Some((text(name), text(value?)))).collect()
    }

    #[test]
    fn tools_get_a_folder_for_temporary_files_that_they_see_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (view, caller) = (dir.path().join("view"), dir.path().join("tmp"));
        std::fs::create_dir_all(&caller).unwrap();
        let toolbox = Toolbox { root: view.clone(), _mounts: Mounts::default() };
        let odd =
            ["https_proxy", "TMP", "TEMP", "TEMPDIR", "LD_PRELOAD", "PERL5LIB", "DPKG_ROOT", "HOME", "LC_ALL", "PATH"];
        let of = |folder: &Path| {
            let value = |name: &str| match name {
                "TMPDIR" => Some(folder.into()),
                name if odd.contains(&name) => Some("/odd".into()),
                _ => None,
            };
            environment(&toolbox.with_environment_of(toolbox.cmd_for_tree("true"), value))
        };
        // There is no such folder in the view.
        let fixed = environment(&toolbox.cmd_for_tree("true"));
        let mut expected = fixed.clone();
        assert_eq!(of(&caller), expected);
        assert_eq!(of(&dir.path().join("missing")), expected);
        let folder = caller.canonicalize().unwrap();
        std::fs::create_dir_all(view.join(folder.strip_prefix("/").unwrap())).unwrap();
        expected.insert("TMPDIR".to_owned(), folder.to_string_lossy().into_owned());
        assert_eq!(of(&caller), expected);
        // A link leads tools to another place than the caller, and a relative path to nothing.
        std::os::unix::fs::symlink("tmp", dir.path().join("link")).unwrap();
        assert_eq!(of(&dir.path().join("link")), expected);
        assert_eq!(fixed.keys().collect::<Vec<_>>(), ["HOME", "LC_ALL", "PATH", "TZ"]);
        assert_eq!((&*fixed["HOME"], &*fixed["LC_ALL"]), ("/root", "C.UTF-8"));
    }
}
