//! Messages from bytes.

use crate::body;
use crate::error::Error;
use crate::kind::Kind;
use crate::limits::{HEADER, MAX_BODY, MAX_UNKNOWN};
use crate::message::{Envelope, Message};
use crate::{MAGIC, VERSION};

const BUFFER: usize = HEADER + MAX_BODY as usize;

/// A header that was checked.
#[derive(Debug, Clone, Copy)]
struct Header {
    number: u16,
    /// Nothing if the type is unknown.
    kind: Option<Kind>,
    flags: u32,
    stream: u32,
    request: u64,
    body: u32,
    data: u32,
}

/// Makes messages of bytes, however they are sliced. Its buffer has 4,128 bytes, for header and body; there is no other.
///
/// Bytes come in by [`feed`](Self::feed), or without a copy: read from the transport into [`space`](Self::space) and say
/// how much it was by [`advance`](Self::advance). Neither takes a byte beyond the message that it returns. Then read
/// [`data_left`](Self::data_left) bytes into a buffer of your own and say so by [`data_advance`](Self::data_advance).
/// Data that is not read is skipped.
///
/// An error stays: nothing can be read after it.
#[derive(Debug)]
pub struct Decoder {
    buffer: Box<[u8; BUFFER]>,
    filled: usize,
    header: Option<Header>,
    data_left: u32,
    skip: u64,
    request: u64,
    failed: Option<Error>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder at the beginning of a stream of messages.
    pub fn new() -> Self {
        let buffer = Box::new([0; BUFFER]);
        Self { buffer, filled: 0, header: None, data_left: 0, skip: 0, request: 0, failed: None }
    }

    /// Where the next bytes go; never empty. Data that was not read yet will be skipped.
    pub fn space(&mut self) -> &mut [u8] {
        if self.failed.is_some() {
            return &mut self.buffer[..];
        }
        self.skip += u64::from(std::mem::take(&mut self.data_left));
        if self.skip > 0 {
            let count = usize::try_from(self.skip).unwrap_or(BUFFER).min(BUFFER);
            return &mut self.buffer[..count];
        }
        let end = self.end();
        &mut self.buffer[self.filled..end]
    }

    /// Takes the first `count` bytes of [`space`](Self::space), which were filled.
    ///
    /// # Errors
    /// When they are no message, or one that must not be.
    ///
    /// # Panics
    /// When `count` is more than the space has.
    pub fn advance(&mut self, count: usize) -> Result<Option<Envelope>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        assert!(count <= self.space().len(), "no more bytes than there was space for");
        if self.skip > 0 {
            self.skip -= count as u64;
            return Ok(None);
        }
        self.filled += count;
        self.complete().inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// Takes bytes from the front of `input`, up to the end of a message's body. Without a message, all were taken.
    ///
    /// # Errors
    /// As [`advance`](Self::advance).
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<Option<Envelope>, Error> {
        while !input.is_empty() {
            let space = self.space();
            let count = space.len().min(input.len());
            let (now, rest) = input.split_at(count);
            space[..count].copy_from_slice(now);
            *input = rest;
            if let Some(envelope) = self.advance(count)? {
                return Ok(Some(envelope));
            }
        }
        Ok(None)
    }

    /// How many bytes of data the last message still has.
    pub fn data_left(&self) -> usize {
        self.data_left as usize
    }

    /// Says that `count` bytes of data were read.
    ///
    /// # Panics
    /// When there was less data left.
    pub fn data_advance(&mut self, count: usize) {
        assert!(count <= self.data_left(), "no more data than there was");
        self.data_left -= count as u32;
    }

    /// Whether no message has begun that is not complete: where a peer may stop.
    pub fn between_messages(&self) -> bool {
        self.filled == 0 && self.data_left == 0 && self.skip == 0
    }

    /// The request of the message that was read last or failed, for an answer to a broken one; 0 if that is not known.
    pub fn request(&self) -> u64 {
        self.request
    }

    /// Where in the buffer the part ends that is being read.
    fn end(&self) -> usize {
        HEADER + self.header.map_or(0, |header| header.body as usize)
    }

    fn complete(&mut self) -> Result<Option<Envelope>, Error> {
        if self.header.is_none() && self.filled == HEADER {
            self.request = 0;
            self.header = Some(self.parse_header()?);
        }
        match self.header {
            Some(header) => match header.kind {
                None => Ok(Some(self.skip_unknown(header))),
                Some(kind) if self.filled == self.end() => self.deliver(kind, header).map(Some),
                Some(_) => Ok(None),
            },
            None => Ok(None),
        }
    }

    fn skip_unknown(&mut self, header: Header) -> Envelope {
        self.skip = u64::from(header.body) + u64::from(header.data);
        self.restart();
        Envelope { stream: header.stream, request: header.request, message: Message::Unknown(header.number) }
    }

    fn deliver(&mut self, kind: Kind, header: Header) -> Result<Envelope, Error> {
        let message = body::parse(kind, header.flags, &self.buffer[HEADER..self.filled], header.data)?;
        self.data_left = header.data;
        self.restart();
        Ok(Envelope { stream: header.stream, request: header.request, message })
    }

    fn restart(&mut self) {
        self.filled = 0;
        self.header = None;
    }

    fn parse_header(&mut self) -> Result<Header, Error> {
        let bytes = &self.buffer[..HEADER];
        let found = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if found != MAGIC {
            return Err(Error::Magic { found });
        }
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
        let number = u16_at(6);
        if u16_at(4) != VERSION {
            return Err(Error::Version { message: number, found: u16_at(4) });
        }
        let header = Header {
            number,
            kind: Kind::from_number(number),
            flags: u32_at(8),
            stream: u32_at(12),
            request: u64::from(u32_at(16)) | u64::from(u32_at(20)) << 32,
            body: u32_at(24),
            data: u32_at(28),
        };
        self.request = header.request;
        header.check()?;
        Ok(header)
    }
}

impl Header {
    fn check(&self) -> Result<(), Error> {
        let bound = |part, length: u64, limit: u64| {
            if length <= limit { Ok(()) } else { Err(Error::TooLong { message: self.number, part, length, limit }) }
        };
        let Some(kind) = self.kind else {
            return bound("payload", u64::from(self.body) + u64::from(self.data), MAX_UNKNOWN);
        };
        bound("body", self.body.into(), kind.max_body().into())?;
        bound("data", self.data.into(), kind.max_data().into())?;
        match self.flags & !body::allowed_flags(kind) {
            0 => Ok(()),
            unknown => Err(Error::field(kind, "flags", format!("the bits {unknown:#x} stand for nothing here"))),
        }
    }
}
