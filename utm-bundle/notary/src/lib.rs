//! Apple's notary service, from any machine: an app is sent there, looked at, and gets a ticket, by which a Mac opens it without
//! asking.
//!
//! [`Service::notarize`] does all of it; [`staple`] puts the ticket into the app. What is spoken is the
//! [Notary API](https://developer.apple.com/documentation/notaryapi), version 2, and for tickets the request that Apple's
//! `stapler` sends. It was tried against a server of the tests only.

mod answers;
mod attempt;
mod credentials;
mod error;
mod service;
mod ticket;
mod upload;

pub use crate::answers::kinds_of_answer;
pub use crate::credentials::Credentials;
pub use crate::error::{Error, Issue};
pub use crate::service::{Event, Patience, Service, URL_VARIABLE};
pub use crate::ticket::staple;
pub use crate::upload::check_size;
