//! `vm console`: this terminal becomes the guest's serial console.

use std::io::{IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::cli::VmName;
use crate::exit::Failure;

/// Ctrl-], as of telnet: what a guest's programs hardly use.
const LEAVE: u8 = 0x1d;

pub(crate) fn run(args: &VmName, json: bool) -> Result<(), Failure> {
    let vm = super::named(args)?;
    let socket = vm.console()?;
    if json {
        let path = socket.peer_addr().ok().and_then(|address| address.as_pathname().map(ToOwned::to_owned));
        crate::verbs::print_json(&serde_json::json!({ "name": vm.name(), "socket": path }));
        return Ok(());
    }
    let told = |e: std::io::Error| Failure::Other(format!("at the console of the VM {}: {e}", vm.name()));
    let raw = Raw::begin().map_err(told)?;
    if raw.is_some() {
        eprintln!("the console of the VM {}; Ctrl-] leaves\r", vm.name());
    }
    attach(socket).map_err(told)
}

/// A terminal that passes every key on, until it is dropped.
struct Raw(Termios);

impl Raw {
    /// Nothing when the input is no terminal.
    fn begin() -> std::io::Result<Option<Self>> {
        let input = std::io::stdin();
        if !input.is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(&input)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&input, OptionalActions::Now, &raw)?;
        Ok(Some(Self(before)))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Copies both ways until the machine or the input ends, or somebody wants to leave.
fn attach(mut socket: UnixStream) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let (keys, words) = ready(&socket)?;
        if words {
            match socket.read(&mut buffer)? {
                0 => return Ok(()),
                count => show(&buffer[..count])?,
            }
        }
        if keys {
            // Not the buffered handle of the standard library: what it has read ahead does not show in a poll.
            let count = rustix::io::read(std::io::stdin(), &mut buffer)?;
            let typed = &buffer[..count];
            let until = typed.iter().position(|&key| key == LEAVE);
            socket.write_all(&typed[..until.unwrap_or(count)])?;
            if count == 0 || until.is_some() {
                return Ok(());
            }
        }
    }
}

/// Whether there are keys, and whether there are words, once there are any.
fn ready(socket: &UnixStream) -> std::io::Result<(bool, bool)> {
    let input = std::io::stdin();
    loop {
        let mut fds = [PollFd::new(&input, PollFlags::IN), PollFd::new(socket, PollFlags::IN)];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok((!fds[0].revents().is_empty(), !fds[1].revents().is_empty())),
        }
    }
}

fn show(bytes: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(bytes).and_then(|()| out.flush())
}
