//! What can go wrong between packages and a tree.

use std::path::{Path, PathBuf};

use crate::arch::Arch;

/// A failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program failed or could not be started.
    #[error(transparent)]
    Command(#[from] helix_command::Error),
    /// The system refused something on a file.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A mount failed.
    #[error("mounting {what} at {}: {source}{}", target.display(), refused(*source))]
    Mount {
        /// What was to be mounted.
        what: String,
        /// Where.
        target: PathBuf,
        /// What the kernel said.
        source: rustix::io::Errno,
    },
    /// Foreign programs cannot be run.
    #[error(
        "programs for {arch} cannot run on this host: {own}\n  Linux before 6.7 needs the host's own registration:\n    \
         sudo apt-get install qemu-user-static"
    )]
    NoEmulation {
        /// The architecture asked for.
        arch: Arch,
        /// Why our own registration failed.
        own: Box<Error>,
    },
    /// An archive could not be read or trusted.
    #[error("{}", .0)]
    Archive(ArchiveFault),
    /// Packages that no archive has.
    #[error("no archive of the recipe has {}\n{said}", names.join(", "))]
    MissingPackages {
        /// Their names.
        names: Vec<String>,
        /// apt's own words.
        said: String,
    },
    /// apt finds no set of packages that fits together.
    #[error("the packages cannot be installed together; apt says:\n{0}")]
    Unsolvable(String),
    /// What apt printed is not what this program expects.
    #[error("apt printed an unexpected line: {0:?}")]
    AptOutput(String),
    /// Something could not be downloaded.
    #[error(transparent)]
    Fetch(#[from] crate::fetch::FetchError),
    /// An artifact is not what it should be.
    #[error("artifact {url}: {reason}")]
    Artifact {
        /// Where it came from.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The finished tree breaks one of the rules of what must not be inside.
    #[error("the finished tree breaks these rules:\n  {}", .0.join("\n  "))]
    Unclean(Vec<String>),
    /// A setting cannot be applied to this tree.
    #[error("{0}")]
    Setting(String),
}

/// Why an archive was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveFault {
    /// What is wrong.
    pub kind: ArchiveFaultKind,
    /// apt's own words.
    pub said: String,
}

/// The kinds of refusal, which differ in what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFaultKind {
    /// The Release file is past its Valid-Until.
    Expired,
    /// There is no signature at all.
    Unsigned,
    /// The signature is not by the pinned key.
    WrongKey,
    /// The mirror did not answer.
    Unreachable,
    /// The proxy on the way to the mirror is at fault.
    Proxy,
    /// No authority that is trusted vouches for the mirror.
    Untrusted,
    /// The mirror does not give us its files.
    Refused,
    /// The mirror answers, but has no such suite.
    NoSuchSuite,
    /// A file is not the one that the signed Release file names.
    Corrupt,
    /// Anything else.
    Other,
}

impl std::fmt::Display for ArchiveFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, help) = match self.kind {
            ArchiveFaultKind::Expired => (
                "the archive's Release file has expired",
                "use a mirror that is kept up to date, or say `allow-expired: true` for this archive in the recipe",
            ),
            ArchiveFaultKind::Unsigned => {
                ("the archive is not signed", "only signed archives are used; check the mirror's address")
            }
            ArchiveFaultKind::WrongKey => (
                "the archive is not signed by the key that the recipe pins",
                "check `key` of the archive in the recipe, and the mirror's address",
            ),
            ArchiveFaultKind::Unreachable => (
                "the mirror cannot be reached",
                "check the network, name another one with --mirror, or work from the cache with --offline",
            ),
            ArchiveFaultKind::Proxy => (
                "the mirror cannot be reached through the proxy",
                "check http_proxy, https_proxy and no_proxy, and whether the proxy lets requests for the mirror through",
            ),
            ArchiveFaultKind::Untrusted => (
                "the mirror's certificate is not trusted",
                "add its authority to this machine's trust store, or name a file of certificates in SSL_CERT_FILE",
            ),
            ArchiveFaultKind::Refused => (
                "the mirror refuses to give its files",
                "check the mirror's address, and whether it wants a password or another network",
            ),
            ArchiveFaultKind::NoSuchSuite => {
                ("the mirror has no such suite or component", "check `suites`, `components` and `mirror` in the recipe")
            }
            ArchiveFaultKind::Corrupt => (
                "a file of the archive is not the one that its signed Release file names",
                "the mirror may be in the middle of an update: try again, or use another with --mirror",
            ),
            ArchiveFaultKind::Other => ("the archive cannot be used", "see what apt says"),
        };
        write!(f, "{what}; {help}\n{}", indent(&self.said))
    }
}

fn indent(text: &str) -> String {
    text.trim_end().lines().map(|l| format!("    {l}")).collect::<Vec<_>>().join("\n")
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    pub(crate) fn errno(doing: &'static str, path: &Path, source: rustix::io::Errno) -> Self {
        Self::io(doing, path, source.into())
    }

    pub(crate) fn mount(what: &str, target: &Path, source: rustix::io::Errno) -> Self {
        Self::Mount { what: what.to_owned(), target: target.to_owned(), source }
    }

    /// Whether the kernel forbids something that every build does: then the machine has to be put in order.
    pub fn is_forbidden(&self) -> bool {
        use rustix::io::Errno;
        matches!(self, Self::Mount { source: Errno::PERM | Errno::ACCESS, .. })
    }

    /// Whether the disk was full: then nothing was wrong with the input.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.raw_os_error() == Some(rustix::io::Errno::NOSPC.raw_os_error()))
    }
}

/// What helps where the kernel forbids a mount.
fn refused(errno: rustix::io::Errno) -> String {
    use rustix::io::Errno;
    matches!(errno, Errno::PERM | Errno::ACCESS)
        .then(|| format!("\n  {}", crate::refusal::advice()))
        .unwrap_or_default()
}
