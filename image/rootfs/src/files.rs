//! Files laid over a tree.
//!
//! Every path is looked up the way a process inside the tree would (`RESOLVE_IN_ROOT`): a symbolic link of the tree never
//! leads out of it.

use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Timespec, Timestamps};
use walkdir::WalkDir;

use crate::Error;

/// An owner, as numbers of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// The ids of this process: root, inside the namespace that trees are made in.
impl Default for Owner {
    fn default() -> Self {
        Self { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() }
    }
}

impl Owner {
    /// Looks up `user:group`, names or numbers, in the tree's own `/etc/passwd` and `/etc/group`.
    ///
    /// # Errors
    /// When the tree has no such user or group.
    pub fn parse(tree: &Path, text: &str) -> Result<Self, Error> {
        let (user, group) = text.split_once(':').unwrap_or((text, text));
        Ok(Self { uid: id(tree, "etc/passwd", user)?, gid: id(tree, "etc/group", group)? })
    }
}

fn id(tree: &Path, file: &str, name: &str) -> Result<u32, Error> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let path = tree.join(file);
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io("reading", &path, e))?;
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    found.ok_or_else(|| {
        Error::Setting(format!("the tree's /{file} has no {name}; a user of the recipe or a package has to make it"))
    })
}

/// A tree to write files into, all with one time.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    tree: &'a Path,
    epoch: u64,
}

impl<'a> Writer<'a> {
    /// Writes into `tree`; every file and folder gets `epoch` (seconds since 1970) as its time.
    pub fn new(tree: &'a Path, epoch: u64) -> Self {
        Self { tree, epoch }
    }

    /// Where `path` of the tree really is, with its parent folders made where they are missing.
    ///
    /// # Errors
    /// When a parent is not a folder, or cannot be made.
    pub fn locate(&self, path: &Path) -> Result<PathBuf, Error> {
        let mut folder = self.tree.to_owned();
        let names: Vec<_> =
            path.components().filter_map(|c| if let Component::Normal(n) = c { Some(n) } else { None }).collect();
        let Some((last, parents)) = names.split_last() else { return Ok(folder) };
        let mut inside = PathBuf::new();
        for name in parents {
            inside.push(name);
            folder = match resolve(self.tree, &inside) {
                Ok(found) => found,
                Err(rustix::io::Errno::NOENT) => {
                    let made = folder.join(name);
                    std::fs::create_dir(&made).map_err(|e| Error::io("creating", &made, e))?;
                    self.finish(&made, Owner::default(), Some(0o755))?;
                    made
                }
                Err(e) => return Err(Error::errno("looking up", &self.tree.join(&inside), e)),
            };
        }
        Ok(folder.join(last))
    }

    /// Writes a file of root's, replacing what was there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>, mode: u32) -> Result<(), Error> {
        let target = self.locate(Path::new(path))?;
        self.clear(&target)?;
        std::fs::write(&target, text).map_err(|e| Error::io("writing", &target, e))?;
        self.finish(&target, Owner::default(), Some(mode))
    }

    /// Makes a symbolic link, replacing what was there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn link(&self, path: &str, to: &Path) -> Result<(), Error> {
        let target = self.locate(Path::new(path))?;
        self.clear(&target)?;
        symlink(to, &target).map_err(|e| Error::io("linking", &target, e))?;
        self.finish(&target, Owner::default(), None)
    }

    /// Copies one file to `path`, replacing what was there.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn copy(&self, source: &Path, path: &Path, owner: Owner, mode: u32) -> Result<(), Error> {
        let target = self.locate(path)?;
        self.clear(&target)?;
        std::fs::copy(source, &target).map_err(|e| Error::io("copying", source, e))?;
        self.finish(&target, owner, Some(mode))
    }

    /// Lays the folder `source` over the tree at `target`. Modes are 755 for folders and executable files, 644 for the
    /// rest: git keeps no more than that, and the umask of a checkout must not show.
    ///
    /// # Errors
    /// When a file cannot be read or written, or `source` holds anything but files, folders and symbolic links.
    pub fn lay(&self, source: &Path, target: &Path, owner: Owner) -> Result<(), Error> {
        for entry in WalkDir::new(source).min_depth(1).sort_by_file_name() {
            let entry = entry.map_err(|e| Error::io("reading", source, e.into()))?;
            let inside = target.join(entry.path().strip_prefix(source).expect("the walk stays below its start"));
            let kind = entry.file_type();
            if kind.is_dir() {
                let path = self.locate(&inside)?;
                if !path.is_dir() {
                    std::fs::create_dir(&path).map_err(|e| Error::io("creating", &path, e))?;
                    self.finish(&path, owner, Some(0o755))?;
                }
            } else if kind.is_symlink() {
                let to = std::fs::read_link(entry.path()).map_err(|e| Error::io("reading", entry.path(), e))?;
                let path = self.locate(&inside)?;
                self.clear(&path)?;
                symlink(to, &path).map_err(|e| Error::io("linking", &path, e))?;
                self.finish(&path, owner, None)?;
            } else if kind.is_file() {
                let meta = entry.metadata().map_err(|e| Error::io("reading", entry.path(), e.into()))?;
                let executable = meta.permissions().mode() & 0o111 != 0;
                self.copy(entry.path(), &inside, owner, if executable { 0o755 } else { 0o644 })?;
            } else {
                return Err(Error::Setting(format!(
                    "{} is neither file, folder nor symbolic link; only these can be laid over a tree",
                    entry.path().display()
                )));
            }
        }
        Ok(())
    }

    /// Sets mode and owner of what is at `path`.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn permit(&self, path: &str, mode: Option<u32>, owner: Option<Owner>) -> Result<(), Error> {
        let target = resolve(self.tree, Path::new(path.trim_start_matches('/'))).map_err(|e| {
            Error::errno("setting the permissions of", &self.tree.join(path.trim_start_matches('/')), e)
        })?;
        if let Some(owner) = owner {
            std::os::unix::fs::lchown(&target, Some(owner.uid), Some(owner.gid))
                .map_err(|e| Error::io("setting the owner of", &target, e))?;
        }
        if let Some(mode) = mode {
            std::fs::set_permissions(&target, std::fs::Permissions::from_mode(mode))
                .map_err(|e| Error::io("setting the mode of", &target, e))?;
        }
        Ok(())
    }

    fn clear(&self, target: &Path) -> Result<(), Error> {
        match target.symlink_metadata() {
            Ok(meta) if meta.is_dir() => Err(Error::Setting(format!(
                "{} is a folder in the tree, and a file cannot take its place",
                target.display()
            ))),
            Ok(_) => std::fs::remove_file(target).map_err(|e| Error::io("replacing", target, e)),
            Err(_) => Ok(()),
        }
    }

    fn finish(&self, path: &Path, owner: Owner, mode: Option<u32>) -> Result<(), Error> {
        std::os::unix::fs::lchown(path, Some(owner.uid), Some(owner.gid))
            .map_err(|e| Error::io("setting the owner of", path, e))?;
        if let Some(mode) = mode {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
                .map_err(|e| Error::io("setting the mode of", path, e))?;
        }
        set_time(path, self.epoch)
    }
}

/// Sets both times of a file, a folder or a symbolic link itself, in seconds since 1970.
///
/// # Errors
/// When the system refuses it.
pub fn set_time(path: &Path, seconds: u64) -> Result<(), Error> {
    let time = Timespec { tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX), tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|e| Error::errno("setting the time of", path, e))
}

/// The real place of an existing path of a tree, with symbolic links taken as the tree means them.
pub(crate) fn resolve(tree: &Path, inside: &Path) -> Result<PathBuf, rustix::io::Errno> {
    let root = rustix::fs::open(tree, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let fd = rustix::fs::openat2(&root, inside, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT)?;
    let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
    let path = rustix::fs::readlink(link, Vec::new())?;
    Ok(PathBuf::from(std::ffi::OsString::from(path.into_string().map_err(|_| rustix::io::Errno::ILSEQ)?)))
}

/// Opens a file of a tree for reading, with symbolic links taken as the tree means them.
///
/// # Errors
/// When there is no such file, and when it is none: a folder, a device or a pipe.
pub fn open_inside(tree: &Path, inside: &Path) -> std::io::Result<std::fs::File> {
    let root = rustix::fs::open(tree, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    // A pipe would be waited for.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::openat2(&root, inside, flags, Mode::empty(), ResolveFlags::IN_ROOT)?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::ErrorKind::InvalidInput.into()) }
}

/// The names in a folder of a tree, with symbolic links taken as the tree means them. Names that are no UTF-8 are left out.
///
/// # Errors
/// When there is no such folder.
pub fn names_inside(tree: &Path, inside: &Path) -> std::io::Result<Vec<String>> {
    let root = rustix::fs::open(tree, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat2(&root, inside, flags, Mode::empty(), ResolveFlags::IN_ROOT)?;
    let entries = rustix::fs::Dir::new(folder)?;
    let names = entries.filter_map(Result::ok).filter_map(|entry| Some(entry.file_name().to_str().ok()?.to_owned()));
    Ok(names.filter(|name| name != "." && name != "..").collect())
}

/// The digest of a folder's names, kinds, executable bits and contents: the key of what [`Writer::lay`] would write.
///
/// # Errors
/// When a file cannot be read.
pub fn digest(source: &Path) -> Result<String, Error> {
    let mut hash = blake3::Hasher::new();
    for entry in WalkDir::new(source).sort_by_file_name() {
        let entry = entry.map_err(|e| Error::io("reading", source, e.into()))?;
        let name = entry.path().strip_prefix(source).expect("the walk stays below its start");
        let meta = entry.metadata().map_err(|e| Error::io("reading", entry.path(), e.into()))?;
        let mut content = Vec::new();
        if entry.file_type().is_symlink() {
            let to = std::fs::read_link(entry.path()).map_err(|e| Error::io("reading", entry.path(), e))?;
            content = to.into_os_string().into_encoded_bytes();
        } else if entry.file_type().is_file() {
            std::fs::File::open(entry.path())
                .and_then(|mut f| f.read_to_end(&mut content))
                .map_err(|e| Error::io("reading", entry.path(), e))?;
        }
        let kind = (entry.file_type().is_dir(), entry.file_type().is_symlink(), meta.permissions().mode() & 0o111 != 0);
        // Lengths keep one field from running into the next.
        hash.update(format!("{kind:?} {} {}\0", name.as_os_str().len(), content.len()).as_bytes());
        hash.update(name.as_os_str().as_encoded_bytes());
        hash.update(&content);
    }
    Ok(hash.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn links_of_the_tree_never_lead_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        std::fs::create_dir_all(tree.join("usr/lib")).unwrap();
        std::fs::create_dir_all(dir.path().join("outside")).unwrap();
        symlink("usr/lib", tree.join("lib")).unwrap();
        symlink("/usr", tree.join("absolute")).unwrap();
        symlink("../../../outside", tree.join("up")).unwrap();
        let writer = Writer::new(&tree, 7);
        writer.write("/lib/a", "1", 0o640).unwrap();
        writer.write("/absolute/lib/b", "2", 0o644).unwrap();
        assert_eq!(std::fs::read_to_string(tree.join("usr/lib/a")).unwrap(), "1");
        assert_eq!(std::fs::read_to_string(tree.join("usr/lib/b")).unwrap(), "2");
        // `..` above the root stays at the root, as in any root: the link points to a folder the tree does not have.
        assert!(writer.write("/up/c", "3", 0o644).is_err());
        assert_eq!(std::fs::read_dir(dir.path().join("outside")).unwrap().count(), 0);
        let meta = std::fs::metadata(tree.join("usr/lib/a")).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.mtime()), (0o640, 7));
    }

    #[test]
    fn a_tree_is_read_without_leaving_it() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        std::fs::create_dir_all(tree.join("etc/d")).unwrap();
        std::fs::write(dir.path().join("secret"), "outside").unwrap();
        std::fs::write(tree.join("etc/d/name"), "inside").unwrap();
        symlink("/etc/d/name", tree.join("absolute")).unwrap();
        symlink("../../secret", tree.join("up")).unwrap();
        symlink(dir.path(), tree.join("out")).unwrap();
        let read = |name: &str| open_inside(&tree, Path::new(name)).and_then(std::io::read_to_string).ok();
        assert_eq!(read("absolute").as_deref(), Some("inside"));
        assert_eq!((read("up"), read("out/secret"), read("etc/d")), (None, None, None));
        assert_eq!(names_inside(&tree, Path::new("/etc/d")).unwrap(), ["name"]);
        assert!(names_inside(&tree, Path::new("out")).is_err());
    }

    #[test]
    fn a_layer_is_laid_with_plain_modes_and_replaces_files() {
        let dir = tempfile::tempdir().unwrap();
        let (source, tree) = (dir.path().join("s"), dir.path().join("t"));
        std::fs::create_dir_all(source.join("etc/d")).unwrap();
        std::fs::create_dir_all(tree.join("etc")).unwrap();
        std::fs::write(source.join("etc/d/run"), "x").unwrap();
        std::fs::set_permissions(source.join("etc/d/run"), std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(source.join("etc/host"), "new").unwrap();
        std::fs::write(tree.join("etc/host"), "old").unwrap();
        symlink("d/run", source.join("etc/link")).unwrap();
        Writer::new(&tree, 9).lay(&source, Path::new("/"), Owner::default()).unwrap();
        assert_eq!(std::fs::metadata(tree.join("etc/d/run")).unwrap().mode() & 0o7777, 0o755);
        assert_eq!(std::fs::read_to_string(tree.join("etc/host")).unwrap(), "new");
        assert_eq!(std::fs::read_link(tree.join("etc/link")).unwrap(), Path::new("d/run"));
        assert_eq!(digest(&source).unwrap().len(), 64);
    }

    #[test]
    fn the_digest_sees_content_names_and_the_executable_bit() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "1").unwrap();
        let first = digest(dir.path()).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let second = digest(dir.path()).unwrap();
        std::fs::write(&file, "2").unwrap();
        let third = digest(dir.path()).unwrap();
        std::fs::rename(&file, dir.path().join("g")).unwrap();
        let fourth = digest(dir.path()).unwrap();
        let all = std::collections::BTreeSet::from([first, second, third, fourth]);
        assert_eq!(all.len(), 4);
    }
}
