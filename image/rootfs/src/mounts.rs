//! Mounts that undo themselves.
//!
//! All of them happen in the private namespace of [`crate::namespace`]; none is visible to the host.

use std::ffi::CString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, unmount};

use crate::Error;

/// A stack of mounts and of the files made to hold them; dropping it takes both away, last one first.
#[derive(Debug, Default)]
pub(crate) struct Mounts {
    undo: Vec<Undo>,
}

#[derive(Debug)]
enum Undo {
    Unmount(PathBuf),
    RemoveFile(PathBuf),
    RemoveDir(PathBuf),
}

impl Mounts {
    pub(crate) fn tmpfs(&mut self, target: &Path, mode: &str) -> Result<(), Error> {
        let options = CString::new(format!("mode={mode}")).expect("a mode holds no NUL");
        mount("tmpfs", target, "tmpfs", MountFlags::empty(), options.as_c_str())
            .map_err(|e| Error::mount("a tmpfs", target, e))?;
        self.mounted(target)
    }

    pub(crate) fn binfmt_misc(&mut self, target: &Path) -> Result<(), Error> {
        mount("binfmt_misc", target, "binfmt_misc", MountFlags::empty(), None)
            .map_err(|e| Error::mount("binfmt_misc", target, e))?;
        self.mounted(target)
    }

    /// Lays folders over each other, the first one on top; `writable` is an upper and a work folder.
    pub(crate) fn overlay(
        &mut self,
        lowers: &[&Path],
        writable: Option<(&Path, &Path)>,
        target: &Path,
    ) -> Result<(), Error> {
        let lowers: Vec<String> = lowers.iter().map(|lower| escape(lower)).collect();
        let mut options = format!("lowerdir={},userxattr", lowers.join(":"));
        if let Some((upper, work)) = writable {
            options += &format!(",upperdir={},workdir={}", escape(upper), escape(work));
        }
        let options =
            CString::new(options).map_err(|_| Error::mount("an overlay", target, rustix::io::Errno::INVAL))?;
        mount("overlay", target, "overlay", MountFlags::empty(), options.as_c_str())
            .map_err(|e| Error::mount("an overlay", target, e))?;
        self.mounted(target)
    }

    pub(crate) fn bind(&mut self, source: &Path, target: &Path) -> Result<(), Error> {
        mount_bind(source, target).map_err(|e| Error::mount(&source.display().to_string(), target, e))?;
        self.mounted(target)
    }

    pub(crate) fn bind_recursive(&mut self, source: &Path, target: &Path) -> Result<(), Error> {
        mount_bind_recursive(source, target).map_err(|e| Error::mount(&source.display().to_string(), target, e))?;
        self.mounted(target)
    }

    /// Makes `dir` where it is missing, and takes it away again at the end.
    pub(crate) fn dir(&mut self, dir: &Path) -> Result<(), Error> {
        if !dir.exists() {
            std::fs::create_dir(dir).map_err(|e| Error::io("creating", dir, e))?;
            self.undo.push(Undo::RemoveDir(dir.to_owned()));
        }
        Ok(())
    }

    /// Makes a symbolic link where nothing is, and takes it away again at the end.
    pub(crate) fn symlink(&mut self, target: &str, link: &Path) -> Result<(), Error> {
        if std::fs::symlink_metadata(link).is_err() {
            std::os::unix::fs::symlink(target, link).map_err(|e| Error::io("creating", link, e))?;
            self.undo.push(Undo::RemoveFile(link.to_owned()));
        }
        Ok(())
    }

    fn mounted(&mut self, target: &Path) -> Result<(), Error> {
        self.undo.push(Undo::Unmount(target.to_owned()));
        Ok(())
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for step in self.undo.drain(..).rev() {
            let done = match &step {
                // Lazily: a daemon that a maintainer script left behind must not keep the tree busy.
                Undo::Unmount(path) => unmount(path, UnmountFlags::DETACH).map_err(std::io::Error::from),
                Undo::RemoveFile(path) => std::fs::remove_file(path),
                Undo::RemoveDir(path) => std::fs::remove_dir(path),
            };
            if let Err(e) = done {
                tracing::warn!("undoing {step:?}: {e}");
            }
        }
    }
}

/// Makes the kinds of mounts that a build makes, in the empty folder `work`, and takes them away again. Must run inside the
/// namespace of [`crate::namespace`].
///
/// # Errors
/// When the kernel refuses one; the message names the likely reason.
pub fn attempt(work: &Path) -> Result<(), Error> {
    let [lower, memory] = ["lower", "memory"].map(|name| work.join(name));
    for dir in [&lower, &memory] {
        std::fs::create_dir(dir).map_err(|e| Error::io("creating", dir, e))?;
    }
    Mounts::default().tmpfs(&memory, "0755")?;
    OverlayTree::new(&lower, &work.join("view")).map(drop)
}

/// Commas, colons and backslashes separate overlay options and must be escaped in paths.
fn escape(path: &Path) -> String {
    let mut out = String::new();
    for c in path.to_string_lossy().chars() {
        if matches!(c, ',' | ':' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A view of trees that stay untouched: changes go to a folder of their own.
#[derive(Debug)]
pub struct OverlayTree {
    path: PathBuf,
    upper: PathBuf,
    _mounts: Mounts,
}

impl OverlayTree {
    /// Lays an empty, writable layer over `lower`; its files are kept in `work`, which must be on a real file system.
    ///
    /// # Errors
    /// When the kernel refuses the overlay.
    pub fn new(lower: &Path, work: &Path) -> Result<Self, Error> {
        Self::over(&[lower], work)
    }

    /// As [`Self::new`], over several trees, the first one on top.
    ///
    /// # Errors
    /// When the kernel refuses the overlay.
    pub fn over(lowers: &[&Path], work: &Path) -> Result<Self, Error> {
        let [upper, scratch, path] = ["upper", "scratch", "tree"].map(|name| work.join(name));
        for dir in [&upper, &scratch, &path] {
            std::fs::create_dir_all(dir).map_err(|e| Error::io("creating", dir, e))?;
        }
        // The upper folder becomes the root folder of the view: it takes over the mode of the tree's own.
        std::fs::set_permissions(&upper, std::fs::Permissions::from_mode(0o755))
            .map_err(|e| Error::io("setting the mode of", &upper, e))?;
        let mut mounts = Mounts::default();
        mounts.overlay(lowers, Some((&upper, &scratch)), &path)?;
        Ok(Self { path, upper, _mounts: mounts })
    }

    /// Lays trees over each other at the new folder `path`, for reading.
    ///
    /// # Errors
    /// When the kernel refuses the overlay.
    pub fn read_only(lowers: &[&Path], path: &Path) -> Result<Self, Error> {
        std::fs::create_dir(path).map_err(|e| Error::io("creating", path, e))?;
        let mut mounts = Mounts::default();
        mounts.overlay(lowers, None, path)?;
        Ok(Self { path: path.to_owned(), upper: lowers[0].to_owned(), _mounts: mounts })
    }

    /// The folder with the changes.
    pub fn upper(&self) -> &Path {
        &self.upper
    }

    /// Where the view is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
