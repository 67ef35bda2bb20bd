//! Other programs that show something to people.

use std::process::Stdio;

use helix_command::Cmd;

use crate::platform;

/// Opens an address or a folder with the program that the user has for it. Nothing waits for that program; where there is
/// none, or nobody sits at a screen, nothing happens: the address is told in words too.
pub(crate) fn open(what: &str) {
    let Some(opener) = platform::opener() else { return };
    // It is started here, and not on the thread that waits for it: this program may end with the next line.
    let command =
        Cmd::new(opener).arg(what).to_std().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if let Ok(mut child) = command {
        std::thread::spawn(move || child.wait());
    }
}

/// The address of the guest's API.
pub(crate) fn address(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
