//! A disk that exists only as a list of its parts: bytes, files, and holes between them.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::extents;

/// Why a part cannot be added or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part does not lie within the disk.
    #[error("{what} at {offset} is {length} bytes long and passes the end of the disk at {size}")]
    Beyond {
        /// The part.
        what: String,
        /// Where it was to begin, in bytes.
        offset: u64,
        /// Its length, in bytes.
        length: u64,
        /// The size of the disk, in bytes.
        size: u64,
    },
    /// A part lies where another one is.
    #[error("{what} at {offset} overlaps {other} at {other_offset}")]
    Overlap {
        /// The part.
        what: String,
        /// Where it was to begin, in bytes.
        offset: u64,
        /// The part that is there already.
        other: String,
        /// Where that one begins, in bytes.
        other_offset: u64,
    },
    /// A file could not be opened, examined or read; it may have become shorter since it was added.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

#[derive(Debug)]
enum Content {
    Bytes(Vec<u8>),
    File { file: File, path: PathBuf },
}

#[derive(Debug)]
struct Segment {
    range: Range<u64>,
    content: Content,
}

/// A disk of a given size; what no part covers reads as zeros.
#[derive(Debug)]
pub struct Source {
    size: u64,
    /// In order, none empty, none overlapping.
    segments: Vec<Segment>,
}

impl Source {
    /// A disk of `size` bytes without content.
    pub fn new(size: u64) -> Self {
        Self { size, segments: Vec::new() }
    }

    /// The size of the disk, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Puts `bytes` at `offset`.
    ///
    /// # Errors
    /// [`Error::Beyond`] and [`Error::Overlap`].
    pub fn add_bytes(&mut self, offset: u64, bytes: Vec<u8>) -> Result<(), Error> {
        self.add(offset, bytes.len() as u64, Content::Bytes(bytes))
    }

    /// Puts the whole file `path` at `offset`. The file stays open and must not change until the source is dropped.
    ///
    /// # Errors
    /// Any [`Error`].
    pub fn add_file(&mut self, offset: u64, path: &Path) -> Result<(), Error> {
        let error = |source| Error::Read { path: path.into(), source };
        let file = File::open(path).map_err(error)?;
        let length = file.metadata().map_err(error)?.len();
        self.add(offset, length, Content::File { file, path: path.into() })
    }

    fn add(&mut self, offset: u64, length: u64, content: Content) -> Result<(), Error> {
        let what = content.name();
        let end = offset.checked_add(length).filter(|&end| end <= self.size);
        let Some(end) = end else { return Err(Error::Beyond { what, offset, length, size: self.size }) };
        if length == 0 {
            return Ok(());
        }
        let place = self.segments.partition_point(|segment| segment.range.end <= offset);
        if let Some(other) = self.segments.get(place).filter(|other| other.range.start < end) {
            let (other, other_offset) = (other.content.name(), other.range.start);
            return Err(Error::Overlap { what, offset, other, other_offset });
        }
        self.segments.insert(place, Segment { range: offset..end, content });
        Ok(())
    }

    /// Fills `buffer` with what the disk holds from `offset` on; zeros follow the end of the disk.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        let end = offset + buffer.len() as u64;
        let mut position = offset;
        let place = self.segments.partition_point(|segment| segment.range.end <= offset);
        for segment in self.segments[place..].iter().take_while(|segment| segment.range.start < end) {
            let part = segment.range.start.max(offset)..segment.range.end.min(end);
            buffer[(position - offset) as usize..(part.start - offset) as usize].fill(0);
            segment.read(&part, &mut buffer[(part.start - offset) as usize..(part.end - offset) as usize])?;
            position = part.end;
        }
        buffer[(position - offset) as usize..].fill(0);
        Ok(())
    }

    /// The first range at or after `offset` that may hold anything but zeros. Files are asked for their holes, so a
    /// disk of terabytes is gone through quickly; zeros that are stored count as data.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn data_after(&self, offset: u64) -> Result<Option<Range<u64>>, Error> {
        let place = self.segments.partition_point(|segment| segment.range.end <= offset);
        for segment in &self.segments[place..] {
            if let Some(range) = segment.data_after(offset.max(segment.range.start))? {
                return Ok(Some(range));
            }
        }
        Ok(None)
    }
}

impl Content {
    fn name(&self) -> String {
        match self {
            Self::Bytes(_) => "a block of bytes".into(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }
}

impl Segment {
    /// Reads `part` of the disk, which lies within this segment.
    fn read(&self, part: &Range<u64>, buffer: &mut [u8]) -> Result<(), Error> {
        let start = part.start - self.range.start;
        match &self.content {
            Content::Bytes(bytes) => buffer.copy_from_slice(&bytes[start as usize..start as usize + buffer.len()]),
            Content::File { file, path } => {
                let error = |source| Error::Read { path: path.clone(), source };
                file.read_exact_at(buffer, start).map_err(error)?;
            }
        }
        Ok(())
    }

    fn data_after(&self, offset: u64) -> Result<Option<Range<u64>>, Error> {
        let Content::File { file, path } = &self.content else { return Ok(Some(offset..self.range.end)) };
        let start = self.range.start;
        let found = extents::data_after(file, offset - start, self.range.end - start);
        let found = found.map_err(|source| Error::Read { path: path.clone(), source })?;
        Ok(found.map(|data| data.start + start..data.end + start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &Source, range: Range<u64>) -> Vec<u8> {
        let mut buffer = vec![0xee; (range.end - range.start) as usize];
        source.read_at(range.start, &mut buffer).unwrap();
        buffer
    }

    #[test]
    fn parts_and_holes_are_read_together() {
        let mut source = Source::new(20);
        source.add_bytes(12, vec![2; 3]).unwrap();
        source.add_bytes(2, vec![1; 4]).unwrap();
        source.add_bytes(6, vec![3; 2]).unwrap();
        source.add_bytes(9, Vec::new()).unwrap();
        assert_eq!(read(&source, 0..22), *b"\0\0\x01\x01\x01\x01\x03\x03\0\0\0\0\x02\x02\x02\0\0\0\0\0\0\0");
        assert_eq!(read(&source, 5..13), *b"\x01\x03\x03\0\0\0\0\x02");
        assert_eq!(source.data_after(0).unwrap(), Some(2..6));
        assert_eq!(source.data_after(7).unwrap(), Some(7..8));
        assert_eq!(source.data_after(8).unwrap(), Some(12..15));
        assert_eq!(source.data_after(15).unwrap(), None);
    }

    #[test]
    fn overlaps_and_parts_beyond_the_end_are_errors() {
        let mut source = Source::new(20);
        source.add_bytes(5, vec![1; 5]).unwrap();
        for (offset, length) in [(4, 2), (5, 5), (9, 1), (0, 20), (7, 1)] {
            let error = source.add_bytes(offset, vec![2; length]).unwrap_err();
            assert!(matches!(error, Error::Overlap { other_offset: 5, .. }), "{error}");
        }
        for (offset, length) in [(19, 2), (20, 1), (u64::MAX, 1)] {
            let error = source.add_bytes(offset, vec![2; length]).unwrap_err();
            assert!(matches!(error, Error::Beyond { size: 20, .. }), "{error}");
        }
        source.add_bytes(4, vec![2; 1]).unwrap();
        source.add_bytes(10, vec![2; 10]).unwrap();
    }

    #[test]
    fn holes_of_files_are_found_where_the_system_knows_them() {
        const MIB: u64 = 1 << 20;
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(8 * MIB).unwrap();
        file.as_file().write_all_at(&[7; 1 << 20], 4 * MIB).unwrap();
        let mut source = Source::new(100 * MIB);
        source.add_file(10 * MIB, file.path()).unwrap();
        let data = source.data_after(0).unwrap().unwrap();
        let expected = if cfg!(target_os = "linux") { 14 * MIB..15 * MIB } else { 10 * MIB..18 * MIB };
        assert_eq!(data, expected);
        assert_eq!(source.data_after(expected.end).unwrap(), None);
        assert_eq!(read(&source, 14 * MIB - 1..14 * MIB + 1), [0, 7]);
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(100).unwrap();
        let mut source = Source::new(100);
        source.add_file(0, file.path()).unwrap();
        file.as_file().set_len(50).unwrap();
        let error = source.read_at(0, &mut [0; 100]).unwrap_err();
        assert!(error.to_string().contains(&*file.path().to_string_lossy()), "{error}");
    }
}
