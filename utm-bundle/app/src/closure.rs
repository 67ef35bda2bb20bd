//! Everything that is loaded, from the programs down, with the names that it will have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use helix_macho::{Changes, HEAD_SIZE, Head, Kind};

use crate::fault::{Fault, Wrong};
use crate::layout;
use crate::sysroot::{Library, Sysroot};

/// A program or library on its way into the app.
pub(crate) struct Binary {
    /// Its path below `Contents`.
    pub(crate) to: String,
    /// The file that it is made of.
    pub(crate) from: PathBuf,
    /// The file's beginning, as it will be.
    pub(crate) head: Vec<u8>,
}

/// What was found on the way.
pub(crate) struct Closure<'a> {
    sysroot: &'a Sysroot,
    /// The names of frameworks in small letters, with their libraries: some file systems of Macs ignore capitals.
    frameworks: BTreeMap<String, Library>,
    waiting: VecDeque<Library>,
    pub(crate) binaries: Vec<Binary>,
    pub(crate) faults: Vec<Fault>,
}

impl<'a> Closure<'a> {
    pub(crate) fn new(sysroot: &'a Sysroot) -> Self {
        let (frameworks, waiting) = Default::default();
        Self { sysroot, frameworks, waiting, binaries: Vec::new(), faults: Vec::new() }
    }

    /// Takes a program in.
    pub(crate) fn program(&mut self, from: &Path, to: &str) {
        let changes = Changes { rpaths: Some(vec![layout::RPATH.to_owned()]), ..Changes::default() };
        self.binary(from.to_owned(), to.to_owned(), Kind::Executable, changes);
    }

    /// Takes a library in that is loaded by name, not by a load command.
    pub(crate) fn root(&mut self, name: &str, missing: &'static str) {
        match self.sysroot.library(name) {
            Ok(Some(library)) => drop(self.enqueue(library)),
            Ok(None) => {
                let file = self.sysroot.path(&format!("lib/lib{name}.dylib"));
                self.faults.push(Fault::new(file, Wrong::Missing(missing)));
            }
            Err(fault) => self.faults.push(fault),
        }
    }

    /// Takes in what is loaded by what was taken in, until there is no more, and gives the names of all frameworks.
    pub(crate) fn finish(&mut self) -> BTreeSet<String> {
        while let Some(library) = self.waiting.pop_front() {
            let changes = Changes {
                install_name: Some(layout::install_name(&library.name)),
                // Programs say where the frameworks are; what a library says is of the machine that built it.
                rpaths: Some(Vec::new()),
                ..Changes::default()
            };
            self.binary(library.file, layout::library(&library.name), Kind::Library, changes);
        }
        self.frameworks.values().map(|library| library.name.clone()).collect()
    }

    fn binary(&mut self, from: PathBuf, to: String, kind: Kind, changes: Changes) {
        match self.rewritten(&from, kind, changes) {
            Ok(head) => self.binaries.push(Binary { to, from, head }),
            Err(wrong) => self.faults.push(Fault::new(from, wrong)),
        }
    }

    /// The file's beginning with its new names; what it loads is taken in on the way.
    fn rewritten(&mut self, from: &Path, kind: Kind, mut changes: Changes) -> Result<Vec<u8>, Wrong> {
        let mut data = beginning(from).map_err(|error| Wrong::Unreadable(error.to_string()))?;
        let head = Head::read(&data)?;
        self.faults.extend(suitable(&head, kind).into_iter().map(|wrong| Fault::new(from, wrong)));
        for name in head.libraries.iter().filter(|name| !layout::is_of_system(name)) {
            match self.loaded(from, name) {
                Ok(framework) => drop(changes.libraries.insert(name.clone(), layout::install_name(&framework))),
                Err(fault) => self.faults.push(fault),
            }
        }
        let changed = changes.apply(&mut data)?;
        data.truncate(changed);
        Ok(data)
    }

    /// The framework of a library that `from` loads by `name`.
    fn loaded(&mut self, from: &Path, name: &str) -> Result<String, Fault> {
        let Some(library) = self.sysroot.library(name)? else {
            return Err(Fault::new(from, Wrong::NotInSysroot(name.to_owned())));
        };
        // An absolute name is the one that the library had when it was linked.
        if name.starts_with('/') {
            let found = beginning(&library.file).ok().and_then(|data| Head::read(&data).ok()?.install_name);
            if let Some(found) = found.filter(|found| found != name) {
                return Err(Fault::new(from, Wrong::AnotherLibrary { name: name.to_owned(), found }));
            }
        }
        Ok(self.enqueue(library))
    }

    /// Notes a library to be taken in, unless it was; gives the framework's name.
    fn enqueue(&mut self, library: Library) -> String {
        let name = library.name.clone();
        let key = name.to_ascii_lowercase();
        match self.frameworks.get(&key) {
            None => {
                self.frameworks.insert(key, library.clone());
                self.waiting.push_back(library);
            }
            Some(other) if other.file != library.file => {
                let fault = Fault::new(&library.file, Wrong::SameFramework(other.file.clone()));
                if !self.faults.contains(&fault) {
                    self.faults.push(fault);
                }
            }
            Some(_) => {}
        }
        name
    }
}

/// As much of a file as its load commands can take.
pub(crate) fn beginning(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut data = Vec::new();
    File::open(path)?.take(HEAD_SIZE as u64).read_to_end(&mut data)?;
    Ok(data)
}

/// What is wrong with a program or library by itself.
pub(crate) fn suitable(head: &Head, kind: Kind) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    if head.kind != kind {
        wrong.push(Wrong::Kind(match kind {
            Kind::Executable => "a library, where a program belongs",
            Kind::Library => "a program, where a library belongs",
        }));
    }
    let wanted = layout::MINIMUM_MACOS;
    if head.minimum_macos.is_none_or(|found| found > wanted) {
        wrong.push(Wrong::MinimumMacos { found: head.minimum_macos, wanted });
    }
    wrong
}
