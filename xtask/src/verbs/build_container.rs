//! `build-container`: from a container recipe to an OCI layout.

use std::time::Instant;

use helix_build::container::{ContainerJob, ContainerOutput, build};
use helix_build::host;
use helix_build::store::Store;
use helix_build::workshop::Mirror;
use helix_recipe::Options;

use crate::cli::BuildContainerArgs;
use crate::exit::{Failure, watch_interrupts};
use crate::ui::Ui;

pub(crate) fn run(args: &BuildContainerArgs, json: bool) -> Result<(), Failure> {
    let started = Instant::now();
    let workspace = super::workspace()?;
    let file = workspace.container_file(&args.recipe)?;
    let options = Options { architecture: args.arch.map(Into::into), mirror: None };
    let recipe = helix_recipe::load_container(&file, &options).map_err(helix_build::Error::from)?;
    let output = match &args.output {
        Some(dir) => std::path::absolute(dir).map_err(|e| Failure::Other(format!("{}: {e}", dir.display())))?,
        None => workspace.container_output(&file.file_stem().unwrap_or_default().to_string_lossy()),
    };
    let mirror = args.mirror.clone().map(|url| Mirror { archive: recipe.archives[0].name.clone(), url });
    let mut conduct = super::conduct(workspace, mirror);
    super::use_sources(&mut conduct, &args.sources);
    watch_interrupts();
    let architecture = helix_build::steps::arch(recipe.architecture);
    host::ensure(architecture, &conduct.workspace.cache, &|text| eprintln!("{text}"))?;
    // Before the first thread: see the documentation of `enter`.
    helix_rootfs::namespace::enter().map_err(helix_build::Error::from)?;
    let store = Store::open(&conduct.workspace.cache)?;
    let job = ContainerJob { conduct, file, architecture: recipe.architecture, output };
    let made = build(&job, &store, &Ui::new())?;
    report(&job, &made, started, json);
    Ok(())
}

fn report(job: &ContainerJob, made: &ContainerOutput, started: Instant, json: bool) {
    let seconds = started.elapsed().as_secs_f64();
    if json {
        super::print_json(&serde_json::json!({ "layout": job.output, "image": made, "seconds": seconds }));
        return;
    }
    let size: u64 = made.layers.iter().sum();
    eprintln!(
        "\n{} {}, {} packages, {} layers, {} MB unpacked\n  {}\n({seconds:.1} s)",
        made.id,
        made.architecture,
        made.packages,
        made.layers.len(),
        size / 1_000_000,
        job.output.display(),
    );
}
