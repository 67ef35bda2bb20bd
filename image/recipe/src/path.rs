//! Files of the build machine that a recipe names.

use crate::fault::Fault;
use crate::source::Span;
use serde::{Serialize, Serializer};
use std::path::{Component, Path, PathBuf};

/// A file or folder that a recipe names relative to the recipe file.
///
/// It knows its path on this machine, but serialises to the path relative to the recipe root (the folder of the recipe
/// that was asked for), so that nothing of the build machine gets into a manifest. Two are equal when both paths are.
#[derive(Clone, Debug)]
pub struct SourcePath {
    path: PathBuf,
    relative: String,
    kind: FileKind,
    written: Span,
}

/// What a named path has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    File,
    Folder,
}

impl SourcePath {
    /// Resolves `text`, written at `written`, with `root` being the recipe root.
    pub(crate) fn new(text: &str, written: &Span, root: &Path, kind: FileKind) -> Self {
        let relative = normalise(&written.source.folder().join(text));
        let path = normalise(&root.join(&relative));
        Self { path, relative: relative.display().to_string(), kind, written: written.clone() }
    }

    /// The path on this machine: absolute from [`load`](crate::load); from [`parse`](crate::parse) absolute only if
    /// the path of the recipe was. `..` is resolved by its text, not through symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path relative to the recipe root, `/` between its parts; it may begin with `..`.
    pub fn relative(&self) -> &str {
        &self.relative
    }

    /// The fault of a path that does not exist or is the wrong kind of file.
    pub(crate) fn missing(&self) -> Option<Fault> {
        let what = match self.kind {
            FileKind::File => "file",
            FileKind::Folder => "folder",
        };
        let problem = match std::fs::metadata(&self.path) {
            Ok(found) if found.is_dir() == (self.kind == FileKind::Folder) => return None,
            Ok(_) => format!("`{}` is not a {what}", self.relative),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                format!("the {what} `{}` does not exist", self.relative)
            }
            Err(error) => format!("the {what} `{}` cannot be looked at: {error}", self.relative),
        };
        Some(self.written.fault(problem).with_hint(format!("looked for {}", self.path.display())))
    }
}

impl PartialEq for SourcePath {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, &self.relative) == (&other.path, &other.relative)
    }
}

impl Serialize for SourcePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.relative)
    }
}

/// Where an artifact comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Location {
    /// An `http:` or `https:` URL.
    Remote(String),
    /// A file beside the recipe, written `file:` and its path.
    Local(SourcePath),
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Remote(url) => serializer.serialize_str(url),
            Self::Local(path) => serializer.serialize_str(&format!("file:{}", path.relative)),
        }
    }
}

/// Where a container image comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ImageSource {
    /// A registry; the reference.
    Registry(String),
    /// A file of `docker save`, or an OCI layout as a tar file.
    Archive(SourcePath),
    /// A folder that is an OCI layout.
    Layout(SourcePath),
    /// A container recipe.
    Build(SourcePath),
}

impl ImageSource {
    /// The file or folder that it names.
    pub(crate) fn path(&self) -> Option<&SourcePath> {
        match self {
            Self::Registry(_) => None,
            Self::Archive(path) | Self::Layout(path) | Self::Build(path) => Some(path),
        }
    }
}

impl std::fmt::Display for ImageSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Registry(reference) => write!(f, "registry:{reference}"),
            Self::Archive(path) => write!(f, "archive:{}", path.relative),
            Self::Layout(path) => write!(f, "layout:{}", path.relative),
            Self::Build(path) => write!(f, "build:{}", path.relative),
        }
    }
}

impl Serialize for ImageSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The path without `.` and with `..` resolved by its text; `..` at the front of a relative path stays.
pub(crate) fn normalise(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match clean.components().next_back() {
                Some(Component::Normal(_)) => {
                    clean.pop();
                }
                Some(Component::RootDir | Component::Prefix(_)) => {}
                Some(Component::ParentDir | Component::CurDir) | None => clean.push(".."),
            },
            other => clean.push(other),
        }
    }
    if clean.as_os_str().is_empty() { PathBuf::from(".") } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_resolved_by_text() {
        let normal = |path: &str| normalise(Path::new(path)).display().to_string();
        assert_eq!(normal("a/./b/../c"), "a/c");
        assert_eq!(normal("../../a"), "../../a");
        assert_eq!(normal("a/../../b"), "../b");
        assert_eq!(normal("/../a"), "/a");
        assert_eq!(normal("a/.."), ".");
    }
}
