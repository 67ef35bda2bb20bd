//! Which parts of a file hold data: the one place where operating systems differ in this.

use std::fs::File;
use std::io;
use std::ops::Range;

/// The first range at or after `from` that may hold anything but zeros, within `from..end`.
#[cfg(target_os = "linux")]
pub(crate) fn data_after(file: &File, from: u64, end: u64) -> io::Result<Option<Range<u64>>> {
    use rustix::fs::{SeekFrom, seek};
    use rustix::io::Errno;

    if from >= end {
        return Ok(None);
    }
    let start = match seek(file, SeekFrom::Data(from)) {
        Ok(start) if start < end => start,
        // ENXIO says that only a hole follows (lseek(2)).
        Ok(_) | Err(Errno::NXIO) => return Ok(None),
        // A file system that does not know holes has none.
        Err(Errno::INVAL) => return Ok(Some(from..end)),
        Err(error) => return Err(error.into()),
    };
    let stop = seek(file, SeekFrom::Hole(start))?;
    Ok(Some(start..stop.min(end)))
}

/// The first range at or after `from` that may hold anything but zeros: all of it, on a system not asked for holes.
#[cfg(not(target_os = "linux"))]
pub(crate) fn data_after(_file: &File, from: u64, end: u64) -> io::Result<Option<Range<u64>>> {
    Ok((from < end).then_some(from..end))
}
