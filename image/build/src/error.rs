//! Failures of the pipeline, each of a kind that has an exit code.

use std::path::{Path, PathBuf};

/// What kind of failure it was: this decides the exit code (see `docs/src/exit-codes.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line asks for something that does not exist.
    Usage,
    /// The recipe, or a file it names, is at fault.
    Recipe,
    /// This machine lacks something.
    Host,
    /// A step of the build failed.
    Build,
    /// The image was built and booted, and a check says no.
    CheckFailed,
    /// The image was built, but a check could not be run: the image may be good or bad.
    CheckCouldNotRun,
}

/// A failure of the pipeline.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Faults of the recipe.
    #[error("{0}")]
    Recipe(#[from] helix_recipe::Faults),
    /// The recipe does not exist or cannot be read.
    #[error("{0}")]
    RecipeFile(String),
    /// The host lacks something.
    #[error("{0}")]
    Host(String),
    /// No namespace can be made.
    #[error(transparent)]
    Namespace(#[from] helix_rootfs::namespace::Error),
    /// There is no project to work on.
    #[error(transparent)]
    Project(#[from] helix_project::Error),
    /// Making a tree failed.
    #[error("{doing}: {source}")]
    Tree {
        /// What was being done, as a gerund.
        doing: String,
        /// Why it failed.
        source: helix_rootfs::Error,
    },
    /// Downloads failed.
    #[error("{} of {total} files could not be fetched:\n{}", failures.len(), first_lines(failures))]
    Fetch {
        /// How many were asked for.
        total: usize,
        /// Each failure.
        failures: Vec<helix_rootfs::fetch::FetchError>,
    },
    /// Writing file systems or the disk failed.
    #[error("{doing}: {source}")]
    Disk {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A guest component is not what an image can take.
    #[error("{name}: {why}")]
    Component {
        /// Its package.
        name: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A program did not do what it should.
    #[error(transparent)]
    Command(#[from] helix_command::Error),
    /// Container images could not be put into their stores.
    #[error(transparent)]
    Containers(#[from] helix_docker_graph::Error),
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
    /// A lock file that is not what it should be.
    #[error("{}: {reason}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What is wrong, and the command that mends it.
        reason: String,
    },
    /// What is to be read is no image folder.
    #[error("{}: {reason}", path.display())]
    NotAnImage {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The command line asks for something impossible.
    #[error("{0}")]
    Usage(String),
    /// Somebody stopped it.
    #[error("interrupted")]
    Interrupted,
    /// The image does not boot.
    #[error("the image does not boot: {failure}{}", report.as_deref().map_or_else(String::new, see))]
    DoesNotBoot {
        /// Everything that is known of it.
        failure: Box<helix_vm::GuestFailure>,
        /// The report of the boot test, where there is one.
        report: Option<PathBuf>,
    },
    /// A check of the boot test failed.
    #[error("{0}")]
    CheckFailed(String),
    /// The boot test could not be run.
    #[error("{0}")]
    CheckCouldNotRun(String),
}

fn see(report: &Path) -> String {
    format!("\nthe whole report: {}", report.display())
}

fn first_lines(failures: &[helix_rootfs::fetch::FetchError]) -> String {
    const SHOWN: usize = 8;
    let mut lines: Vec<String> = failures.iter().take(SHOWN).map(|f| format!("  {f}")).collect();
    if failures.len() > SHOWN {
        lines.push(format!("  and {} more", failures.len() - SHOWN));
    }
    lines.join("\n")
}

impl Error {
    /// The kind of this failure.
    pub fn kind(&self) -> Kind {
        use helix_rootfs::Error as Tree;
        match self {
            Self::Recipe(_) | Self::RecipeFile(_) | Self::Lock { .. } => Kind::Recipe,
            Self::Tree { source: Tree::MissingPackages { .. } | Tree::Setting(_) | Tree::Unsolvable(_), .. } => {
                Kind::Recipe
            }
            Self::Containers(helix_docker_graph::Error::Image { .. }) => Kind::Recipe,
            Self::Tree { source, .. } if source.is_forbidden() => Kind::Host,
            Self::Host(_) | Self::Namespace(_) | Self::Tree { source: Tree::NoEmulation { .. }, .. } => Kind::Host,
            Self::Usage(_) | Self::Project(_) | Self::NotAnImage { .. } => Kind::Usage,
            Self::CheckFailed(_) | Self::DoesNotBoot { .. } => Kind::CheckFailed,
            Self::CheckCouldNotRun(_) => Kind::CheckCouldNotRun,
            Self::Tree { .. }
            | Self::Fetch { .. }
            | Self::Disk { .. }
            | Self::Component { .. }
            | Self::Command(_)
            | Self::Containers(_)
            | Self::Io { .. }
            | Self::Interrupted => Kind::Build,
        }
    }

    pub(crate) fn io(doing: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    pub(crate) fn disk(doing: &'static str) -> impl FnOnce(BoxedError) -> Self {
        move |source| Self::Disk { doing, source }
    }
}

pub(crate) type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// Says what was being done when making a tree failed.
pub(crate) trait Doing<T> {
    /// `doing` is a gerund: "unpacking packages".
    fn doing(self, doing: &str) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, helix_rootfs::Error> {
    fn doing(self, doing: &str) -> Result<T, Error> {
        self.map_err(|source| Error::Tree { doing: doing.to_owned(), source })
    }
}
