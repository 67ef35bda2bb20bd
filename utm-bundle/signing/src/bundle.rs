//! What there is to be signed in an app: its own program, the programs beside it, and frameworks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::entitlements;
use crate::error::{Error, Fault};

/// More than any program or library has, in bytes: QEMU, the largest, has some 60 MiB.
pub(crate) const LARGEST_CODE: u64 = 1 << 30;
/// The largest property list that is read, in bytes.
pub(crate) use helix_property_list::LARGEST as LARGEST_LIST;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Thing {
    File,
    /// A symbolic link and where it leads.
    Link(String),
}

/// A program or library that is signed.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    /// The file's path below the app.
    pub(crate) path: String,
    /// By which name it goes for macOS.
    pub(crate) identifier: String,
    /// The name by which the code around it knows it: a framework's folder, else the file.
    pub(crate) nested: String,
    /// The folder whose files it seals, below the app, and where in it its information is; nothing for a program beside the
    /// app's own.
    pub(crate) sealed: Option<(String, &'static str)>,
}

impl Code {
    /// The program's or library's own name.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Where its seal is, below the app.
    pub(crate) fn seal(&self) -> Option<String> {
        self.sealed.as_ref().map(|(folder, _)| format!("{folder}/_CodeSignature/CodeResources"))
    }
}

/// An app, as it was found.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(crate) app: PathBuf,
    /// Everything but folders, by paths below the app.
    pub(crate) things: BTreeMap<String, Thing>,
    /// Frameworks, then programs; each can be signed by itself.
    pub(crate) inner: Vec<Code>,
    /// The app's own program, which is signed last.
    pub(crate) main: Code,
}

impl Bundle {
    /// Looks at an app.
    ///
    /// # Errors
    /// When a folder cannot be read, or when it has not the shape of an app; with all faults then.
    pub(crate) fn read(app: &Path) -> Result<Self, Error> {
        let mut walk = Walk { app, things: BTreeMap::new(), faults: Vec::new() };
        walk.folder(Path::new(""))?;
        let Walk { things, mut faults, .. } = walk;
        let mut inner = Vec::new();
        let mut main = None;
        for path in things.iter().filter(|(_, thing)| **thing == Thing::File).map(|(path, _)| path) {
            match path.split('/').collect::<Vec<_>>()[..] {
                ["Contents", "Frameworks", folder, "Versions", "A", name]
                    if folder.strip_suffix(".framework") == Some(name) =>
                {
                    inner.push(framework(app, &things, path, folder, &mut faults)?);
                }
                ["Contents", "MacOS", name] => inner.push(program(name)),
                _ => {}
            }
        }
        let information = information(app, &things, "Contents/Info.plist", &mut faults)?;
        if let Some((identifier, executable)) = information {
            let own = inner.iter().position(|code| code.nested == format!("Contents/MacOS/{executable}"));
            match own {
                Some(at) => {
                    let sealed = Some(("Contents".to_owned(), "Info.plist"));
                    main = Some(Code { identifier: identifier.clone(), sealed, ..inner.remove(at) });
                }
                None => {
                    faults.push(Fault::new(format!("Contents/MacOS/{executable}"), "is missing; Info.plist names it"))
                }
            }
            for code in inner.iter_mut().filter(|code| code.sealed.is_none()) {
                code.identifier = format!("{identifier}.{}", code.name());
            }
        }
        match main {
            Some(main) if faults.is_empty() => Ok(Self { app: app.to_owned(), things, inner, main }),
            _ => Err(Error::App { app: app.to_owned(), faults }),
        }
    }

    /// The bytes of a file of the app, `most` at most.
    ///
    /// # Errors
    /// As a fault of the app when there is no file, or a larger one.
    pub(crate) fn bytes(&self, path: &str, most: u64) -> Result<Vec<u8>, Error> {
        let fault = |what| Error::App { app: self.app.clone(), faults: vec![Fault::new(path, what)] };
        bytes(&self.app, &self.things, path, most)?.map_err(fault)
    }

    /// All code, the inner first.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &Code> {
        self.inner.iter().chain([&self.main])
    }
}

/// A program or library of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeFile {
    /// Its path below the app.
    pub path: String,
    /// The entitlements that it must have, and no others.
    pub entitlements: &'static [&'static str],
}

/// Every program and library of an app, the inner first.
///
/// # Errors
/// When it is no app, or cannot be read.
pub fn code_files(app: &Path) -> Result<Vec<CodeFile>, Error> {
    let bundle = Bundle::read(app)?;
    let file = |code: &Code| CodeFile { path: code.path.clone(), entitlements: entitlements::of(code) };
    Ok(bundle.codes().map(file).collect())
}

fn program(name: &str) -> Code {
    let path = format!("Contents/MacOS/{name}");
    Code { nested: path.clone(), path, identifier: String::new(), sealed: None }
}

fn framework(
    app: &Path,
    things: &BTreeMap<String, Thing>,
    path: &str,
    folder: &str,
    faults: &mut Vec<Fault>,
) -> Result<Code, Error> {
    let nested = format!("Contents/Frameworks/{folder}");
    let sealed = format!("{nested}/Versions/A");
    let found = information(app, things, &format!("{sealed}/Resources/Info.plist"), faults)?;
    let identifier = found.map(|(identifier, _)| identifier).unwrap_or_default();
    Ok(Code { path: path.to_owned(), identifier, nested, sealed: Some((sealed, "Resources/Info.plist")) })
}

/// The identifier and the executable's name of a bundle, as its file says them.
fn information(
    app: &Path,
    things: &BTreeMap<String, Thing>,
    path: &str,
    faults: &mut Vec<Fault>,
) -> Result<Option<(String, String)>, Error> {
    let names = bytes(app, things, path, LARGEST_LIST)?.and_then(|text| names(&text));
    Ok(names.map_err(|what| faults.push(Fault::new(path, what))).ok())
}

/// The identifier and the executable's name in an `Info.plist`.
pub(crate) fn names(text: &[u8]) -> Result<(String, String), String> {
    let list = helix_property_list::dictionary(text)?;
    let key = |name| list.get(name)?.as_string().map(str::to_owned);
    let plain = |text: &String| !text.is_empty() && !text.contains(['/', '\0']);
    let found = key("CFBundleIdentifier").filter(plain).zip(key("CFBundleExecutable").filter(plain));
    found.ok_or_else(|| "says no CFBundleIdentifier, or no CFBundleExecutable".to_owned())
}

/// The bytes of a file, or why it has none that are read: a link may lead out of the app, to a device or a pipe, and what is
/// larger than `most` is none of ours.
fn bytes(
    app: &Path,
    things: &BTreeMap<String, Thing>,
    path: &str,
    most: u64,
) -> Result<Result<Vec<u8>, String>, Error> {
    match things.get(path) {
        Some(Thing::File) => {}
        Some(Thing::Link(_)) => return Ok(Err("is a link where a file has to be".to_owned())),
        None => return Ok(Err("is missing".to_owned())),
    }
    let file = app.join(path);
    let size = std::fs::metadata(&file).map_err(Error::io("looking at", &file))?.len();
    if size > most {
        return Ok(Err(format!("has {size} bytes; more than {most} are not read")));
    }
    std::fs::read(&file).map(Ok).map_err(Error::io("reading", &file))
}

struct Walk<'a> {
    app: &'a Path,
    things: BTreeMap<String, Thing>,
    faults: Vec<Fault>,
}

impl Walk<'_> {
    fn folder(&mut self, below: &Path) -> Result<(), Error> {
        let folder = self.app.join(below);
        for entry in std::fs::read_dir(&folder).map_err(Error::io("reading", &folder))? {
            let entry = entry.map_err(Error::io("reading", &folder))?;
            let path = below.join(entry.file_name());
            let kind = entry.file_type().map_err(Error::io("looking at", &entry.path()))?;
            let Some(name) = path.to_str().map(str::to_owned) else {
                self.faults.push(Fault::new(path.to_string_lossy(), "has a name that is not UTF-8"));
                continue;
            };
            if kind.is_dir() {
                self.folder(&path)?;
            } else if kind.is_file() {
                self.things.insert(name, Thing::File);
            } else if kind.is_symlink() {
                let target = std::fs::read_link(entry.path()).map_err(Error::io("reading", &entry.path()))?;
                self.things.insert(name, Thing::Link(target.to_string_lossy().into_owned()));
            } else {
                self.faults.push(Fault::new(name, "is neither a file nor a folder nor a link"));
            }
        }
        Ok(())
    }
}
