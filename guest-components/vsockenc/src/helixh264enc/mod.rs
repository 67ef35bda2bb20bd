//! `helixh264enc`: a bin around the best H.264 encoder of the machine, which changes to the next one when that fails.

mod choice;
mod encoder;
mod imp;
mod properties;
mod watch;

use gst::glib;
use gst::prelude::*;

glib::wrapper! {
    pub(crate) struct HelixH264Enc(ObjectSubclass<imp::HelixH264Enc>)
        @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    properties::Wish::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(Some(plugin), "helixh264enc", gst::Rank::NONE, HelixH264Enc::static_type())
}
