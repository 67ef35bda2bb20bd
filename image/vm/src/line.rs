//! Lines from a Unix socket, read with a bound on their length and a deadline.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Why no line came, or none could be sent.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The deadline passed.
    #[error("no answer in time")]
    Timeout,
    /// The other side closed the connection.
    #[error("the connection was closed")]
    Closed,
    /// A line was longer than allowed; what remains of it must be skipped.
    #[error("a line is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A connection that is read line by line.
#[derive(Debug)]
pub(crate) struct Lines {
    stream: UnixStream,
    /// What was received and not yet handed out.
    pending: Vec<u8>,
    limit: usize,
}

impl Lines {
    /// Connects to the socket at `path`; a line may have at most `limit` bytes.
    pub(crate) fn connect(path: &Path, limit: usize) -> io::Result<Self> {
        Ok(Self { stream: UnixStream::connect(path)?, pending: Vec::new(), limit })
    }

    /// Sends `bytes`.
    pub(crate) fn send(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), LineError> {
        self.stream.set_write_timeout(Some(remaining(deadline)?))?;
        self.stream.write_all(bytes).map_err(classify)
    }

    /// The next line, without its end.
    pub(crate) fn next(&mut self, deadline: Instant) -> Result<Vec<u8>, LineError> {
        let mut searched = 0;
        loop {
            if let Some(at) = find(&self.pending[searched..], b'\n') {
                let mut line: Vec<u8> = self.pending.drain(..=searched + at).collect();
                line.pop();
                return Ok(line);
            }
            searched = self.pending.len();
            if searched > self.limit {
                self.pending.clear();
                return Err(LineError::TooLong { limit: self.limit });
            }
            self.fill(deadline)?;
        }
    }

    /// Drops everything up to and including the next `mark`, however long it is.
    pub(crate) fn skip_past(&mut self, mark: u8, deadline: Instant) -> Result<(), LineError> {
        loop {
            if let Some(at) = find(&self.pending, mark) {
                self.pending.drain(..=at);
                return Ok(());
            }
            self.pending.clear();
            self.fill(deadline)?;
        }
    }

    fn fill(&mut self, deadline: Instant) -> Result<(), LineError> {
        self.stream.set_read_timeout(Some(remaining(deadline)?))?;
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(LineError::Closed),
            Ok(count) => {
                self.pending.extend_from_slice(&chunk[..count]);
                Ok(())
            }
            // Linux interrupts a read with a time-out when a stopped process continues (signal(7)): Ctrl-Z, then `fg`.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(classify(error)),
        }
    }
}

fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    bytes.iter().position(|&byte| byte == wanted)
}

/// The time left; a socket takes no time-out of zero.
fn remaining(deadline: Instant) -> Result<Duration, LineError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(LineError::Timeout) } else { Ok(left.max(Duration::from_millis(1))) }
}

fn classify(error: io::Error) -> LineError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => LineError::Timeout,
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => LineError::Closed,
        _ => LineError::Io(error),
    }
}

/// `limit` bytes of `bytes` at most, as text for an error message.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    const LIMIT: usize = 120;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LIMIT)]).into_owned();
    if bytes.len() > LIMIT { text + "…" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Act, serve};

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    fn lines(script: Vec<Act>, limit: usize) -> (crate::testing::Server, Lines) {
        let server = serve(script);
        let lines = Lines::connect(&server.path, limit).unwrap();
        (server, lines)
    }

    #[test]
    fn a_line_may_come_in_pieces_and_two_at_once() {
        let script = vec![Act::send("on"), Act::Pause(50), Act::send("e\ntwo\nthr"), Act::Pause(50), Act::send("ee\n")];
        let (_server, mut lines) = lines(script, 100);
        for want in ["one", "two", "three"] {
            assert_eq!(lines.next(soon()).unwrap(), want.as_bytes());
        }
        assert!(matches!(lines.next(soon()), Err(LineError::Closed)));
    }

    #[test]
    fn a_stall_ends_at_the_deadline() {
        let (_server, mut lines) = lines(vec![Act::send("half"), Act::Pause(2000)], 100);
        let started = Instant::now();
        assert!(matches!(lines.next(started + Duration::from_millis(100)), Err(LineError::Timeout)));
        assert!(started.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn a_flood_is_cut_and_can_be_skipped() {
        let flood = "x".repeat(200_000);
        let (_server, mut lines) = lines(vec![Act::send(&flood), Act::send("\u{1}next\n")], 1000);
        assert!(matches!(lines.next(soon()), Err(LineError::TooLong { limit: 1000 })));
        lines.skip_past(1, soon()).unwrap();
        assert_eq!(lines.next(soon()).unwrap(), b"next");
    }
}
