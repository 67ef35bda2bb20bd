//! The encoders, each with its own names and units of the same properties.

use gst::glib;
use gst::prelude::*;

use super::properties::Settings;

/// An encoder that this element knows, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoder {
    Nvidia,
    Host,
    X264,
    Openh264,
}

impl Encoder {
    pub(super) const ALL: [Self; 4] = [Self::Nvidia, Self::Host, Self::X264, Self::Openh264];

    /// The name of its element.
    pub(super) fn factory(self) -> &'static str {
        match self {
            Self::Nvidia => "nvh264enc",
            Self::Host => "vsockenc",
            Self::X264 => "x264enc",
            Self::Openh264 => "openh264enc",
        }
    }

    pub(super) fn is_installed(self) -> bool {
        gst::ElementFactory::find(self.factory()).is_some()
    }

    /// Whether it takes DMA-BUFs as such. The others map them.
    pub(super) fn takes_dma_bufs(self) -> bool {
        self == Self::Host
    }

    /// The frames that it is given.
    ///
    /// Encoders that take 4:4:4 get it from a converter of RGB, which loses least in it. Few decoders of browsers know what
    /// they make of it, High 4:4:4, so that 4:2:0 is all that they are offered. The host makes nothing else.
    pub(super) fn input_caps(self) -> gst::Caps {
        match self {
            Self::Host => gst::Caps::new_any(),
            Self::Nvidia | Self::X264 | Self::Openh264 => {
                let formats = [gst_video::VideoFormat::Nv12, gst_video::VideoFormat::I420];
                gst_video::VideoCapsBuilder::new().format_list(formats).build()
            }
        }
    }

    /// An element of it, set for frames that are needed at once.
    pub(super) fn make(self, settings: &Settings) -> Result<gst::Element, glib::BoolError> {
        let element = gst::ElementFactory::make(self.factory()).build()?;
        self.fixed().iter().for_each(|(name, value)| set(&element, name, value));
        if self == Self::Host {
            element.set_property("transport", &settings.transport);
            element.set_property("token", &settings.token.text);
            element.set_property("token-file", settings.token.file.as_ref().map(|path| path.display().to_string()));
            element.set_property("timeout", settings.timeout_ms);
        }
        self.set_rates(&element, settings);
        Ok(element)
    }

    fn fixed(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // This element was written anew: gstnvbaseenc.c and gstnvh264encoder.cpp name these differently.
            Self::Nvidia => &[
                ("preset", "low-latency-hq"),
                ("rc-mode", "cbr"),
                ("rate-control", "cbr"),
                ("zerolatency", "true"),
                ("zero-reorder-delay", "true"),
                ("bframes", "0"),
                ("b-frames", "0"),
            ],
            // Another encoder takes over instead of a connection that may come back.
            Self::Host => &[("on-disconnect", "error")],
            Self::X264 => &[("tune", "zerolatency"), ("speed-preset", "veryfast"), ("bframes", "0")],
            Self::Openh264 => &[("rate-control", "bitrate"), ("complexity", "low"), ("enable-frame-skip", "false")],
        }
    }

    /// Sets bitrate and keyframe interval; 0 leaves the interval to the encoder.
    pub(super) fn set_rates(self, element: &gst::Element, settings: &Settings) {
        let (kbps, interval) = (settings.bitrate_kbps, settings.key_int_max);
        match self {
            Self::Host | Self::X264 => {
                element.set_property("bitrate", kbps);
                element.set_property("key-int-max", interval);
            }
            // This one has bit/s.
            Self::Openh264 => {
                element.set_property("bitrate", kbps.saturating_mul(1000));
                if interval > 0 {
                    element.set_property("gop-size", interval);
                }
            }
            // A signed number, of which -1 means that there is no end.
            Self::Nvidia => {
                set(element, "bitrate", &kbps.to_string());
                if interval > 0 {
                    set(element, "gop-size", &interval.to_string());
                }
            }
        }
    }
}

/// Sets a property by the type that it has. What another version of an encoder does not have is left as it is.
fn set(element: &gst::Element, name: &str, value: &str) {
    let spec = element.find_property(name);
    if let Some(Ok(value)) = spec.map(|spec| glib::Value::deserialize_with_pspec(value, &spec)) {
        element.set_property_from_value(name, &value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        gst::init().expect("GStreamer");
        Settings { bitrate_kbps: 1234, key_int_max: 50, ..Settings::default() }
    }

    #[test]
    fn each_encoder_has_its_own_units() {
        let settings = settings();
        let x264 = Encoder::X264.make(&settings).expect("x264enc");
        assert_eq!((x264.property::<u32>("bitrate"), x264.property::<u32>("key-int-max")), (1234, 50));
        let openh264 = Encoder::Openh264.make(&settings).expect("openh264enc");
        assert_eq!((openh264.property::<u32>("bitrate"), openh264.property::<u32>("gop-size")), (1_234_000, 50));
    }
}
