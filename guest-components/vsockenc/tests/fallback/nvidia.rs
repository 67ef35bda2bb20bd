//! An encoder with the properties of NVIDIA's, in types and ranges those of `gstnvbaseenc.c` or of GStreamer 1.22's
//! `gstnvh264encoder.cpp`. OpenH264 does its work, because this machine need not have a card.

use gst::glib;
use gst::prelude::*;

/// Which names the properties have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    Old,
    New,
}

/// Registers it as nvh264enc, in the place of the other generation.
pub(crate) fn register(generation: Generation) -> Result<(), glib::BoolError> {
    let type_ = match generation {
        Generation::Old => old::Nvidia::static_type(),
        Generation::New => new::Nvidia::static_type(),
    };
    gst::Element::register(None, "nvh264enc", gst::Rank::NONE, type_)
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "HelixTestNvPreset")]
pub(crate) enum Preset {
    #[default]
    Default,
    LowLatencyHq,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "HelixTestNvRate")]
pub(crate) enum Rate {
    #[default]
    Vbr,
    Cbr,
}

/// One type for each generation.
macro_rules! generation {
    ($module:ident, $type_name:literal, $rate:literal, $b_frames:literal, $no_delay:literal) => {
        mod $module {
            use super::*;

            glib::wrapper! {
                pub(crate) struct Nvidia(ObjectSubclass<imp::Nvidia>) @extends gst::Bin, gst::Element, gst::Object;
            }

            mod imp {
                use std::collections::HashMap;
                use std::sync::{LazyLock, Mutex};

                use gst::subclass::prelude::*;

                use super::*;

                /// What was set, as texts, because values are not of all threads.
                #[derive(Default)]
                pub(crate) struct Nvidia(Mutex<HashMap<String, String>>);

                #[glib::object_subclass]
                impl ObjectSubclass for Nvidia {
                    const NAME: &'static str = $type_name;
                    type Type = super::Nvidia;
                    type ParentType = gst::Bin;
                }

                impl ObjectImpl for Nvidia {
                    fn properties() -> &'static [glib::ParamSpec] {
                        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                            vec![
                                glib::ParamSpecEnum::builder::<Preset>("preset").build(),
                                glib::ParamSpecEnum::builder::<Rate>($rate).build(),
                                glib::ParamSpecUInt::builder("bitrate").maximum(2_048_000).build(),
                                glib::ParamSpecInt::builder("gop-size").minimum(-1).default_value(75).build(),
                                glib::ParamSpecUInt::builder($b_frames).maximum(4).default_value(2).build(),
                                glib::ParamSpecBoolean::builder($no_delay).build(),
                            ]
                        });
                        &PROPERTIES
                    }

                    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
                        let text = value.serialize().expect("a plain value").to_string();
                        self.0.lock().expect("no panic").insert(spec.name().to_owned(), text);
                    }

                    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
                        let set = self.0.lock().expect("no panic").get(spec.name()).cloned();
                        let value = set.map(|text| glib::Value::deserialize_with_pspec(&text, spec).expect("its type"));
                        value.unwrap_or_else(|| spec.default_value().clone())
                    }

                    fn constructed(&self) {
                        self.parent_constructed();
                        let inner = gst::ElementFactory::make("openh264enc").build().expect("OpenH264");
                        self.obj().add(&inner).expect("a bin of its own");
                        for name in ["sink", "src"] {
                            let template = self.obj().pad_template(name).expect("a template of this class");
                            let pad = inner.static_pad(name).expect("a pad");
                            let ghost = gst::GhostPad::from_template_with_target(&template, &pad).expect("a pad");
                            self.obj().add_pad(&ghost).expect("a pad of this class");
                        }
                    }
                }

                impl GstObjectImpl for Nvidia {}

                impl ElementImpl for Nvidia {
                    fn pad_templates() -> &'static [gst::PadTemplate] {
                        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                            let template = |name, direction, caps| {
                                let caps = gst::Caps::new_empty_simple(caps);
                                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps)
                                    .expect("a valid template")
                            };
                            vec![
                                template("sink", gst::PadDirection::Sink, "video/x-raw"),
                                template("src", gst::PadDirection::Src, "video/x-h264"),
                            ]
                        });
                        &TEMPLATES
                    }
                }

                impl BinImpl for Nvidia {}
            }
        }
    };
}

generation!(old, "HelixTestNvOld", "rc-mode", "bframes", "zerolatency");
generation!(new, "HelixTestNvNew", "rate-control", "b-frames", "zero-reorder-delay");
