//! One request, and what comes of it.

use helix_http::{Answer, Fault};

use crate::answers::said;
use crate::error::Error;

/// More than any answer has, in bytes.
const LARGEST_ANSWER: u64 = 4 << 20;

/// Why a request did not succeed.
pub(crate) enum Attempt {
    /// It may the next time.
    Again(String),
    Never(Error),
}

/// The whole of an answer, when it is a yes. An address may have secrets in it, and is never told.
pub(crate) fn judge(doing: &'static str, answer: Result<Answer, helix_http::Error>) -> Result<Vec<u8>, Attempt> {
    let failed = |fault: Fault| {
        let why = fault.to_string();
        if fault.is_temporary() { Attempt::Again(why) } else { Attempt::Never(Error::Failed { doing, why }) }
    };
    let answer = answer.map_err(|error| failed(error.fault))?;
    let (status, text) = (answer.status(), answer.status_text());
    let body = answer.bytes(LARGEST_ANSWER);
    if status >= 500 || [408, 429].contains(&status) {
        return Err(Attempt::Again(format!("the server says {text}")));
    }
    let body = body.map_err(|error| failed(error.fault))?;
    if (200..300).contains(&status) {
        return Ok(body);
    }
    let why = format!("the server says {text}{}", said(&body));
    let unauthorized = status == 401 && doing != "sending the app";
    Err(Attempt::Never(if unauthorized { Error::Unauthorized { doing, why } } else { Error::Failed { doing, why } }))
}
