//! `vm`: machines that stay.

mod console;
mod down;
mod du;
mod logs;
mod reset;
mod rm;
mod ssh;
mod status;
mod up;

use helix_vm::life::{Home, SystemClock, Vm};

use crate::cli::{VmAction, VmArgs, VmName};
use crate::exit::Failure;
use crate::ui::Ui;

pub(crate) fn run(args: &VmArgs, json: bool) -> Result<(), Failure> {
    match &args.action {
        VmAction::Up(args) => up::run(args, json),
        VmAction::Down(args) => down::run(args, json),
        VmAction::Status(args) => status::run(args, json),
        VmAction::Du(args) => du::run(args, json),
        VmAction::Ssh(args) => ssh::run(args, json),
        VmAction::Logs(args) => logs::run(args, json),
        VmAction::Console(args) => console::run(args, json),
        VmAction::Reset(args) => reset::run(args, json),
        VmAction::Rm(args) => rm::run(args, json),
    }
}

/// The machine that a command line names. Whatever is done with it, its guest's clock is right before.
fn named(args: &VmName) -> Result<Vm, Failure> {
    let vm = Home::find(args.place.home.as_deref())?.vm(&args.name)?;
    follow_clock(&vm);
    Ok(vm)
}

/// A guest's clock stands still while this computer sleeps. That it cannot be set keeps nobody from looking at the machine.
fn follow_clock(vm: &Vm) {
    match vm.follow_clock(&SystemClock) {
        Ok(None) => {}
        Ok(Some(set)) => eprintln!("note: {set}"),
        Err(error) => eprintln!("warning: {error}"),
    }
}

/// Shows how far a copy of an image has come.
struct Copying<'a> {
    ui: &'a Ui,
    done: u64,
}

impl<'a> Copying<'a> {
    fn new(ui: &'a Ui) -> Self {
        Self { ui, done: 0 }
    }

    fn advance(&mut self, done: u64, all: u64) {
        use helix_build::progress::Progress;
        if self.done == 0 {
            self.ui.begin("Copying the image", Some(all));
        }
        self.ui.advance(done - self.done, "");
        self.done = done;
        if done == all {
            self.ui.end(&format!("{} MB", all / 1_000_000));
        }
    }
}
