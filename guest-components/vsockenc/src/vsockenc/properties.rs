//! The properties of `vsockenc`, with the names and units of `x264enc` where that has them.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use helix_frame_protocol::Level;
use helix_frame_protocol::limits::{MAX_SIDE, MIN_BITRATE, MIN_SIDE};

use crate::client::{Figures, Options, TokenSource};
use crate::defaults;
use crate::picture::FORMATS;

pub(crate) const DEFAULT_BITRATE_KBPS: u32 = 2048;
/// These three are x264enc's, so that whatever is set for that can be set here. The wire has narrower limits.
pub(crate) const MIN_BITRATE_KBPS: u32 = 1;
pub(crate) const MAX_BITRATE_KBPS: u32 = 2_048_000;
pub(crate) const MAX_KEY_INT: u32 = i32::MAX as u32;
/// That of level 5.2, the highest that hosts have, in bit/s.
const HIGHEST_BITRATE: u64 = 240_000_000;
pub(crate) const DEFAULT_TIMEOUT_MS: u32 = 5000;
pub(crate) const MIN_TIMEOUT_MS: u32 = 100;
/// The protocol's longest.
pub(crate) const MAX_TIMEOUT_MS: u32 = 10_000;

/// What happens when the host goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstVsockEncOnDisconnect")]
pub(crate) enum OnDisconnect {
    /// The pipeline goes on, and so does the video when the host is back.
    #[default]
    #[enum_value(
        name = "Connect again and go on with a keyframe; drop frames while the host is away; post an element error if no \
                connection succeeds in the first place",
        nick = "reconnect"
    )]
    Reconnect,
    /// The same, also for a host that has not been there yet.
    #[enum_value(name = "As reconnect, and wait for a first connection for as long as it takes", nick = "wait")]
    Wait,
    /// The pipeline ends.
    #[enum_value(name = "Post an element error", nick = "error")]
    Error,
}

/// The values of the properties.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) bitrate_kbps: u32,
    pub(super) key_int_max: u32,
    transport: Option<String>,
    token: TokenSource,
    timeout_ms: u32,
    on_disconnect: OnDisconnect,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bitrate_kbps: DEFAULT_BITRATE_KBPS,
            key_int_max: 0,
            transport: None,
            token: TokenSource::default(),
            timeout_ms: DEFAULT_TIMEOUT_MS,
            on_disconnect: OnDisconnect::default(),
        }
    }
}

impl Settings {
    /// What the connection needs, or what is wrong with it.
    pub(super) fn options(&self) -> Result<Options, String> {
        Ok(Options {
            address: defaults::address(self.transport.as_deref())?,
            token: self.token.clone(),
            timeout: Duration::from_millis(self.timeout_ms.into()),
            reconnect: self.on_disconnect != OnDisconnect::Error,
            wait_for_first: self.on_disconnect == OnDisconnect::Wait,
        })
    }

    /// In bit/s, as the wire has it: what is set, or the nearest that a stream of this level can have.
    pub(super) fn bitrate_bps(&self, level: Option<Level>) -> u64 {
        let highest = level.map_or(HIGHEST_BITRATE, |level| level.max_bitrate().min(HIGHEST_BITRATE));
        (u64::from(self.bitrate_kbps) * 1000).clamp(MIN_BITRATE, highest.max(MIN_BITRATE))
    }

    pub(super) fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), glib::value::ValueTypeMismatchError> {
        let text = |value: &glib::Value| value.get::<Option<String>>().ok().flatten().filter(|text| !text.is_empty());
        match name {
            "bitrate" => self.bitrate_kbps = value.get()?,
            "key-int-max" => self.key_int_max = value.get()?,
            "transport" => self.transport = text(value),
            "token" => self.token.text = text(value),
            "token-file" => self.token.file = text(value).map(PathBuf::from),
            "timeout" => self.timeout_ms = value.get()?,
            "on-disconnect" => self.on_disconnect = value.get()?,
            _ => {}
        }
        Ok(())
    }

    /// The value of a property; nothing for those that are not settings.
    pub(super) fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "bitrate" => self.bitrate_kbps.to_value(),
            "key-int-max" => self.key_int_max.to_value(),
            "transport" => self.transport.to_value(),
            "token-file" => self.token.file.as_ref().map(|path| path.display().to_string()).to_value(),
            "timeout" => self.timeout_ms.to_value(),
            "on-disconnect" => self.on_disconnect.to_value(),
            _ => return None,
        })
    }
}

/// The figures as a structure.
pub(super) fn stats(figures: &Figures) -> gst::Structure {
    let average =
        figures.answer_total.checked_div(u32::try_from(figures.units).unwrap_or(u32::MAX)).unwrap_or_default();
    let host = &figures.host_figures;
    gst::Structure::builder("vsockenc-stats")
        .field("frames", figures.frames)
        .field("access-units", figures.units)
        .field("keyframes", figures.keyframes)
        .field("bytes", figures.bytes)
        .field("dropped", figures.dropped)
        .field("connections", figures.connections)
        .field("connected", figures.connected)
        .field("answer-time-average", average.as_nanos() as u64)
        .field("answer-time-max", figures.answer_max.as_nanos() as u64)
        .field("way", figures.way.map(|way| way.to_string()))
        .field("host", &figures.host)
        .field("encoder", &figures.encoder)
        .field("host-frames", host.frames)
        .field("host-bytes", host.bytes)
        .field("host-encode-time-total", host.encode_total_ns)
        .field("host-encode-time-max", host.encode_max_ns)
        .field("host-dropped", host.dropped)
        .field("host-queued", host.queued)
        .build()
}

/// The formats that the host understands, in ordinary memory and as DMA-BUFs.
pub(crate) fn sink_caps() -> gst::Caps {
    let sides = MIN_SIDE as i32..=MAX_SIDE as i32;
    let caps = || {
        let builder = gst_video::VideoCapsBuilder::new().format_list(FORMATS);
        builder.width_range(sides.clone()).height_range(sides.clone())
    };
    let mut both = caps().features([gst_allocators::CAPS_FEATURE_MEMORY_DMABUF]).build();
    both.merge(caps().build());
    both
}

/// All properties. Each blurb has its unit and what the default does.
pub(super) static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
    vec![
        glib::ParamSpecUInt::builder("bitrate")
            .nick("Bitrate")
            .blurb(
                "Mean bitrate in kbit/s, of which levels up to 5.2 have 10 to 240000; the nearest is used if it is another, \
                 and an element warning says so; can be changed while playing, which makes a keyframe (default: 2048)",
            )
            .minimum(MIN_BITRATE_KBPS)
            .maximum(MAX_BITRATE_KBPS)
            .default_value(DEFAULT_BITRATE_KBPS)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("key-int-max")
            .nick("Key-frame maximal interval")
            .blurb(
                "The most frames from one keyframe to the next, at most 65535 for the host; can be changed while playing \
                 (default: 0, the host decides)",
            )
            .maximum(MAX_KEY_INT)
            .default_value(0)
            .mutable_playing()
            .build(),
        glib::ParamSpecString::builder("transport")
            .nick("Transport")
            .blurb(
                "Where the host encoder is: vsock://CID:PORT, unix:PATH, tcp://HOST:PORT or virtio-port:NAME \
                 (default: that of the environment variable HELIX_ENCODER, or else virtio-port:dev.helix.encoder if there \
                 is that port)",
            )
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("token")
            .nick("Token")
            .blurb("The secret that the host asks for, 1 to 256 bytes; cannot be read back (default: none, or that of token-file)")
            .write_only()
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("token-file")
            .nick("Token file")
            .blurb(
                "A file with the token in its first line, read at each connection; token comes first \
                 (default: for the host of this machine /etc/helix/encoder-token, if it can be read)",
            )
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("timeout")
            .nick("Timeout")
            .blurb(
                "In ms: how long the host may take to be reached, for a message and for an answer, and how long frames wait \
                 for a host that is away (default: 5000)",
            )
            .minimum(MIN_TIMEOUT_MS)
            .maximum(MAX_TIMEOUT_MS)
            .default_value(DEFAULT_TIMEOUT_MS)
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder::<OnDisconnect>("on-disconnect")
            .nick("On disconnect")
            .blurb("What happens when the host cannot be reached or goes away (default: reconnect)")
            .default_value(OnDisconnect::Reconnect)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb(
                "Since the start: frames, access-units, keyframes, bytes, dropped, connections, connected, \
                 answer-time-average and answer-time-max in ns, way, host, encoder; of the host, for this connection, a second \
                 old at most while there are frames: host-frames, host-bytes, host-encode-time-total and \
                 host-encode-time-max in ns, host-dropped, host-queued (no default)",
            )
            .read_only()
            .build(),
    ]
});
