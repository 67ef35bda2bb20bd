//! `vm down`: the guest's own way first, force last.

use std::time::Duration;

use helix_build::progress::Progress;
use helix_vm::Shutdown;

use crate::cli::VmDownArgs;
use crate::exit::Failure;
use crate::ui::Ui;

pub(crate) fn run(args: &VmDownArgs, json: bool) -> Result<(), Failure> {
    let vm = super::named(&args.vm)?;
    let ui = Ui::new();
    ui.begin("Shutting down", None);
    let down = vm.down(Duration::from_secs(args.timeout));
    ui.end("");
    let down = down?;
    if json {
        crate::verbs::print_json(&down);
        return Ok(());
    }
    let how = match down.ended.map(|ended| ended.how) {
        None => "did not run",
        Some(Shutdown::Guest) => "was shut down by its agent",
        Some(Shutdown::Button) => "was shut down by its power button",
        Some(Shutdown::Quit | Shutdown::Terminated) => "did not shut down in time: QEMU was told to end",
        Some(Shutdown::Killed) => "did not shut down in time, and QEMU did not end: it was killed",
    };
    crate::ui::out(&format!("the VM {} {how}", down.name));
    Ok(())
}
