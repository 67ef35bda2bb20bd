//! `vm ssh`: becomes ssh, so that its exit code is this program's.

use std::os::unix::process::CommandExt;

use crate::cli::VmSshArgs;
use crate::exit::Failure;
use crate::verbs::test::host;

pub(crate) fn run(args: &VmSshArgs, json: bool) -> Result<(), Failure> {
    let mut command = super::named(&args.vm)?.ssh(&args.command)?;
    if json {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let argv: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        crate::verbs::print_json(&serde_json::json!({ "argv": argv }));
        return Ok(());
    }
    host::ensure(&[("ssh", "openssh-client")]).map_err(helix_build::Error::Host)?;
    Err(Failure::Other(format!("starting ssh: {}", command.exec())))
}
