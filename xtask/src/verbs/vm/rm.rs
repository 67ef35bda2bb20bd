//! `vm rm`: deletes a VM, after a question.

use std::io::IsTerminal;

use helix_vm::life::Vm;

use crate::cli::VmRmArgs;
use crate::exit::Failure;

pub(crate) fn run(args: &VmRmArgs, json: bool) -> Result<(), Failure> {
    let vm = super::named(&args.vm)?;
    if vm.exists() && !args.yes && !agreed(&vm)? {
        eprintln!("nothing was deleted");
        return Ok(());
    }
    vm.rm()?;
    if json {
        crate::verbs::print_json(&serde_json::json!({ "name": vm.name(), "removed": true }));
    } else {
        crate::ui::out(&format!("the VM {} is deleted", vm.name()));
    }
    Ok(())
}

fn agreed(vm: &Vm) -> Result<bool, Failure> {
    let name = vm.name();
    if !std::io::stdin().is_terminal() {
        let text =
            format!("deleting the VM {name} with its data has to be confirmed:\n  cargo xtask vm rm {name} --yes");
        return Err(helix_build::Error::Usage(text).into());
    }
    eprint!("Delete the VM {name} with its disks, the data disk too? Type its name: ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.map_err(|e| Failure::Other(format!("reading the answer: {e}")))?;
    Ok(answer.trim() == name)
}
