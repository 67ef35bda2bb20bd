//! What the system tests stand on: archives made and signed by the test, a server that can misbehave, and a project of
//! its own for each test.

mod archive;
mod debian;
mod debs;
mod host;
mod mini;
mod project;
mod run;
mod server;
mod warm;

pub(crate) use archive::{Publication, Signature, Suite};
pub(crate) use debian::Debian;
pub(crate) use debs::{Deb, Synthetic};
pub(crate) use host::{Key, inside, root_folder};
pub(crate) use mini::MIRROR;
pub(crate) use project::Project;
pub(crate) use run::{Run, Running};
pub(crate) use server::{Fault, closed_port};
pub(crate) use warm::{LOCKS, copy_folder, warm};
