//! What is to be packed: a folder as it was seen, or files that are made.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::{Error, Fault};

/// The longest name of a file, in bytes: `NAME_MAX` of macOS and Linux.
const NAME_BYTES: usize = 255;
/// The longest path and the longest target of a link, in bytes: `PATH_MAX` of macOS without the end.
const PATH_BYTES: usize = 1023;

/// Folders, files and links with their paths, each folder before what is in it, names in the order of their bytes.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The folder that was read.
    pub(crate) folder: PathBuf,
    pub(crate) entries: Vec<Entry>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Below the tree's root, with `/` between the names.
    pub(crate) path: String,
    /// Permissions, without the type.
    pub(crate) mode: u32,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Folder,
    File(Content),
    /// A symbolic link and where it leads.
    Link(String),
}

/// Where the bytes of a file come from.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Disk { path: PathBuf, seen: Seen },
    Made(Vec<u8>),
}

impl Content {
    /// The size in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Disk { seen, .. } => seen.bytes,
            Self::Made(bytes) => bytes.len() as u64,
        }
    }
}

/// By what a file is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) bytes: u64,
    device: u64,
    inode: u64,
    modified: (i64, i64),
}

impl Seen {
    pub(crate) fn of(meta: &Metadata) -> Self {
        let modified = (meta.mtime(), meta.mtime_nsec());
        Self { bytes: meta.len(), device: meta.dev(), inode: meta.ino(), modified }
    }
}

impl Tree {
    /// Reads a folder. The tree's one top entry is the folder itself, under its own name.
    ///
    /// # Errors
    /// [`Error::Folder`] with everything that cannot be packed: sockets, devices and pipes; names and targets of links
    /// that are not UTF-8, have control characters or are too long; two names in one folder that a Mac takes for one,
    /// because they differ in capitals only. [`Error::Io`] when the folder cannot be read.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let meta = std::fs::metadata(folder).map_err(Error::io("reading", folder))?;
        if !meta.is_dir() {
            return Err(Error::io("reading", folder)(std::io::ErrorKind::NotADirectory.into()));
        }
        let real = folder.canonicalize().map_err(Error::io("reading", folder))?;
        let mut walk = Walk { entries: Vec::new(), faults: Vec::new() };
        match name_of(&real) {
            Ok(name) => walk.folder(&real, name, &meta)?,
            Err(fault) => walk.faults.push(fault),
        }
        if walk.faults.is_empty() {
            Ok(Self { folder: folder.to_owned(), entries: walk.entries })
        } else {
            Err(Error::Folder { folder: folder.to_owned(), faults: walk.faults })
        }
    }

    /// The size of all files together, in bytes.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(Entry::bytes).sum()
    }

    /// The name of the top entry.
    pub(crate) fn name(&self) -> &str {
        &self.entries[0].path
    }
}

impl Entry {
    /// The size of a file's content in bytes; 0 for what has none.
    pub(crate) fn bytes(&self) -> u64 {
        self.content().map_or(0, Content::bytes)
    }

    /// The content of a file that is not empty.
    pub(crate) fn content(&self) -> Option<&Content> {
        if let Kind::File(content) = &self.kind { Some(content).filter(|c| c.bytes() > 0) } else { None }
    }
}

struct Walk {
    entries: Vec<Entry>,
    faults: Vec<Fault>,
}

impl Walk {
    fn folder(&mut self, folder: &Path, path: String, meta: &Metadata) -> Result<(), Error> {
        self.entries.push(Entry { path: path.clone(), mode: meta.mode() & 0o7777, kind: Kind::Folder });
        let list = std::fs::read_dir(folder).map_err(Error::io("reading", folder))?;
        let inside = list.map(|e| Ok(e?.path())).collect::<std::io::Result<BTreeSet<_>>>();
        let mut names = BTreeSet::new();
        for at in inside.map_err(Error::io("reading", folder))? {
            match name_of(&at) {
                Ok(name) => {
                    if !names.insert(name.to_lowercase()) {
                        self.fault(
                            &path,
                            &name,
                            "another name differs from it in capitals only, which a Mac takes for one",
                        );
                    }
                    self.entry(&at, format!("{path}/{name}"))?;
                }
                Err(fault) => self.fault(&path, &fault.path, &fault.why),
            }
        }
        Ok(())
    }

    fn entry(&mut self, at: &Path, path: String) -> Result<(), Error> {
        let meta = std::fs::symlink_metadata(at).map_err(Error::io("reading", at))?;
        let kind = meta.file_type();
        if path.len() > PATH_BYTES {
            self.faults.push(Fault { path, why: format!("the path is longer than {PATH_BYTES} bytes") });
        } else if kind.is_dir() {
            self.folder(at, path, &meta)?;
        } else if kind.is_symlink() {
            let target = std::fs::read_link(at).map_err(Error::io("reading", at))?;
            match target.to_str().filter(|t| t.len() <= PATH_BYTES && !t.contains(char::is_control)) {
                Some(target) => self.push(path, 0o777, Kind::Link(target.to_owned())),
                None => {
                    self.faults.push(Fault { path, why: format!("the link leads to {target:?}, which cannot be kept") })
                }
            }
        } else if kind.is_file() {
            let content = Content::Disk { path: at.to_owned(), seen: Seen::of(&meta) };
            self.push(path, meta.mode() & 0o7777, Kind::File(content));
        } else {
            let what = if kind.is_socket() {
                "a socket"
            } else if kind.is_fifo() {
                "a pipe"
            } else {
                "a device"
            };
            self.faults.push(Fault { path, why: format!("is {what}; only files, folders and links can be packed") });
        }
        Ok(())
    }

    fn push(&mut self, path: String, mode: u32, kind: Kind) {
        self.entries.push(Entry { path, mode, kind });
    }

    fn fault(&mut self, folder: &str, name: &str, why: &str) {
        self.faults.push(Fault { path: format!("{folder}/{name}"), why: why.to_owned() });
    }
}

/// The last name of a path, when it can be kept.
fn name_of(path: &Path) -> Result<String, Fault> {
    let name = path.file_name().unwrap_or(path.as_os_str());
    let fault = |why: String| Fault { path: name.to_string_lossy().escape_default().to_string(), why };
    let text = name.to_str().ok_or_else(|| fault("the name is not UTF-8".into()))?;
    if text.contains(char::is_control) {
        return Err(fault("the name has control characters".into()));
    }
    if text.len() > NAME_BYTES || text == "/" {
        return Err(fault(format!("the name is not one of 1 to {NAME_BYTES} bytes")));
    }
    Ok(text.to_owned())
}
