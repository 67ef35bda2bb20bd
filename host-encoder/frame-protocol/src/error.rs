use crate::VERSION;
use crate::kind::{Kind, describe};

/// Why a message is none, or none that may be sent. What was read cannot be continued after it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes do not begin as a message does: the peer speaks something else, or its stream went out of step.
    #[error("no message begins with {found:02x?}; either end went out of step, or the peer speaks another protocol")]
    Magic {
        /// The four bytes where the magic ones should be.
        found: [u8; 4],
    },
    /// The header is of another version.
    #[error("{}: header field version: it is {found}, must be {VERSION}", describe(*.message))]
    Version {
        /// The type of the message.
        message: u16,
        /// The version that the header states.
        found: u16,
    },
    /// Body or data are longer than the type allows.
    #[error("{}: {part} of {length} bytes, at most {limit} are allowed", describe(*.message))]
    TooLong {
        /// The type of the message.
        message: u16,
        /// `body`, `data`, or `payload` for both.
        part: &'static str,
        /// The length stated, in bytes.
        length: u64,
        /// The bound, in bytes.
        limit: u64,
    },
    /// A field has a value that it must not have.
    #[error("{}: field {field}: {reason}", describe(*.message))]
    Field {
        /// The type of the message.
        message: u16,
        /// The field's name in the specification.
        field: &'static str,
        /// What it has, and what it should have.
        reason: String,
    },
}

impl Error {
    pub(crate) fn field(kind: Kind, field: &'static str, reason: impl Into<String>) -> Self {
        Self::Field { message: kind.number(), field, reason: reason.into() }
    }
}
