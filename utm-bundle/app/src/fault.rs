//! What can be wrong with the parts of an app, or with an app.

use std::path::{Path, PathBuf};

use helix_macho::{EditError, ReadError, Version};

/// A file, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {wrong}", file.display())]
pub struct Fault {
    /// The file; in an app, its path from the app's folder.
    pub file: PathBuf,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It is not there.
    #[error("is missing: {0}")]
    Missing(&'static str),
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// It is no program or library for an arm64 Mac.
    #[error("{0}")]
    MachO(String),
    /// It is a library where a program is wanted, or the other way round.
    #[error("is {0}")]
    Kind(&'static str),
    /// It runs on newer systems only.
    #[error("runs on macOS {} and later; the app has to run on {wanted}", found.map_or_else(|| "(not stated)".to_owned(), |v| v.to_string()))]
    MinimumMacos {
        /// What it says.
        found: Option<Version>,
        /// What the app needs.
        wanted: Version,
    },
    /// The sysroot has no library by this name.
    #[error("loads {0}, which is neither in the sysroot (lib, Frameworks) nor of macOS; build the sysroot with it")]
    NotInSysroot(String),
    /// The sysroot has another library of the same file name.
    #[error(
        "loads {name}, but the sysroot's library of that file name calls itself {found}: it was linked to another one"
    )]
    AnotherLibrary {
        /// What is loaded.
        name: String,
        /// The install name of the file in the sysroot.
        found: String,
    },
    /// A link of the sysroot leads out of it.
    #[error("leads out of the sysroot, to {}", .0.display())]
    LeadsOut(PathBuf),
    /// Two libraries would be one framework.
    #[error("would be the same framework as {}; the names of frameworks differ in more than capitals", .0.display())]
    SameFramework(PathBuf),
    /// The name is no name of a framework.
    #[error("has a name that cannot be a framework's: letters, digits, '.', '_', '+' and '-' can")]
    FrameworkName,
    /// Vulkan's driver description.
    #[error("is no description of a Vulkan driver: {0}")]
    Icd(String),
    /// No component has it.
    #[error("belongs to no component of share/licenses/components.json: its licence is not known; add it there")]
    NoComponent,
    /// The list of components is wrong.
    #[error("{0}")]
    Components(String),
    /// A component without a licence.
    #[error("the component {0} has no licence, or no text of it")]
    NoLicence(String),
    /// A container image without a licence.
    #[error(
        "the container image {0} has no known licence: it has no packages of Debian, Ubuntu or Alpine and no label \
         org.opencontainers.image.licenses; state it in the recipe as\n    container-images: … licence: …\nand build the image anew"
    )]
    NoLicenceOfContainer(String),
    /// The image cannot be taken.
    #[error("{0}")]
    Image(String),
    /// The version is none.
    #[error("{0:?} is no version of an app: up to three numbers with dots between them")]
    Version(String),
    /// A library has another name than its place.
    #[error("has the install name {}, not {wanted}", found.as_deref().unwrap_or("(none)"))]
    InstallName {
        /// What it says.
        found: Option<String>,
        /// What its place asks for.
        wanted: String,
    },
    /// It looks for libraries elsewhere.
    #[error("looks for libraries in {found:?}, not in {wanted:?}")]
    Rpaths {
        /// The places.
        found: Vec<String>,
        /// The places that belong there.
        wanted: Vec<String>,
    },
    /// It loads what is neither in the app nor of macOS.
    #[error("loads {0}, which is neither in the app nor of macOS")]
    Outside(String),
    /// It has no business where it is.
    #[error("does not belong there: {0}")]
    Stray(&'static str),
    /// A link with another target.
    #[error("leads to {}, not to {wanted}", found.display())]
    Link {
        /// Its target.
        found: PathBuf,
        /// The target that belongs there.
        wanted: String,
    },
    /// Neither file, folder nor link.
    #[error("is neither a file nor a folder nor a link")]
    Special,
    /// Who may read, write and run it.
    #[error("has the mode {found:o}, not {wanted:o}")]
    Mode {
        /// The permissions.
        found: u32,
        /// The permissions that belong there.
        wanted: u32,
    },
    /// Its content is not what it must be.
    #[error("is not as it must be: {0}")]
    Content(String),
}

impl Fault {
    pub(crate) fn new(file: impl AsRef<Path>, wrong: Wrong) -> Self {
        Self { file: file.as_ref().to_owned(), wrong }
    }

    /// A file that the system does not give.
    pub(crate) fn unreadable(file: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::new(file, Wrong::Unreadable(error.to_string()))
    }
}

impl From<ReadError> for Wrong {
    fn from(error: ReadError) -> Self {
        Self::MachO(error.to_string())
    }
}

impl From<EditError> for Wrong {
    fn from(error: EditError) -> Self {
        Self::MachO(error.to_string())
    }
}

/// Why there is no app.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The parts cannot become one; these are all faults.
    #[error("Helix.app cannot be made of these parts:{}", listed(.0))]
    Faults(Vec<Fault>),
    /// There is something else at the place.
    #[error("{} is there and is no Helix.app; remove it, or choose another place", .0.display())]
    Taken(PathBuf),
    /// The disk of the image.
    #[error(transparent)]
    Image(#[from] helix_vm::life::Error),
    /// A file cannot be written.
    #[error("{doing} {}: {source}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The licences of the crates are not known.
    #[error(transparent)]
    Licences(#[from] helix_licences::Error),
}

impl Error {
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }
}

fn listed(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}
