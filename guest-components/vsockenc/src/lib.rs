//! GStreamer elements for the guest: `vsockenc`, an H.264 encoder that the host is, and `helixh264enc`, which picks the best
//! encoder there is.
//!
//! - `address`, `defaults` and `link`: where the host is, and how it is reached. Every wait can be ended by a `Waker`.
//! - `client`: the frame protocol in a thread of its own, which alone reads, writes and waits for the host.
//! - `carrier`: how a frame travels: as pixels, in a blob, or as a resource of virtio-gpu.
//! - `vsockenc`, `helixh264enc`: the elements.

// What `plugin_define` makes is documented by GStreamer.
#![allow(missing_docs)]

mod address;
mod carrier;
mod client;
mod defaults;
mod helixh264enc;
mod link;
mod picture;
mod vsockenc;

// The host and the harness of the element's own tests, which see nothing private and need more of them.
#[cfg(test)]
extern crate self as gstvsockenc;
#[cfg(test)]
#[expect(dead_code, reason = "the tests of the element use the rest")]
#[path = "../tests/element/host.rs"]
mod host;
#[cfg(test)]
#[expect(dead_code, reason = "the tests of the element use the rest")]
#[path = "../tests/element/support.rs"]
mod support;

use gst::glib;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    vsockenc::register(plugin)?;
    helixh264enc::register(plugin)
}

gst::plugin_define!(
    vsockenc,
    "H.264 encoding by the host of a virtual machine",
    plugin_init,
    env!("CARGO_PKG_VERSION"),
    // GStreamer knows licences by these names only; this one stands for "MIT OR Apache-2.0".
    "MIT/X11",
    "helix-vsockenc",
    "helix-vsockenc",
    "https://gstreamer.freedesktop.org"
);
