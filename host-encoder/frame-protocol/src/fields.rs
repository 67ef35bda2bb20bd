//! Fields of a body, read and written one after the other.

use crate::code::{Code, Set};
use crate::error::Error;
use crate::kind::Kind;

/// Reads a body.
pub(crate) struct Fields<'a> {
    pub(crate) kind: Kind,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(kind: Kind, body: &'a [u8]) -> Self {
        Self { kind, rest: body }
    }

    pub(crate) fn fault<T>(&self, field: &'static str, reason: impl Into<String>) -> Result<T, Error> {
        Err(Error::field(self.kind, field, reason))
    }

    fn take(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], Error> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return self.fault(field, format!("the body has {} bytes left for {count}", self.rest.len()));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(field, N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, Error> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, Error> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, Error> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, Error> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// Bytes with a length of 16 bits before them.
    pub(crate) fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], Error> {
        let length = self.u16(field)?;
        self.take(field, length.into())
    }

    pub(crate) fn text(&mut self, field: &'static str) -> Result<String, Error> {
        match std::str::from_utf8(self.bytes(field)?) {
            Ok(text) => Ok(text.to_owned()),
            Err(e) => self.fault(field, format!("it is no UTF-8: {e}")),
        }
    }

    /// One of several numbered choices.
    pub(crate) fn choice<T>(&mut self, field: &'static str, from: fn(u16) -> Option<T>) -> Result<T, Error> {
        let number = self.u8(field)?;
        from(number.into()).map_or_else(|| self.fault(field, format!("{number} stands for nothing")), Ok)
    }

    /// A set in which nothing unknown may be.
    pub(crate) fn set<T: Code>(&mut self, field: &'static str) -> Result<Set<T>, Error> {
        match Set::from_bits(self.u32(field)?) {
            (set, 0) => Ok(set),
            (_, unknown) => self.fault(field, format!("the bits {unknown:#x} stand for nothing")),
        }
    }

    /// A set of a peer that may speak a later version; what is not known is left out.
    pub(crate) fn known_of<T: Code>(&mut self, field: &'static str) -> Result<Set<T>, Error> {
        Ok(Set::from_bits(self.u32(field)?).0)
    }

    /// Bytes that have no meaning yet.
    pub(crate) fn zeros(&mut self, count: usize) -> Result<(), Error> {
        if self.take("reserved", count)?.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        self.fault("reserved", "it must be zero")
    }

    pub(crate) fn end(&self) -> Result<(), Error> {
        if self.rest.is_empty() {
            return Ok(());
        }
        self.fault("body length", format!("{} bytes are left over", self.rest.len()))
    }
}

/// Writes a body.
pub(crate) struct Out<'a>(pub(crate) &'a mut Vec<u8>);

impl Out<'_> {
    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Bytes with their length before them. All callers have checked that it fits.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
        self.0.extend_from_slice(bytes);
        self
    }
}
