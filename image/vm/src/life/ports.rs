//! Ports on 127.0.0.1 that lead to the guest.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pace::Pace;

/// The ports that are tried first.
pub(crate) const PREFERRED: Ports = Ports { ssh: 2222, api: 8080 };
/// How many ports from the preferred one on are tried before any will do: the second machine's are then easy to remember.
const NEAR: u16 = 20;

/// How long a guest of the usual pace has to answer somebody who only asks whether something is there.
const ANSWER: Duration = Duration::from_secs(2);

/// Ports on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// It leads to the guest's port 22.
    pub ssh: u16,
    /// It leads to the guest's port 8080.
    pub api: u16,
}

impl Ports {
    /// Ports that nobody has now. QEMU takes them a moment later, and says so if somebody was quicker.
    pub(crate) fn choose() -> std::io::Result<Self> {
        let ssh = free_near(PREFERRED.ssh, None)?;
        Ok(Self { ssh, api: free_near(PREFERRED.api, Some(ssh))? })
    }

    /// Ports that nobody has now and hardly anybody asks for: for when somebody was quicker with those of [`Self::choose`].
    pub(crate) fn any() -> std::io::Result<Self> {
        let ssh = bind(0)?;
        let mut api = bind(0)?;
        while api == ssh {
            api = bind(0)?;
        }
        Ok(Self { ssh, api })
    }

    /// Whether something in the guest answers HTTP at the API's port. That a connection is made says nothing: QEMU takes each,
    /// and closes it when nothing in the guest listens.
    pub(crate) fn api_answers(self, pace: Pace) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.api))?;
            stream.set_read_timeout(Some(pace.stretch(ANSWER)))?;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
            let mut start = [0; 5];
            stream.read_exact(&mut start)?;
            Ok(start == *b"HTTP/")
        };
        ask().unwrap_or(false)
    }

    /// What differs from the preferred ports, for people.
    pub(crate) fn notes(self) -> Vec<String> {
        let pairs = [("SSH", PREFERRED.ssh, self.ssh), ("the API", PREFERRED.api, self.api)];
        let others = pairs.iter().filter(|(_, preferred, chosen)| preferred != chosen);
        others.map(|(what, preferred, chosen)| format!("port {preferred} is taken: {what} is on {chosen}")).collect()
    }
}

fn free_near(preferred: u16, not: Option<u16>) -> std::io::Result<u16> {
    let near = (preferred..preferred.saturating_add(NEAR)).filter(|port| Some(*port) != not);
    near.map(bind).find_map(Result::ok).map_or_else(|| bind(0), Ok)
}

/// The port that was bound for a moment; 0 is any.
fn bind(port: u16) -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_passed_over() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let chosen = free_near(port, None).unwrap();
        assert_ne!(chosen, port);
        assert_ne!(free_near(chosen, Some(chosen)).unwrap(), chosen);
    }

    #[test]
    fn any_ports_are_two() {
        let Ports { ssh, api } = Ports::any().unwrap();
        assert!(ssh != api && ssh != 0 && api != 0);
    }

    #[test]
    fn other_ports_are_told() {
        assert!(PREFERRED.notes().is_empty());
        let notes = Ports { ssh: 2223, ..PREFERRED }.notes();
        assert_eq!(notes, ["port 2222 is taken: SSH is on 2223"]);
    }
}
