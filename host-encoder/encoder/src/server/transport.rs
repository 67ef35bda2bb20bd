//! A connection's socket, of whatever family.

use std::cell::Cell;
use std::io::{Error as IoError, ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, sendmsg, shutdown};

/// A connected stream socket. Reading and writing block, for a short time each; no write ever raises SIGPIPE, which would end
/// a process that this library is only a guest in.
#[derive(Debug, Clone)]
pub(crate) struct Transport(Arc<OwnedFd>);

impl Transport {
    pub(crate) fn new(socket: OwnedFd, tick: Duration) -> Result<Self, IoError> {
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(tick))?;
        set_socket_timeout(&socket, Timeout::Send, Some(tick))?;
        #[cfg(target_os = "macos")]
        rustix::net::sockopt::set_socket_nosigpipe(&socket, true)?;
        Ok(Self(Arc::new(socket)))
    }

    /// Ends reading and writing, also what other threads do just now.
    pub(crate) fn cut(&self) {
        // It fails if the peer did it already.
        let _ = shutdown(&self.0, Shutdown::Both);
    }

    /// Says that nothing more will be written. What was written still arrives.
    pub(crate) fn end_writing(&self) {
        let _ = shutdown(&self.0, Shutdown::Write);
    }

    /// Throws away what comes, until the peer closes or `limit` is over.
    ///
    /// Closing a socket with unread bytes resets the connection, and the peer may lose the error that says why.
    pub(crate) fn drain(&self, limit: Duration) {
        let (end, mut buffer) = (Instant::now() + limit, [0; 16 << 10]);
        while Instant::now() < end {
            match recv(&self.0, &mut buffer[..], RecvFlags::empty()).map_err(IoError::from) {
                Ok((0, _)) => return,
                Err(e) if !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
                _ => {}
            }
        }
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
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
        Ok(sendmsg(&self.0, parts, &mut SendAncillaryBuffer::default(), flags)?)
    }

    fn flush(&mut self) -> Result<(), IoError> {
        Ok(())
    }
}

/// The reading side, with a point in time after which it fails.
#[derive(Debug)]
pub(crate) struct Inbound<'a> {
    pub(crate) transport: Transport,
    pub(crate) deadline: &'a Cell<Option<Instant>>,
}

impl Read for Inbound<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, IoError> {
        if self.deadline.get().is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(IoError::other("the handshake took too long"));
        }
        Ok(recv(&self.transport.0, buffer, RecvFlags::empty())?.0)
    }
}
