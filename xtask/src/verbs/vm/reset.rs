//! `vm reset`: a fresh system disk.

use helix_vm::life::Vm;

use crate::cli::VmResetArgs;
use crate::exit::Failure;
use crate::ui::Ui;

pub(crate) fn run(args: &VmResetArgs, json: bool) -> Result<(), Failure> {
    let vm = super::named(&args.vm)?;
    if args.roll_back {
        return roll_back(&vm, json);
    }
    let ui = Ui::new();
    let mut copying = super::Copying::new(&ui);
    let reset = vm.reset(args.image.as_deref(), &mut |done, all| copying.advance(done, all))?;
    if json {
        crate::verbs::print_json(&reset);
        return Ok(());
    }
    crate::ui::out(&format!(
        "the VM {0} has a fresh system disk from {1}; start it with\n  cargo xtask vm up {0}",
        reset.name,
        reset.image.display()
    ));
    Ok(())
}

fn roll_back(vm: &Vm, json: bool) -> Result<(), Failure> {
    let back = vm.roll_back()?;
    if json {
        crate::verbs::print_json(&back);
        return Ok(());
    }
    crate::ui::out(&format!(
        "the VM {0} has its system disk from {1} again; start it with\n  cargo xtask vm up {0}",
        back.name,
        back.image.display()
    ));
    Ok(())
}
