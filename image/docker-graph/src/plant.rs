//! A tree in memory becomes a folder on the disk. Everything is made below the handle of a folder that was just made.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::error::Fault;
use crate::inode::{Content, Inode, LeftOut, set_meta, set_meta_of, xattrs_of};
use crate::stop::Stop;
use crate::tar_stream::Meta;
use crate::tree::{Node, Tree};

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
pub(crate) fn plant(
    tree: &Tree,
    target: &Path,
    sharing: Sharing,
    stop: &Stop,
    left_out: &mut LeftOut,
) -> Result<(), Fault> {
    let planter = Planter { sharing, stop, link: Inode::link, copies: HashMap::new(), left_out };
    planter.plant(tree, target)
}

fn told(doing: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Fault {
    move |e| Fault::from(e).at(format_args!("{doing} {}", path.display()))
}

struct Planter<'a> {
    sharing: Sharing,
    stop: &'a Stop,
    /// Gives an inode another name.
    link: fn(&Inode, &File, &OsStr) -> std::io::Result<()>,
    /// Where this tree has its copy of an inode.
    copies: HashMap<*const Inode, PathBuf>,
    left_out: &'a mut LeftOut,
}

fn open(parent: impl AsFd, name: &OsStr) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(parent, name, flags, Mode::empty())?))
}

impl Planter<'_> {
    fn plant(mut self, tree: &Tree, target: &Path) -> Result<(), Fault> {
        rustix::fs::mkdir(target, Mode::RWXU).map_err(|e| told("making", target)(e.into()))?;
        let mut path = target.to_owned();
        // One folder is open at a time: more may lie in each other than a process may have open files.
        let mut handle = open(CWD, target.as_os_str()).map_err(told("opening", target))?;
        let mut way = vec![(&*tree.root, tree.root.names.iter())];
        while let Some((folder, names)) = way.last_mut() {
            self.stop.check()?;
            match names.next() {
                Some((name, Node::Inode(inode))) => {
                    let name = OsStr::from_bytes(name);
                    let inside = path.join(name);
                    self.inode(inode, &handle, name, &inside).map_err(told("making", &inside))?;
                }
                Some((name, Node::Folder(inner))) => {
                    let name = OsStr::from_bytes(name);
                    path.push(name);
                    // Most have their mode from the start; what comes into it needs all of the owner's rights.
                    let mode = Mode::from_raw_mode(inner.meta.mode) | Mode::RWXU;
                    rustix::fs::mkdirat(&handle, name, mode).map_err(|e| told("making", &path)(e.into()))?;
                    handle = open(&handle, name).map_err(told("opening", &path))?;
                    way.push((inner, inner.names.iter()));
                }
                // Nothing more comes into the folder.
                None => {
                    let meta = &folder.meta;
                    way.pop();
                    // Its own mode may forbid this afterwards.
                    let above = if way.is_empty() { None } else { Some(open(&handle, OsStr::new(".."))) };
                    let name = path.as_os_str().as_bytes();
                    set_meta_of(&handle, meta, name, self.left_out).map_err(told("finishing", &path))?;
                    path.pop();
                    if let Some(above) = above {
                        handle = above.map_err(told("opening", &path))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn inode(&mut self, inode: &Arc<Inode>, folder: &File, name: &OsStr, path: &Path) -> std::io::Result<()> {
        if inode.content == Content::Missing {
            return Ok(());
        }
        let linked = match self.copies.get(&Arc::as_ptr(inode)) {
            Some(copy) => rustix::fs::linkat(CWD, copy, folder, name, AtFlags::empty()).map_err(Into::into),
            None if self.sharing == Sharing::HardLinks || inode.content != Content::File => {
                (self.link)(inode, folder, name)
            }
            None => return self.copy(inode, path),
        };
        match linked {
            // It has as many names as the file system allows (65,000 on ext4): this one and those to come are a copy's.
            Err(e) if e.raw_os_error() == Some(Errno::MLINK.raw_os_error()) => self.copy(inode, path),
            other => other,
        }
    }

    fn copy(&mut self, inode: &Arc<Inode>, path: &Path) -> std::io::Result<()> {
        inode.duplicate(path, self.sharing == Sharing::Reflinks)?;
        // Attributes of a layer that was there before are known to the disk alone.
        let meta = Meta { xattrs: xattrs_of(&inode.path())?, ..inode.meta.clone() };
        set_meta(path, &meta, path.as_os_str().as_bytes(), self.left_out)?;
        self.copies.insert(Arc::as_ptr(inode), path.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inode::Place;
    use crate::tar_stream::{Kind, Time};
    use crate::tree::Folder;
    use std::os::unix::fs::{FileTypeExt, MetadataExt};

    /// The file system of this test allows no second name.
    fn full(_: &Inode, _: &File, _: &OsStr) -> std::io::Result<()> {
        Err(Errno::MLINK.into())
    }

    #[test]
    fn an_inode_with_all_names_that_it_may_have_is_copied_once_for_each_tree() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "content").unwrap();
        std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
        crate::inode::make_node(&at("pipe"), Kind::Fifo).unwrap();
        let own = std::fs::metadata(dir.path()).unwrap();
        let inode = |name: &str, content: Content| {
            let mtime = Time { seconds: 77, nanoseconds: 5 };
            let meta = Meta { mode: 0o640, uid: own.uid(), gid: own.gid(), mtime, xattrs: Vec::new() };
            Node::Inode(Arc::new(Inode { place: Place::At(at(name)), content, meta }))
        };
        let (file, link) = (inode("file", Content::File), inode("link", Content::Symlink(b"nowhere".to_vec())));
        let mut root = Folder {
            meta: Meta { mode: 0o755, uid: own.uid(), gid: own.gid(), ..Meta::default() },
            ..Folder::default()
        };
        let names = [("a", file.clone()), ("b", file), ("l", link), ("p", inode("pipe", Content::Special))];
        root.names.extend(names.map(|(name, node)| (name.as_bytes().into(), node)));
        let tree = Tree { root: Arc::new(root) };
        for target in ["one", "two"] {
            let (stop, mut left_out) = (Stop::new(Arc::default()), LeftOut::default());
            let planter = Planter {
                sharing: Sharing::HardLinks,
                stop: &stop,
                link: full,
                copies: HashMap::new(),
                left_out: &mut left_out,
            };
            planter.plant(&tree, &at(target)).unwrap();
            let stat = |name: &str| at(target).join(name).symlink_metadata().unwrap();
            assert_eq!(std::fs::read_to_string(at(target).join("a")).unwrap(), "content");
            assert_eq!((stat("a").ino(), stat("a").nlink()), (stat("b").ino(), 2));
            assert_eq!((stat("a").mode() & 0o7777, stat("a").mtime(), stat("a").mtime_nsec()), (0o640, 77, 5));
            assert_eq!(std::fs::read_link(at(target).join("l")).unwrap().to_str(), Some("nowhere"));
            assert!(stat("p").file_type().is_fifo() && stat("p").nlink() == 1);
        }
    }
}
