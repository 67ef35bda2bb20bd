//! Where the host encoder is, as the property `transport` states it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the host encoder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// `vsock://CID:PORT`. The host has the CID 2.
    Vsock {
        /// The machine.
        cid: u32,
        /// Its port.
        port: u32,
    },
    /// `unix:PATH`.
    Unix(PathBuf),
    /// `tcp://HOST:PORT`; an IPv6 address is in brackets.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// `virtio-port:NAME`, a port of virtio-serial.
    VirtioPort(String),
}

impl Address {
    /// Whether it leads to the computer that runs this machine, and to nothing else. QEMU's user network shows the machine that
    /// computer's loopback as 10.0.2.2.
    pub(crate) fn is_own_host(&self) -> bool {
        match self {
            Self::VirtioPort(_) | Self::Vsock { cid: 2, .. } => true,
            Self::Tcp { host, .. } => host == "10.0.2.2",
            Self::Vsock { .. } | Self::Unix(_) => false,
        }
    }
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("transport {text:?}: {reason}; it must be vsock://CID:PORT, unix:PATH, tcp://HOST:PORT or virtio-port:NAME")]
pub(crate) struct AddressError {
    text: String,
    reason: &'static str,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parsed = match text.split_once(':') {
            Some(("vsock", rest)) => vsock(rest),
            Some(("unix", path)) => unix(path),
            Some(("tcp", rest)) => tcp(rest),
            Some(("virtio-port", name)) => virtio_port(name),
            _ => Err("its kind is not known"),
        };
        parsed.map_err(|reason| AddressError { text: text.to_owned(), reason })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vsock { cid, port } => write!(f, "vsock://{cid}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::VirtioPort(name) => write!(f, "virtio-port:{name}"),
        }
    }
}

type Parsed = Result<Address, &'static str>;

fn host_and_port(rest: &str) -> Result<(&str, &str), &'static str> {
    let rest = rest.strip_prefix("//").ok_or("two slashes are missing")?;
    rest.rsplit_once(':').ok_or("the port is missing")
}

fn vsock(rest: &str) -> Parsed {
    let (cid, port) = host_and_port(rest)?;
    let cid = cid.parse().map_err(|_| "the CID is no number")?;
    let port = port.parse().map_err(|_| "the port is no number")?;
    Ok(Address::Vsock { cid, port })
}

/// The limit is that of `sockaddr_un`, whose last byte is a zero.
fn unix(path: &str) -> Parsed {
    match path.len() {
        0 => Err("the path is missing"),
        1..=107 => Ok(Address::Unix(path.into())),
        _ => Err("the path is longer than 107 bytes"),
    }
}

fn tcp(rest: &str) -> Parsed {
    let (host, port) = host_and_port(rest)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().map_err(|_| "the port is no number up to 65535")?;
    if host.is_empty() { Err("the host is missing") } else { Ok(Address::Tcp { host: host.to_owned(), port }) }
}

/// The name is a file's name in the folder of ports; it must not lead out of it.
fn virtio_port(name: &str) -> Parsed {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err("the name of the port is missing or not a plain name");
    }
    Ok(Address::VirtioPort(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_they_were_parsed_from() {
        for text in
            ["vsock://2:5000", "unix:/run/a.sock", "tcp://10.0.2.2:7000", "tcp://[::1]:7000", "virtio-port:org.helix.0"]
        {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn other_texts_are_refused_with_what_is_wrong() {
        let long = format!("unix:/{}", "x".repeat(107));
        let cases = [
            ("", "kind"),
            ("udp://a:1", "kind"),
            ("vsock:2:5000", "slashes"),
            ("vsock://2", "port is missing"),
            ("vsock://host:1", "CID"),
            ("tcp://a:65536", "65535"),
            ("tcp://:1", "host is missing"),
            ("unix:", "path"),
            (long.as_str(), "107"),
            ("virtio-port:../null", "plain name"),
            ("virtio-port:", "missing"),
        ];
        for (text, reason) in cases {
            let error = text.parse::<Address>().expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
