//! A connection's socket, of whatever family.

use std::cell::Cell;
use std::io::{Error as IoError, ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use helix_frame_protocol::{Attach, Finder};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, sendmsg, shutdown};

use super::endpoint::{pause, wait};

/// The most bytes of one write to vsock: where this runs in a guest of `vhost-device-vsock`, more than 32 KiB at once are
/// thrown away without a word (<https://github.com/rust-vmm/vm-virtio/issues/216>).
pub(crate) const MAX_VSOCK_WRITE: usize = 16 << 10;

/// A connected stream socket. Reading and writing block, for a short time each; no write ever raises SIGPIPE, which would end
/// a process that this library is only a guest in.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    socket: Arc<OwnedFd>,
    /// Of a device, whose socket outlives connections: whether this one was cut.
    was_cut: Option<Arc<AtomicBool>>,
    /// The most bytes of one write.
    most: usize,
}

impl Transport {
    pub(crate) fn new(socket: OwnedFd, tick: Duration, most: usize) -> Result<Self, IoError> {
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(tick))?;
        set_socket_timeout(&socket, Timeout::Send, Some(tick))?;
        #[cfg(target_os = "macos")]
        rustix::net::sockopt::set_socket_nosigpipe(&socket, true)?;
        Ok(Self { socket: Arc::new(socket), was_cut: None, most })
    }

    /// The same socket for the next connection of a device.
    fn for_connection(&self) -> Self {
        Self { socket: Arc::clone(&self.socket), was_cut: Some(Arc::default()), most: self.most }
    }

    fn check_cut(&self) -> Result<(), IoError> {
        match &self.was_cut {
            Some(was_cut) if was_cut.load(Ordering::Acquire) => Err(IoError::other("this end has ended it")),
            _ => Ok(()),
        }
    }

    /// Ends reading and writing, also what other threads do just now.
    pub(crate) fn cut(&self) {
        match &self.was_cut {
            // Who reads and writes looks at it after each tick.
            Some(was_cut) => was_cut.store(true, Ordering::Release),
            // It fails if the peer did it already.
            None => drop(shutdown(&self.socket, Shutdown::Both)),
        }
    }

    /// Says that nothing more will be written. What was written still arrives.
    pub(crate) fn end_writing(&self) {
        if self.was_cut.is_none() {
            let _ = shutdown(&self.socket, Shutdown::Write);
        }
    }

    /// Throws away what comes, until the peer closes or `limit` is over.
    ///
    /// Closing a socket with unread bytes resets the connection, and the peer may lose the error that says why. That of a
    /// device is not closed, and what comes may be the beginning of another connection.
    pub(crate) fn drain(&self, limit: Duration) {
        if self.was_cut.is_some() {
            return;
        }
        let (end, mut buffer) = (Instant::now() + limit, [0; 16 << 10]);
        while Instant::now() < end {
            match recv(&self.socket, &mut buffer[..], RecvFlags::empty()).map_err(IoError::from) {
                Ok((0, _)) => return,
                Err(e) if !may_go_on(&e) => return,
                _ => {}
            }
        }
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, IoError> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<usize, IoError> {
        #[cfg(not(target_os = "macos"))]
        let flags = SendFlags::NOSIGNAL;
        #[cfg(target_os = "macos")]
        let flags = SendFlags::empty();
        self.check_cut()?;
        // Only vsock has a limit, and only what is beyond it is cut.
        let all: usize = parts.iter().map(|part| part.len()).sum();
        let cut = (all > self.most).then(|| beginning(parts, self.most));
        Ok(sendmsg(&self.socket, cut.as_deref().unwrap_or(parts), &mut SendAncillaryBuffer::default(), flags)?)
    }

    fn flush(&mut self) -> Result<(), IoError> {
        Ok(())
    }
}

/// The first bytes of `parts`, `most` at most.
fn beginning<'a>(parts: &'a [IoSlice<'_>], most: usize) -> Vec<IoSlice<'a>> {
    let mut left = most;
    let mut take = |part: &'a IoSlice<'_>| {
        let taken = &part[..part.len().min(left)];
        left -= taken.len();
        (!taken.is_empty()).then(|| IoSlice::new(taken))
    };
    parts.iter().filter_map(&mut take).collect()
}

/// The reading side, with a point in time after which it fails.
#[derive(Debug)]
pub(crate) struct Inbound<'a> {
    pub(crate) transport: Transport,
    /// What keeps what comes for the next connection, if the transport outlives this one.
    pub(crate) device: Option<&'a mut Device>,
    pub(crate) deadline: &'a Cell<Option<Instant>>,
}

impl Read for Inbound<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, IoError> {
        if self.deadline.get().is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(IoError::other("the handshake took too long"));
        }
        self.transport.check_cut()?;
        match &mut self.device {
            Some(device) => device.read(buffer),
            None => Ok(recv(&self.transport.socket, buffer, RecvFlags::empty())?.0),
        }
    }
}

/// The socket of a character device: a stream of bytes in which one connection begins after the other, each by an attach,
/// and the one before may have ended anywhere.
#[derive(Debug)]
pub(crate) struct Device {
    transport: Transport,
    finder: Finder,
    /// The beginning of the next connection.
    attach: Option<Attach>,
    /// What was read behind it.
    rest: Vec<u8>,
}

impl Device {
    pub(crate) fn new(transport: Transport) -> Self {
        Self { transport, finder: Finder::default(), attach: None, rest: Vec::new() }
    }

    /// Waits for a connection as long as it takes, and throws away what comes before; nothing once the device or `stop` is
    /// closed.
    pub(crate) fn next(&mut self, stop: &UnixStream) -> Result<Option<(Attach, Transport)>, IoError> {
        while pause(Duration::ZERO, stop) {
            if let Some(attach) = self.attach.take() {
                return Ok(Some((attach, self.transport.for_connection())));
            }
            if self.rest.is_empty() && !wait(&self.transport, stop)? {
                break;
            }
            match self.read(&mut [0; 16 << 10]) {
                Ok(0) => break,
                Err(e) if self.attach.is_none() && !may_go_on(&e) => return Err(e),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Reads for the connection. It fails where the next one begins.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, IoError> {
        let count = match self.rest.len().min(buffer.len()) {
            0 => recv(&self.transport.socket, &mut *buffer, RecvFlags::empty())?.0,
            count => {
                buffer[..count].copy_from_slice(&self.rest[..count]);
                self.rest.drain(..count);
                count
            }
        };
        let Some((attach, end)) = self.finder.find(&buffer[..count]) else { return Ok(count) };
        self.attach = Some(attach);
        self.rest.splice(..0, buffer[end..count].iter().copied());
        Err(IoError::other("another connection has begun on the device"))
    }
}

fn may_go_on(error: &IoError) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_takes_no_more_than_its_transport_bears() {
        let (here, there) = UnixStream::pair().expect("sockets");
        let mut transport = Transport::new(here.into(), Duration::from_secs(1), 5).expect("a transport");
        let parts: [&[u8]; 4] = [b"abc", b"", b"defg", b"h"];
        let parts = parts.map(IoSlice::new);
        assert_eq!(transport.write_vectored(&parts).expect("it is sent"), 5);
        assert_eq!(transport.write_vectored(&parts[2..]).expect("it is sent"), 5);
        assert_eq!(transport.write(b"ijklmno").expect("it is sent"), 5);
        let mut found = [0; 15];
        (&there).read_exact(&mut found).expect("it comes");
        assert_eq!(&found, b"abcdedefghijklm");
    }
}
