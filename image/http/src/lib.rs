//! All HTTP of the project: which way a request takes, whom it trusts, how long it waits, and what its failure means.
//!
//! Programs that speak HTTP themselves, such as apt and curl, get the same policy: [`Proxies`] as variables, and the
//! trusted authorities as a file.

mod proxies;

pub use proxies::{PROXY_VARIABLES, Proxies, ProxyFault, is_this_machine};
pub use url::Url;
/// The fields of a form, for the body of a request.
pub use url::form_urlencoded::Serializer as Form;

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod error;
#[cfg(feature = "client")]
mod retries;
#[cfg(feature = "client")]
mod trust;

#[cfg(feature = "client")]
pub use client::{Answer, Client, Request, Settings};
#[cfg(feature = "client")]
pub use error::{Error, Fault};
#[cfg(feature = "client")]
pub use retries::Retries;
#[cfg(feature = "client")]
pub use trust::{Trust, TrustFault};
