//! The part of macOS that a program may use: libraries, and symbols of them.
//!
//! One text file is the list. A linker gets it as text stubs, so that a program that wants more does not link; and what
//! was linked is compared with it, because a linker can be told to be lenient.

use std::collections::{BTreeMap, BTreeSet};

/// Libraries by their install names, each with the symbols that may be taken from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowList {
    libraries: BTreeMap<String, Library>,
}

/// What may be taken from a library.
pub type Library = BTreeSet<String>;

/// A file that stands for a library when programs are linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stub {
    /// Where the linker looks for it, below the folder of the SDK.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A fault of the list.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {fault}")]
pub struct ListError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub fault: String,
}

impl AllowList {
    /// Reads a list. A line with a path begins a library, an indented line is a symbol of it, and what follows `#` is for
    /// readers.
    ///
    /// # Errors
    /// When a line is neither, or something is there twice.
    pub fn parse(text: &str) -> Result<Self, ListError> {
        let mut libraries: BTreeMap<String, Library> = BTreeMap::new();
        let mut current = None;
        for (index, whole) in text.lines().enumerate() {
            let fault = |fault: String| ListError { line: index + 1, fault };
            let line = whole.split('#').next().unwrap_or_default().trim_end();
            let word = line.trim_start();
            if word.is_empty() {
                continue;
            }
            if word.contains(char::is_whitespace) {
                return Err(fault(format!("one name is expected, not {word:?}")));
            }
            if line.starts_with('/') {
                if libraries.insert(word.to_owned(), Library::new()).is_some() {
                    return Err(fault(format!("{word} is there twice")));
                }
                current = Some(word.to_owned());
            } else if let Some(symbols) = current.as_ref().and_then(|name| libraries.get_mut(name)) {
                if line == word {
                    return Err(fault(format!("{word} is neither a path nor indented as a symbol is")));
                }
                if !symbols.insert(word.to_owned()) {
                    return Err(fault(format!("{word} is there twice")));
                }
            } else {
                return Err(fault(format!("{word} comes before any library")));
            }
        }
        Ok(Self { libraries })
    }

    /// The symbols of a library; nothing if it may not be loaded.
    pub fn library(&self, install_name: &str) -> Option<&Library> {
        self.libraries.get(install_name)
    }

    /// The list as text stubs, version 4, as LLVM's and Apple's linkers read them.
    pub fn stubs(&self) -> Vec<Stub> {
        let stubs = |(name, symbols): (&String, &Library)| {
            let text = stub(name, symbols);
            stub_paths(name).into_iter().map(|path| Stub { path, text: text.clone() }).collect::<Vec<_>>()
        };
        self.libraries.iter().flat_map(stubs).collect()
    }
}

fn stub(install_name: &str, symbols: &Library) -> String {
    let exports = if symbols.is_empty() {
        String::new()
    } else {
        let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
        format!("exports:\n  - targets: [ arm64-macos ]\n    symbols: [ {} ]\n", symbols.join(", "))
    };
    format!("--- !tapi-tbd\ntbd-version: 4\ntargets: [ arm64-macos ]\ninstall-name: '{install_name}'\n{exports}...\n")
}

/// Where an SDK has the stub of a library.
fn stub_paths(install_name: &str) -> Vec<String> {
    let path = install_name.trim_start_matches('/');
    if let Some((folder, _)) = path.split_once(".framework/") {
        let name = folder.rsplit('/').next().unwrap_or(folder);
        return vec![format!("{folder}.framework/{name}.tbd")];
    }
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let name = file.split('.').next().unwrap_or(file);
    // C and mathematics are in libSystem, and have names of their own for linkers.
    let names = if name == "libSystem" { vec!["libSystem", "libc", "libm"] } else { vec![name] };
    names.into_iter().map(|name| format!("{folder}/{name}.tbd")).collect()
}
