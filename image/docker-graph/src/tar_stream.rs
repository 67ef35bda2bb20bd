//! The members of a layer's tar stream, and every byte between their contents.
//!
//! The `tar` crate reads the fields of a header. How members follow one another is read here, because the engine that
//! will put the stream together again is written in Go, and the two must agree about every stream: the rules are those of
//! Go's `archive/tar`. The crate differs in extended headers, whose values may hold line breaks (a file capability does),
//! in sparse files of the PAX kind, and in what ends a stream.

use std::io::{Error, ErrorKind, Read, Write};

use helix_tar_sparse::{BLOCK, Extent, MAX_EXTENTS, Map};
use tar::{EntryType, Header};

use crate::tar_split::{MAX_SEGMENT, Packer};

/// How many bytes of a content are read at once.
const PIECE: usize = 512 << 10;
/// Writing past the page cache needs memory that begins at a multiple of this.
pub(crate) const PAGE: usize = 4096;
/// The largest extended header, in bytes; Go's limit.
const MAX_EXTENDED: u64 = 1 << 20;

/// What kind of thing a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    HardLink,
    Symlink,
    /// A character device, with its numbers.
    Char(u32, u32),
    /// A block device, with its numbers.
    Block(u32, u32),
    Fifo,
    /// Says something about an archive as a whole; no file.
    Global,
}

/// Time since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Time {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

/// Everything about a file that is not its content or its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Meta {
    /// Permissions with setuid, setgid and sticky: 12 bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: Time,
    /// Names and values of extended attributes.
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A member of the stream.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) meta: Meta,
    /// The size of the file; 0 where there is no content.
    pub(crate) size: u64,
    /// The parts of a sparse file.
    pub(crate) extents: Option<Vec<Extent>>,
}

/// Reads members one after the other; what is not content goes to a [`Packer`].
pub(crate) struct TarStream<R, W: Write> {
    source: R,
    /// Bytes since the last content that are not written yet.
    raw: Vec<u8>,
    packer: Packer<W>,
    /// Bytes of the current content that are still in the stream.
    left: u64,
    /// Bytes of padding after the current content.
    padding: usize,
    /// Room for a piece of a content, and for beginning it at a page.
    piece: Vec<u8>,
}

fn broken(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidData, what.into())
}

impl<R: Read, W: Write> TarStream<R, W> {
    pub(crate) fn new(source: R, packer: Packer<W>) -> Self {
        Self { source, raw: Vec::new(), packer, left: 0, padding: 0, piece: vec![0; PIECE + PAGE] }
    }

    /// The next member. Its content, if it has one, must be read before the next call.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<Member>> {
        assert_eq!(self.left, 0, "the content of the last member was not read");
        let (mut long_name, mut long_link, mut pax) = (None, None, Pax::default());
        loop {
            let padding = self.padding;
            self.fill(padding)?;
            self.padding = 0;
            let Some(header) = self.header()? else { return Ok(None) };
            let stored = stored_size(&header)?;
            match header.entry_type() {
                EntryType::XHeader => pax = Pax::parse(&self.extended(stored)?)?,
                EntryType::XGlobalHeader => {
                    self.extended(stored)?;
                    let name = header.path_bytes().into_owned();
                    let (kind, link) = (Kind::Global, Vec::new());
                    return Ok(Some(Member { name, link, kind, meta: Meta::default(), size: 0, extents: None }));
                }
                EntryType::GNULongName => long_name = Some(until_nul(&self.extended(stored)?).to_vec()),
                EntryType::GNULongLink => long_link = Some(until_nul(&self.extended(stored)?).to_vec()),
                _ => return self.member(&header, stored, &pax, long_name, long_link).map(Some),
            }
        }
    }

    fn member(
        &mut self,
        header: &Header,
        stored: u64,
        pax: &Pax,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> std::io::Result<Member> {
        let text = |key: &str| pax.get(key).filter(|v| !v.is_empty()).map(<[u8]>::to_vec);
        let mut name = long_name
            .filter(|n| !n.is_empty())
            .or_else(|| text("path"))
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let link = long_link
            .filter(|n| !n.is_empty())
            .or_else(|| text("linkpath"))
            .unwrap_or_else(|| header.link_name_bytes().map(|l| l.into_owned()).unwrap_or_default());
        let kind = kind(header, &name)?;
        let has_content = kind == Kind::File;
        self.left = if has_content { pax.number("size")?.unwrap_or(stored) } else { 0 };
        self.padding = (BLOCK - (self.left % BLOCK as u64) as usize) % BLOCK;
        let mut size = self.left;
        let mut extents = None;
        if header.entry_type().is_gnu_sparse() {
            let (real, parts) = self.old_sparse(header)?;
            (size, extents) = (real, Some(parts));
        } else if has_content && let Some(sparse) = helix_tar_sparse::of_records(&pax.0)? {
            name = sparse.name.unwrap_or(name);
            size = sparse.size.unwrap_or(size);
            extents = Some(match sparse.map {
                Map::Listed(extents) => extents,
                Map::InContent => self.sparse_map_of_content()?,
            });
        }
        if let Some(extents) = &extents {
            helix_tar_sparse::check(extents, size, self.left)?;
        }
        Ok(Member { name, link, kind, meta: meta(header, pax)?, size, extents })
    }

    /// Reads the current content: `take` gets each piece with its place in the file. All but the last are of whole pages,
    /// and begin at one, unless the file is sparse.
    ///
    /// The bytes of a sparse file are as raw as headers, because the file as it is read back has others. With
    /// `keep_raw`, so are those of any other. Otherwise they are left out, for [`Self::name`] to stand for them.
    pub(crate) fn content(
        &mut self,
        member: &Member,
        keep_raw: bool,
        mut take: impl FnMut(u64, &[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let whole = [Extent { offset: 0, length: member.size }];
        let keep_raw = keep_raw || member.extents.is_some();
        if !keep_raw {
            self.flush()?;
        }
        let mut buffer = std::mem::take(&mut self.piece);
        let start = buffer.as_ptr().align_offset(PAGE);
        let piece = &mut buffer[start..start + PIECE];
        for extent in member.extents.as_deref().unwrap_or(&whole) {
            let mut done = 0;
            while done < extent.length {
                let bytes = &mut piece[..(extent.length - done).min(PIECE as u64) as usize];
                self.source.read_exact(bytes).map_err(|e| match e.kind() {
                    ErrorKind::UnexpectedEof => broken(format!("ends in the middle of {}", shown(&member.name))),
                    _ => e,
                })?;
                if keep_raw {
                    self.push_raw(bytes.len(), bytes)?;
                }
                take(extent.offset + done, bytes)?;
                done += bytes.len() as u64;
                self.left -= bytes.len() as u64;
            }
        }
        self.piece = buffer;
        // What a sparse file's map does not mention.
        let rest = self.left;
        self.fill_long(rest)?;
        self.left = 0;
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.packer.segment(&self.raw)?;
        self.raw.clear();
        Ok(())
    }

    /// Names the file whose content was read; returns the position of the entry.
    pub(crate) fn name(&mut self, name: &[u8], size: u64, crc: u64) -> std::io::Result<u64> {
        // Without content, its header is still to be written.
        self.flush()?;
        self.packer.file(name, size, crc)
    }

    /// Reads what comes after the last member and ends the description; at most `limit` bytes are taken.
    pub(crate) fn finish(mut self, limit: u64) -> std::io::Result<R> {
        let mut buffer = vec![0; 64 << 10];
        let mut size = 0;
        loop {
            match self.source.read(&mut buffer)? {
                0 => break,
                n => {
                    size += n as u64;
                    if size > limit {
                        return Err(broken(format!("goes on for more than {limit} bytes after its end")));
                    }
                    self.push_raw(n, &buffer)?;
                }
            }
        }
        self.flush()?;
        self.packer.finish()?;
        Ok(self.source)
    }

    fn push_raw(&mut self, n: usize, buffer: &[u8]) -> std::io::Result<()> {
        self.raw.extend_from_slice(&buffer[..n]);
        if self.raw.len() >= MAX_SEGMENT { self.flush() } else { Ok(()) }
    }

    /// Reads up to `n` bytes to the raw ones; fewer when the stream ends.
    fn fill(&mut self, n: usize) -> std::io::Result<usize> {
        let before = self.raw.len();
        (&mut self.source).take(n as u64).read_to_end(&mut self.raw)?;
        Ok(self.raw.len() - before)
    }

    /// Reads exactly `n` bytes to the raw ones, in pieces.
    fn fill_long(&mut self, mut n: u64) -> std::io::Result<()> {
        while n > 0 {
            let step = n.min(64 << 10) as usize;
            if self.fill(step)? < step {
                return Err(broken("ends in the middle of a file"));
            }
            n -= step as u64;
            self.push_raw(0, &[])?;
        }
        Ok(())
    }

    /// The next block; `None` at the end of the stream.
    fn block(&mut self) -> std::io::Result<Option<[u8; BLOCK]>> {
        match self.fill(BLOCK)? {
            0 => Ok(None),
            BLOCK => Ok(Some(self.raw[self.raw.len() - BLOCK..].try_into().expect("a block's length"))),
            _ => Err(broken("ends in the middle of a header")),
        }
    }

    fn header(&mut self) -> std::io::Result<Option<Header>> {
        let zeros = [0; BLOCK];
        let Some(block) = self.block()? else { return Ok(None) };
        if block == zeros {
            return match self.block()? {
                Some(second) if second != zeros => Err(broken("has a header after a block of zeros")),
                _ => Ok(None),
            };
        }
        let header = Header::from_byte_slice(&block).clone();
        let stated = header.cksum().map_err(|_| broken("has a header without a checksum: this is no tar stream"))?;
        let sum = |signed: bool| -> i64 {
            let value = |b: &u8| if signed { i64::from(*b as i8) } else { i64::from(*b) };
            block[..148].iter().chain(&block[156..]).map(value).sum::<i64>() + 8 * 32
        };
        if i64::from(stated) != sum(false) && i64::from(stated) != sum(true) {
            return Err(broken("has a header with a wrong checksum"));
        }
        Ok(Some(header))
    }

    /// The content of an extended header.
    fn extended(&mut self, size: u64) -> std::io::Result<Vec<u8>> {
        if size > MAX_EXTENDED {
            return Err(broken(format!("has an extended header of {size} bytes; at most {MAX_EXTENDED} are read")));
        }
        let size = size as usize;
        if self.fill(size)? < size {
            return Err(broken("ends in the middle of an extended header"));
        }
        let bytes = self.raw[self.raw.len() - size..].to_vec();
        self.padding = (BLOCK - size % BLOCK) % BLOCK;
        // Any number of extended headers may precede a member.
        self.push_raw(0, &[])?;
        Ok(bytes)
    }

    /// Size and parts of a sparse file of the old GNU kind.
    fn old_sparse(&mut self, header: &Header) -> std::io::Result<(u64, Vec<Extent>)> {
        let gnu = header.as_gnu().ok_or_else(|| broken("has a sparse file that is not of the GNU kind"))?;
        let mut extents = Vec::new();
        let mut add = |list: &[tar::GnuSparseHeader]| -> std::io::Result<()> {
            for part in list.iter().take_while(|part| part.offset[0] != 0) {
                extents.push(Extent { offset: part.offset()?, length: part.length()? });
            }
            if extents.len() > MAX_EXTENTS { Err(broken("has a sparse file of too many parts")) } else { Ok(()) }
        };
        add(&gnu.sparse)?;
        let mut more = gnu.is_extended();
        while more {
            let block = self.block()?.ok_or_else(|| broken("ends in the middle of a sparse file's map"))?;
            let mut extension = tar::GnuExtSparseHeader::new();
            extension.as_mut_bytes().copy_from_slice(&block);
            add(extension.sparse())?;
            more = extension.is_extended();
            self.push_raw(0, &[])?;
        }
        Ok((gnu.real_size()?, extents))
    }

    /// The map at the start of the content.
    fn sparse_map_of_content(&mut self) -> std::io::Result<Vec<Extent>> {
        helix_tar_sparse::map_of_content(|| {
            if self.left < BLOCK as u64 {
                return Err(broken("has a sparse file whose map does not end"));
            }
            let block = self.block()?.ok_or_else(|| broken("ends in the middle of a sparse file's map"))?;
            self.left -= BLOCK as u64;
            self.push_raw(0, &[])?;
            Ok(block)
        })
    }
}

/// A number of a header; a field with nothing in it is 0, as in Go.
fn number(field: &[u8], parsed: std::io::Result<u64>) -> std::io::Result<u64> {
    if field.iter().all(|b| matches!(b, 0 | b' ')) { Ok(0) } else { parsed }
}

fn stored_size(header: &Header) -> std::io::Result<u64> {
    number(&header.as_old().size, header.entry_size())
        .map_err(|_| broken(format!("has a header without a size: {}", shown(&header.path_bytes()))))
}

fn kind(header: &Header, name: &[u8]) -> std::io::Result<Kind> {
    let device = || -> std::io::Result<(u32, u32)> {
        let Some(ustar) = header.as_ustar() else {
            return Ok((header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0)));
        };
        let part = |field: &[u8], parsed: std::io::Result<Option<u32>>| -> std::io::Result<u32> {
            let parsed = parsed.map(|n| n.unwrap_or(0).into());
            Ok(u32::try_from(number(field, parsed)?).unwrap_or(0))
        };
        Ok((part(&ustar.dev_major, header.device_major())?, part(&ustar.dev_minor, header.device_minor())?))
    };
    Ok(match header.entry_type().as_byte() {
        // Before POSIX a slash at the end made a folder.
        0 if name.ends_with(b"/") => Kind::Directory,
        0 | b'0' | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => device().map(|(major, minor)| Kind::Char(major, minor))?,
        b'4' => device().map(|(major, minor)| Kind::Block(major, minor))?,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => {
            let kind = char::from(other);
            return Err(broken(format!("has a member of the unknown kind {kind:?}: {}", shown(name))));
        }
    })
}

fn meta(header: &Header, pax: &Pax) -> std::io::Result<Meta> {
    let name = || shown(&header.path_bytes());
    let id = |what: &str, plain: std::io::Result<u64>| -> std::io::Result<u32> {
        let id = match pax.number(what)? {
            Some(id) => id,
            None => plain.map_err(|_| broken(format!("has no {what} for {}", name())))?,
        };
        // The highest number means "none" to the system.
        u32::try_from(id)
            .ok()
            .filter(|id| *id != u32::MAX)
            .ok_or_else(|| broken(format!("has the impossible {what} {id} for {}", name())))
    };
    let mtime = match pax.get("mtime").filter(|v| !v.is_empty()) {
        Some(text) => time(text).ok_or_else(|| broken(format!("has no valid mtime for {}", name())))?,
        None => Time { seconds: header.mtime().unwrap_or(0) as i64, nanoseconds: 0 },
    };
    // Like the engine: what is before 1970 is 1970.
    let mtime = if mtime.seconds < 0 { Time::default() } else { mtime };
    let old = header.as_old();
    let mode = number(&old.mode, header.mode().map(u64::from));
    let mode = mode.map_err(|_| broken(format!("has no mode for {}", name())))? & 0o7777;
    let (uid, gid) = (id("uid", number(&old.uid, header.uid()))?, id("gid", number(&old.gid, header.gid()))?);
    Ok(Meta { mode: mode as u32, uid, gid, mtime, xattrs: pax.xattrs() })
}

/// Seconds with a fraction, as in `1700000000.123456789`; digits beyond the ninth are dropped.
fn time(text: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(text).ok()?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = seconds.parse().ok()?;
    let nanoseconds = format!("{fraction:0<9}")[..9].parse().ok()?;
    Some(Time { seconds, nanoseconds })
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

/// A name for messages.
pub(crate) fn shown(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}

/// Records of an extended header: `length key=value`, where the value may hold anything.
#[derive(Debug, Default)]
struct Pax(Vec<(Vec<u8>, Vec<u8>)>);

impl Pax {
    fn parse(mut text: &[u8]) -> std::io::Result<Self> {
        let bad = || broken("has an extended header that is none");
        let mut records: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        while !text.is_empty() {
            let space = text.iter().take(21).position(|b| *b == b' ').ok_or_else(bad)?;
            let length = decimal(&text[..space]).ok_or_else(bad)?;
            let length = usize::try_from(length).ok().filter(|n| *n > space + 1 && *n <= text.len()).ok_or_else(bad)?;
            let record = text[space + 1..length].strip_suffix(b"\n").ok_or_else(bad)?;
            let equals = record.iter().position(|b| *b == b'=').filter(|at| *at > 0).ok_or_else(bad)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            let plain_text = matches!(key, b"path" | b"linkpath" | b"uname" | b"gname");
            if key.contains(&0) || (plain_text && value.contains(&0)) {
                return Err(bad());
            }
            records.push((key.to_vec(), value.to_vec()));
            text = &text[length..];
        }
        Ok(Self(records))
    }

    /// The last value of a key.
    fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.iter().rev().find(|(k, _)| k == key.as_bytes()).map(|(_, v)| v.as_slice())
    }

    fn number(&self, key: &str) -> std::io::Result<Option<u64>> {
        let Some(text) = self.get(key).filter(|v| !v.is_empty()) else { return Ok(None) };
        decimal(text).map(Some).ok_or_else(|| broken(format!("has an extended header whose {key} is no number")))
    }

    fn xattrs(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found = std::collections::BTreeMap::new();
        for (key, value) in &self.0 {
            if let Some(name) = key.strip_prefix(b"SCHILY.xattr.")
                && !name.is_empty()
            {
                found.insert(name.to_vec(), value.clone());
            }
        }
        found.into_iter().collect()
    }
}
