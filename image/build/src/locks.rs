//! Locks without builds: which recipes lack one, and solving a recipe to write it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use helix_recipe::{Architecture, ImageSource};
use serde::Serialize;

use crate::container::{ContainerJob, package_set};
use crate::error::Error;
use crate::lock::Lock;
use crate::pipeline::{Job, Session};
use crate::progress::Progress;
use crate::resolve::LockMode;
use crate::store::Store;
use crate::workshop::{Conduct, PackageSet, Workshop};

/// A recipe whose lock was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The recipe's name.
    pub recipe: String,
    /// The architecture that the answer is for.
    pub architecture: String,
    /// The lock.
    pub lock: PathBuf,
    /// How many packages there are.
    pub packages: usize,
    /// How they differ from what was in the lock, in words; empty when it had no answer.
    pub differences: Vec<String>,
}

/// The name of a recipe: its file's without the ending.
fn name(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The recipe itself, when its lock has no packages for the architecture. Nobody has solved it then, so that nothing is
/// known of its packages but their names.
pub(crate) fn own_unverified(job: &Job) -> Result<Vec<String>, Error> {
    let known = is_solved(&job.file, job.recipe.architecture)?;
    Ok(if known { Vec::new() } else { vec![name(&job.file)] })
}

/// The same for the container recipes that are built into the image.
pub(crate) fn unverified_containers(job: &Job) -> Result<Vec<String>, Error> {
    let mut found = BTreeSet::new();
    for file in container_recipes(job) {
        if !is_solved(file, job.recipe.architecture)? {
            found.insert(name(file));
        }
    }
    Ok(found.into_iter().collect())
}

fn is_solved(recipe: &Path, architecture: Architecture) -> Result<bool, Error> {
    let lock = Lock::read(&recipe.with_extension("lock"))?;
    Ok(lock.is_some_and(|lock| lock.get(architecture.as_str()).is_some()))
}

/// The container recipes of an image, each once.
fn container_recipes(job: &Job) -> BTreeSet<&Path> {
    let sources = job.recipe.container_images.iter().map(|image| &image.source);
    sources.filter_map(|s| if let ImageSource::Build(path) = s { Some(path.path()) } else { None }).collect()
}

/// Solves the packages of an image and of the containers in it, and writes the locks. Must run inside the namespace of
/// [`helix_rootfs::namespace`].
///
/// # Errors
/// When the tools cannot be made, or the archives do not have what is asked for. Locks that are solved by then are kept.
pub fn lock_image(job: &Job, store: &Store, progress: &dyn Progress) -> Result<Vec<Written>, Error> {
    let tools = tools_conduct(&job.conduct);
    let shop = Workshop::open(&tools, job.recipe.architecture, store, progress)?;
    let mut written = vec![settle(&shop, &job.file, &job.package_set())?];
    for file in container_recipes(job) {
        written.push(settle(&shop, file, &package_set(job.recipe.architecture, file)?)?);
    }
    let fresh = Job { conduct: Conduct { lock: LockMode::Update, ..job.conduct.clone() }, ..job.clone() };
    Session::with(&fresh, shop).pin_all()?;
    Ok(written)
}

/// The same for a container recipe.
///
/// # Errors
/// As [`lock_image`].
pub fn lock_container(job: &ContainerJob, store: &Store, progress: &dyn Progress) -> Result<Written, Error> {
    let tools = tools_conduct(&job.conduct);
    let shop = Workshop::open(&tools, job.architecture, store, progress)?;
    settle(&shop, &job.file, &package_set(job.architecture, &job.file)?)
}

/// The tools are those of their own lock: they are not what is solved.
fn tools_conduct(conduct: &Conduct) -> Conduct {
    Conduct { lock: LockMode::Prefer, offline: false, ..conduct.clone() }
}

fn settle(shop: &Workshop<'_>, file: &Path, set: &PackageSet) -> Result<Written, Error> {
    let answer = shop.settle_packages(set)?;
    Ok(Written {
        recipe: name(file),
        architecture: set.architecture.to_string(),
        lock: set.lock.clone(),
        packages: answer.resolution.packages.len(),
        differences: answer.differences,
    })
}
