//! An encoder with a fault.

use std::sync::atomic::{AtomicU8, Ordering};

use gst::glib;
use gst::prelude::*;

/// Where it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fault {
    None,
    Open,
    Start,
    Caps,
    Frame,
}

static FAULT: AtomicU8 = AtomicU8::new(Fault::None as u8);

pub(crate) fn set(fault: Fault) {
    FAULT.store(fault as u8, Ordering::SeqCst);
}

fn is(fault: Fault) -> bool {
    FAULT.load(Ordering::SeqCst) == fault as u8
}

/// Registers it as x264enc.
pub(crate) fn register() -> Result<(), glib::BoolError> {
    gst::Element::register(None, "x264enc", gst::Rank::NONE, Broken::static_type())
}

glib::wrapper! {
    pub(crate) struct Broken(ObjectSubclass<imp::Broken>)
        @extends gst_video::VideoEncoder, gst::Element, gst::Object, @implements gst::Preset;
}

mod imp {
    use std::sync::LazyLock;

    use gst::subclass::prelude::*;
    use gst_video::subclass::prelude::*;
    use gst_video::{VideoCodecFrame, VideoCodecState, video_codec_state::Readable};

    use super::*;

    static CAT: LazyLock<gst::DebugCategory> =
        LazyLock::new(|| gst::DebugCategory::new("broken", gst::DebugColorFlags::empty(), Some("Fails as it is told")));

    #[derive(Default)]
    pub(crate) struct Broken;

    #[glib::object_subclass]
    impl ObjectSubclass for Broken {
        const NAME: &'static str = "HelixBrokenEnc";
        type Type = super::Broken;
        type ParentType = gst_video::VideoEncoder;
    }

    impl ObjectImpl for Broken {
        /// Those that x264enc has.
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                ["bitrate", "key-int-max"].map(|name| glib::ParamSpecUInt::builder(name).build()).into()
            });
            &PROPERTIES
        }

        fn set_property(&self, _id: usize, _value: &glib::Value, _spec: &glib::ParamSpec) {}
    }

    impl GstObjectImpl for Broken {}

    impl ElementImpl for Broken {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new("Broken", "Codec/Encoder/Video", "Fails as it is told", "The tests")
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let template = |name, direction, caps: gst::Caps| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).expect("a valid template")
                };
                let stream = gst::Caps::builder("video/x-h264").field("stream-format", "byte-stream");
                vec![
                    template("sink", gst::PadDirection::Sink, gst_video::VideoCapsBuilder::new().build()),
                    template("src", gst::PadDirection::Src, stream.field("alignment", "au").build()),
                ]
            });
            &TEMPLATES
        }
    }

    impl VideoEncoderImpl for Broken {
        fn open(&self) -> Result<(), gst::ErrorMessage> {
            fails(Fault::Open)
        }

        fn start(&self) -> Result<(), gst::ErrorMessage> {
            fails(Fault::Start)
        }

        fn set_format(&self, _state: &VideoCodecState<'static, Readable>) -> Result<(), gst::LoggableError> {
            if is(Fault::Caps) { Err(gst::loggable_error!(CAT, "these caps are refused")) } else { Ok(()) }
        }

        fn handle_frame(&self, _frame: VideoCodecFrame) -> Result<gst::FlowSuccess, gst::FlowError> {
            gst::element_imp_error!(self, gst::StreamError::Encode, ["this frame is refused"]);
            Err(gst::FlowError::Error)
        }
    }

    /// The base class posts the error.
    fn fails(fault: Fault) -> Result<(), gst::ErrorMessage> {
        if is(fault) { Err(gst::error_msg!(gst::LibraryError::Init, ["{fault:?} fails"])) } else { Ok(()) }
    }
}
