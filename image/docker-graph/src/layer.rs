//! One layer: its blob is read once, its files are put into a staging folder, and the rest is remembered.
//!
//! Nothing is looked up by a name of the layer here, so no name can lead anywhere.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::digest::{Digest, Hasher};
use crate::error::Fault;
use crate::image::Blob;
use crate::inode::{Content, Inode, LeftOut, Pieces, Place, Staging, make_node, set_meta, set_meta_of};
use crate::packing::unpacked;
use crate::tar_split::{Crc, Packer};
use crate::tar_stream::{Kind, Member, Meta, TarStream, shown};

/// The longest name in a layer, in bytes; the system's limit for paths.
const MAX_NAME: usize = 4096;
/// The longest part of a name, in bytes; the system's limit.
const MAX_PART: usize = 255;
/// How deep folders may lie in each other.
pub(crate) const MAX_DEPTH: usize = 256;
/// The most that is remembered of all layers, in bytes: names, links and attributes.
const MAX_REMEMBERED: usize = 480 << 20;
/// What is remembered of a member besides, in bytes, roughly.
const MEMBER: usize = 280;

/// Bounds for a layer, against blobs that are made to fill a disk.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most bytes that a layer may unpack to.
    pub bytes: u64,
    /// The most members that it may have.
    pub members: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 30, members: 4_000_000 }
    }
}

/// A change that a layer makes to the tree below it.
#[derive(Debug)]
pub(crate) struct Change {
    /// The path, without `.` or `..`, relative to the root.
    pub(crate) name: Arc<[u8]>,
    pub(crate) what: What,
}

/// What a change puts at its path. Whiteouts are files with certain names.
#[derive(Debug)]
pub(crate) enum What {
    Folder(Box<Meta>),
    Inode(Arc<Inode>),
    /// A further name of the file at `to`.
    Link {
        to: Box<[u8]>,
        meta: Box<Meta>,
    },
}

/// A content that the layer's description names instead of holding it.
#[derive(Debug)]
pub(crate) struct Named {
    /// The position of the entry in the description.
    pub(crate) position: u64,
    /// The name, cleaned.
    pub(crate) name: Arc<[u8]>,
    pub(crate) inode: Arc<Inode>,
}

/// A layer that was read.
#[derive(Debug)]
pub(crate) struct Extracted {
    /// The digest of the unpacked stream.
    pub(crate) diff_id: Digest,
    /// The sum of the sizes of its files, as the engine counts them.
    pub(crate) size: u64,
    pub(crate) changes: Vec<Change>,
    pub(crate) named: Vec<Named>,
    /// The description of the stream.
    pub(crate) tar_split: PathBuf,
    pub(crate) left_out: LeftOut,
}

/// Reads `blob` to the empty folder `staging`. An error is the reason alone.
pub(crate) fn extract(
    blob: &Blob,
    diff_id: &Digest,
    staging: &Path,
    limits: Limits,
    devices: bool,
    memory: &Memory,
) -> Result<Extracted, Fault> {
    // The digest of a plain blob is that of the stream, which is worked out while it is read.
    if let Some(expected) = blob.digest.as_ref().filter(|expected| *expected != diff_id) {
        let source = blob.open()?;
        let actual = Digest::of_reader(source)?;
        if actual != *expected {
            return Err(format!("its digest is {actual}, not {expected}; nothing of it was used").into());
        }
    }
    let source = BufReader::with_capacity(256 << 10, blob.open()?);
    let counted = Counted { source: unpacked(source)?, hash: Hasher::default(), size: 0, limit: limits.bytes };
    let tar_split = staging.join("tar-split.json.gz");
    let packer =
        Packer::create(&tar_split).map_err(|e| Fault::from(e).at(format_args!("writing {}", tar_split.display())))?;
    let mut reader = Reader {
        stream: TarStream::new(counted, packer),
        staging: Arc::new(Staging::open(staging)?),
        devices,
        limit: limits.bytes,
        size: 0,
        memory,
        changes: Vec::new(),
        named: Vec::new(),
        seen: HashSet::new(),
        hasher: RandomState::new(),
        left_out: LeftOut::default(),
    };
    let mut members = 0;
    while let Some(member) = reader.stream.next()? {
        members += 1;
        if members > limits.members {
            return Err(format!("has more than {} members", limits.members).into());
        }
        reader.member(&member).map_err(|why| why.at(shown(&member.name)))?;
    }
    let Reader { stream, size, changes, named, left_out, .. } = reader;
    let counted = stream.finish(limits.bytes)?;
    Ok(Extracted { diff_id: counted.hash.finish(), size, changes, named, tar_split, left_out })
}

/// How much is remembered of all layers together, in bytes.
#[derive(Debug, Default)]
pub(crate) struct Memory(AtomicUsize);

impl Memory {
    fn take(&self, bytes: usize) -> Result<(), Fault> {
        if self.0.fetch_add(bytes, Ordering::Relaxed) + bytes <= MAX_REMEMBERED {
            return Ok(());
        }
        let limit = MAX_REMEMBERED >> 20;
        Err(format!("the names and attributes of all layers need more than {limit} MiB of memory").into())
    }
}

struct Reader<'m, R: Read, W: std::io::Write> {
    stream: TarStream<R, W>,
    staging: Arc<Staging>,
    devices: bool,
    limit: u64,
    size: u64,
    memory: &'m Memory,
    changes: Vec<Change>,
    named: Vec<Named>,
    /// Hashes of names.
    seen: HashSet<u64>,
    hasher: RandomState,
    left_out: LeftOut,
}

impl<R: Read, W: std::io::Write> Reader<'_, R, W> {
    fn member(&mut self, member: &Member) -> Result<(), Fault> {
        // Holes cost nothing in the stream.
        self.size = self
            .size
            .checked_add(member.size)
            .filter(|size| *size <= self.limit)
            .ok_or_else(|| format!("the layer's files would have more than {} bytes", self.limit))?;
        let name = clean(&member.name).ok_or("leads out of the layer; nothing like that is unpacked")?;
        let name: Arc<[u8]> = name.into();
        self.remember(&name, member)?;
        // The engine refuses a description that names a file twice. Where two names happen to have the same hash, the
        // second one's content is kept in the description, as if it were the same name.
        let first = self.seen.insert(self.hasher.hash_one(&name));
        let number = self.number()?;
        let place = Place::Staged { folder: self.staging.clone(), number };
        let mut crc = Crc::new();
        if member.kind == Kind::File {
            let mut file = Pieces::create(&self.staging, number, member.size, &member.meta)?;
            let write = |offset: u64, bytes: &[u8]| {
                crc.update(bytes);
                file.write(offset, bytes)
            };
            self.stream.content(member, !first, write)?;
            set_meta_of(&file.finish()?, &member.meta, &member.name, &mut self.left_out)?;
        }
        let kept_raw = !first || member.extents.is_some();
        let position = if kept_raw { None } else { Some(self.stream.name(&member.name, member.size, crc.finish())?) };
        let what = match member.kind {
            Kind::Global => return Ok(()),
            Kind::Directory => What::Folder(Box::new(member.meta.clone())),
            Kind::HardLink => {
                let to = link_target(&member.link).filter(|to| !to.is_empty());
                let to = to.ok_or_else(|| {
                    format!(
                        "is a hard link to {}, which is not in the layer; nothing like that is unpacked",
                        shown(&member.link)
                    )
                })?;
                What::Link { to, meta: Box::new(member.meta.clone()) }
            }
            _ => What::Inode(self.inode(member, place)?),
        };
        if let (What::Inode(inode), Some(position)) = (&what, position)
            && member.size > 0
        {
            self.named.push(Named { position, name: name.clone(), inode: inode.clone() });
        }
        // The root itself is the engine's, and is left as it is.
        if !name.is_empty() {
            self.changes.push(Change { name, what });
        }
        Ok(())
    }

    /// The number of the next file in the staging folder.
    fn number(&self) -> Result<u32, Fault> {
        u32::try_from(self.changes.len()).map_err(|_| "has too many members".into())
    }

    /// Bounds names, and what is kept of all members in memory.
    fn remember(&mut self, name: &[u8], member: &Member) -> Result<(), Fault> {
        let parts = || name.split(|b| *b == b'/');
        if name.len().max(member.link.len()) > MAX_NAME || parts().any(|part| part.len() > MAX_PART) {
            return Err(format!("has a name longer than {MAX_NAME} bytes, or a part of it than {MAX_PART}").into());
        }
        if parts().count() > MAX_DEPTH {
            return Err(format!("lies more than {MAX_DEPTH} folders deep").into());
        }
        let attributes: usize = member.meta.xattrs.iter().map(|(key, value)| key.len() + value.len()).sum();
        // A folder has a list of its own.
        let node = if member.kind == Kind::Directory { 3 * MEMBER } else { MEMBER };
        self.memory.take(node + 3 * name.len() + 2 * (member.link.len() + attributes))
    }

    fn inode(&mut self, member: &Member, place: Place) -> Result<Arc<Inode>, Fault> {
        let path = place.path();
        let content = match member.kind {
            Kind::Symlink => {
                if member.link.is_empty() || member.link.contains(&0) {
                    return Err("is a symbolic link to nothing".into());
                }
                let target = std::ffi::OsStr::from_bytes(&member.link);
                std::os::unix::fs::symlink(target, &path)?;
                Content::Symlink(member.link.clone())
            }
            Kind::Char(..) | Kind::Block(..) | Kind::Fifo => {
                let wanted = self.devices || member.kind == Kind::Fifo;
                if wanted && make_node(&path, member.kind)? {
                    Content::Special
                } else {
                    self.left_out.note("device node", &member.name);
                    Content::Missing
                }
            }
            _ => Content::File,
        };
        if matches!(content, Content::Symlink(_) | Content::Special) {
            set_meta(&path, &member.meta, &member.name, &mut self.left_out)?;
        }
        Ok(Arc::new(Inode { place, content, meta: member.meta.clone() }))
    }
}

/// A name without leading slashes, `.`, `..` and double slashes; `None` when it leads above its start or cannot be a
/// path. The root is empty.
pub(crate) fn clean(name: &[u8]) -> Option<Box<[u8]>> {
    simple(name, false)
}

/// What a hard link leads to, without the same. `..` at the root stays at the root, as for a process in the image.
fn link_target(link: &[u8]) -> Option<Box<[u8]>> {
    simple(link, true)
}

fn simple(path: &[u8], stay: bool) -> Option<Box<[u8]>> {
    if path.contains(&0) {
        return None;
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                if parts.pop().is_none() && !stay {
                    return None;
                }
            }
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/').into_boxed_slice())
}

/// Counts and digests what is read.
struct Counted<R> {
    source: R,
    hash: Hasher,
    size: u64,
    limit: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.source.read(buffer)?;
        self.hash.update(&buffer[..n]);
        self.size += n as u64;
        if self.size > self.limit {
            return Err(std::io::Error::other(format!("unpacks to more than {} bytes", self.limit)));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_and_cannot_climb() {
        let cleaned = |name: &str| clean(name.as_bytes()).map(|n| String::from_utf8(n.into_vec()).unwrap());
        for (name, expected) in
            [("./a//b/", "a/b"), ("/etc/x", "etc/x"), ("a/../b", "b"), ("./", ""), ("/", ""), ("a/..", "")]
        {
            assert_eq!(cleaned(name).as_deref(), Some(expected), "{name}");
        }
        for name in ["..", "../a", "a/../../b", "/..", "a\0b"] {
            assert_eq!(cleaned(name), None, "{name}");
        }
        assert_eq!(link_target(b"../a/../../b/c").as_deref(), Some(&b"b/c"[..]));
        assert_eq!(link_target(b"a\0b"), None);
    }
}
