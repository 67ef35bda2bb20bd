//! Writes the files of an app, by all processors, and gives them their modes and times.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

use crate::fault::Error;

/// The mode of folders, programs and libraries.
pub(crate) const EXECUTABLE: u32 = 0o755;
/// The mode of other files.
pub(crate) const PLAIN: u32 = 0o644;

/// A file or link of the app.
pub(crate) struct Entry {
    pub(crate) executable: bool,
    pub(crate) content: Content,
}

/// What is in it.
pub(crate) enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What is in another file.
    Copy(PathBuf),
    /// What is in another file, with another beginning.
    Changed {
        /// The other file.
        from: PathBuf,
        /// The beginning.
        head: Vec<u8>,
    },
    /// A link to this target.
    Link(String),
}

/// Writes all entries below `folder`.
pub(crate) fn tree(entries: &BTreeMap<String, Entry>, folder: &Path, epoch: u32) -> Result<(), Error> {
    let entries: Vec<(PathBuf, &Entry)> = entries.iter().map(|(path, entry)| (folder.join(path), entry)).collect();
    for parent in entries.iter().filter_map(|(path, _)| path.parent()) {
        std::fs::create_dir_all(parent).map_err(Error::file("making", parent))?;
    }
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), Error> {
        while let Some((path, entry)) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
            write(path, entry).and_then(|()| dated(path, epoch)).map_err(Error::file("writing", path))?;
        }
        Ok(())
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a writer does not panic"))
    })
}

fn write(path: &Path, entry: &Entry) -> std::io::Result<()> {
    if let Content::Link(target) = &entry.content {
        return std::os::unix::fs::symlink(target, path);
    }
    let mut file = File::create_new(path)?;
    match &entry.content {
        Content::Bytes(bytes) => file.write_all(bytes)?,
        Content::Copy(from) => drop(copy(from, &mut file)?),
        Content::Changed { from, head } => {
            copy(from, &mut file)?;
            file.rewind()?;
            file.write_all(head)?;
        }
        Content::Link(_) => {}
    }
    file.set_permissions(Permissions::from_mode(if entry.executable { EXECUTABLE } else { PLAIN }))?;
    file.sync_all()
}

/// Only what is in the file: attributes of a Mac, as resource forks of QEMU's build, must not come along, since a
/// signature does not allow them. On Linux the kernel copies, and shares the blocks where the file system can.
fn copy(from: &Path, to: &mut File) -> std::io::Result<u64> {
    std::io::copy(&mut File::open(from)?, to)
}

/// Gives all of the app its modes and times: folders, and what was not written by [`tree`].
pub(crate) fn finish(folder: &Path, epoch: u32) -> Result<(), Error> {
    let failed = |doing| Error::file(doing, folder);
    for entry in std::fs::read_dir(folder).map_err(failed("reading"))? {
        let entry = entry.map_err(failed("reading"))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed("looking into"))?);
        if kind.is_dir() {
            finish(&path, epoch)?;
        } else if path.ends_with(crate::image::DISK) {
            std::fs::set_permissions(&path, Permissions::from_mode(PLAIN)).map_err(Error::file("opening", &path))?;
            dated(&path, epoch).map_err(Error::file("dating", &path))?;
        }
    }
    std::fs::set_permissions(folder, Permissions::from_mode(EXECUTABLE)).map_err(failed("opening"))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("flushing"))?;
    dated(folder, epoch).map_err(failed("dating"))
}

/// Sets the times of a file, a folder, or a link itself.
fn dated(path: &Path, epoch: u32) -> std::io::Result<()> {
    let time = Timespec { tv_sec: epoch.into(), tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
