//! `vm logs`: what was written, and what is being written.

use helix_vm::life::Log;

use crate::cli::{VmLog, VmLogsArgs};
use crate::exit::Failure;

pub(crate) fn run(args: &VmLogsArgs, json: bool) -> Result<(), Failure> {
    let vm = super::named(&args.vm)?;
    let log = match args.of {
        VmLog::Serial => Log::Serial,
        VmLog::Qemu => Log::Qemu,
        VmLog::Encoder => Log::Encoder,
    };
    if !json {
        return Ok(vm.logs(log, args.follow, &mut std::io::stdout())?);
    }
    let mut bytes = Vec::new();
    vm.logs(log, false, &mut bytes)?;
    crate::verbs::print_json(&serde_json::json!({ "name": vm.name(), "text": String::from_utf8_lossy(&bytes) }));
    Ok(())
}
