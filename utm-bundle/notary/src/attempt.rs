//! One request, and what comes of it.

use ureq::Body;
use ureq::http::Response;

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

/// The whole of an answer, when it is a yes.
pub(crate) fn judge(doing: &'static str, mut answer: Response<Body>) -> Result<Vec<u8>, Attempt> {
    let status = answer.status();
    let body = answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec();
    if status.is_server_error() || [408, 429].contains(&status.as_u16()) {
        return Err(Attempt::Again(format!("the server says {status}")));
    }
    let body = body.map_err(|error| match error {
        ureq::Error::BodyExceedsLimit(_) => {
            Attempt::Never(Error::Failed { doing, why: format!("the answer has more than {LARGEST_ANSWER} bytes") })
        }
        error => without_url(&error),
    })?;
    if status.is_success() {
        return Ok(body);
    }
    let why = format!("the server says {status}{}", said(&body));
    let unauthorized = status.as_u16() == 401 && doing != "sending the app";
    Err(Attempt::Never(if unauthorized { Error::Unauthorized { doing, why } } else { Error::Failed { doing, why } }))
}

/// An error without the URL, which may have secrets in it.
pub(crate) fn without_url(error: &ureq::Error) -> Attempt {
    Attempt::Again(match error {
        ureq::Error::BadUri(_) => "the address is none".to_owned(),
        error => error.to_string(),
    })
}
