//! `resolve`: solves recipes and writes their locks, without building anything.

use std::path::{Path, PathBuf};

use helix_build::container::ContainerJob;
use helix_build::locks::{Written, lock_container, lock_image};
use helix_build::pipeline::Job;
use helix_build::store::Store;
use helix_build::workshop::Mirror;
use helix_build::workspace::Workspace;
use helix_build::{Error, host};
use helix_recipe::Options;
use helix_rootfs::Arch;

use crate::cli::{RecipeArgs, ResolveArgs};
use crate::exit::{Failure, watch_interrupts};
use crate::ui::Ui;

/// What a name on the command line stands for.
enum Wanted {
    Image(Box<Job>),
    Container(ContainerJob),
}

pub(crate) fn run(args: &ResolveArgs, json: bool) -> Result<(), Failure> {
    // All names are looked at before anything is solved.
    let wanted = args.recipes.iter().map(|name| look_up(name, args)).collect::<Result<Vec<_>, _>>()?;
    watch_interrupts();
    let cache = super::workspace()?.cache;
    let host = Arch::host().ok_or_else(|| Error::Host("this architecture is not supported".into()))?;
    // Nothing of a recipe's architecture is run.
    host::ensure(host, &cache, &|text| eprintln!("{text}"))?;
    // Before the first thread: see the documentation of `enter`.
    helix_rootfs::namespace::enter().map_err(Error::from)?;
    let (store, ui) = (Store::open(&cache)?, Ui::new());
    let mut written = Vec::new();
    for wanted in &wanted {
        match wanted {
            Wanted::Image(job) => written.extend(lock_image(job, &store, &ui)?),
            Wanted::Container(job) => written.push(lock_container(job, &store, &ui)?),
        }
    }
    if json {
        super::print_json(&written);
    } else {
        written.iter().for_each(report);
    }
    Ok(())
}

fn look_up(name: &str, args: &ResolveArgs) -> Result<Wanted, Failure> {
    let workspace = super::workspace()?;
    let Some(file) = container_file(name, &workspace)? else {
        let recipe = RecipeArgs { recipe: name.to_owned(), arch: args.arch, mirror: args.mirror.clone(), output: None };
        return Ok(Wanted::Image(Box::new(super::job(&recipe)?)));
    };
    let options = Options { architecture: args.arch.map(Into::into), mirror: None };
    let recipe = helix_recipe::load_container(&file, &options).map_err(Error::from)?;
    let mirror = args.mirror.clone().map(|url| Mirror { archive: recipe.archives[0].name.clone(), url });
    let conduct = super::conduct(workspace, mirror);
    Ok(Wanted::Container(ContainerJob { conduct, file, architecture: recipe.architecture, output: PathBuf::new() }))
}

/// The container recipe that `name` means; none when it is a recipe for an image. A file says what it is by its keys.
fn container_file(name: &str, workspace: &Workspace) -> Result<Option<PathBuf>, Failure> {
    let image = match (workspace.recipe_file(name), workspace.container_file(name)) {
        (Err(_), Ok(container)) => return Ok(Some(container)),
        (Ok(image), Ok(container)) if image == container => image,
        (Ok(_), _) => return Ok(None),
        (Err(image), Err(container)) => return Err(Error::Usage(format!("{image}\n{container}")).into()),
    };
    Ok(is_container(&image).then_some(image))
}

fn is_container(file: &Path) -> bool {
    let options = Options { architecture: None, mirror: None };
    helix_recipe::load(file, &options).is_err() && helix_recipe::load_container(file, &options).is_ok()
}

fn report(written: &Written) {
    let Written { recipe, architecture, lock, packages, differences } = written;
    crate::ui::out(&format!("{recipe} {architecture}: {packages} packages in {}", lock.display()));
    for line in differences {
        crate::ui::out(&format!("  {line}"));
    }
}
