//! `doctor`: what this machine lacks.

use helix_build::host;
use helix_recipe::Architecture;
use helix_rootfs::Arch;

use crate::cli::DoctorArgs;
use crate::exit::Failure;

pub(crate) fn run(args: &DoctorArgs, json: bool) -> Result<(), Failure> {
    let target = match args.arch.into() {
        Architecture::Arm64 => Arch::Arm64,
        Architecture::Amd64 => Arch::Amd64,
    };
    let findings = host::examine(target, &super::workspace()?.cache);
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
