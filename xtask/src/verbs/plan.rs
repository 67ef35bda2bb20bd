//! `plan`: what a build would do.

use helix_build::plan;
use helix_build::store::Store;

use crate::cli::RecipeArgs;
use crate::exit::Failure;

pub(crate) fn run(args: &RecipeArgs, json: bool) -> Result<(), Failure> {
    let job = super::job(args)?;
    let steps = plan::plan(&job, &Store::open(&job.conduct.workspace.cache)?)?;
    if json {
        super::print_json(&steps);
        return Ok(());
    }
    for step in steps {
        let key = step.key.as_deref().map_or("-", |k| &k[..12]);
        let state = if step.cached { "cached".to_owned() } else { format!("to do: {}", step.changed.join(", ")) };
        crate::ui::out(&format!("{:<10} {key:<12}  {state}", step.step.name()));
        if !step.unverified.is_empty() {
            let recipes = step.unverified.join(" ");
            crate::ui::out(&format!("{:<24}unverified, without a lock: cargo xtask resolve {recipes}", ""));
        }
    }
    Ok(())
}
