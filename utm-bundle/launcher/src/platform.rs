//! What differs between the systems. No other module asks which one this is.

use std::process::ExitCode;

use crate::launcher::Launcher;

/// Runs the launcher with this system's user interface.
#[cfg(target_os = "macos")]
pub fn run(launcher: Launcher) -> ExitCode {
    crate::menu_bar::run(launcher)
}

/// Runs the launcher with this system's user interface.
#[cfg(not(target_os = "macos"))]
pub fn run(launcher: Launcher) -> ExitCode {
    crate::terminal::run(launcher)
}

/// Tells somebody why nothing can be launched; who double-clicked has no terminal.
#[cfg(target_os = "macos")]
pub fn complain(text: &str) {
    eprintln!("{text}");
    crate::menu_bar::alert(text);
}

/// Tells somebody why nothing can be launched.
#[cfg(not(target_os = "macos"))]
pub fn complain(text: &str) {
    eprintln!("{text}");
}

/// The program that opens what it is given with the user's own, where somebody sits at a screen.
#[cfg(target_os = "macos")]
pub(crate) fn opener() -> Option<&'static str> {
    Some("/usr/bin/open")
}

/// The program that opens what it is given with the user's own, where somebody sits at a screen.
#[cfg(not(target_os = "macos"))]
pub(crate) fn opener() -> Option<&'static str> {
    let screen =
        ["WAYLAND_DISPLAY", "DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()));
    screen.then_some("xdg-open")
}
