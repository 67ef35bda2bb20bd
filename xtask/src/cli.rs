//! The command line's definition: help, completions and man pages are all made from it.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use helix_build::steps::Step;

/// Builds, boots and checks virtual machine images from recipes.
#[derive(Debug, Parser)]
#[command(name = "cargo-xtask", bin_name = "cargo xtask", version, after_help = crate::exit::help(), arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Print one JSON document to standard output; progress stays on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Build an image from a recipe, boot it and run its checks
    #[command(
        after_help = "Examples:\n  cargo xtask build-image\n  cargo xtask build-image ubuntu-26.04 --locked --json\n  cargo xtask build-image --break packages      # look around in the tree\n  cargo xtask build-image --keep-booted         # log in by SSH afterwards"
    )]
    BuildImage(BuildArgs),
    /// Boot an image that was built and run its checks
    #[command(
        after_help = "Examples:\n  cargo xtask test-image\n  cargo xtask test-image target/images/ubuntu-26.04 --json"
    )]
    TestImage(TestImageArgs),
    /// Show the steps of a build, which are cached, and what changed in the others
    #[command(after_help = "Examples:\n  cargo xtask plan\n  cargo xtask plan ubuntu-26.04 --arch amd64 --json")]
    Plan(RecipeArgs),
    /// Solve the packages of recipes and write their locks, without building anything
    #[command(
        after_help = "A RECIPE is one of an image, with the containers in it, or a container recipe.\n\nExamples:\n  cargo xtask resolve ubuntu-26.04\n  cargo xtask resolve helix-debian quickstart --json\n  cargo xtask resolve ubuntu-26.04 --mirror http://ports.ubuntu.com/ubuntu-ports"
    )]
    Resolve(ResolveArgs),
    /// Show what an image is and verify its files
    #[command(
        after_help = "Examples:\n  cargo xtask inspect target/images/quickstart\n  cargo xtask inspect target/images/quickstart --json | jq .manifest.packages"
    )]
    Inspect(InspectArgs),
    /// Compare two images: packages, files, size
    #[command(after_help = "Examples:\n  cargo xtask diff yesterday/quickstart target/images/quickstart")]
    Diff(DiffArgs),
    /// Build a container image from a container recipe, as an OCI layout
    #[command(
        after_help = "Examples:\n  cargo xtask build-container helix-debian\n  cargo xtask build-container helix-encode --arch amd64 --output encode --json\n  sudo cargo xtask docker-graph --data-root graph --arch arm64 layout:target/containers/helix-debian=helix/debian"
    )]
    BuildContainer(BuildContainerArgs),
    /// Build the host encoder: the daemon and the library for C, for this machine or for a Mac
    #[command(
        after_help = "For a Mac neither a Mac nor Apple's SDK is needed. What is built is inspected: minimum version, names, room for\nload commands, imports against host-encoder/dist/macos-imports.txt, and the hash of each page in the signature.\n\nExamples:\n  cargo xtask build-host-encoder\n  cargo xtask build-host-encoder --target aarch64-apple-darwin --json"
    )]
    BuildHostEncoder(helix_host_encoder_artifacts::BuildArgs),
    /// Encode known frames with the host encoder, decode them with ffmpeg, and measure quality, latency and speed
    #[command(
        after_help = "Examples:\n  cargo xtask check-host-encoder\n  cargo xtask check-host-encoder --program target/release/helix-host-encoder --encoder openh264 --json"
    )]
    CheckHostEncoder(helix_host_encoder_artifacts::CheckArgs),
    /// Put container images into a Docker data root on the vfs driver, without an engine
    #[command(
        after_help = "An IMAGE is archive:PATH (docker save, or an OCI layout as tar), layout:PATH (an OCI layout),\nregistry:REFERENCE or build:RECIPE (a container recipe), with =NAME:TAG at its end to give it another name.\nPATH:NAME or PATH@DIGEST is one image of an archive or layout with several.\n\nExamples:\n  docker save desktop | zstd > desktop.tar.zst\n  sudo cargo xtask docker-graph --data-root /var/lib/docker archive:desktop.tar.zst\n  sudo cargo xtask docker-graph --data-root graph --arch arm64 layout:out=helix/desktop:1\n  sudo cargo xtask docker-graph --data-root graph layout:images:helix/app:1\n  sudo cargo xtask docker-graph --data-root graph registry:debian:trixie-slim\n  sudo cargo xtask docker-graph --data-root graph --arch arm64 build:helix-encode=helix/encode:latest"
    )]
    DockerGraph(DockerGraphArgs),
    /// Make Helix.app and helix-linux.utm of an image, signed, packed, with digests and provenance beside
    #[command(
        after_help = "Neither a Mac nor Apple's SDK is needed. The sysroot is what UTM 5.0.3's scripts/build_dependencies.sh leaves.\nWithout a certificate, signatures are ad hoc.\n\nExamples:\n  cargo xtask bundle --image target/images/ubuntu-26.04 --sysroot sysroot-macOS-arm64\n  cargo xtask bundle --sysroot sysroot-macOS-arm64 --vm download --disk-url https://example.org/disk.qcow2 --json\n  cargo xtask bundle --sysroot sysroot-macOS-arm64 --minisign-key release.key --minisign-password-file password\n  cargo xtask bundle --sysroot sysroot-macOS-arm64 --certificate developer-id.p12 --notarize"
    )]
    Bundle(Box<helix_bundle::MakeArgs>),
    /// Say what is wrong with an app and its signatures, a package for UTM or a disk image
    #[command(
        after_help = "Examples:\n  cargo xtask check-bundle target/bundle/Helix.app target/bundle/Helix.dmg\n  cargo xtask check-bundle helix-linux.utm --json"
    )]
    CheckBundle(helix_bundle::CheckArgs),
    /// Start an image as a VM that stays, keep its data, log in, shut it down
    Vm(VmArgs),
    /// Say what this machine lacks for building images
    #[command(after_help = "Examples:\n  cargo xtask doctor\n  cargo xtask doctor --arch amd64 --json")]
    Doctor(DoctorArgs),
    /// Print the JSON schema of recipes
    #[command(after_help = "Examples:\n  cargo xtask schema > recipe.schema.json")]
    Schema,
    /// Look after the cache
    #[command(after_help = "Examples:\n  cargo xtask cache ls\n  cargo xtask cache gc\n  cargo xtask cache rm trees")]
    Cache(CacheArgs),
    /// Measure against the alternatives, side by side
    #[command(
        after_help = "Examples:\n  cargo xtask bench qcow2\n  cargo xtask bench build\n  cargo xtask bench steps\n  cargo xtask bench vm\n  sudo cargo xtask bench docker-graph"
    )]
    Bench(BenchArgs),
    /// Run all tests of the project
    #[command(after_help = "Examples:\n  cargo xtask test\n  cargo xtask test --only lint,unit")]
    Test(TestArgs),
    /// Write the generated files: schema, recipe reference, exit codes, man pages, completions
    #[command(after_help = "Examples:\n  cargo xtask generate\n  cargo xtask generate --check")]
    Generate(GenerateArgs),
}

/// An architecture of images.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ArchArg {
    /// 64-bit ARM
    #[value(alias = "aarch64")]
    Arm64,
    /// 64-bit x86
    #[value(alias = "x86_64")]
    Amd64,
}

impl From<ArchArg> for helix_recipe::Architecture {
    fn from(arch: ArchArg) -> Self {
        match arch {
            ArchArg::Arm64 => Self::Arm64,
            ArchArg::Amd64 => Self::Amd64,
        }
    }
}

/// A recipe and how to read it.
#[derive(Debug, Args)]
pub(crate) struct RecipeArgs {
    /// The recipe: a name in recipes/, or a YAML file
    #[arg(default_value = "quickstart")]
    pub(crate) recipe: String,
    /// The image's architecture, instead of the recipe's
    #[arg(long, value_name = "ARCH")]
    pub(crate) arch: Option<ArchArg>,
    /// The mirror of the recipe's main archive
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Option<String>,
    /// The folder of the image [default: target/images/RECIPE]
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
}

/// Takes the name of one of these steps.
fn steps(names: &'static [&'static str]) -> impl TypedValueParser<Value = Step> {
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Step>())
}

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    #[command(flatten)]
    pub(crate) sources: SourceArgs,
    /// Stop after this step
    #[arg(long, value_name = "STEP", value_parser = steps(&["tools", "packages", "initramfs", "files", "containers", "disk", "test"]))]
    pub(crate) until: Option<Step>,
    /// Open a shell in the tree after this step, then stop
    #[arg(long = "break", value_name = "STEP", conflicts_with_all = ["until", "json"], value_parser = steps(&["packages", "files"]))]
    pub(crate) break_at: Option<Step>,
    /// Do not boot the image
    #[arg(long)]
    pub(crate) no_test: bool,
    /// How long the image may take to boot
    #[arg(long, value_name = "SECONDS", default_value = "900")]
    pub(crate) boot_timeout: u64,
    /// Boot the image afterwards, print a ready ssh command, and run until Ctrl-C
    #[arg(long, conflicts_with_all = ["json", "until"])]
    pub(crate) keep_booted: bool,
    /// How many threads compress the disk [default: all processors]; the result is the same
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
}

/// Where packages may come from.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// Refuse packages that differ from the lock
    #[arg(long, conflicts_with = "update_lock")]
    pub(crate) locked: bool,
    /// Resolve packages anew and write the lock
    #[arg(long, conflicts_with = "offline")]
    pub(crate) update_lock: bool,
    /// Use nothing but the cache
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BuildContainerArgs {
    /// The container recipe: a name in recipes/containers/, or a YAML file
    pub(crate) recipe: String,
    /// The image's architecture, instead of the recipe's
    #[arg(long, value_name = "ARCH")]
    pub(crate) arch: Option<ArchArg>,
    /// The mirror of the recipe's main archive
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Option<String>,
    /// The folder of the layout [default: target/containers/RECIPE]
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sources: SourceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    /// The recipes: names in recipes/ or recipes/containers/, or YAML files
    #[arg(required = true, value_name = "RECIPE")]
    pub(crate) recipes: Vec<String>,
    /// The architecture of the packages, instead of the recipes'
    #[arg(long, value_name = "ARCH")]
    pub(crate) arch: Option<ArchArg>,
    /// The mirror of the recipes' main archive
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TestImageArgs {
    /// The folder of the image
    #[arg(default_value = "target/images/quickstart")]
    pub(crate) dir: PathBuf,
    /// How long the image may take to boot
    #[arg(long, value_name = "SECONDS", default_value = "900")]
    pub(crate) boot_timeout: u64,
    /// A host encoder, with which the guest's elements are tested too
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) host_encoder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The folder of the image
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The folder of the earlier image
    pub(crate) before: PathBuf,
    /// The folder of the later image
    pub(crate) after: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DockerGraphArgs {
    /// The data root; no engine may be running on it
    #[arg(long, value_name = "DIR")]
    pub(crate) data_root: PathBuf,
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<ImageArg>,
    /// The architecture of the images [default: this machine's]
    #[arg(long, value_name = "ARCH")]
    pub(crate) arch: Option<ArchArg>,
    /// How a file that a layer does not change shares its data with the layer below
    #[arg(long, value_name = "HOW", default_value = "hardlinks")]
    pub(crate) share: ShareArg,
    /// How many layers are worked on at the same time [default: one more than there are processors]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
}

/// How layers share data.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ShareArg {
    /// Names of the same inode
    Hardlinks,
    /// Shared extents, on XFS and Btrfs
    Reflinks,
    /// Not at all
    Copies,
}

/// Where an image comes from, and what it is called.
#[derive(Debug, Clone)]
pub(crate) struct ImageArg {
    pub(crate) source: ImageSource,
    pub(crate) name: Option<helix_docker_graph::Reference>,
}

#[derive(Debug, Clone)]
pub(crate) enum ImageSource {
    Archive(PathBuf),
    Layout(PathBuf),
    Build(String),
    Registry(helix_docker_graph::Reference),
}

impl std::str::FromStr for ImageArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (source, name) = match text.rsplit_once('=') {
            Some((source, name)) => {
                (source, Some(name.parse().map_err(|e| format!("{name:?} is no name of an image: {e}"))?))
            }
            None => (text, None),
        };
        let (kind, place) = source.split_once(':').unwrap_or((source, ""));
        let source = match kind {
            _ if place.is_empty() => None,
            "archive" => Some(ImageSource::Archive(place.into())),
            "layout" => Some(ImageSource::Layout(place.into())),
            "build" => Some(ImageSource::Build(place.to_owned())),
            "registry" => {
                let reference = place.parse().map_err(|e| format!("{place:?} is no name of an image: {e}"))?;
                Some(ImageSource::Registry(reference))
            }
            _ => None,
        };
        let source = source.ok_or(
            "an image is archive:PATH, layout:PATH, registry:REFERENCE or build:RECIPE, with =NAME:TAG to give it \
             another name",
        )?;
        Ok(Self { source, name })
    }
}

#[derive(Debug, Args)]
pub(crate) struct VmArgs {
    #[command(subcommand)]
    pub(crate) action: VmAction,
}

/// What can be done with a VM.
#[derive(Debug, Subcommand)]
pub(crate) enum VmAction {
    /// Make a VM where there is none, start it, and wait until the guest is ready
    #[command(
        after_help = "Examples:\n  cargo xtask vm up\n  cargo xtask vm up work --image target/images/ubuntu-26.04 --json"
    )]
    Up(VmUpArgs),
    /// Shut a VM down: by its agent, then by the power button, then by force
    #[command(after_help = "Examples:\n  cargo xtask vm down\n  cargo xtask vm down work --timeout 30")]
    Down(VmDownArgs),
    /// Say what VMs there are and what they are doing
    #[command(after_help = "Examples:\n  cargo xtask vm status\n  cargo xtask vm status work --json | jq .state")]
    Status(VmStatusArgs),
    /// Say what the disks of a VM take on this computer and in the guest
    #[command(
        after_help = "Examples:\n  cargo xtask vm du\n  cargo xtask vm du work --json | jq .data_disk.computer_bytes"
    )]
    Du(VmName),
    /// Log in to a VM by SSH, or run a command there
    #[command(
        after_help = "With --json the command line is printed and not run.\n\nExamples:\n  cargo xtask vm ssh\n  cargo xtask vm ssh work -- docker ps"
    )]
    Ssh(VmSshArgs),
    /// Show what the guest wrote to its serial console, or what QEMU or the host encoder said
    #[command(after_help = "Examples:\n  cargo xtask vm logs --follow\n  cargo xtask vm logs work --of encoder")]
    Logs(VmLogsArgs),
    /// Sit at a VM's serial console; Ctrl-] leaves
    #[command(after_help = "With --json the path of its socket is printed.\n\nExamples:\n  cargo xtask vm console")]
    Console(VmName),
    /// Give a VM a fresh system disk from an image; its data disk stays
    #[command(
        after_help = "The disk before stays until the guest has come up from the fresh one.\n\nExamples:\n  cargo xtask vm reset\n  \
                      cargo xtask vm reset work --image target/images/ubuntu-26.04\n  cargo xtask vm reset work --roll-back"
    )]
    Reset(VmResetArgs),
    /// Delete a VM with all its disks
    #[command(after_help = "Examples:\n  cargo xtask vm rm work\n  cargo xtask vm rm work --yes")]
    Rm(VmRmArgs),
}

/// A VM.
#[derive(Debug, Args)]
pub(crate) struct VmName {
    /// The VM
    #[arg(default_value = "default")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) place: VmPlace,
}

/// Where VMs are.
#[derive(Debug, Args)]
pub(crate) struct VmPlace {
    /// The folder of all VMs [default: $XDG_DATA_HOME/helix/vms or ~/.local/share/helix/vms]
    #[arg(long, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
}

/// Takes a size of QEMU's window of memory: a power of two.
fn graphics_memory() -> impl TypedValueParser<Value = u64> {
    PossibleValuesParser::new(["256", "512", "1024", "2048", "4096", "8192"]).try_map(|mib| mib.parse::<u64>())
}

#[derive(Debug, Args)]
pub(crate) struct VmUpArgs {
    #[command(flatten)]
    pub(crate) vm: VmName,
    /// The folder of the image that a new VM is made from [default: target/images/quickstart]
    #[arg(long, value_name = "DIR")]
    pub(crate) image: Option<PathBuf>,
    /// How many processors the guest has [default: half of this machine's, 2 at least and 8 at most]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) cpus: Option<u32>,
    /// The guest's memory in MiB [default: half of this machine's, which must be 6144 at least]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1024..))]
    pub(crate) memory: Option<u64>,
    /// On a Mac: how much of its memory the graphics device can show the guest, in MiB [default: 256 where there are 16 GiB and
    /// less, 1024 where there is more]; a desktop takes 64 to 128
    #[arg(long, value_name = "MIB", value_parser = graphics_memory())]
    pub(crate) graphics_memory: Option<u64>,
    /// Hand this computer's proxy and the certificates that it trusts besides to the guest, its apt and its Docker
    #[arg(long)]
    pub(crate) host_network_settings: bool,
    /// The host encoder [default: what build-host-encoder made, if it did]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) host_encoder: Option<PathBuf>,
    /// Go without a host encoder
    #[arg(long, conflicts_with = "host_encoder")]
    pub(crate) no_host_encoder: bool,
    /// How long the guest may take to boot
    #[arg(long, value_name = "SECONDS", default_value = "900")]
    pub(crate) boot_timeout: u64,
}

#[derive(Debug, Args)]
pub(crate) struct VmDownArgs {
    #[command(flatten)]
    pub(crate) vm: VmName,
    /// How long the guest may take to power off before it is ended by force
    #[arg(long, value_name = "SECONDS", default_value = "90")]
    pub(crate) timeout: u64,
}

#[derive(Debug, Args)]
pub(crate) struct VmStatusArgs {
    /// The VM [default: all]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) place: VmPlace,
}

#[derive(Debug, Args)]
pub(crate) struct VmSshArgs {
    #[command(flatten)]
    pub(crate) vm: VmName,
    /// What to run there, and its arguments [default: a shell]
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct VmLogsArgs {
    #[command(flatten)]
    pub(crate) vm: VmName,
    /// Whose log
    #[arg(long, value_name = "WHO", default_value = "serial")]
    pub(crate) of: VmLog,
    /// Go on with what is added, until Ctrl-C
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) follow: bool,
}

/// A log of a VM.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum VmLog {
    /// The guest's serial console
    Serial,
    /// QEMU
    Qemu,
    /// The host encoder
    Encoder,
}

#[derive(Debug, Args)]
pub(crate) struct VmResetArgs {
    #[command(flatten)]
    pub(crate) vm: VmName,
    /// The folder of the image [default: the one that the VM was made from]
    #[arg(long, value_name = "DIR")]
    pub(crate) image: Option<PathBuf>,
    /// Take back the system disk from before the last reset, whose guest has not come up
    #[arg(long, conflicts_with = "image")]
    pub(crate) roll_back: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VmRmArgs {
    #[command(flatten)]
    pub(crate) vm: VmName,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The architecture of the images to build
    #[arg(long, value_name = "ARCH", default_value = "arm64")]
    pub(crate) arch: ArchArg,
}

#[derive(Debug, Args)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    pub(crate) action: CacheAction,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum CacheKind {
    /// Package files
    Packages,
    /// Trees, and what was made from them
    Trees,
    /// Tools trees
    Tools,
    /// Artifacts
    Blobs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheAction {
    /// List what is in the cache
    Ls,
    /// Remove what was not used for 30 days, and what killed builds left
    Gc,
    /// Remove one kind of entries, or everything
    Rm {
        /// What to remove; everything when not given
        kind: Option<CacheKind>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// What to measure
    pub(crate) what: BenchKind,
    /// The recipe
    #[arg(long, default_value = "quickstart")]
    pub(crate) recipe: String,
    /// With `build`: stop the alternative after N times our own time, and say that it took longer
    #[arg(long, value_name = "N")]
    pub(crate) at_most: Option<u32>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum BenchKind {
    /// Writing a qcow2, against qemu-img convert
    Qcow2,
    /// A cold build, against mmdebstrap, mke2fs and qemu-img
    Build,
    /// An image into a data root, against docker load
    DockerGraph,
    /// A build with one changed file, one with nothing changed, and the peak of memory
    Steps,
    /// Frames to the host's encoder and back, against encoders in one process
    Encode,
    /// An app of 800 MB assembled and signed, against copying and hashing it once
    Bundle,
    /// `vm up`, against the same QEMU started by hand
    Vm,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Run only these parts
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    pub(crate) only: Vec<TestPart>,
    /// How many points of a build the kill test tries
    #[arg(long, value_name = "N", default_value = "30")]
    pub(crate) kills: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestPart {
    /// Formatting and clippy
    Lint,
    /// Generated files
    Generated,
    /// Unit and integration tests of the crates
    Unit,
    /// Licences, bans, sources and advisories of dependencies
    Deny,
    /// The fuzz targets, for a short while each
    Fuzz,
    /// The quickstart image: a real build, booted and checked
    Image,
    /// The machine runner, with a real QEMU
    Machine,
    /// Data roots of `docker-graph`, with real engines of three ages; needs root
    Docker,
    /// Faults, locks and interruptions, with archives made by the test
    Faults,
    /// The Ubuntu recipes, with an archive of Ubuntu's shape made by the test
    Ubuntu,
    /// A build killed at many random points
    Kill,
    /// The VM's life: a real guest started, logged in to, reset, shut down; and faults
    Vm,
    /// The host encoder for a Mac: built twice, compared byte for byte, inspected; faults are found
    Mac,
    /// Helix.app and helix-linux.utm from a small sysroot: made twice, read back, spoilt; and faults
    Bundle,
    /// Two builds in different surroundings, compared byte for byte
    Twice,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// Fail when a generated file is not up to date
    #[arg(long)]
    pub(crate) check: bool,
}
