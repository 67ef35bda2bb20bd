//! The launcher in a terminal: progress as lines, the address, and an end by Ctrl-C.

use std::process::ExitCode;

use crate::browser;
use crate::launcher::Launcher;
use crate::machine::{Input, State};
use crate::signals;

/// Runs the launcher until it is told to end, or the VM fails: then it is shut down, and the reason is told last.
pub(crate) fn run(launcher: Launcher) -> ExitCode {
    let inputs = launcher.inputs();
    let quit = inputs.clone();
    // Without a launcher there is nothing to end.
    let watched = signals::watch(move || drop(quit.send(Input::Quit)));
    if let Err(error) = watched {
        eprintln!("error: watching for Ctrl-C: {error}");
        return ExitCode::FAILURE;
    }
    let logs = launcher.logs();
    let (mut last, mut failure) = (String::new(), None);
    launcher.run(&mut |state| {
        if let State::Failed(reason) = state {
            failure = Some(reason.clone());
            let _ = inputs.send(Input::Quit);
            return;
        }
        let line = line(state);
        if line != last {
            eprintln!("{line}");
            last = line;
        }
    });
    match failure {
        None => ExitCode::SUCCESS,
        Some(reason) => {
            eprintln!("error: {reason}\n  the logs are in {}", logs.display());
            ExitCode::FAILURE
        }
    }
}

fn line(state: &State) -> String {
    match state {
        State::Stopped => "stopped".to_owned(),
        State::Preparing(what) => format!("preparing: {what}"),
        State::Starting(what) => format!("starting: {what}"),
        State::Ready { api, update } => {
            let address = browser::address(*api);
            let hint = if *update {
                "\nthe image is newer than the VM; take it, and keep the data, with --update"
            } else {
                ""
            };
            format!("ready: {address} (Ctrl-C shuts it down){hint}")
        }
        State::Paused(why) => format!("paused: {why}; it goes on when this computer has space again"),
        State::Stopping => "shutting down".to_owned(),
        State::Failed(reason) => format!("failed: {reason}"),
    }
}
