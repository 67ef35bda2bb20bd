//! Sparse files in tar streams, of the three PAX kinds that GNU tar writes
//! (<https://www.gnu.org/software/tar/manual/html_node/Sparse-Formats.html>): layers of images and artifacts have them.
//!
//! Nothing is read or written here but numbers; the bounds are those of Go's `archive/tar`.

use std::io::{Error, ErrorKind, Result};

/// How long a block of a tar stream is, in bytes.
pub const BLOCK: usize = 512;
/// The most parts of one sparse file.
pub const MAX_EXTENTS: usize = 1 << 20;

/// A part of a file that is in the stream; what is between such parts is zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub length: u64,
}

/// Where the parts of a sparse file are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Map {
    /// In the extended header: the formats 0.0 and 0.1.
    Listed(Vec<Extent>),
    /// At the start of the content, see [`map_of_content`]: the format 1.0.
    InContent,
}

/// What an extended header says of a sparse file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sparse {
    /// The file's name, where the member has another.
    pub name: Option<Vec<u8>>,
    /// The file's size with its holes, in bytes, where it is stated.
    pub size: Option<u64>,
    /// Its parts.
    pub map: Map,
}

/// What the records (keys and values) of an extended header say of a sparse file; `None` when its member is no such file.
///
/// # Errors
/// When a record that belongs to a sparse file cannot be read.
pub fn of_records(records: &[(Vec<u8>, Vec<u8>)]) -> Result<Option<Sparse>> {
    let records = Records(records);
    let Some(listed) = records.listed() else { return Ok(None) };
    let size = match records.number("GNU.sparse.size")? {
        Some(size) => Some(size),
        None => records.number("GNU.sparse.realsize")?,
    };
    let name = records.get("GNU.sparse.name").filter(|name| !name.is_empty()).map(<[u8]>::to_vec);
    let map = if listed { Map::Listed(records.map()?) } else { Map::InContent };
    Ok(Some(Sparse { name, size, map }))
}

/// The map at the start of a content in the format 1.0: decimal numbers on lines, padded to a block. `block` gives the
/// content's next block.
///
/// # Errors
/// Those of `block`, and when the map is none.
pub fn map_of_content(block: impl FnMut() -> Result<[u8; BLOCK]>) -> Result<Vec<Extent>> {
    let mut lines = Lines { block, text: Vec::new(), at: 0 };
    let count = lines.number()?;
    if count > MAX_EXTENTS as u64 {
        return Err(broken("has a sparse file of too many parts"));
    }
    (0..count).map(|_| Ok(Extent { offset: lines.number()?, length: lines.number()? })).collect()
}

/// Checks that the parts of a file of `size` bytes follow one another, and that the stream's `stored` bytes are enough.
///
/// # Errors
/// When they do not, or are not.
pub fn check(extents: &[Extent], size: u64, stored: u64) -> Result<()> {
    let mut end = 0;
    let mut sum: u64 = 0;
    for extent in extents {
        if extent.offset < end {
            return Err(broken("has a sparse file whose parts overlap"));
        }
        end = extent.offset.checked_add(extent.length).ok_or_else(|| broken("has a sparse file without end"))?;
        sum += extent.length;
    }
    if end > size || sum > stored {
        return Err(broken("has a sparse file whose map and size contradict each other"));
    }
    Ok(())
}

fn broken(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidData, what.into())
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

struct Records<'a>(&'a [(Vec<u8>, Vec<u8>)]);

impl<'a> Records<'a> {
    /// The last value of a key.
    fn get(&self, key: &str) -> Option<&'a [u8]> {
        self.0.iter().rev().find(|(k, _)| k == key.as_bytes()).map(|(_, v)| v.as_slice())
    }

    fn number(&self, key: &str) -> Result<Option<u64>> {
        let Some(text) = self.get(key).filter(|v| !v.is_empty()) else { return Ok(None) };
        decimal(text).map(Some).ok_or_else(|| broken(format!("has an extended header whose {key} is no number")))
    }

    /// Whether the header lists the parts; `None` when it is not that of a sparse file.
    fn listed(&self) -> Option<bool> {
        let has = |key: &str| self.get(key).is_some();
        match (self.get("GNU.sparse.major").unwrap_or_default(), self.get("GNU.sparse.minor").unwrap_or_default()) {
            (b"0", b"0" | b"1") => Some(true),
            (b"1", b"0") => Some(false),
            (b"", b"") if has("GNU.sparse.map") || has("GNU.sparse.offset") => Some(true),
            _ => None,
        }
    }

    /// The map of the formats 0.0 (a record for each number) and 0.1 (one record).
    fn map(&self) -> Result<Vec<Extent>> {
        let bad = || broken("has a sparse file whose map is none");
        let separate: Vec<&[u8]> = self
            .0
            .iter()
            .filter(|(k, _)| k == b"GNU.sparse.offset" || k == b"GNU.sparse.numbytes")
            .map(|(_, v)| v.as_slice())
            .collect();
        let numbers = if separate.is_empty() {
            self.get("GNU.sparse.map").unwrap_or_default().split(|b| *b == b',').filter(|t| !t.is_empty()).collect()
        } else {
            separate
        };
        let numbers: Option<Vec<u64>> = numbers.into_iter().map(decimal).collect();
        let numbers = numbers.filter(|n| n.len() % 2 == 0 && n.len() / 2 <= MAX_EXTENTS).ok_or_else(bad)?;
        if self.number("GNU.sparse.numblocks")? != Some(numbers.len() as u64 / 2) {
            return Err(bad());
        }
        Ok(numbers.chunks(2).map(|pair| Extent { offset: pair[0], length: pair[1] }).collect())
    }
}

/// Lines of a map that are read block by block, and no block too many.
struct Lines<F> {
    block: F,
    text: Vec<u8>,
    at: usize,
}

impl<F: FnMut() -> Result<[u8; BLOCK]>> Lines<F> {
    fn number(&mut self) -> Result<u64> {
        loop {
            if let Some(end) = self.text[self.at..].iter().position(|b| *b == b'\n') {
                let line = &self.text[self.at..self.at + end];
                self.at += end + 1;
                return decimal(line).ok_or_else(|| broken("has a sparse file whose map holds no number"));
            }
            // A number has at most 20 digits.
            if self.text.len() - self.at > BLOCK {
                return Err(broken("has a sparse file whose map does not end"));
            }
            self.text.drain(..self.at);
            self.at = 0;
            self.text.extend_from_slice(&(self.block)()?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(list: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
        list.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn every_format_is_told_by_its_records() {
        let extents = vec![Extent { offset: 0, length: 3 }, Extent { offset: 512, length: 0 }];
        let separate = records(&[
            ("GNU.sparse.size", "600"),
            ("GNU.sparse.numblocks", "2"),
            ("GNU.sparse.offset", "0"),
            ("GNU.sparse.numbytes", "3"),
            ("GNU.sparse.offset", "512"),
            ("GNU.sparse.numbytes", "0"),
        ]);
        let expected = Sparse { name: None, size: Some(600), map: Map::Listed(extents) };
        assert_eq!(of_records(&separate).unwrap(), Some(expected.clone()));
        let mut one = vec![
            ("GNU.sparse.map", "0,3,512,0"),
            ("GNU.sparse.numblocks", "2"),
            ("GNU.sparse.size", "600"),
            ("GNU.sparse.name", "d/f"),
        ];
        assert_eq!(of_records(&records(&one)).unwrap(), Some(Sparse { name: Some(b"d/f".to_vec()), ..expected }));
        one[1].1 = "3";
        assert!(of_records(&records(&one)).is_err());
        let content = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "9")];
        assert_eq!(
            of_records(&records(&content)).unwrap(),
            Some(Sparse { name: None, size: Some(9), map: Map::InContent })
        );
        for other in [&[("path", "x")][..], &[("GNU.sparse.major", "2"), ("GNU.sparse.minor", "0")]] {
            assert_eq!(of_records(&records(other)).unwrap(), None);
        }
    }

    #[test]
    fn a_map_in_the_content_takes_whole_blocks_and_ends() {
        let numbers: String = (0..200).map(|n| format!("{}\n5\n", n * 1000)).collect();
        let text = format!("200\n{numbers}");
        let mut text = text.into_bytes();
        text.resize(text.len().next_multiple_of(BLOCK), 0);
        let mut blocks = text.chunks(BLOCK).map(|block| block.try_into().unwrap());
        let extents = map_of_content(|| blocks.next().ok_or_else(|| broken("ends"))).unwrap();
        assert_eq!((extents.len(), extents[199]), (200, Extent { offset: 199_000, length: 5 }));
        assert!(blocks.next().is_none());
        assert!(map_of_content(|| Ok([b'1'; BLOCK])).unwrap_err().to_string().contains("does not end"));
        assert!(map_of_content(|| Ok([b'\n'; BLOCK])).unwrap_err().to_string().contains("no number"));
        let mut many = [b'\n'; BLOCK];
        many[..10].copy_from_slice(b"9999999999");
        assert!(map_of_content(|| Ok(many)).unwrap_err().to_string().contains("too many parts"));
    }

    #[test]
    fn parts_are_in_order_and_within_the_file() {
        let extent = |offset, length| Extent { offset, length };
        check(&[extent(0, 5), extent(5, 0), extent(9, 1)], 10, 6).unwrap();
        for (extents, size, stored) in [
            (vec![extent(0, 5), extent(4, 1)], 10, 9),
            (vec![extent(0, 5)], 4, 9),
            (vec![extent(0, 5)], 9, 4),
            (vec![extent(u64::MAX, 1)], u64::MAX, 9),
        ] {
            assert!(check(&extents, size, stored).is_err(), "{extents:?}");
        }
    }
}
