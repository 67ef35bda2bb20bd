//! `doctor`: what this machine lacks.

use helix_build::host::{self, Finding};
use helix_project::Project;
use helix_recipe::Architecture;
use helix_rootfs::Arch;

use crate::cli::DoctorArgs;
use crate::exit::Failure;

pub(crate) fn run(args: &DoctorArgs, json: bool) -> Result<(), Failure> {
    let target = match args.arch.into() {
        Architecture::Arm64 => Arch::Arm64,
        Architecture::Amd64 => Arch::Amd64,
    };
    let cache = super::workspace()?.cache;
    let mut findings = vec![project()?];
    findings.extend(host::examine(target, &cache));
    // Last, because this process is in the namespace then.
    findings.extend(host::attempt(target, &cache));
    if json {
        super::print_json(&findings);
    } else {
        for f in &findings {
            crate::ui::out(&format!("{} {:<26} {}", if f.ok { "ok     " } else { "MISSING" }, f.what, f.detail));
        }
    }
    if findings.iter().all(|f| f.ok) {
        return Ok(());
    }
    Err(helix_build::Error::Host(host::describe(&findings)).into())
}

fn project() -> Result<Finding, Failure> {
    let Project { root, found } = Project::find().map_err(helix_build::Error::from)?;
    let detail = format!("{} ({found})", root.display());
    Ok(Finding { what: "project".to_owned(), ok: true, detail, package: None, command: None })
}
