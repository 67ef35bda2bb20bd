//! What a build would do: which steps are there already, and what changed in the others.

use serde::Serialize;

use crate::error::Error;
use crate::key::Inputs;
use crate::lock::Lock;
use crate::locks::{own_unverified, unverified_containers};
use crate::manifest::Manifest;
use crate::pipeline::Job;
use crate::steps::{Step, StepInputs, arch_of};
use crate::store::{Kind, Store};
use crate::tools::Tools;

/// One step of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// The step.
    pub step: Step,
    /// Its key; missing while the packages are not resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether its result is there.
    pub cached: bool,
    /// Why it is not: the inputs that changed since the step was last done, or that it was never done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Recipes whose packages it needs and that have no lock: nobody has solved them yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unverified: Vec<String>,
}

/// Works out the plan of a job without doing anything.
///
/// # Errors
/// When a file of the recipe or a lock cannot be read.
pub fn plan(job: &Job, store: &Store) -> Result<Vec<PlannedStep>, Error> {
    let target = arch_of(&job.recipe);
    let host = helix_rootfs::Arch::host().ok_or_else(|| Error::Host("this architecture is not supported".into()))?;
    let tools = Tools::locked(&job.conduct.workspace, host, target);
    let lock = Lock::read(&job.lock_file())?;
    let resolution = lock.as_ref().and_then(|l| l.get(target.debian_name())).filter(|r| r.request == job.request());
    let (workspace, components) = (&job.conduct.workspace, &job.recipe.guest_components);
    let guests = crate::guest::locked_keys(workspace, job.recipe.architecture, components)?;
    let inputs = match (&tools, resolution, guests) {
        (Some((tools, identity)), Some(r), Some(guests)) => {
            let containers = crate::containers::identities(job, identity)?;
            Some(StepInputs::of(&job.recipe, &r.digest(), r.epoch, identity, &tools.key(), &guests, &containers)?)
        }
        _ => None,
    };
    let image = Manifest::read(&job.output).ok();
    let has_containers = !job.recipe.container_images.is_empty();
    let (own, of_containers) = (own_unverified(job)?, unverified_containers(job)?);
    let steps = Step::ALL.into_iter().filter(|step| *step != Step::Containers || has_containers).map(|step| {
        let wanted = if step == Step::Tools {
            tools.as_ref().map(|(inputs, _)| inputs)
        } else {
            inputs.as_ref().and_then(|i| i.get(step))
        };
        let unverified = match step {
            Step::Packages => own.clone(),
            Step::Containers => of_containers.clone(),
            _ => Vec::new(),
        };
        let Some(wanted) = wanted else {
            return PlannedStep {
                step,
                key: None,
                cached: false,
                changed: vec!["the packages are not resolved yet, or the recipe asks for others than its lock".into()],
                unverified,
            };
        };
        let cached = match step {
            Step::Tools => store.get(Kind::Tools, &wanted.key()).is_some(),
            Step::Packages | Step::Initramfs | Step::Containers => store.get(Kind::Trees, &wanted.key()).is_some(),
            // The tree is not kept by itself; it is there when the disk that holds it is.
            Step::Files => image.as_ref().is_some_and(|m| Some(&m.inputs) == inputs.as_ref().map(|i| &i.disk)),
            Step::Disk => image.as_ref().is_some_and(|m| m.inputs == *wanted),
            Step::Test => {
                image.as_ref().and_then(|m| m.verification.as_ref()).is_some_and(|v| v.passed && v.inputs == *wanted)
            }
        };
        let changed = if cached { Vec::new() } else { reasons(wanted, store.last(&job.last_name(step))) };
        PlannedStep { step, key: Some(wanted.key()), cached, changed, unverified }
    });
    Ok(steps.collect())
}

fn reasons(wanted: &Inputs, last: Option<Inputs>) -> Vec<String> {
    match last {
        None => vec!["never done here".to_owned()],
        Some(last) => {
            let changed = wanted.changed_since(&last);
            if changed.is_empty() { vec!["its result is no longer there".to_owned()] } else { changed }
        }
    }
}
