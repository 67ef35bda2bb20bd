//! Where clients come from.

use std::fmt;
use std::fs::Metadata;
use std::io::{Error as IoError, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use super::StartError;

/// A place where clients come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket that is made with mode 0600. A stale one, that nobody listens at, is replaced.
    ///
    /// It also serves `vhost-device-vsock`, which passes on what a guest sends to port N of the host to `PATH_N`.
    Unix(PathBuf),
    /// A TCP port on loopback; 0 takes any. Clients must show a token.
    Tcp(SocketAddr),
    /// A port of vsock, for all guests of this machine; Linux only. Clients must show the token if there is one.
    Vsock(u32),
    /// The Unix socket of a character device of QEMU, which is connected to, again and again: the guest's end is a port of
    /// virtio-serial.
    VirtioSerial(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Vsock(port) => write!(f, "vsock:{port}"),
            Self::VirtioSerial(path) => write!(f, "virtio-serial:{}", path.display()),
        }
    }
}

impl Endpoint {
    /// Whether clients have to show the token; `there_is_one` says whether there is one.
    pub(crate) fn needs_token(&self, there_is_one: bool) -> bool {
        match self {
            Self::Tcp(_) => true,
            Self::Vsock(_) => there_is_one,
            Self::Unix(_) | Self::VirtioSerial(_) => false,
        }
    }
}

/// How many clients may wait to be accepted.
const BACKLOG: i32 = 128;

/// A socket that clients connect to.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) endpoint: Endpoint,
    socket: OwnedFd,
    /// The file of a Unix socket, removed at the end if it still is this one.
    file: Option<(PathBuf, (u64, u64))>,
}

impl Listener {
    /// Nothing for what is connected to instead.
    pub(crate) fn bind(endpoint: &Endpoint, has_token: bool) -> Result<Option<Self>, StartError> {
        let fault = |source| StartError::Listen { endpoint: endpoint.clone(), source };
        let plain = |endpoint, socket| Some(Self { endpoint, socket, file: None });
        match endpoint {
            Endpoint::Unix(path) => bind_unix(endpoint, path).map(Some),
            Endpoint::Tcp(address) => {
                check_tcp(*address, has_token)?;
                let listener = TcpListener::bind(address).map_err(fault)?;
                listener.set_nonblocking(true).map_err(fault)?;
                let bound = listener.local_addr().map_err(fault)?;
                Ok(plain(Endpoint::Tcp(bound), listener.into()))
            }
            Endpoint::Vsock(port) => Ok(plain(endpoint.clone(), bind_vsock(*port).map_err(fault)?)),
            Endpoint::VirtioSerial(_) => Ok(None),
        }
    }

    /// The next client; nothing once `stop` is closed.
    pub(crate) fn accept(&self, stop: &UnixStream) -> Result<Option<OwnedFd>, IoError> {
        let socket = loop {
            if !wait(self.socket.as_fd(), stop)? {
                return Ok(None);
            }
            match rustix::net::accept(&self.socket) {
                // A client that went meanwhile leaves nothing to accept.
                Err(Errno::AGAIN) => {}
                accepted => break accepted?,
            }
        };
        // On BSD systems it is as the listener.
        ioctl_fionbio(&socket, false)?;
        if matches!(self.endpoint, Endpoint::Tcp(_)) {
            rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
        }
        Ok(Some(socket))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let Some((path, made)) = &self.file else { return };
        if std::fs::symlink_metadata(path).is_ok_and(|found| identity(&found) == *made) {
            // At the end of the program nobody could do anything about it.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn check_tcp(address: SocketAddr, has_token: bool) -> Result<(), StartError> {
    if !address.ip().is_loopback() {
        return Err(StartError::NotLoopback(address));
    }
    // Every user of this machine, and its guests through user-mode networking, can connect.
    if has_token { Ok(()) } else { Err(StartError::NoToken(address)) }
}

fn bind_unix(endpoint: &Endpoint, path: &Path) -> Result<Listener, StartError> {
    let fault = |source| StartError::Listen { endpoint: endpoint.clone(), source };
    remove_stale(endpoint, path)?;
    let address = SocketAddrUnix::new(path).map_err(|e| fault(e.into()))?;
    let bind = || -> Result<(OwnedFd, Metadata), IoError> {
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
        rustix::net::bind(&socket, &address)?;
        // Nobody can connect before it listens, so that the mode is right from the first client on.
        rustix::fs::chmod(path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)?;
        rustix::net::listen(&socket, BACKLOG)?;
        ioctl_fionbio(&socket, true)?;
        Ok((socket, std::fs::symlink_metadata(path)?))
    };
    let (socket, made) = bind().map_err(fault)?;
    Ok(Listener { endpoint: endpoint.clone(), socket, file: Some((path.to_owned(), identity(&made))) })
}

/// Removes a socket that nobody listens at, and nothing else.
fn remove_stale(endpoint: &Endpoint, path: &Path) -> Result<(), StartError> {
    let fault = |source| StartError::Listen { endpoint: endpoint.clone(), source };
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(fault(e)),
        Ok(found) if !found.file_type().is_socket() => return Err(StartError::NoSocket(path.to_owned())),
        Ok(_) => {}
    }
    match connect_unix(path) {
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path).map_err(fault),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        // Somebody listens, and takes nobody.
        Err(e) if e.kind() == ErrorKind::WouldBlock => Err(StartError::InUse(path.to_owned())),
        Err(e) => Err(fault(e)),
        Ok(_) => Err(StartError::InUse(path.to_owned())),
    }
}

/// Connects to a Unix socket, or fails at once: one that takes nobody would hold up a blocking socket without end.
pub(crate) fn connect_unix(path: &Path) -> Result<OwnedFd, IoError> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    ioctl_fionbio(&socket, true)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    ioctl_fionbio(&socket, false)?;
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn bind_vsock(port: u32) -> Result<OwnedFd, IoError> {
    let listener = vsock::VsockListener::bind_with_cid_port(vsock::VMADDR_CID_ANY, port)?;
    listener.set_nonblocking(true)?;
    listener.as_fd().try_clone_to_owned()
}

#[cfg(not(target_os = "linux"))]
fn bind_vsock(_: u32) -> Result<OwnedFd, IoError> {
    Err(IoError::new(ErrorKind::Unsupported, "this system has no vsock"))
}

/// Waits until `socket` has something; false once `stop` is closed.
pub(crate) fn wait(socket: impl AsFd, stop: &UnixStream) -> Result<bool, IoError> {
    let mut fds = [PollFd::new(&socket, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
    loop {
        match poll(&mut fds, None) {
            Ok(_) => return Ok(fds[1].revents().is_empty()),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// Waits for `time`; false once `stop` is closed.
pub(crate) fn pause(time: Duration, stop: &UnixStream) -> bool {
    let time = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() };
    let mut fds = [PollFd::new(stop, PollFlags::IN)];
    // An interruption only makes the pause shorter.
    matches!(poll(&mut fds, Some(&time)), Ok(0) | Err(Errno::INTR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_of_vsock_show_the_token_if_there_is_one() {
        let tcp = Endpoint::Tcp("127.0.0.1:1".parse().expect("an address"));
        let asks = |endpoint: &Endpoint| [false, true].map(|there_is_one| endpoint.needs_token(there_is_one));
        assert_eq!(asks(&Endpoint::Vsock(1)), [false, true]);
        assert_eq!(asks(&tcp), [true, true]);
        assert_eq!(asks(&Endpoint::Unix("socket".into())), [false, false]);
        assert_eq!(asks(&Endpoint::VirtioSerial("socket".into())), [false, false]);
    }
}
