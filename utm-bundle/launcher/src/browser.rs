//! Other programs that show something to people.

use helix_command::Cmd;

use crate::platform;

/// Opens an address or a folder with the program that the user has for it. Nothing waits for that program; where there is
/// none, or nobody sits at a screen, nothing happens: the address is told in words too.
pub(crate) fn open(what: &str) {
    let Some(opener) = platform::opener() else { return };
    let command = Cmd::new(opener).arg(what);
    std::thread::spawn(move || {
        // Its own messages are for its user.
        let _ = command.output();
    });
}

/// The address of the guest's API.
pub(crate) fn address(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
