//! One file per verb.

pub(crate) mod bench;
pub(crate) mod build_container;
pub(crate) mod build_host_encoder;
pub(crate) mod build_image;
pub(crate) mod bundle;
pub(crate) mod cache;
pub(crate) mod check_host_encoder;
pub(crate) mod diff;
pub(crate) mod docker_graph;
pub(crate) mod doctor;
pub(crate) mod generate;
pub(crate) mod inspect;
pub(crate) mod picture;
pub(crate) mod plan;
pub(crate) mod resolve;
pub(crate) mod schema;
pub(crate) mod test;
pub(crate) mod test_image;
pub(crate) mod vm;

use std::path::{Path, PathBuf};

use helix_build::pipeline::Job;
use helix_build::resolve::LockMode;
use helix_build::steps::Step;
use helix_build::workshop::{Conduct, Mirror};
use helix_build::workspace::Workspace;

use crate::cli::{RecipeArgs, SourceArgs};
use crate::exit::Failure;
pub(crate) use crate::exit::print_json;

/// The checkout that programs, tests and generated files belong to.
pub(crate) fn sources() -> Result<PathBuf, Failure> {
    Ok(helix_project::sources().map_err(helix_build::Error::from)?)
}

/// The project that this program works on, and the cache. Says which, unless it is the one that the caller stands in.
pub(crate) fn workspace() -> Result<Workspace, Failure> {
    static SAY: std::sync::Once = std::sync::Once::new();
    let project = helix_project::Project::find().map_err(helix_build::Error::from)?;
    if project.found != helix_project::Found::WorkingFolder {
        SAY.call_once(|| eprintln!("project: {} ({})", project.root.display(), project.found));
    }
    Ok(Workspace::at(&project.root)?)
}

/// The job that a recipe and its options describe, to be built to the end.
pub(crate) fn job(args: &RecipeArgs) -> Result<Job, Failure> {
    let workspace = workspace()?;
    let file = workspace.recipe_file(&args.recipe)?;
    let options = helix_recipe::Options { architecture: args.arch.map(Into::into), mirror: None };
    let recipe = helix_recipe::load(&file, &options).map_err(helix_build::Error::from)?;
    let host_archives = host_archives(&file, &recipe);
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let output = match &args.output {
        Some(dir) => std::path::absolute(dir).map_err(|e| Failure::Other(format!("{}: {e}", dir.display())))?,
        None => workspace.output(&name),
    };
    let mirror = args.mirror.clone().map(|url| Mirror { archive: recipe.archives[0].name.clone(), url });
    let conduct = conduct(workspace, mirror);
    Ok(Job {
        conduct,
        name,
        file,
        recipe,
        host_archives,
        output,
        until: Step::Test,
        break_at: None,
        boot_deadline: std::time::Duration::from_secs(900),
    })
}

/// How a build goes about it unless options say otherwise.
pub(crate) fn conduct(workspace: Workspace, mirror: Option<Mirror>) -> Conduct {
    let threads = std::thread::available_parallelism().unwrap_or(std::num::NonZeroUsize::MIN);
    Conduct { workspace, mirror, lock: LockMode::Prefer, offline: false, threads }
}

/// Tells a build where packages may come from.
pub(crate) fn use_sources(conduct: &mut Conduct, sources: &SourceArgs) {
    conduct.lock = match (sources.locked, sources.update_lock) {
        (true, _) => LockMode::Locked,
        (_, true) => LockMode::Update,
        _ => LockMode::Prefer,
    };
    conduct.offline = sources.offline;
}

/// The recipe's archives as they are for the architecture of this machine: the recipe's own where it knows no other.
fn host_archives(file: &Path, recipe: &helix_recipe::Recipe) -> Vec<helix_recipe::Archive> {
    let architecture = match helix_rootfs::Arch::host() {
        Some(helix_rootfs::Arch::Arm64) => Some(helix_recipe::Architecture::Arm64),
        Some(helix_rootfs::Arch::Amd64) => Some(helix_recipe::Architecture::Amd64),
        None => None,
    };
    let options = helix_recipe::Options { architecture, mirror: None };
    helix_recipe::load(file, &options).map_or_else(|_| recipe.archives.clone(), |here| here.archives)
}
