//! The bytes of files, which must be those that were seen when the folder was looked at.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::Error;
use crate::tree::{Content, Seen};

/// A file that is read once, from its beginning to its end.
pub(crate) enum Reading<'a> {
    Disk { file: File, path: &'a Path, seen: &'a Seen, left: u64 },
    Made(&'a [u8]),
}

impl<'a> Reading<'a> {
    pub(crate) fn open(content: &'a Content) -> Result<Self, Error> {
        let (path, seen) = match content {
            Content::Disk { path, seen } => (path, seen),
            Content::Made(bytes) => return Ok(Self::Made(bytes)),
        };
        // Whatever took the file's place is not followed, and a pipe does not make us wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| Error::io("reading", path)(e.into()))?;
        let file = File::from(file);
        same(&file, path, seen)?;
        Ok(Self::Disk { file, path, seen, left: seen.bytes })
    }

    /// Appends up to `most` bytes to `to`, and says whether the file is at its end.
    pub(crate) fn append(&mut self, to: &mut Vec<u8>, most: usize) -> Result<bool, Error> {
        match self {
            Self::Made(bytes) => {
                let (now, later) = bytes.split_at(most.min(bytes.len()));
                to.extend_from_slice(now);
                *bytes = later;
                Ok(later.is_empty())
            }
            Self::Disk { file, path, seen, left } => {
                let want = (*left).min(most as u64);
                let read = file.take(want).read_to_end(to).map_err(Error::io("reading", path))?;
                if (read as u64) < want {
                    return Err(Error::Changed { path: path.to_path_buf(), what: "it is shorter" });
                }
                *left -= want;
                if *left == 0 {
                    same(file, path, seen)?;
                }
                Ok(*left == 0)
            }
        }
    }
}

fn same(file: &File, path: &Path, seen: &Seen) -> Result<(), Error> {
    let now = Seen::of(&file.metadata().map_err(Error::io("reading", path))?);
    if now == *seen {
        return Ok(());
    }
    let what = if now.bytes == seen.bytes { "it was written to, or is another file" } else { "its size is another" };
    Err(Error::Changed { path: path.to_owned(), what })
}
