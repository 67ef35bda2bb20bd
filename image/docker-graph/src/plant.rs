//! A tree in memory becomes a folder on the disk. Everything is made below the handle of a folder that was just made.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use crate::error::Fault;
use crate::inode::{Content, Inode, LeftOut, duplicate, set_meta, set_meta_of, xattrs_of};
use crate::tar_stream::Meta;
use crate::tree::{Folder, Node, Tree};

/// How a file that a layer does not change shares its data with the layer below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharing {
    /// By names of the same inode. They survive when a file system is filled from the folder.
    #[default]
    HardLinks,
    /// By extents, where the file system can (XFS, Btrfs).
    Reflinks,
    /// Not at all.
    Copies,
}

/// Makes the folder `target` with what is in `tree`.
pub(crate) fn plant(tree: &Tree, target: &Path, sharing: Sharing, left_out: &mut LeftOut) -> Result<(), Fault> {
    let mut planter = Planter { sharing, copies: HashMap::new(), left_out };
    rustix::fs::mkdir(target, Mode::RWXU).map_err(|e| told("making", target)(e.into()))?;
    let root = open(CWD, target.as_os_str()).map_err(told("opening", target))?;
    planter.folder(&tree.root, &root, target)
}

fn told(doing: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Fault {
    move |e| Fault::from(e).at(format_args!("{doing} {}", path.display()))
}

struct Planter<'a> {
    sharing: Sharing,
    /// Where this tree has its copy of an inode.
    copies: HashMap<*const Inode, PathBuf>,
    left_out: &'a mut LeftOut,
}

fn open(parent: impl AsFd, name: &OsStr) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(parent, name, flags, Mode::empty())?))
}

impl Planter<'_> {
    fn folder(&mut self, folder: &Folder, handle: &File, path: &Path) -> Result<(), Fault> {
        for (name, node) in &folder.names {
            let name = OsStr::from_bytes(name);
            let inside = path.join(name);
            match node {
                Node::Inode(inode) => self.inode(inode, handle, name, &inside).map_err(told("making", &inside))?,
                Node::Folder(inner) => {
                    // Most have their mode from the start; what comes into it needs all of the owner's rights.
                    let mode = Mode::from_raw_mode(inner.meta.mode) | Mode::RWXU;
                    rustix::fs::mkdirat(handle, name, mode).map_err(|e| told("making", &inside)(e.into()))?;
                    let inner_handle = open(handle, name).map_err(told("opening", &inside))?;
                    self.folder(inner, &inner_handle, &inside)?;
                }
            }
        }
        // When nothing more comes into the folder.
        let name = path.as_os_str().as_bytes();
        set_meta_of(handle, &folder.meta, name, self.left_out).map_err(told("finishing", path))
    }

    fn inode(&mut self, inode: &Arc<Inode>, folder: &File, name: &OsStr, path: &Path) -> std::io::Result<()> {
        if inode.content == Content::Missing {
            return Ok(());
        }
        if self.sharing == Sharing::HardLinks || inode.content != Content::File {
            return inode.link(folder, name);
        }
        if let Some(copy) = self.copies.get(&Arc::as_ptr(inode)) {
            return Ok(rustix::fs::linkat(CWD, copy, folder, name, AtFlags::empty())?);
        }
        duplicate(&inode.path(), path, self.sharing == Sharing::Reflinks)?;
        // Those of a layer that was there before are known to the disk alone.
        let meta = Meta { xattrs: xattrs_of(&inode.path())?, ..inode.meta.clone() };
        set_meta(path, &meta, name.as_bytes(), self.left_out)?;
        self.copies.insert(Arc::as_ptr(inode), path.to_owned());
        Ok(())
    }
}
