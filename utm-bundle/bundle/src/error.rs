//! What can go wrong, apart by what helps.

use std::path::{Path, PathBuf};

/// Why there is no new bundle, or nothing was checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There are no sources to build from.
    #[error(transparent)]
    Project(#[from] helix_project::Error),
    /// The place cannot be used.
    #[error("{}: {why}", path.display())]
    Place {
        /// The path.
        path: PathBuf,
        /// What is wrong with it, and what helps.
        why: &'static str,
    },
    /// The program that macOS starts was not built.
    #[error(transparent)]
    Launcher(#[from] helix_products::Error),
    /// The host encoder was not built.
    #[error(transparent)]
    HostEncoder(#[from] helix_host_encoder_artifacts::Error),
    /// The app cannot be assembled.
    #[error(transparent)]
    App(#[from] helix_app::Error),
    /// The app cannot be signed.
    #[error(transparent)]
    Signing(#[from] helix_signing::Error),
    /// Apple does not notarise the app, or cannot be asked.
    #[cfg(feature = "notarization")]
    #[error(transparent)]
    Notary(#[from] helix_notary::Error),
    /// The package for UTM cannot be made.
    #[error(transparent)]
    Utm(#[from] helix_utm_package::Error),
    /// Something cannot be packed.
    #[error(transparent)]
    Archive(#[from] helix_archives::Error),
    /// Digests, signatures or provenance cannot be made.
    #[error(transparent)]
    Provenance(#[from] helix_provenance::Error),
    /// A program failed.
    #[error(transparent)]
    Command(#[from] helix_command::Error),
    /// What was made is not good; nothing of it was kept.
    #[error("{what} is not as it must be:{}", faults.iter().map(|fault| format!("\n  {fault}")).collect::<String>())]
    Faults {
        /// What was looked at.
        what: String,
        /// Everything that is wrong with it.
        faults: Vec<String>,
    },
    /// Nothing is wrong as far as it could be told.
    #[error("nothing failed, and this could not be run:{}", steps.iter().map(|step| format!("\n  {step}")).collect::<String>())]
    NotRun {
        /// The steps, each with the reason.
        steps: Vec<String>,
    },
    /// More than one of these.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<Error>),
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
}

impl Error {
    /// The exit code that stands for it in the table of `cargo xtask`.
    pub fn exit_code(&self) -> u8 {
        use helix_vm::life;
        let of_image = |error: &life::Error| match error.kind() {
            life::Kind::Image => 3,
            life::Kind::Host => 4,
            _ => 5,
        };
        match self {
            Self::Place { .. } | Self::Project(_) | Self::App(helix_app::Error::Taken(_)) => 2,
            Self::Utm(helix_utm_package::Error::Target { .. }) => 2,
            Self::Launcher(error) => error.exit_code(),
            Self::HostEncoder(error) => error.exit_code(),
            Self::Signing(error) => error.exit_code(),
            #[cfg(feature = "notarization")]
            Self::Notary(error) => error.exit_code(),
            Self::App(helix_app::Error::Faults(_)) => 3,
            Self::App(helix_app::Error::Image(error)) | Self::Utm(helix_utm_package::Error::Image(error)) => {
                of_image(error)
            }
            Self::Utm(helix_utm_package::Error::Architecture(_) | helix_utm_package::Error::Faults { .. }) => 3,
            Self::Archive(helix_archives::Error::Folder { .. } | helix_archives::Error::Volume { .. }) => 3,
            Self::Provenance(helix_provenance::Error::Key { .. } | helix_provenance::Error::Image { .. }) => 3,
            Self::Several(all) => all.iter().map(Self::exit_code).min().unwrap_or(5),
            Self::Faults { .. } => 6,
            Self::NotRun { .. } => 7,
            _ => 5,
        }
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
