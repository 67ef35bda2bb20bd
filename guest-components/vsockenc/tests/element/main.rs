//! The elements in gst_check's harness, against a host that these tests play.

mod answers;
mod auto;
mod daemon;
mod docs;
mod faults;
mod flow;
mod formats;
mod host;
mod negotiation;
mod outages;
mod reconnects;
mod support;
