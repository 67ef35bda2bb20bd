//! What can be asked for.

use std::path::PathBuf;

/// What the bundle is made of.
#[derive(Debug, clap::Args)]
pub struct MakeArgs {
    /// The folder of the image, which must be of arm64
    #[arg(long, value_name = "DIR", default_value = "target/images/quickstart")]
    pub image: PathBuf,
    /// The folder that UTM's build leaves (sysroot-macOS-arm64), with its licences
    #[arg(long, value_name = "DIR")]
    pub sysroot: PathBuf,
    /// How the app comes to its VM's disk
    #[arg(long, value_name = "HOW", default_value = "embed")]
    pub vm: VmArg,
    /// Where the disk can be had, with --vm download
    #[arg(long, value_name = "URL", required_if_eq("vm", "download"))]
    pub disk_url: Option<String>,
    /// Make no Helix.dmg, which on Linux cannot hold a disk of 4 GiB or more
    #[arg(long)]
    pub no_dmg: bool,
    /// A word that UTM adds to QEMU's command line; can be given several times. UTM asks before it runs a VM that has any
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub utm_argument: Vec<String>,
    /// The folder of what is made; an earlier bundle there gives way
    #[arg(long, value_name = "DIR", default_value = "target/bundle")]
    pub output: PathBuf,
    /// The version of the app: up to three numbers with dots between them
    #[arg(long, value_name = "VERSION", default_value = env!("CARGO_PKG_VERSION"))]
    pub app_version: String,
    /// Sign the app by this certificate: PKCS #12, or PEM with those of its authorities up to the root
    #[arg(long, value_name = "FILE", group = "signer")]
    pub certificate: Option<PathBuf>,
    /// The key of the certificate, as PEM, where it is not in the same file
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub certificate_key: Option<PathBuf>,
    /// The file with the password of that key, which can be in HELIX_CERTIFICATE_PASSWORD instead
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub certificate_password_file: Option<PathBuf>,
    /// Where timestamps come from (RFC 3161), or none; for a Developer ID they are Apple's
    #[arg(long, value_name = "URL", requires = "certificate")]
    pub timestamp_url: Option<String>,
    /// Sign the app by Apple's codesign and this identity of the keychain; only on a Mac
    #[arg(long, value_name = "IDENTITY", group = "signer")]
    pub codesign: Option<String>,
    /// Have Apple notarise the app; the key is in APPLE_API_KEY, APPLE_API_KEY_ID and APPLE_API_ISSUER
    #[cfg(feature = "notarization")]
    #[arg(long, requires = "signer")]
    pub notarize: bool,
    /// Sign all files by this secret key of minisign; its password is in HELIX_MINISIGN_PASSWORD
    #[arg(long, value_name = "FILE")]
    pub minisign_key: Option<PathBuf>,
    /// The file with the password of that key
    #[arg(long, value_name = "FILE", requires = "minisign_key")]
    pub minisign_password_file: Option<PathBuf>,
    /// Who makes this, as a URI, for the provenance
    #[arg(long, value_name = "URI", default_value = "urn:helix:builder:local")]
    pub builder: String,
}

/// How the app comes to its VM's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum VmArg {
    /// It is in the app
    Embed,
    /// The app loads it at its first start
    Download,
}

/// What is checked.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Apps (.app), packages (.utm) and disk images (.dmg)
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// What is looked at on a Mac.
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// The folder that `bundle` made
    #[arg(value_name = "DIR", default_value = "target/bundle")]
    pub bundle: PathBuf,
    /// Leave steps out
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    pub without: Vec<StepArg>,
    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
}

/// The steps of a validation, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum StepArg {
    /// macOS and the processor are those that the app needs
    System,
    /// Files have their digests, says shasum
    Digests,
    /// Nothing is wrong, says check-bundle
    Check,
    /// The app is signed, says codesign
    Codesign,
    /// Programs have their entitlements, says codesign
    Entitlements,
    /// macOS opens the app, or refuses an ad hoc signature, says spctl
    Gatekeeper,
    /// Everything that is loaded is in the app or is macOS, says otool
    Libraries,
    /// The disk image can be mounted, says hdiutil
    DiskImage,
    /// Known frames through VideoToolbox, decoded and measured
    Encoder,
    /// The app starts, its guest answers, and goes down with it
    Vm,
    /// UTM opens and runs the package
    Utm,
}

impl StepArg {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Digests => "digests",
            Self::Check => "check",
            Self::Codesign => "codesign",
            Self::Entitlements => "entitlements",
            Self::Gatekeeper => "gatekeeper",
            Self::Libraries => "libraries",
            Self::DiskImage => "disk-image",
            Self::Encoder => "encoder",
            Self::Vm => "vm",
            Self::Utm => "utm",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn steps_have_one_name() {
        for step in StepArg::value_variants() {
            assert_eq!(step.to_possible_value().unwrap().get_name(), step.name());
        }
    }
}
