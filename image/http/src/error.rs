//! What a failed request means.

use std::time::Duration;

use url::Url;

use crate::proxies::shown;

/// A request that failed.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {fault}")]
pub struct Error {
    /// The address that was asked for, without a password.
    pub url: String,
    /// Why.
    pub fault: Fault,
}

/// The ways in which requests fail. Their words name no address, which may hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The server wants other credentials, or none will do (401, 403).
    #[error("the server refuses it ({0})")]
    Refused(String),
    /// The server has no such file (404, 410).
    #[error("the server has no such file ({0})")]
    Gone(String),
    /// Another answer that is no success.
    #[error("the server answers {status}")]
    Status {
        /// The status and its name.
        status: String,
        /// Whether the server may answer otherwise later.
        temporary: bool,
        /// How long it asks to wait.
        pause: Option<Duration>,
    },
    /// The proxy cannot be reached, or is what refuses.
    #[error("the proxy {proxy} {reason}")]
    Proxy {
        /// Its address, without a password.
        proxy: String,
        /// What it does, as a predicate.
        reason: String,
        /// Whether it may do better later.
        temporary: bool,
    },
    /// No authority that is trusted vouches for the server.
    #[error(
        "its certificate is not trusted: {0}\n  where a company's proxy or a private authority signs, add its \
         certificate to this machine's trust store, or name a file of certificates in SSL_CERT_FILE"
    )]
    Untrusted(String),
    /// Nothing came for so long.
    #[error("nothing came for {} s", .0.as_secs())]
    Silent(Duration),
    /// It came, but too slowly to be waited for.
    #[error("less than {0} bytes came in each second")]
    Slow(u64),
    /// The connection failed or broke off.
    #[error("{0}")]
    Transfer(String),
    /// The answer is larger than it should be.
    #[error("the answer has more than {0} bytes")]
    Large(u64),
    /// The address, a header or a setting is none.
    #[error("{0}")]
    Setting(String),
}

impl Fault {
    /// Whether another try may do better.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Silent(_) | Self::Slow(_) | Self::Transfer(_) => true,
            Self::Status { temporary, .. } | Self::Proxy { temporary, .. } => *temporary,
            Self::Refused(_) | Self::Gone(_) | Self::Untrusted(_) | Self::Large(_) | Self::Setting(_) => false,
        }
    }

    /// How long the server asks to wait before another try.
    pub fn pause(&self) -> Option<Duration> {
        if let Self::Status { pause, .. } = self { *pause } else { None }
    }
}

impl Error {
    pub(crate) fn new(url: &str, fault: Fault) -> Self {
        Self { url: Url::parse(url).map_or_else(|_| url.to_owned(), |url| shown(&url)), fault }
    }
}

/// An error with all its causes on one line.
pub(crate) fn reasons(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words: Vec<String> = causes(error).map(ToString::to_string).collect();
    words.dedup();
    // The library's words for the stage it was in tell people nothing that the cause does not tell.
    let stages = ["client error (", "error decoding response body", "request or response body error"];
    let cause = words.pop().unwrap_or_default();
    words.retain(|text| !stages.iter().any(|stage| text.starts_with(stage)));
    words.push(cause);
    words.join(": ")
}

/// An error and all its causes.
pub(crate) fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |e| match e.downcast_ref::<std::io::Error>() {
        // What an I/O error was made from is not its source, but itself.
        Some(io) => io.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static)),
        None => e.source(),
    })
}
