//! What can go wrong in the life of a machine, with the command that helps.

use std::io;
use std::path::{Path, PathBuf};

use crate::failure::GuestFailure;

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What is asked for does not exist, or cannot be done in the machine's present state.
    Usage,
    /// The image, or a file of the machine, is at fault.
    Image,
    /// The computer lacks something: memory, space, a program.
    Host,
    /// The system refused something on a file, or a program failed.
    System,
    /// The guest does not come up.
    Guest,
    /// It was told to stop.
    Interrupted,
}

/// A failure in the life of a machine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that no machine can have.
    #[error(
        "{name:?} cannot be the name of a VM: a name has 1 to 32 of a-z, 0-9 and -, and begins with a letter or digit"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// There is no folder for machines.
    #[error("there is no home folder to keep VMs in; name a folder with --home DIR")]
    NoHome,
    /// There is no machine of this name.
    #[error("there is no VM {name} in {}{}\n  make it with\n    cargo xtask vm up {name}", home.display(), others(there))]
    NoVm {
        /// The name.
        name: String,
        /// Where machines are kept.
        home: PathBuf,
        /// The machines that there are.
        there: Vec<String>,
    },
    /// The machine has to run for this.
    #[error("the VM {name} does not run; start it with\n  cargo xtask vm up {name}")]
    NotRunning {
        /// The name.
        name: String,
    },
    /// The machine must not run for this.
    #[error("the VM {name} runs; shut it down first with\n  cargo xtask vm down {name}")]
    Runs {
        /// The name.
        name: String,
    },
    /// There is no system disk to go back to.
    #[error("the VM {name} has no earlier system disk: it was not reset, or its guest has come up since")]
    NoPrevious {
        /// The name.
        name: String,
    },
    /// Another command works on the machine.
    #[error("another command works on the VM {name}: {by}; wait for its end")]
    Busy {
        /// The name.
        name: String,
        /// The other command.
        by: String,
    },
    /// QEMU runs and nobody knows how to talk to it.
    #[error("QEMU of the VM {name} runs, and {why}; end it with\n  cargo xtask vm down {name}\nand start it again")]
    Lost {
        /// The name.
        name: String,
        /// Why it cannot be taken over.
        why: String,
    },
    /// The image cannot be used.
    #[error("the image {}: {reason}", path.display())]
    Image {
        /// The image's folder.
        path: PathBuf,
        /// What is wrong, and what helps.
        reason: String,
    },
    /// The machine was made from another image than the one that is named.
    #[error(
        "the VM {name} was made from another image than {}; to exchange its system disk and keep its data disk:\n  \
         cargo xtask vm reset {name} --image {}",
        image.display(), image.display()
    )]
    OtherImage {
        /// The name.
        name: String,
        /// The image that was named.
        image: PathBuf,
    },
    /// A file was written by a later version of this program.
    #[error("{}: has version {found}, and this program knows versions up to {known}; use the newer program", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The newest version known here.
        known: u64,
    },
    /// A file of the machine cannot be read for what it is.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what helps.
        reason: String,
    },
    /// The computer has too little memory.
    #[error(
        "this computer has {have_gib} GiB of memory: a VM gets half of it and needs {least_gib} GiB; to try with less, name the \
         size in MiB:\n  cargo xtask vm up {name} --memory 4096"
    )]
    Memory {
        /// The machine.
        name: String,
        /// What the computer has, in GiB.
        have_gib: u64,
        /// What a guest needs at least, in GiB.
        least_gib: u64,
    },
    /// The disk is too full.
    #[error(
        "{} has {} MB free, and {} MB are needed; free some space, or choose another place",
        at.display(), free / 1_000_000, needed / 1_000_000
    )]
    Space {
        /// The folder.
        at: PathBuf,
        /// What is free, in bytes.
        free: u64,
        /// What is needed, in bytes.
        needed: u64,
    },
    /// The host encoder does not run.
    #[error("the host encoder {} ended at once:\n  {said}\nthe VM runs without it; build it anew with\n  cargo xtask build-host-encoder", program.display())]
    Encoder {
        /// The program.
        program: PathBuf,
        /// What it said.
        said: String,
    },
    /// The guest's clock was not set after a sleep of the computer.
    #[error("the clock of the guest of the VM {name} was not set after a sleep of this computer: {source}")]
    Clock {
        /// The machine.
        name: String,
        /// What its agent said.
        source: crate::agent::Error,
    },
    /// The computer's network settings cannot be handed on.
    #[error(transparent)]
    HostNetwork(#[from] crate::host_network::Error),
    /// The key pair could not be made.
    #[error(transparent)]
    Key(#[from] crate::ssh::SshError),
    /// Something failed before the guest's first instruction.
    #[error(transparent)]
    Prepare(#[from] crate::programs::Error),
    /// The system refused something on a file.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody set [`super::UpConfig::interrupted`].
    #[error("interrupted{}", running.as_deref().map_or_else(String::new, goes_on))]
    Interrupted {
        /// The machine whose guest goes on coming up.
        running: Option<String>,
    },
    /// The guest does not come up.
    #[error("the VM {name} does not come up: {failure}{}{}", if *runs { left_running(name) } else { String::new() },
        if *can_roll_back { back(name) } else { String::new() })]
    Guest {
        /// The machine.
        name: String,
        /// What is known of it.
        failure: Box<GuestFailure>,
        /// Whether QEMU still runs.
        runs: bool,
        /// Whether the system disk from before a reset can be taken back.
        can_roll_back: bool,
    },
}

fn others(there: &[String]) -> String {
    if there.is_empty() { String::new() } else { format!("; there are: {}", there.join(", ")) }
}

fn goes_on(name: &str) -> String {
    format!(
        "; the VM {name} goes on coming up. To wait on, and to end it:\n  cargo xtask vm up {name}\n  cargo xtask vm down {name}"
    )
}

fn left_running(name: &str) -> String {
    format!(
        "\nQEMU still runs, so that nothing is lost. To look, to wait on, and to end it:\n  cargo xtask vm console {name}\n  \
         cargo xtask vm up {name}\n  cargo xtask vm down {name}"
    )
}

fn back(name: &str) -> String {
    format!(
        "\nThe system disk from before the reset is still there. To take it back:\n  cargo xtask vm down {name}\n  \
         cargo xtask vm reset {name} --roll-back"
    )
}

impl Error {
    /// The kind of this failure.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Name { .. }
            | Self::NoVm { .. }
            | Self::NotRunning { .. }
            | Self::Runs { .. }
            | Self::NoPrevious { .. }
            | Self::OtherImage { .. } => Kind::Usage,
            Self::Interrupted { .. } => Kind::Interrupted,
            Self::Image { .. } | Self::Newer { .. } | Self::Damaged { .. } => Kind::Image,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => Kind::Host,
            Self::NoHome
            | Self::Busy { .. }
            | Self::Lost { .. }
            | Self::Memory { .. }
            | Self::HostNetwork(_)
            | Self::Space { .. }
            | Self::Encoder { .. } => Kind::Host,
            Self::Key(_) | Self::Prepare(_) | Self::Io { .. } => Kind::System,
            Self::Guest { .. } | Self::Clock { .. } => Kind::Guest,
        }
    }

    /// An [`Error::Io`], for `map_err`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
