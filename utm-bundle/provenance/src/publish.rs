//! The files beside the files: all are written aside, and take their names when the last one is on the disk.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::digest::{Hashing, in_parallel};
use crate::error::Error;
use crate::key::Key;
use crate::statement::{Build, statement};

/// The file name of the statement.
pub const STATEMENT: &str = "provenance.json";

/// A file that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The file.
    pub path: PathBuf,
    /// Its sha256, in hexadecimal.
    pub sha256: String,
}

/// What belongs beside one file.
struct Beside {
    name: String,
    sha256: String,
    signature: Option<String>,
}

/// Writes what belongs beside `files`, which lie in one folder: for each the sha256 and, with `key`, the signature; and the
/// statement about all of them, with the same beside it. Each file is read once, as many at a time as there are processors.
///
/// What was there before is replaced. Signatures of an earlier time are removed where there is no key: they would not fit.
/// The statement is the last of what is returned.
///
/// # Errors
/// When the files cannot be published as they are called or lie, or cannot be read, or when something cannot be written. Until
/// everything is on the disk nothing that was there before is touched.
pub fn publish_beside(files: &[PathBuf], build: &Build, key: Option<&Key>) -> Result<Vec<Published>, Error> {
    let folder = common_folder(files)?;
    let mut all = in_parallel(files, |path| beside(path, key)).into_iter().collect::<Result<Vec<_>, _>>()?;
    let subjects: Vec<(String, String)> = all.iter().map(|one| (one.name.clone(), one.sha256.clone())).collect();
    let text = format!("{:#}\n", statement(&subjects, build)?);
    let mut aside = vec![(STATEMENT.to_owned(), write_aside(&folder, text.as_bytes())?)];
    all.push(beside_content(STATEMENT, &folder.join(STATEMENT), text.as_bytes(), key)?);
    for Beside { name, sha256, signature } in &all {
        aside.push((format!("{name}.sha256"), write_aside(&folder, format!("{sha256}  {name}\n").as_bytes())?));
        if let Some(signature) = signature {
            aside.push((format!("{name}.minisig"), write_aside(&folder, signature.as_bytes())?));
        }
    }
    finish(&folder, &all, aside)?;
    Ok(all.into_iter().map(|one| Published { path: folder.join(&one.name), sha256: one.sha256 }).collect())
}

/// The folder in which the files lie; everything that stands against publishing them is told at once.
fn common_folder(files: &[PathBuf]) -> Result<PathBuf, Error> {
    let (mut faults, mut names, mut folders) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for path in files {
        let mut fault = |what: &str| faults.push(format!("{}: {what}", path.display()));
        match fs::metadata(path) {
            Err(error) => fault(&error.to_string()),
            Ok(data) if !data.is_file() => fault("is no file"),
            Ok(_) => {}
        }
        match path.file_name().map(|name| name.to_str()) {
            Some(Some(name)) if is_plain(name) => {
                if [".sha256", ".minisig"].iter().any(|end| name.ends_with(end)) || name == STATEMENT {
                    fault("is called as what is put beside files");
                } else if !names.insert(name) {
                    fault("is named twice");
                }
            }
            _ => fault("has a name that a list of digests cannot say: line breaks, backslashes and what is no UTF-8"),
        }
        folders.insert(parent(path));
    }
    if folders.len() > 1 {
        let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        faults.push(format!(
            "they lie in {} folders, and one statement is about all: {}",
            folders.len(),
            folders.join(", ")
        ));
    }
    match folders.pop_first() {
        Some(folder) if faults.is_empty() => Ok(folder),
        Some(_) => Err(Error::Files(faults)),
        None => Err(Error::Files(vec!["there are none".to_owned()])),
    }
}

/// What `sha256sum -c` reads without escapes.
fn is_plain(name: &str) -> bool {
    !name.contains(['\n', '\r', '\\'])
}

fn parent(path: &Path) -> PathBuf {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new(".")).to_owned()
}

fn beside(path: &Path, key: Option<&Key>) -> Result<Beside, Error> {
    let file = File::open(path).map_err(Error::io("opening", path))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    beside_content(&name, path, file, key)
}

/// Reads `content` once, for the digest and for the signature.
fn beside_content(name: &str, path: &Path, content: impl std::io::Read, key: Option<&Key>) -> Result<Beside, Error> {
    let mut content = Hashing::new(content);
    let signature = match key {
        Some(key) => {
            let signed = key.sign(name, &mut content);
            Some(signed.map_err(|error| Error::Sign { path: path.to_owned(), why: error.to_string() })?.to_string())
        }
        None => None,
    };
    let sha256 = content.finish().map_err(Error::io("reading", path))?;
    Ok(Beside { name: name.to_owned(), sha256, signature })
}

/// A file that goes away unless it is given a name.
fn write_aside(folder: &Path, bytes: &[u8]) -> Result<NamedTempFile, Error> {
    let write = || {
        let mut file = tempfile::Builder::new().prefix(".helix-provenance-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        // Everybody may read what is published.
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(Error::io("writing into", folder))
}

/// Gives the files their names; what an earlier time left goes first, so that no signature is beside a file of another time.
fn finish(folder: &Path, all: &[Beside], aside: Vec<(String, NamedTempFile)>) -> Result<(), Error> {
    for one in all.iter().filter(|one| one.signature.is_none()) {
        let old = folder.join(format!("{}.minisig", one.name));
        match fs::remove_file(&old) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("removing", &old)(error));
            }
            _ => {}
        }
    }
    for (name, file) in aside {
        let path = folder.join(name);
        file.persist(&path).map_err(|error| Error::io("finishing", &path)(error.error))?;
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("flushing", folder))
}
