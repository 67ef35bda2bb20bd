//! The bin. Frames pass a chain function of its own, which changes the encoder and gives the same frame to the next one.

use std::collections::VecDeque;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::choice::{Candidate, candidates};
use super::encoder::Encoder;
use super::properties::{PROPERTIES, Settings};
use super::watch::{FIRST_PAUSE, Watch};
use crate::client::Probe;
use crate::picture::is_progressive;
use crate::vsockenc::sink_caps;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("helixh264enc", gst::DebugColorFlags::empty(), Some("Bin with the best H.264 encoder"))
});

/// An encoder that refuses a frame says why in a message, which another of its threads may post a little later.
const MESSAGE: Duration = Duration::from_millis(500);

/// What surrounds the encoder, whichever it is.
#[derive(Debug, Clone)]
struct Frame {
    /// Passes frames on as they are if the encoder takes them.
    convert: gst::Element,
    /// Says what the encoder is to get.
    raw: gst::Element,
    parse: gst::Element,
    filter: gst::Element,
}

impl Frame {
    /// They come from several packages, of which one may be missing.
    fn make() -> Result<Self, String> {
        let make = |factory, package| {
            let made = gst::ElementFactory::make(factory).build();
            made.map_err(|_| format!("there is no element {factory}, which is in the package {package}"))
        };
        Ok(Self {
            convert: make("videoconvert", "gstreamer1.0-plugins-base")?,
            raw: make("capsfilter", "libgstreamer1.0-0")?,
            parse: make("h264parse", "gstreamer1.0-plugins-bad")?,
            filter: make("capsfilter", "libgstreamer1.0-0")?,
        })
    }
}

#[derive(Default)]
struct State {
    current: Option<(Encoder, gst::Element)>,
    /// What is tried next.
    next: VecDeque<Candidate>,
    reason: String,
    /// Why the current encoder is of no more use.
    failure: Option<String>,
}

pub(crate) struct HelixH264Enc {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    /// Under way while the bin looks which encoders there are.
    probe: Mutex<Option<Probe>>,
    failed: Condvar,
    /// Since the host failed; kept when it is back, for its pause.
    watch: Mutex<Option<Watch>>,
    /// Or why there is none.
    frame: Result<Frame, String>,
    sink: gst::GhostPad,
    source: gst::GhostPad,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[glib::object_subclass]
impl ObjectSubclass for HelixH264Enc {
    const NAME: &'static str = "GstHelixH264Enc";
    type Type = super::HelixH264Enc;
    type ParentType = gst::Bin;

    fn with_class(class: &Self::Class) -> Self {
        let template = |name| class.pad_template(name).expect("a template of this class");
        let sink = gst::GhostPad::builder_from_template(&template("sink"))
            .chain_function(|pad, parent, buffer| {
                let refused = || Err(gst::FlowError::Error);
                HelixH264Enc::catch_panic_pad_function(parent, refused, |bin| bin.chain(pad, buffer))
            })
            .event_function(|pad, parent, event| {
                HelixH264Enc::catch_panic_pad_function(parent, || false, |bin| bin.sink_event(pad, event))
            });
        let source = gst::GhostPad::builder_from_template(&template("src"));
        Self {
            settings: Mutex::default(),
            state: Mutex::default(),
            probe: Mutex::default(),
            failed: Condvar::new(),
            watch: Mutex::default(),
            frame: Frame::make(),
            sink: sink.build(),
            source: source.build(),
        }
    }
}

impl ObjectImpl for HelixH264Enc {
    fn constructed(&self) {
        self.parent_constructed();
        self.assemble().expect("elements that fit");
    }

    fn properties() -> &'static [glib::ParamSpec] {
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        // GObject has checked the type.
        if let Err(e) = lock(&self.settings).set(spec.name(), value) {
            gst::error!(CAT, imp = self, "{}: {e}", spec.name());
        }
        if matches!(spec.name(), "encoder" | "transport" | "token" | "token-file" | "timeout") {
            // Its answer would be to another question.
            let probe = lock(&self.probe).take();
            return probe.iter().for_each(Probe::give_up);
        }
        if spec.name() != "bitrate" {
            return;
        }
        let current = lock(&self.state).current.clone();
        if let Some((encoder, element)) = current {
            let settings = lock(&self.settings).clone();
            encoder.set_rates(&element, &settings);
        }
    }

    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
        let setting = lock(&self.settings).get(spec.name());
        setting.unwrap_or_else(|| {
            let state = lock(&self.state);
            let chosen = state.current.as_ref().map(|(encoder, _)| encoder.factory());
            if spec.name() == "chosen" { chosen.to_value() } else { chosen.map(|_| state.reason.as_str()).to_value() }
        })
    }
}

impl GstObjectImpl for HelixH264Enc {}

impl ElementImpl for HelixH264Enc {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Best H.264 encoder",
                "Codec/Encoder/Video",
                "Encodes H.264 by the best encoder of this machine, and by the next one when that fails",
                "The Helix image project",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let template = |name, direction, caps: gst::Caps| {
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).expect("a valid template")
            };
            vec![
                template("sink", gst::PadDirection::Sink, sink_caps()),
                template("src", gst::PadDirection::Src, source_caps()),
            ]
        });
        &TEMPLATES
    }

    fn change_state(&self, change: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if change == gst::StateChange::NullToReady {
            self.choose()
                .inspect_err(|text| {
                    gst::element_imp_error!(
                        self,
                        gst::CoreError::MissingPlugin,
                        ("There is no H.264 encoder"),
                        ["{text}"]
                    );
                })
                .map_err(|_| gst::StateChangeError)?;
        }
        let mut result = self.parent_change_state(change);
        if change == gst::StateChange::ReadyToPaused {
            // An encoder that does not start is replaced like one that fails later.
            while result.is_err()
                && let Some(failure) = self.take_failure()
            {
                self.replace(&failure);
                result = self.parent_change_state(change);
            }
        }
        if change == gst::StateChange::ReadyToNull {
            drop(lock(&self.watch).take());
            self.remove_current();
        }
        result
    }
}

impl BinImpl for HelixH264Enc {
    /// The error of an encoder that can be replaced does not end the pipeline.
    fn handle_message(&self, message: gst::Message) {
        let gst::MessageView::Error(error) = message.view() else { return self.parent_handle_message(message) };
        let mut state = lock(&self.state);
        let current = state.current.as_ref().map(|(_, element)| element);
        let own = current.is_some_and(|element| message.src() == Some(element.upcast_ref()));
        if !own || state.next.is_empty() {
            drop(state);
            return self.parent_handle_message(message);
        }
        // The first has the cause; base classes tell of what came of it.
        state.failure.get_or_insert_with(|| format!("{} ({})", error.error(), error.debug().unwrap_or_default()));
        drop(state);
        self.failed.notify_all();
    }
}

/// The parser makes the one of the other, and takes the first if nothing is asked for.
fn source_caps() -> gst::Caps {
    let formats = gst::List::new(["byte-stream", "avc"]);
    gst::Caps::builder("video/x-h264").field("stream-format", formats).field("alignment", "au").build()
}

impl HelixH264Enc {
    fn assemble(&self) -> Result<(), glib::BoolError> {
        let (bin, Self { sink, source, .. }) = (self.obj(), self);
        bin.add_pad(sink)?;
        bin.add_pad(source)?;
        let Ok(Frame { convert, raw, parse, filter }) = &self.frame else { return Ok(()) };
        // Whoever joins later finds SPS and PPS before each keyframe, whichever encoder it is.
        parse.set_property("config-interval", -1);
        filter.set_property("caps", source_caps());
        bin.add_many([convert, raw, parse, filter])?;
        convert.link(raw)?;
        parse.link(filter)?;
        let pad = |element: &gst::Element, name| element.static_pad(name).ok_or(glib::bool_error!("no pad {name}"));
        sink.set_target(Some(&pad(convert, "sink")?))?;
        source.set_target(Some(&pad(filter, "src")?))
    }

    /// Looks which encoders there are, and takes the first that starts.
    fn choose(&self) -> Result<(), String> {
        self.frame.as_ref().map_err(Clone::clone)?;
        let candidates = self.look().map_err(|e| format!("looking for encoders: {e}"))?;
        *lock(&self.state) = State { next: candidates.into(), ..State::default() };
        self.take_next("")
    }

    /// The encoders to try. A property that is set meanwhile, as by somebody who does not want to wait for the host, counts at
    /// once.
    fn look(&self) -> std::io::Result<Vec<Candidate>> {
        loop {
            let probe = Probe::new()?;
            *lock(&self.probe) = Some(probe.clone());
            let settings = lock(&self.settings).clone();
            let candidates = candidates(&settings, &probe);
            // Whoever gives it up takes it away.
            if lock(&self.probe).take().is_some() {
                return Ok(candidates);
            }
        }
    }

    /// Takes the next encoder that can be used, or says why there is none.
    fn take_next(&self, before: &str) -> Result<(), String> {
        let mut why = before.to_owned();
        loop {
            let next = lock(&self.state).next.pop_front();
            let Candidate { encoder, reason } = next.ok_or_else(|| format!("no encoder is left{why}"))?;
            match self.insert(encoder) {
                Ok(()) => {
                    self.announce(encoder, format!("{reason}{why}"));
                    return Ok(());
                }
                Err(e) => why.push_str(&format!("; {} cannot be used: {e}", encoder.factory())),
            }
        }
    }

    fn insert(&self, encoder: Encoder) -> Result<(), String> {
        let settings = lock(&self.settings).clone();
        let element = encoder.make(&settings).map_err(|e| e.to_string())?;
        let Frame { raw, parse, .. } = self.frame.as_ref()?;
        let bin = self.obj();
        bin.add(&element).map_err(|e| e.to_string())?;
        lock(&self.state).current = Some((encoder, element.clone()));
        raw.set_property("caps", encoder.input_caps());
        // Caps that the encoder before had, as those of DMA-BUFs, say nothing about this one.
        let linked = raw
            .link_pads_full(Some("src"), &element, Some("sink"), gst::PadLinkCheck::TEMPLATE_CAPS)
            .and_then(|()| element.link(parse))
            .and_then(|()| element.sync_state_with_parent());
        linked.map_err(|e| {
            let said = self.take_failure();
            self.remove_current();
            said.unwrap_or_else(|| e.to_string())
        })
    }

    /// The lock is free again when it returns.
    fn take_failure(&self) -> Option<String> {
        lock(&self.state).failure.take()
    }

    fn remove_current(&self) {
        let Some((_, element)) = lock(&self.state).current.clone() else { return };
        // Its threads must be gone before another element is linked in its place. That it is in the bin is known.
        element.set_locked_state(true);
        let _ = element.set_state(gst::State::Null);
        let _ = self.obj().remove(&element);
        // What it said up to here is not about the next one.
        let mut state = lock(&self.state);
        (state.current, state.failure) = (None, None);
    }

    fn announce(&self, encoder: Encoder, reason: String) {
        let name = encoder.factory();
        gst::info!(CAT, imp = self, "{name} is chosen: {reason}");
        let structure = gst::Structure::builder("helixh264enc-chosen").field("encoder", name).field("reason", &reason);
        let message = gst::message::Element::builder(structure.build()).src(&*self.obj()).build();
        lock(&self.state).reason = reason;
        // A bin without a bus has nobody to tell.
        let _ = self.obj().post_message(message);
        self.obj().notify("chosen");
    }

    fn chain(&self, pad: &gst::GhostPad, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        loop {
            if let Some(failure) = self.take_failure() {
                self.replace(&failure);
            }
            self.go_back();
            let result = gst::ProxyPad::chain_default(pad, Some(&*self.obj()), buffer.clone());
            let again = match result {
                // Without a message it is not the encoder that failed, but what comes behind it.
                Err(gst::FlowError::Error) => self.has_failed(),
                Err(gst::FlowError::NotNegotiated) => {
                    self.has_refused() || {
                        self.complain_of_caps();
                        false
                    }
                }
                _ => false,
            };
            if !again {
                return result;
            }
        }
    }

    /// Frames that the encoder does not take, or a stream that nobody takes: whether there is another one that may do better.
    fn has_refused(&self) -> bool {
        let mut state = lock(&self.state);
        let again = !state.next.is_empty();
        if again {
            state.failure.get_or_insert_with(|| "it does not take these frames, or nobody takes its stream".to_owned());
        }
        again
    }

    /// Encoders and the source say nothing but that caps do not fit.
    fn complain_of_caps(&self) {
        let caps = |caps: Option<gst::Caps>| caps.map_or_else(|| "nothing".to_owned(), |caps| caps.to_string());
        let (frames, wanted) =
            (caps(self.sink.current_caps()), caps(self.source.peer().map(|peer| peer.query_caps(None))));
        gst::element_imp_error!(
            self,
            gst::StreamError::Format,
            ("No H.264 encoder makes of these frames what the next element takes"),
            ["the frames are {frames}; the next element takes {wanted}; {}", lock(&self.state).reason]
        );
    }

    /// Caps that are refused are sent again with the next frame: only there the encoder is changed.
    fn sink_event(&self, pad: &gst::GhostPad, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::Caps(caps) if !is_progressive(caps.caps()) => {
                let text = "put the element deinterlace before this one";
                gst::element_imp_error!(self, gst::StreamError::Format, ("The frames are interlaced"), ["{text}"]);
                false
            }
            gst::EventView::Caps(caps) => {
                self.pass_caps(caps.caps());
                true
            }
            _ => gst::Pad::event_default(pad, Some(&*self.obj()), event),
        }
    }

    /// Passes caps on as the current encoder knows them. DMA-BUFs are mapped like other memory by all that see no difference.
    fn pass_caps(&self, caps: &gst::CapsRef) {
        let takes_dma_bufs = lock(&self.state).current.as_ref().is_some_and(|(encoder, _)| encoder.takes_dma_bufs());
        let mut caps = caps.to_owned();
        if !takes_dma_bufs {
            caps.make_mut().set_features_simple(None);
        }
        // What comes of it is the answer to the next frame.
        let _ = self.sink.internal().map(|pad| pad.push_event(gst::event::Caps::new(&caps)));
    }

    /// Waits for the message of an encoder that may have failed.
    fn has_failed(&self) -> bool {
        let state = lock(&self.state);
        if state.next.is_empty() {
            return false;
        }
        let waited = self.failed.wait_timeout_while(state, MESSAGE, |state| state.failure.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.failure.is_some()
    }

    /// Takes the next encoder instead of one that failed. It runs in the thread that brings the frames, so that none can
    /// come meanwhile, and a new encoder begins with a keyframe.
    fn replace(&self, failure: &str) {
        let failed = lock(&self.state).current.as_ref().map(|(encoder, _)| *encoder);
        let why = format!("; {} failed: {failure}", failed.map_or("", Encoder::factory));
        gst::warning!(CAT, imp = self, "{}", &why[2..]);
        self.remove_current();
        if let Err(text) = self.take_next(&why) {
            gst::element_imp_error!(self, gst::StreamError::Encode, ("No H.264 encoder is left"), ["{text}"]);
        }
        self.pass_caps_again();
        if failed == Some(Encoder::Host) {
            self.watch_host();
        }
    }

    fn pass_caps_again(&self) {
        if let Some(caps) = self.sink.current_caps() {
            self.pass_caps(&caps);
        }
    }

    /// Looks whether the host comes back, while another encoder does its work.
    fn watch_host(&self) {
        let settings = lock(&self.settings).clone();
        let mut watch = lock(&self.watch);
        let pause = watch.as_ref().map_or(FIRST_PAUSE, Watch::next_pause);
        let started = Watch::start(settings, pause);
        *watch = started.inspect_err(|e| gst::warning!(CAT, imp = self, "watching the host: {e}")).ok();
    }

    /// Takes the host again if it is back, in the thread that brings the frames. The encoder that it replaces has no frame
    /// left: those in software answer each before the next comes.
    fn go_back(&self) {
        let away = lock(&self.state).current.as_ref().map(|(encoder, _)| *encoder).filter(|now| *now != Encoder::Host);
        let (Some(now), true) = (away, lock(&self.watch).as_ref().is_some_and(Watch::is_back)) else { return };
        let candidate = |encoder, reason: &str| Candidate { encoder, reason: reason.to_owned() };
        let next = [candidate(Encoder::Host, "the host answers again"), candidate(now, "it was used before")];
        let mut state = lock(&self.state);
        next.into_iter().rev().for_each(|candidate| state.next.push_front(candidate));
        drop(state);
        self.remove_current();
        if let Err(text) = self.take_next("") {
            gst::element_imp_error!(self, gst::StreamError::Encode, ("No H.264 encoder is left"), ["{text}"]);
        }
        self.pass_caps_again();
    }
}
