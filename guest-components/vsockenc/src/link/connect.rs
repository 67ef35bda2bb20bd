//! Making a connection, within a limit of time that a wake can end early.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with, sockopt};

use super::{Kind, Link, Waker, poll_all};
use crate::address::Address;

/// How often a look-up of a name looks whether it was given up.
const LOOK: Duration = Duration::from_millis(20);

/// What a Unix socket may hold, in bytes: each time it is full, both ends wait for one another.
const SEND_BUFFER: usize = 1 << 20;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The caller gave up.
    #[error("it was given up")]
    GivenUp,
    /// Nothing happened in time.
    #[error("nobody answered within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Errno> for ConnectError {
    fn from(errno: Errno) -> Self {
        Self::Io(errno.into())
    }
}

/// A limit of time that can be given up.
struct Patience<'a> {
    end: Instant,
    limit: Duration,
    given_up: &'a dyn Fn() -> bool,
    waker: &'a Waker,
}

impl Patience<'_> {
    /// The time that is left.
    fn left(&self) -> Result<Duration, ConnectError> {
        if (self.given_up)() {
            return Err(ConnectError::GivenUp);
        }
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ConnectError::TimedOut(self.limit)) } else { Ok(left) }
    }
}

/// Connects to `address` within `limit`. After a wake, `given_up` says whether to go on.
pub(crate) fn connect(
    address: &Address,
    limit: Duration,
    waker: &Waker,
    given_up: &dyn Fn() -> bool,
) -> Result<Link, ConnectError> {
    let patience = Patience { end: Instant::now() + limit, limit, given_up, waker };
    let (fd, kind) = match address {
        Address::Vsock { cid, port } => {
            (dial(AddressFamily::VSOCK, &VsockAddr::new(*cid, *port), &patience)?, Kind::Vsock)
        }
        Address::Unix(path) => (dial_unix(path, &patience)?, Kind::Socket),
        Address::Tcp { host, port } => (dial_tcp(host, *port, &patience)?, Kind::Socket),
        Address::VirtioPort(name) => {
            return Ok(Link::port(open_port(&Path::new("/dev/virtio-ports").join(name))?));
        }
    };
    Ok(Link { fd, kind })
}

fn open_port(path: &Path) -> Result<OwnedFd, ConnectError> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

fn dial_unix(path: &Path, patience: &Patience<'_>) -> Result<OwnedFd, ConnectError> {
    let fd = dial(AddressFamily::UNIX, &SocketAddrUnix::new(path)?, patience)?;
    // The system gives as much as it allows. Whatever that is, frames arrive.
    sockopt::set_socket_send_buffer_size(&fd, SEND_BUFFER)?;
    Ok(fd)
}

fn dial(family: AddressFamily, address: &impl SocketAddrArg, patience: &Patience<'_>) -> Result<OwnedFd, ConnectError> {
    let fd = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    match rustix::net::connect(&fd, address) {
        Ok(()) => return Ok(fd),
        Err(Errno::INPROGRESS) => {}
        Err(e) => return Err(e.into()),
    }
    loop {
        let left = patience.left()?;
        let mut fds = [PollFd::new(&fd, PollFlags::OUT), PollFd::new(&patience.waker.0, PollFlags::IN)];
        poll_all(&mut fds, left)?;
        let (connected, woken) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
        if woken {
            patience.waker.clear();
        }
        if connected {
            sockopt::socket_error(&fd)??;
            return Ok(fd);
        }
    }
}

/// Tries the addresses of the name one after the other.
fn dial_tcp(host: &str, port: u16, patience: &Patience<'_>) -> Result<OwnedFd, ConnectError> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address")).into();
    for address in resolve(host, port, patience)? {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        match dial(family, &address, patience) {
            Ok(fd) => {
                // Small messages must not wait for the answers to earlier ones.
                sockopt::set_tcp_nodelay(&fd, true)?;
                return Ok(fd);
            }
            Err(e @ ConnectError::Io(_)) => last = e,
            Err(e) => return Err(e),
        }
    }
    Err(last)
}

/// Looking up a name cannot be interrupted. It goes on in a thread of its own that nobody waits for any more.
fn resolve(host: &str, port: u16, patience: &Patience<'_>) -> Result<Vec<SocketAddr>, ConnectError> {
    if let Ok(address) = host.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (sender, receiver) = mpsc::channel();
    let host = host.to_owned();
    thread::Builder::new().name("vsockenc-name".into()).spawn(move || {
        let found = (host.as_str(), port).to_socket_addrs().map(|addresses| addresses.collect::<Vec<_>>());
        // The receiver may have been given up.
        let _ = sender.send(found);
    })?;
    loop {
        match receiver.recv_timeout(patience.left()?.min(LOOK)) {
            Ok(addresses) => return Ok(addresses?),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(e) => return Err(io::Error::other(e).into()),
        }
    }
}

/// `struct sockaddr_vm` of Linux's `vm_sockets.h`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct VsockAddr {
    family: u16,
    reserved: u16,
    port: u32,
    cid: u32,
    flags_and_zero: [u8; 4],
}

impl VsockAddr {
    fn new(cid: u32, port: u32) -> Self {
        Self { family: AddressFamily::VSOCK.as_raw(), reserved: 0, port, cid, flags_and_zero: [0; 4] }
    }
}

// SAFETY: The pointer is to the whole structure, whose layout is the kernel's, and lives as long as the call.
#[allow(unsafe_code)]
unsafe impl SocketAddrArg for VsockAddr {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        f(std::ptr::from_ref(self).cast(), size_of::<Self>() as SocketAddrLen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_looked_up_can_be_given_up() {
        let waker = Waker::new().expect("an eventfd");
        let address = Address::Tcp { host: "localhost".into(), port: 1 };
        let error = connect(&address, Duration::from_secs(5), &waker, &|| true).expect_err("given up");
        assert!(matches!(error, ConnectError::GivenUp), "{error}");
    }

    #[test]
    fn sockaddr_vm_has_the_layout_of_the_kernel() {
        assert_eq!(size_of::<VsockAddr>(), 16);
        assert_eq!(std::mem::offset_of!(VsockAddr, port), 4);
        assert_eq!(std::mem::offset_of!(VsockAddr, cid), 8);
    }
}
