//! Messages to bytes.

use std::io::{Error as IoError, ErrorKind, IoSlice, Write};
use std::time::{Duration, Instant};

use crate::attach::Attach;
use crate::error::Error;
use crate::limits::HEADER;
use crate::message::{Envelope, Message};
use crate::{MAGIC, VERSION, body};

/// A message on its way out: header and body, then the caller's data, which is not copied.
///
/// It remembers how much was written, so that a transport may take any part of it at a time.
#[derive(Debug)]
pub struct Outgoing<'a> {
    parts: Vec<IoSlice<'a>>,
    /// How many parts are gone.
    gone: usize,
    left: usize,
}

impl<'a> Outgoing<'a> {
    /// Puts header and body into `prefix`, whose memory is used again, in front of `data`, which may be in several parts.
    ///
    /// # Errors
    /// When a value or the length of the data is not what the specification allows; nothing may be sent then.
    pub fn new(envelope: &Envelope, prefix: &'a mut Vec<u8>, data: &[&'a [u8]]) -> Result<Self, Error> {
        let length = data.iter().map(|part| part.len()).sum::<usize>();
        encode(envelope, length, prefix)?;
        let left = prefix.len() + length;
        let parts = std::iter::once(&prefix[..]).chain(data.iter().copied());
        let parts = parts.filter(|part| !part.is_empty()).map(IoSlice::new).collect();
        Ok(Self { parts, gone: 0, left })
    }

    /// An attach on its way out.
    pub fn attach(attach: &'a Attach) -> Self {
        Self { parts: vec![IoSlice::new(attach.bytes())], gone: 0, left: attach.bytes().len() }
    }

    /// What is still to be written, for `writev`.
    pub fn slices(&self) -> &[IoSlice<'a>] {
        &self.parts[self.gone..]
    }

    /// How many bytes are still to be written.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Says that the first `count` bytes of what was left were written.
    ///
    /// # Panics
    /// When there were fewer.
    pub fn advance(&mut self, count: usize) {
        let mut rest = &mut self.parts[self.gone..];
        let before = rest.len();
        IoSlice::advance_slices(&mut rest, count);
        self.gone += before - rest.len();
        self.left -= count;
    }

    /// Writes everything, with a limit of time for the whole message, as `MESSAGE_TIMEOUT` in [`crate::limits`].
    ///
    /// The transport must block, and have a time-out for writing, after which the limit is looked at.
    ///
    /// # Errors
    /// When the transport fails, and `TimedOut` when the limit is over. A part of the message may be written then: the
    /// connection is of no more use.
    pub fn write_all(mut self, sink: &mut impl Write, limit: Duration) -> Result<(), IoError> {
        let begun = Instant::now();
        while self.left > 0 {
            match sink.write_vectored(self.slices()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.advance(count),
                Err(e) if may_go_on(&e) => {}
                Err(e) => return Err(e),
            }
            if self.left > 0 && begun.elapsed() >= limit {
                return Err(IoError::new(ErrorKind::TimedOut, format!("the peer left {} bytes unread", self.left)));
            }
        }
        sink.flush()
    }
}

/// Whether the transport only says that nothing happened in its time.
pub(crate) fn may_go_on(error: &IoError) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn encode(envelope: &Envelope, data_length: usize, prefix: &mut Vec<u8>) -> Result<(), Error> {
    let message = &envelope.message;
    let number = message.number();
    let fault = |field, reason| Err(Error::Field { message: number, field, reason });
    if matches!(message, Message::Unknown(_)) {
        return fault("type", "it is not known, so there is nothing to send".to_owned());
    }
    message.check()?;
    let stated = message.data_length();
    if data_length != stated as usize {
        return fault("data length", format!("the message says {stated}, there are {data_length}"));
    }
    prefix.clear();
    prefix.extend_from_slice(&MAGIC);
    prefix.extend_from_slice(&VERSION.to_le_bytes());
    prefix.extend_from_slice(&number.to_le_bytes());
    prefix.extend_from_slice(&body::flags(message).to_le_bytes());
    prefix.extend_from_slice(&envelope.stream.to_le_bytes());
    prefix.extend_from_slice(&envelope.request.to_le_bytes());
    prefix.extend_from_slice(&[0; 4]);
    prefix.extend_from_slice(&stated.to_le_bytes());
    body::write(message, prefix);
    // Every body that was checked is far smaller than 4 GiB.
    let length = (prefix.len() - HEADER) as u32;
    prefix[24..28].copy_from_slice(&length.to_le_bytes());
    Ok(())
}
