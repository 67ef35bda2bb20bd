//! Finds libraries in a sysroot by the names under which they are loaded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Wrong};

/// The folder that UTM's build leaves, with libraries in `lib` and, under names of frameworks, in `Frameworks`.
pub(crate) struct Sysroot {
    root: PathBuf,
    /// Libraries that come from elsewhere, by file name.
    others: BTreeMap<String, PathBuf>,
}

/// A library that becomes a framework.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Library {
    /// The framework's name.
    pub(crate) name: String,
    /// The file, with all links followed.
    pub(crate) file: PathBuf,
}

impl Sysroot {
    pub(crate) fn open(root: &Path) -> Result<Self, Fault> {
        let root = root.canonicalize().map_err(Fault::unreadable(root))?;
        Ok(Self { root, others: BTreeMap::new() })
    }

    /// Adds a library that is not in the sysroot.
    pub(crate) fn add(&mut self, file: &Path) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.others.insert(name, file.to_owned());
    }

    /// A file below the sysroot.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// The path of a file from the sysroot; nothing if it is none of it.
    pub(crate) fn below<'a>(&self, file: &'a Path) -> Option<&'a Path> {
        file.strip_prefix(&self.root).ok()
    }

    /// The library that is loaded by `install_name`; nothing if there is none.
    pub(crate) fn library(&self, install_name: &str) -> Result<Option<Library>, Fault> {
        let leaf = install_name.rsplit('/').next().unwrap_or(install_name);
        if let Some(file) = self.others.get(leaf) {
            return named(file.clone()).map(Some);
        }
        // A framework's library is called like the framework; in `lib` is what it was made of.
        let candidates = [
            format!("lib/{leaf}"),
            format!("lib/lib{leaf}.dylib"),
            format!("Frameworks/{leaf}.framework/Versions/A/{leaf}"),
        ];
        let file = candidates.iter().map(|below| self.root.join(below)).find(|file| file.is_file());
        file.map(|file| self.real(&file).and_then(named)).transpose()
    }

    /// A file with all links followed, which must not lead out.
    pub(crate) fn real(&self, file: &Path) -> Result<PathBuf, Fault> {
        let real = file.canonicalize().map_err(Fault::unreadable(file))?;
        if real.starts_with(&self.root) { Ok(real) } else { Err(Fault::new(file, Wrong::LeadsOut(real))) }
    }
}

/// The framework of a file: its name without `lib` and `.dylib`, as UTM names them.
fn named(file: PathBuf) -> Result<Library, Fault> {
    let leaf = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = leaf.strip_suffix(".dylib").map_or(leaf.as_str(), |stem| stem.strip_prefix("lib").unwrap_or(stem));
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(allowed) {
        return Err(Fault::new(&file, Wrong::FrameworkName));
    }
    Ok(Library { name: name.to_owned(), file })
}
