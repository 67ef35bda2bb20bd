//! What a file must be before it is shipped. All faults are reported, not the first.

use crate::allow_list::AllowList;
use crate::file::{Kind, MachO, Version};

/// What is asked of a file.
#[derive(Debug)]
pub struct Rules<'a> {
    /// The oldest macOS that it must run on, no older and no newer.
    pub minimum_macos: Version,
    /// What it may take from macOS.
    pub allowed: &'a AllowList,
    /// The room for load commands that a bundle adds or makes longer, in bytes.
    pub header_room: u32,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is for another macOS.
    #[error("it runs on macOS {} and later, not {wanted}; the linker takes that from MACOSX_DEPLOYMENT_TARGET", shown(*.found))]
    MinimumVersion {
        /// What it says.
        found: Option<Version>,
        /// What it should say.
        wanted: Version,
    },
    /// Others would load it from one place only.
    #[error("its install name is {}, not @rpath/…: programs would find it in one place only", .0.as_deref().unwrap_or("missing"))]
    InstallName(Option<String>),
    /// It looks for libraries in a place of the machine that built it.
    #[error("it looks for libraries in {0}, which is no place of a bundle (@loader_path, @executable_path)")]
    Rpath(String),
    /// It loads a library that is not on the list.
    #[error("it loads {0}, which is not on the list of libraries")]
    Library(String),
    /// It takes a symbol that is not on the list.
    #[error("it takes {symbol} from {}, which is not on the list of symbols", .library.as_deref().unwrap_or("anywhere"))]
    Import {
        /// The library's install name.
        library: Option<String>,
        /// The symbol.
        symbol: String,
    },
    /// What it takes cannot be compared.
    #[error("its imports are not in chained fixups alone: they cannot be compared with the list of symbols")]
    UnreadImports,
    /// Load commands cannot grow.
    #[error("its load commands can grow by {found} bytes, {wanted} are needed; the linker's option is -headerpad")]
    HeaderRoom {
        /// The room that there is.
        found: u32,
        /// The room that is needed.
        wanted: u32,
    },
    /// It has no signature.
    #[error("it is not signed: a Mac with Apple's processor kills it")]
    Unsigned,
    /// The signature leaves a part of the file out.
    #[error("its signature covers {covered} bytes of {wanted}")]
    Covered {
        /// The bytes that it covers.
        covered: u32,
        /// The bytes before the signature.
        wanted: u32,
    },
    /// A page was changed after it was signed.
    #[error("page {0} is not as it was signed: a Mac kills the program that touches it")]
    Page(usize),
}

/// Whether an rpath is a place in the bundle of the file, or of the program that loads it.
fn inside(rpath: &str) -> bool {
    let rest = rpath.strip_prefix("@loader_path").or_else(|| rpath.strip_prefix("@executable_path"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn shown(version: Option<Version>) -> String {
    version.map_or_else(|| "no stated version".to_owned(), |v| v.to_string())
}

impl Rules<'_> {
    /// Everything that is wrong with a file; nothing if it may be shipped.
    pub fn faults(&self, file: &MachO) -> Vec<Fault> {
        let head = &file.head;
        let mut faults = Vec::new();
        if head.minimum_macos != Some(self.minimum_macos) {
            faults.push(Fault::MinimumVersion { found: head.minimum_macos, wanted: self.minimum_macos });
        }
        let relocatable = head.install_name.as_ref().is_some_and(|name| name.starts_with("@rpath/"));
        if head.kind == Kind::Library && !relocatable {
            faults.push(Fault::InstallName(head.install_name.clone()));
        }
        faults.extend(head.rpaths.iter().filter(|path| !inside(path)).cloned().map(Fault::Rpath));
        faults.extend(self.interface(file));
        if head.header_room < self.header_room {
            faults.push(Fault::HeaderRoom { found: head.header_room, wanted: self.header_room });
        }
        faults.extend(signature(file));
        faults
    }

    /// What it loads and takes beyond the list.
    fn interface(&self, file: &MachO) -> Vec<Fault> {
        let strange = file.head.libraries.iter().filter(|name| self.allowed.library(name).is_none());
        let strange = strange.cloned().map(Fault::Library);
        let Some(imports) = &file.imports else { return strange.chain([Fault::UnreadImports]).collect() };
        let allowed = |library: &Option<String>, symbol: &String| {
            library.as_ref().and_then(|name| self.allowed.library(name)).is_some_and(|list| list.contains(symbol))
        };
        let taken = imports.iter().filter(|import| !allowed(&import.library, &import.symbol));
        let taken = taken.map(|i| Fault::Import { library: i.library.clone(), symbol: i.symbol.clone() });
        strange.chain(taken).collect()
    }
}

fn signature(file: &MachO) -> Vec<Fault> {
    let Some(signature) = &file.signature else { return vec![Fault::Unsigned] };
    let mut faults = Vec::new();
    if signature.covered != signature.offset {
        faults.push(Fault::Covered { covered: signature.covered, wanted: signature.offset });
    }
    faults.extend(signature.changed_pages.iter().copied().map(Fault::Page));
    faults
}
