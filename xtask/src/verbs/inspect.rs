//! `inspect`: an image folder for people.

use crate::cli::InspectArgs;
use crate::exit::Failure;

pub(crate) fn run(args: &InspectArgs, json: bool) -> Result<(), Failure> {
    let found = helix_build::inspect::inspect(&args.dir)?;
    if json {
        super::print_json(&found);
    } else {
        let m = &found.manifest;
        crate::ui::out(&format!(
            "recipe        {} ({})",
            m.recipe,
            m.resolved_recipe["summary"].as_str().unwrap_or_default()
        ));
        crate::ui::out(&format!(
            "release       {} {}",
            m.resolved_recipe["distribution"].as_str().unwrap_or("?"),
            m.resolved_recipe["release"].as_str().unwrap_or("?")
        ));
        crate::ui::out(&format!("architecture  {}", m.architecture));
        crate::ui::out(&format!("kernel        {}", m.kernel));
        crate::ui::out(&format!("packages      {}", m.packages));
        crate::ui::out(&format!(
            "size          {:.1} MB, {:.1} GiB virtual",
            m.size as f64 / 1e6,
            m.virtual_size as f64 / f64::from(1 << 30)
        ));
        crate::ui::out(&format!(
            "lock          {}{}",
            &m.lock_digest[..12.min(m.lock_digest.len())],
            if m.lock_differences.is_empty() {
                String::new()
            } else {
                format!(", {} packages differ", m.lock_differences.len())
            }
        ));
        if !m.unverified.is_empty() {
            crate::ui::out(&format!("unverified    had no lock when it was made: {}", m.unverified.join(", ")));
        }
        for (name, version) in &m.tools {
            crate::ui::out(&format!("tool          {name} {version}"));
        }
        for (name, digest) in &m.artifacts {
            crate::ui::out(&format!("sha256        {digest}  {name}"));
        }
        match &m.verification {
            None => crate::ui::out("boot test     not run"),
            Some(v) => {
                crate::ui::out(&format!(
                    "boot test     {} ({})",
                    if v.passed { "passed" } else { "FAILED" },
                    v.accelerator
                ));
                for (name, outcome) in &v.checks {
                    crate::ui::out(&format!("  {outcome:<14}{name}"));
                }
            }
        }
    }
    if found.damaged.is_empty() {
        return Ok(());
    }
    Err(Failure::Found(format!("files are not those of the manifest:\n  {}", found.damaged.join("\n  "))))
}
