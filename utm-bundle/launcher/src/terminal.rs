//! The launcher in a terminal: progress as lines, the address, and an end by Ctrl-C.

use std::mem::{Discriminant, discriminant};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::browser;
use crate::launcher::Launcher;
use crate::machine::{Input, State};
use crate::signals;

/// The pause between two lines of the same progress.
const PROGRESS: Duration = Duration::from_secs(5);

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
    let (mut lines, mut failure) = (Lines::default(), None);
    launcher.run(&mut |state| {
        if let State::Failed(reason) = state {
            failure = Some(reason.clone());
            let _ = inputs.send(Input::Quit);
            return;
        }
        if lines.are_for(state) {
            eprintln!("{}", line(state));
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

/// Which states are worth a line: those of another kind than the last one, and of progress one every few seconds.
#[derive(Default)]
struct Lines {
    last: Option<(Discriminant<State>, Instant)>,
}

impl Lines {
    fn are_for(&mut self, state: &State) -> bool {
        let kind = discriminant(state);
        let progress = matches!(state, State::Preparing(_) | State::Starting(_));
        if self.last.is_some_and(|(last, when)| progress && last == kind && when.elapsed() < PROGRESS) {
            return false;
        }
        self.last = Some((kind, Instant::now()));
        true
    }
}

fn line(state: &State) -> String {
    match state {
        State::Stopped => "stopped".to_owned(),
        State::Preparing(what) => format!("preparing: {what}"),
        State::Starting(what) => format!("starting: {what}"),
        State::Ready { api, update, encoder_ended } => {
            let mut text = format!("ready: {} (Ctrl-C shuts it down)", browser::address(*api));
            if *update {
                text += "\nthe image is another one than the VM's; take it, and keep the data, with --update";
            }
            if *encoder_ended {
                text += "\nthe host encoder has ended; its log is in the VM's folder run, and it is started at the next launch";
            }
            text
        }
        State::Paused(why) => format!("paused: {why}; it goes on when this computer has space again"),
        State::Stopping => "shutting down".to_owned(),
        State::Failed(reason) => format!("failed: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_has_a_line_now_and_then_and_every_change_has_one() {
        let mut lines = Lines::default();
        let copying = |done: u32| State::Preparing(format!("{done} MB"));
        assert!(lines.are_for(&copying(1)));
        assert!(!(2..500).any(|done| lines.are_for(&copying(done))));
        assert!(lines.are_for(&State::Starting("kernel".into())));
        assert!(lines.are_for(&State::Ready { api: 1, update: false, encoder_ended: false }));
        assert!(lines.are_for(&State::Ready { api: 1, update: true, encoder_ended: false }));
        assert!(lines.are_for(&State::Stopping) && lines.are_for(&State::Stopped));
    }
}
