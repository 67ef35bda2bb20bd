//! `vsockenc`: looks like any H.264 encoder, and the host does the work.

mod imp;
mod output;
mod properties;
#[cfg(test)]
mod tests;

use gst::glib;
use gst::prelude::*;

glib::wrapper! {
    pub(crate) struct VsockEnc(ObjectSubclass<imp::VsockEnc>)
        @extends gst_video::VideoEncoder, gst::Element, gst::Object, @implements gst::Preset;
}

pub(crate) use properties::{
    DEFAULT_BITRATE_KBPS, DEFAULT_TIMEOUT_MS, MAX_BITRATE_KBPS, MAX_KEY_INT, MAX_TIMEOUT_MS, MIN_BITRATE_KBPS,
    MIN_TIMEOUT_MS, sink_caps,
};

/// Registers the element. Its rank is none: whether there is a host is known only by asking, as `helixh264enc` does.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    properties::OnDisconnect::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(Some(plugin), "vsockenc", gst::Rank::NONE, VsockEnc::static_type())
}
