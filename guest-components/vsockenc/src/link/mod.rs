//! A stream of bytes to the host that never blocks, and a wait that can always be ended.
//!
//! Sockets and the character device of a virtio-serial port look the same from here: both are polled and not blocking.

mod connect;

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

pub(crate) use connect::{ConnectError, connect};

/// The most slices of one write, far below the kernel's limit of 1024.
const MAX_SLICES: usize = 16;

/// The most bytes of one write to vsock.
///
/// Linux makes one packet of a write, of up to 64 KiB, and since 6.12 one of more than 32 KiB is in several pieces of
/// memory. `vhost-device-vsock` throws such a packet away without a word: its virtio-vsock crate takes a header and one
/// piece (<https://github.com/rust-vmm/vm-virtio/issues/216>).
const MAX_VSOCK_WRITE: usize = 16 << 10;

/// Ends a wait from another thread.
#[derive(Debug)]
pub(crate) struct Waker(OwnedFd);

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Ends the wait that is going on, or the next one.
    pub(crate) fn wake(&self) {
        // It fails only when the counter is full, and then the wait ends anyway.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    fn clear(&self) {
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }

    /// Waits for a wake, for so long at most.
    pub(crate) fn wait(&self, limit: Duration) -> io::Result<()> {
        poll_all(&mut [PollFd::new(&self.0, PollFlags::IN)], limit)?;
        self.clear();
        Ok(())
    }
}

/// What a wait ended with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// Whoever asked for it did so once: a wait that was not for that has to pass it on.
    pub(crate) woken: bool,
}

/// An open stream of bytes.
#[derive(Debug)]
pub(crate) struct Link {
    fd: OwnedFd,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Socket,
    Vsock,
    Port,
}

impl Link {
    /// A port of virtio-serial.
    pub(crate) fn port(fd: OwnedFd) -> Self {
        Self { fd, kind: Kind::Port }
    }

    /// Waits until there is something to read, or, if `writing`, space to write, or a wake; for so long at most.
    pub(crate) fn wait(&self, writing: bool, waker: &Waker, limit: Duration) -> io::Result<Ready> {
        let wanted = if writing { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let mut fds = [PollFd::new(&self.fd, wanted), PollFd::new(&waker.0, PollFlags::IN)];
        poll_all(&mut fds, limit)?;
        let (events, woken) = (fds[0].revents(), !fds[1].revents().is_empty());
        if woken {
            waker.clear();
        }
        // A peer that hung up is noticed by reading: what it sent before is still there.
        let over = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        let (readable, writable) = (events.intersects(PollFlags::IN | over), events.contains(PollFlags::OUT));
        Ok(Ready { readable, writable, woken })
    }

    /// Reads what is there; nothing if there is nothing now, 0 at the end.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        unless_blocked(rustix::io::read(&self.fd, buffer))
    }

    /// Writes what there is space for; nothing if there is none now.
    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        let slices = &slices[..slices.len().min(MAX_SLICES)];
        // Programs that load this plugin may not ignore SIGPIPE, which would end them.
        let send = |slices: &[IoSlice<'_>]| {
            sendmsg(&self.fd, slices, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)
        };
        unless_blocked(match self.kind {
            Kind::Socket => send(slices),
            Kind::Vsock => send(&beginning(slices, MAX_VSOCK_WRITE)),
            Kind::Port => rustix::io::writev(&self.fd, slices),
        })
    }

    /// Whether bytes of an earlier connection can still come: a port of virtio-serial has no connections.
    pub(crate) fn outlives_connections(&self) -> bool {
        self.kind == Kind::Port
    }
}

/// The first bytes of `slices`, `most` at most.
fn beginning<'a>(slices: &'a [IoSlice<'_>], most: usize) -> Vec<IoSlice<'a>> {
    let mut left = most;
    let mut take = |slice: &'a IoSlice<'_>| {
        let taken = &slice[..slice.len().min(left)];
        left -= taken.len();
        (!taken.is_empty()).then(|| IoSlice::new(taken))
    };
    slices.iter().filter_map(&mut take).collect()
}

fn unless_blocked(result: Result<usize, Errno>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn poll_all(fds: &mut [PollFd<'_>], limit: Duration) -> io::Result<()> {
    let limit = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
    match poll(fds, Some(&limit)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_to_vsock_is_cut() {
        let parts: [&[u8]; 4] = [b"abc", b"", b"defg", b"h"];
        let slices = parts.map(IoSlice::new);
        for (most, expected) in [(0, ""), (2, "ab"), (3, "abc"), (5, "abcde"), (8, "abcdefgh"), (9, "abcdefgh")] {
            let found: Vec<u8> = beginning(&slices, most).iter().flat_map(|slice| slice.to_vec()).collect();
            assert_eq!(found, expected.as_bytes(), "{most}");
        }
    }
}
