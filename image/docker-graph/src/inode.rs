//! Files of layers, made once in a staging folder. Trees are made of links to them.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use xattr::FileExt as _;

use crate::tar_stream::{Kind, Meta, PAGE, Time};

/// What an inode is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// A regular file.
    File,
    /// A symbolic link, with what it says.
    Symlink(Vec<u8>),
    /// A device, FIFO or socket.
    Special,
    /// A device that could not be made: it has a name in the tree, but there is nothing on the disk.
    Missing,
}

/// A file that is no folder; its names are those of the trees that hold it.
#[derive(Debug)]
pub(crate) struct Inode {
    /// A name of it, in the staging folder or in a layer that was there before.
    pub(crate) place: Place,
    pub(crate) content: Content,
    /// Extended attributes are known only of what was staged.
    pub(crate) meta: Meta,
}

/// A name of a file.
#[derive(Debug)]
pub(crate) enum Place {
    /// The file of this number in a staging folder. There may be a million of them, and a path is a hundred bytes.
    Staged {
        folder: Arc<Staging>,
        number: u32,
    },
    At(PathBuf),
}

/// A folder with the files of a layer.
#[derive(Debug)]
pub(crate) struct Staging {
    path: PathBuf,
    handle: File,
}

impl Staging {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self { path: path.to_owned(), handle: File::open(path)? })
    }
}

impl Place {
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::Staged { folder, number } => folder.path.join(number.to_string()),
            Self::At(path) => path.clone(),
        }
    }
}

impl Inode {
    pub(crate) fn path(&self) -> PathBuf {
        self.place.path()
    }

    /// Gives the file another name. The handle of its folder saves the system from looking up the same path for each.
    pub(crate) fn link(&self, folder: &File, name: &OsStr) -> std::io::Result<()> {
        let linked = match &self.place {
            Place::Staged { folder: from, number } => {
                rustix::fs::linkat(&from.handle, number.to_string(), folder, name, AtFlags::empty())
            }
            Place::At(path) => rustix::fs::linkat(CWD, path, folder, name, AtFlags::empty()),
        };
        Ok(linked?)
    }

    /// Makes another inode of the same kind and content at `to`; `reflink` shares the data of a file.
    pub(crate) fn duplicate(&self, to: &Path, reflink: bool) -> std::io::Result<()> {
        let from = self.path();
        match &self.content {
            Content::File => duplicate(&from, to, reflink),
            Content::Symlink(target) => std::os::unix::fs::symlink(OsStr::from_bytes(target), to),
            Content::Special => {
                let stat = rustix::fs::lstat(&from)?;
                let (kind, mode) = (FileType::from_raw_mode(stat.st_mode), Mode::from_raw_mode(0o600));
                Ok(rustix::fs::mknodat(CWD, to, kind, mode, stat.st_rdev)?)
            }
            Content::Missing => Ok(()),
        }
    }
}

/// Extended attributes that the file system or the user namespace refused, and devices.
#[derive(Debug, Default)]
pub(crate) struct LeftOut(pub(crate) Vec<String>);

impl LeftOut {
    pub(crate) fn note(&mut self, what: &str, name: &[u8]) {
        self.0.push(format!("{what} of {}", crate::tar_stream::shown(name)));
    }

    /// Notes an attribute that was refused: the engine, too, goes on without it.
    fn unless_set(&mut self, result: std::io::Result<()>, key: &[u8], name: &[u8]) -> std::io::Result<()> {
        match result {
            Err(e) if matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) => {
                self.note(&format!("attribute {}", crate::tar_stream::shown(key)), name);
                Ok(())
            }
            other => other,
        }
    }
}

/// Makes a device or FIFO; `false` where this process may not.
pub(crate) fn make_node(path: &Path, kind: Kind) -> std::io::Result<bool> {
    let (file_type, numbers) = match kind {
        Kind::Char(major, minor) => (FileType::CharacterDevice, (major, minor)),
        Kind::Block(major, minor) => (FileType::BlockDevice, (major, minor)),
        _ => (FileType::Fifo, (0, 0)),
    };
    let device = rustix::fs::makedev(numbers.0, numbers.1);
    match rustix::fs::mknodat(CWD, path, file_type, Mode::from_raw_mode(0o600), device) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::PERM) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Gives an open file or folder its owner, attributes, mode and time.
pub(crate) fn set_meta_of(file: &File, meta: &Meta, name: &[u8], left_out: &mut LeftOut) -> std::io::Result<()> {
    let stat = rustix::fs::fstat(file)?;
    // Each change costs as much as making the file.
    let owned = (stat.st_uid, stat.st_gid) == (meta.uid, meta.gid);
    if !owned {
        let owner = (Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)));
        rustix::fs::fchown(file, owner.0, owner.1).map_err(|e| refused(e, meta))?;
    }
    for (key, value) in &meta.xattrs {
        left_out.unless_set(file.set_xattr(OsStr::from_bytes(key), value), key, name)?;
    }
    // After the owner: a change of owner takes setuid away.
    if !owned || stat.st_mode & 0o7777 != meta.mode {
        rustix::fs::fchmod(file, Mode::from_raw_mode(meta.mode))?;
    }
    Ok(rustix::fs::futimens(file, &times(meta.mtime))?)
}

/// Gives `path` its owner, attributes, mode and time. A symbolic link is not followed; it has no mode.
pub(crate) fn set_meta(path: &Path, meta: &Meta, name: &[u8], left_out: &mut LeftOut) -> std::io::Result<()> {
    let link = path.symlink_metadata()?.is_symlink();
    let owner = (Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)));
    rustix::fs::chownat(CWD, path, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW).map_err(|e| refused(e, meta))?;
    for (key, value) in &meta.xattrs {
        left_out.unless_set(xattr::set(path, OsStr::from_bytes(key), value), key, name)?;
    }
    if !link {
        // After the owner: a change of owner takes setuid away.
        rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(meta.mode), AtFlags::empty())?;
    }
    rustix::fs::utimensat(CWD, path, &times(meta.mtime), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

/// Why a file cannot be given to its owner.
fn refused(e: Errno, meta: &Meta) -> std::io::Error {
    let why = if e == Errno::INVAL { ": the user namespace has no such id" } else { "" };
    std::io::Error::other(format!("giving it to {}:{}: {e}{why}", meta.uid, meta.gid))
}

pub(crate) fn times(mtime: Time) -> Timestamps {
    let time = Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

/// A copy of a file's content at `to`, which must not exist; `reflink` shares the data.
fn duplicate(from: &Path, to: &Path, reflink: bool) -> std::io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = File::create_new(to)?;
    if reflink {
        return Ok(rustix::fs::ioctl_ficlone(&target, &source)?);
    }
    // std::io::copy would let the file system share the data where it can.
    let mut buffer = vec![0; 64 << 10];
    loop {
        match source.read(&mut buffer)? {
            0 => break,
            // Holes stay holes: a layer of a few bytes may have a file of many gigabytes.
            n if buffer[..n].iter().all(|b| *b == 0) => target.seek_relative(n as i64)?,
            n => target.write_all(&buffer[..n])?,
        }
    }
    let end = target.stream_position()?;
    target.set_len(end)
}

/// The extended attributes of a file, in order.
pub(crate) fn xattrs_of(path: &Path) -> std::io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut found = Vec::new();
    for key in xattr::list(path)? {
        if let Some(value) = xattr::get(path, &key)? {
            found.push((key.as_bytes().to_vec(), value));
        }
    }
    found.sort();
    Ok(found)
}

/// From this size on, in bytes, a file is written past the page cache.
const LARGE: u64 = 1 << 20;

/// A file that is written in pieces, with holes between them.
///
/// A large one goes past the page cache: that saves a copy, and at the end the disk has it already.
pub(crate) struct Pieces {
    file: File,
    size: u64,
    /// Where the last piece ends.
    end: u64,
    direct: bool,
}

impl Pieces {
    /// The new file of this number in a staging folder.
    pub(crate) fn create(staging: &Staging, number: u32, size: u64, meta: &Meta) -> std::io::Result<Self> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(meta.mode & 0o777);
        let file = File::from(rustix::fs::openat(&staging.handle, number.to_string(), flags, mode)?);
        // Not every file system can.
        let direct = size >= LARGE && rustix::fs::fcntl_setfl(&file, OFlags::DIRECT).is_ok();
        Ok(Self { file, size, end: 0, direct })
    }

    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.end = offset + bytes.len() as u64;
        let page = PAGE as u64;
        let whole = offset.is_multiple_of(page) && (bytes.len() as u64).is_multiple_of(page);
        if self.direct && whole && bytes.as_ptr().align_offset(PAGE) == 0 {
            match self.file.write_all_at(bytes, offset) {
                // The device has larger blocks.
                Err(e) if e.kind() == ErrorKind::InvalidInput => {}
                other => return other,
            }
        }
        if self.direct {
            rustix::fs::fcntl_setfl(&self.file, OFlags::empty())?;
            self.direct = false;
        }
        self.file.write_all_at(bytes, offset)
    }

    /// The whole file; a hole at its end is made now.
    pub(crate) fn finish(self) -> std::io::Result<File> {
        if self.end < self.size {
            self.file.set_len(self.size)?;
        }
        Ok(self.file)
    }
}

/// Owner, mode and time of a file on the disk.
pub(crate) fn meta_of(stat: &std::fs::Metadata) -> Meta {
    use std::os::unix::fs::MetadataExt;
    let mtime = Time { seconds: stat.mtime(), nanoseconds: stat.mtime_nsec() as u32 };
    Meta { mode: stat.mode() & 0o7777, uid: stat.uid(), gid: stat.gid(), mtime, xattrs: Vec::new() }
}
