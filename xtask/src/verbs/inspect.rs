//! `inspect`: an image folder for people.

use crate::cli::InspectArgs;
use crate::exit::Failure;

pub(crate) fn run(args: &InspectArgs, json: bool) -> Result<(), Failure> {
    let found = helix_build::inspect::inspect(&args.dir)?;
    if json {
        super::print_json(&found);
    } else {
        let m = &found.manifest;
        println!("recipe        {} ({})", m.recipe, m.resolved_recipe["summary"].as_str().unwrap_or_default());
        println!("release       {} {}", m.resolved_recipe["distribution"].as_str().unwrap_or("?"), m.resolved_recipe["release"].as_str().unwrap_or("?"));
        println!("architecture  {}", m.architecture);
        println!("kernel        {}", m.kernel);
        println!("packages      {}", m.packages);
        println!("size          {:.1} MB, {:.1} GiB virtual", m.size as f64 / 1e6, m.virtual_size as f64 / f64::from(1 << 30));
        println!("lock          {}{}", &m.lock_digest[..12.min(m.lock_digest.len())], if m.lock_differences.is_empty() { String::new() } else { format!(", {} packages differ", m.lock_differences.len()) });
        for (name, version) in &m.tools {
            println!("tool          {name} {version}");
        }
        for (name, digest) in &m.artifacts {
            println!("sha256        {digest}  {name}");
        }
        match &m.verification {
            None => println!("boot test     not run"),
            Some(v) => {
                println!("boot test     {} ({})", if v.passed { "passed" } else { "FAILED" }, v.accelerator);
                for (name, outcome) in &v.checks {
                    println!("  {outcome:<14}{name}");
                }
            }
        }
    }
    if found.damaged.is_empty() {
        return Ok(());
    }
    Err(Failure::Found(format!("files are not those of the manifest:\n  {}", found.damaged.join("\n  "))))
}
