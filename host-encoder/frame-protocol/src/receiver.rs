//! Messages from a blocking transport.

use std::io::{Error as IoError, ErrorKind, Read};
use std::time::{Duration, Instant};

use crate::decoder::Decoder;
use crate::error::Error;
use crate::message::Envelope;
use crate::outgoing::may_go_on;

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// Nothing came within the transport's time-out. The next call goes on.
    #[error("the peer was silent")]
    Idle,
    /// The peer closed the connection, after a whole message.
    #[error("the peer closed the connection")]
    Ended,
    /// The peer closed the connection in the middle of a message.
    #[error("the peer closed the connection in the middle of a message")]
    Cut,
    /// A message took longer than it may.
    #[error("the peer stopped in the middle of a message: {} s were not enough", limit.as_secs_f64())]
    Stalled {
        /// How long a message may take.
        limit: Duration,
    },
    /// What the peer sent is no message.
    #[error(transparent)]
    Message(#[from] Error),
    /// The transport failed.
    #[error("reading from the peer: {0}")]
    Io(#[source] IoError),
}

/// Reads messages, with a limit of time for each from its first byte to its last.
///
/// The transport must block, and have a time-out for reading, after which the limit is looked at.
#[derive(Debug)]
pub struct Receiver<R> {
    source: R,
    decoder: Decoder,
    limit: Duration,
    /// How long the peer was waited for since the message began. What the caller does meanwhile is not its fault.
    waited: Duration,
}

impl<R: Read> Receiver<R> {
    /// Reads from `source`; `limit` is for each message, as `MESSAGE_TIMEOUT` in [`crate::limits`].
    pub fn new(source: R, limit: Duration) -> Self {
        Self { source, decoder: Decoder::new(), limit, waited: Duration::ZERO }
    }

    /// The next message. If it has data, that is read by [`read_data`](Self::read_data); else it is skipped.
    ///
    /// # Errors
    /// Only after `Idle` can be read on.
    pub fn receive(&mut self) -> Result<Envelope, ReceiveError> {
        loop {
            let between = self.decoder.between_messages();
            let begun = Instant::now();
            let result = self.source.read(self.decoder.space());
            let count = self.count(result, begun, between)?;
            if count == 0 {
                continue;
            }
            if let Some(envelope) = self.decoder.advance(count)? {
                return Ok(envelope);
            }
        }
    }

    /// How many bytes of data the last message still has.
    pub fn data_left(&self) -> usize {
        self.decoder.data_left()
    }

    /// Fills `buffer` with the next bytes of the last message's data, straight from the transport.
    ///
    /// # Errors
    /// Nothing can be read after one.
    ///
    /// # Panics
    /// When there is less data left than `buffer` is long.
    pub fn read_data(&mut self, mut buffer: &mut [u8]) -> Result<(), ReceiveError> {
        assert!(buffer.len() <= self.data_left(), "no more data than there is");
        while !buffer.is_empty() {
            let begun = Instant::now();
            let result = self.source.read(buffer);
            let count = self.count(result, begun, false)?;
            self.decoder.data_advance(count);
            buffer = &mut buffer[count..];
        }
        Ok(())
    }

    /// The request of the message that was read last or failed; 0 if that is not known.
    pub fn request(&self) -> u64 {
        self.decoder.request()
    }

    /// How many bytes were read: 0 if there were none in the transport's time, but the message may take longer.
    fn count(&mut self, result: Result<usize, IoError>, begun: Instant, between: bool) -> Result<usize, ReceiveError> {
        self.waited = if between { Duration::ZERO } else { self.waited + begun.elapsed() };
        let count = match result {
            Ok(0) => return Err(if between { ReceiveError::Ended } else { ReceiveError::Cut }),
            Ok(count) => count,
            Err(e) if e.kind() == ErrorKind::Interrupted => 0,
            Err(e) if may_go_on(&e) && between => return Err(ReceiveError::Idle),
            Err(e) if may_go_on(&e) => 0,
            Err(e) => return Err(ReceiveError::Io(e)),
        };
        if self.waited >= self.limit {
            return Err(ReceiveError::Stalled { limit: self.limit });
        }
        Ok(count)
    }
}
