//! The properties of `helixh264enc`. Those that encoders have too are passed on in their units.

use std::path::PathBuf;
use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;

use super::encoder::Encoder;
use crate::client::TokenSource;
use crate::vsockenc::{
    DEFAULT_BITRATE_KBPS, DEFAULT_TIMEOUT_MS, MAX_BITRATE_KBPS, MAX_KEY_INT, MAX_TIMEOUT_MS, MIN_BITRATE_KBPS,
    MIN_TIMEOUT_MS,
};

/// What the property `encoder` can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstHelixH264EncEncoder")]
pub(super) enum Wish {
    #[default]
    #[enum_value(name = "The best there is; the next one when it fails", nick = "auto")]
    Auto,
    #[enum_value(name = "The GPU of an NVIDIA card", nick = "nvh264enc")]
    Nvidia,
    #[enum_value(name = "The host of this virtual machine", nick = "vsockenc")]
    Host,
    #[enum_value(name = "x264, in software", nick = "x264enc")]
    X264,
    #[enum_value(name = "OpenH264, in software", nick = "openh264enc")]
    Openh264,
}

impl Wish {
    /// The encoder that is asked for; nothing if the best is.
    pub(super) fn forced(self) -> Option<Encoder> {
        Some(match self {
            Self::Auto => return None,
            Self::Nvidia => Encoder::Nvidia,
            Self::Host => Encoder::Host,
            Self::X264 => Encoder::X264,
            Self::Openh264 => Encoder::Openh264,
        })
    }
}

/// The values of the properties.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) wish: Wish,
    pub(super) bitrate_kbps: u32,
    pub(super) key_int_max: u32,
    pub(super) transport: Option<String>,
    pub(super) token: TokenSource,
    pub(super) timeout_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            wish: Wish::Auto,
            bitrate_kbps: DEFAULT_BITRATE_KBPS,
            key_int_max: 0,
            transport: None,
            token: TokenSource::default(),
            timeout_ms: DEFAULT_TIMEOUT_MS,
        }
    }
}

impl Settings {
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), glib::value::ValueTypeMismatchError> {
        let text = |value: &glib::Value| value.get::<Option<String>>().ok().flatten().filter(|text| !text.is_empty());
        match name {
            "encoder" => self.wish = value.get()?,
            "bitrate" => self.bitrate_kbps = value.get()?,
            "key-int-max" => self.key_int_max = value.get()?,
            "transport" => self.transport = text(value),
            "token" => self.token.text = text(value),
            "token-file" => self.token.file = text(value).map(PathBuf::from),
            "timeout" => self.timeout_ms = value.get()?,
            _ => {}
        }
        Ok(())
    }

    /// The value of a property; nothing for those that are not settings.
    pub(super) fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "encoder" => self.wish.to_value(),
            "bitrate" => self.bitrate_kbps.to_value(),
            "key-int-max" => self.key_int_max.to_value(),
            "transport" => self.transport.to_value(),
            "token-file" => self.token.file.as_ref().map(|path| path.display().to_string()).to_value(),
            "timeout" => self.timeout_ms.to_value(),
            _ => return None,
        })
    }
}

/// All properties. Each blurb has its unit and what the default does.
pub(super) static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
    vec![
        glib::ParamSpecEnum::builder::<Wish>("encoder")
            .nick("Encoder")
            .blurb("Which encoder to use; a certain one is used without looking for others (default: auto)")
            .default_value(Wish::Auto)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("bitrate")
            .nick("Bitrate")
            .blurb(
                "Mean bitrate in kbit/s, whatever unit the encoder has; can be changed while playing (default: 2048)",
            )
            .minimum(MIN_BITRATE_KBPS)
            .maximum(MAX_BITRATE_KBPS)
            .default_value(DEFAULT_BITRATE_KBPS)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("key-int-max")
            .nick("Key-frame maximal interval")
            .blurb("The most frames from one keyframe to the next (default: 0, the encoder decides)")
            .maximum(MAX_KEY_INT)
            .default_value(0)
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("transport")
            .nick("Transport")
            .blurb("Where the host encoder is, as for vsockenc (default: that of vsockenc; if there is none, no host is asked)")
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("token")
            .nick("Token")
            .blurb("The secret that the host asks for; cannot be read back (default: none, or that of token-file)")
            .write_only()
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("token-file")
            .nick("Token file")
            .blurb("A file with the token, read at each connection; token comes first (default: that of vsockenc)")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("timeout")
            .nick("Timeout")
            .blurb("In ms: how long the host may take before another encoder is used (default: 5000)")
            .minimum(MIN_TIMEOUT_MS)
            .maximum(MAX_TIMEOUT_MS)
            .default_value(DEFAULT_TIMEOUT_MS)
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("chosen")
            .nick("Chosen encoder")
            .blurb("The encoder that is used; also in the element message helixh264enc-chosen (default: none)")
            .read_only()
            .build(),
        glib::ParamSpecString::builder("reason")
            .nick("Reason")
            .blurb("Why that one is used, and better ones are not (default: none)")
            .read_only()
            .build(),
    ]
});
