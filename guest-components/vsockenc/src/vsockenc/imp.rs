//! The element's side of the pipeline. No thread of the pipeline ever waits for the host itself.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::subclass::prelude::*;
use gst_video::{VideoCodecFrame, VideoCodecFrameFlags, VideoCodecState};

use super::output;
use super::properties::{PROPERTIES, Settings, sink_caps, stats};
use crate::carrier::Gpu;
use crate::client::{Client, Figures, FindGpu, Frame, Mailbox, Refused, Setup};
use crate::picture::{self, PROFILES, profile_names};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("vsockenc", gst::DebugColorFlags::empty(), Some("H.264 encoder whose encoder is the host"))
});

pub(crate) struct VsockEnc {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    pub(super) find_gpu: Mutex<FindGpu>,
}

impl Default for VsockEnc {
    fn default() -> Self {
        Self { settings: Mutex::default(), state: Mutex::default(), find_gpu: Mutex::new(Arc::new(Gpu::find)) }
    }
}

#[derive(Default)]
struct State {
    client: Option<Client>,
    /// What was asked of the host last.
    setup: Option<Setup>,
    /// The figures of the last run, so that they can be read after it.
    last: Figures,
    frames: u64,
    /// Frames that were not given to the host's thread.
    dropped: u64,
    /// Frames that are dropped as soon as those before them are done.
    dropping: BTreeSet<u32>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[glib::object_subclass]
impl ObjectSubclass for VsockEnc {
    const NAME: &'static str = "GstVsockEnc";
    type Type = super::VsockEnc;
    type ParentType = gst_video::VideoEncoder;
}

impl ObjectImpl for VsockEnc {
    fn properties() -> &'static [glib::ParamSpec] {
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        // GObject has checked the type.
        if let Err(e) = lock(&self.settings).set(spec.name(), value) {
            gst::error!(CAT, imp = self, "{}: {e}", spec.name());
        }
    }

    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
        let setting = lock(&self.settings).get(spec.name());
        setting.unwrap_or_else(|| stats(&self.figures()).to_value())
    }
}

impl GstObjectImpl for VsockEnc {}

impl ElementImpl for VsockEnc {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "H.264 encoder of the host",
                "Codec/Encoder/Video/Hardware",
                "Encodes H.264 on the host of this virtual machine",
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
        if change == gst::StateChange::PausedToReady {
            // The pads cannot be stopped while a thread waits in them.
            if let Some(mailbox) = self.mailbox() {
                mailbox.stop();
            }
            if let Err(e) = self.obj().src_pad().stop_task() {
                gst::error!(CAT, imp = self, "stopping the output: {e}");
            }
        }
        self.parent_change_state(change)
    }
}

fn source_caps() -> gst::Caps {
    gst::Caps::builder("video/x-h264")
        .field("stream-format", "byte-stream")
        .field("alignment", "au")
        .field("profile", gst::List::new(PROFILES.iter().flat_map(|profile| profile_names(*profile))))
        .build()
}

impl VideoEncoderImpl for VsockEnc {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let options = lock(&self.settings).options();
        let options = options.map_err(|e| gst::error_msg!(gst::ResourceError::Settings, ["{e}"]))?;
        let client = Client::start(options, lock(&self.find_gpu).clone())
            .map_err(|e| gst::error_msg!(gst::ResourceError::Failed, ["starting the connection: {e}"]))?;
        *lock(&self.state) = State { client: Some(client), ..State::default() };
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let last = self.figures();
        let client = std::mem::replace(&mut *lock(&self.state), State { last, ..State::default() }).client;
        drop(client);
        // Caps that came while the output was being stopped have started it once more.
        self.obj().src_pad().stop_task().map_err(|e| gst::error_msg!(gst::CoreError::Pad, ["stopping the output: {e}"]))
    }

    fn set_format(
        &self,
        state: &VideoCodecState<'static, gst_video::video_codec_state::Readable>,
    ) -> Result<(), gst::LoggableError> {
        let setup = self.setup(state).map_err(|text| {
            // The source would say only that caps do not fit.
            gst::element_imp_error!(self, gst::StreamError::Format, ("This cannot be encoded"), ["{text}"]);
            gst::loggable_error!(CAT, "{text}")
        })?;
        lock(&self.state).setup = Some(setup.clone());
        let mailbox = self.mailbox().ok_or_else(|| gst::loggable_error!(CAT, "not started"))?;
        mailbox.configure(setup);
        self.start_output(mailbox).map_err(|e| gst::loggable_error!(CAT, "starting the output: {e}"))
    }

    /// Takes all frames when the next element takes no stream of this one: the caps that come then are refused with an error
    /// that says why. Without caps the source has nothing to say but that it found none.
    fn caps(&self, filter: Option<&gst::Caps>) -> gst::Caps {
        let allowed = self.obj().src_pad().allowed_caps();
        if allowed.is_none_or(|allowed| picture::wanted(&allowed).is_some()) {
            return self.parent_caps(filter);
        }
        let all = sink_caps();
        filter.map_or(all.clone(), |filter| filter.intersect_with_mode(&all, gst::CapsIntersectMode::First))
    }

    fn handle_frame(&self, frame: VideoCodecFrame) -> Result<gst::FlowSuccess, gst::FlowError> {
        let element = self.obj();
        lock(&self.state).frames += 1;
        if element.is_qos_enabled() && element.max_encode_time(&frame) < 0 {
            gst::debug!(CAT, imp = self, "a frame comes too late to be shown");
            if frame.flags().contains(VideoCodecFrameFlags::FORCE_KEYFRAME)
                && let Some(mailbox) = self.mailbox()
            {
                // It is still wanted.
                mailbox.force_keyframe();
            }
            return self.refuse_frame(frame);
        }
        let mailbox = self.mailbox().ok_or(gst::FlowError::Flushing)?;
        self.follow_settings(&mailbox);
        let number = frame.system_frame_number();
        let job = Frame {
            number,
            buffer: frame.input_buffer_owned().ok_or(gst::FlowError::Error)?,
            pts: frame.pts(),
            dts: frame.dts(),
            duration: frame.duration(),
            keyframe: frame.flags().contains(VideoCodecFrameFlags::FORCE_KEYFRAME),
        };
        // It holds the lock that the output needs.
        drop(frame);
        match self.unlocked(|| mailbox.submit(job)) {
            Ok(()) => Ok(gst::FlowSuccess::Ok),
            Err(Refused::Away) => match element.frame(number as i32) {
                Some(frame) => self.refuse_frame(frame),
                None => Ok(gst::FlowSuccess::Ok),
            },
            Err(refused) => Err(flow_error(refused)),
        }
    }

    fn finish(&self) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some(mailbox) = self.mailbox() else { return Ok(gst::FlowSuccess::Ok) };
        if lock(&self.state).setup.is_none() {
            // Without caps there was no frame.
            return Ok(gst::FlowSuccess::Ok);
        }
        self.unlocked(|| mailbox.drain()).map_err(flow_error)?;
        Ok(gst::FlowSuccess::Ok)
    }

    fn flush(&self) -> bool {
        lock(&self.state).dropping.clear();
        if let Some(mailbox) = self.mailbox() {
            mailbox.flush();
        }
        true
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        let kind = event.type_();
        let set_flushing = |flushing| {
            if let Some(mailbox) = self.mailbox() {
                mailbox.set_flushing(flushing);
            }
        };
        if kind == gst::EventType::FlushStart {
            set_flushing(true);
        }
        let handled = self.parent_sink_event(event);
        if kind == gst::EventType::FlushStop {
            set_flushing(false);
        }
        handled
    }

    fn propose_allocation(&self, query: &mut gst::query::Allocation) -> Result<(), gst::LoggableError> {
        // Planes may lie anywhere.
        query.add_allocation_meta::<gst_video::VideoMeta>(None);
        self.parent_propose_allocation(query)
    }
}

fn flow_error(refused: Refused) -> gst::FlowError {
    match refused {
        Refused::Flushing => gst::FlowError::Flushing,
        Refused::Downstream(error) => error,
        Refused::Failed | Refused::Away => gst::FlowError::Error,
    }
}

impl VsockEnc {
    pub(super) fn mailbox(&self) -> Option<Arc<Mailbox>> {
        lock(&self.state).client.as_ref().map(|client| Arc::clone(&client.mailbox))
    }

    fn figures(&self) -> Figures {
        let state = lock(&self.state);
        match &state.client {
            Some(client) => {
                let figures = client.figures();
                Figures { frames: state.frames, dropped: state.dropped + figures.dropped, ..figures }
            }
            None => state.last.clone(),
        }
    }

    fn setup(&self, state: &VideoCodecState<'static, gst_video::video_codec_state::Readable>) -> Result<Setup, String> {
        let info = state.info();
        let format = picture::pixel_format(info.format())
            .ok_or_else(|| format!("the format {:?} is not known", info.format()))?;
        if !state.caps().is_none_or(picture::is_progressive) {
            return Err("the frames are interlaced: put the element deinterlace before this one".to_owned());
        }
        let allowed = self.obj().src_pad().allowed_caps().unwrap_or_else(source_caps);
        let wanted = picture::wanted(&allowed).ok_or_else(|| {
            let peer = self.obj().src_pad().peer().map(|peer| peer.query_caps(None));
            let takes = peer.map_or_else(|| "nothing".to_owned(), |caps| caps.to_string());
            let makes = source_caps();
            format!(
                "the next element takes {takes}, and this one makes {makes}: h264parse between them converts the format"
            )
        })?;
        let dmabuf = state.caps().is_some_and(|caps| {
            caps.features(0).is_some_and(|features| features.contains(gst_allocators::CAPS_FEATURE_MEMORY_DMABUF))
        });
        let settings = lock(&self.settings);
        let (bitrate_bps, keyframe_interval) = (settings.bitrate_bps(wanted.level), settings.key_int_max);
        let asked_kbps = settings.bitrate_kbps;
        drop(settings);
        self.tell_bitrate(asked_kbps, bitrate_bps);
        Ok(Setup { input: state.clone(), format, dmabuf, wanted, bitrate_bps, keyframe_interval })
    }

    /// Tells the host when a property was changed.
    fn follow_settings(&self, mailbox: &Mailbox) {
        let settings = lock(&self.settings).clone();
        let mut state = lock(&self.state);
        let Some(setup) = &mut state.setup else { return };
        let (bitrate_bps, keyframe_interval) = (settings.bitrate_bps(setup.wanted.level), settings.key_int_max);
        if (setup.bitrate_bps, setup.keyframe_interval) != (bitrate_bps, keyframe_interval) {
            (setup.bitrate_bps, setup.keyframe_interval) = (bitrate_bps, keyframe_interval);
            mailbox.configure(setup.clone());
            drop(state);
            self.tell_bitrate(settings.bitrate_kbps, bitrate_bps);
        }
    }

    /// Tells the pipeline when the bitrate that is set is one that the stream cannot have.
    fn tell_bitrate(&self, asked_kbps: u32, used_bps: u64) {
        if u64::from(asked_kbps) * 1000 != used_bps {
            gst::element_imp_warning!(
                self,
                gst::LibraryError::Settings,
                ("The bitrate is {} kbit/s, not {asked_kbps}", used_bps / 1000),
                ["no level that the stream may have allows {asked_kbps} kbit/s"]
            );
        }
    }

    fn start_output(&self, mailbox: Arc<Mailbox>) -> Result<(), glib::BoolError> {
        let pad = self.obj().src_pad().clone();
        if pad.task_state() == gst::TaskState::Started {
            return Ok(());
        }
        let (element, task_pad) = (self.obj().downgrade(), pad.downgrade());
        pad.start_task(move || {
            let event = mailbox.next_event();
            match (event, element.upgrade()) {
                (Some(event), Some(element)) => output::deliver(&element, &mailbox, event),
                _ => {
                    // It fails only for a pad without a task.
                    let _ = task_pad.upgrade().map(|pad| pad.pause_task());
                }
            }
        })
    }

    /// Drops a frame that the host's thread does not get.
    fn refuse_frame(&self, frame: VideoCodecFrame) -> Result<gst::FlowSuccess, gst::FlowError> {
        lock(&self.state).dropped += 1;
        self.drop_frame(frame)
    }

    /// Drops a frame when its turn comes: with it the base class pushes the events before it, which must not overtake the
    /// access units of earlier frames.
    pub(super) fn drop_frame(&self, frame: VideoCodecFrame) -> Result<gst::FlowSuccess, gst::FlowError> {
        lock(&self.state).dropping.insert(frame.system_frame_number());
        self.finish_dropped()
    }

    /// Gives dropped frames that no other is before back to the base class.
    pub(super) fn finish_dropped(&self) -> Result<gst::FlowSuccess, gst::FlowError> {
        let element = self.obj();
        while let Some(frame) = element.oldest_frame() {
            if !lock(&self.state).dropping.remove(&frame.system_frame_number()) {
                break;
            }
            self.ensure_caps();
            element.finish_frame(frame)?;
        }
        Ok(gst::FlowSuccess::Ok)
    }

    fn ensure_caps(&self) {
        let setup = lock(&self.state).setup.clone();
        if let Some(setup) = setup {
            output::ensure_caps(&self.obj(), &setup);
        }
    }

    /// Waits without the encoder's lock, which the output needs to deliver what is waited for.
    fn unlocked<T>(&self, wait: impl FnOnce() -> T) -> T {
        let element = self.obj();
        let encoder = element.upcast_ref::<gst_video::VideoEncoder>();
        #[allow(unsafe_code)]
        // SAFETY: The base class holds this recursive lock once while it calls the methods that call this one; C elements
        // release it in the same way, by GST_VIDEO_ENCODER_STREAM_UNLOCK.
        unsafe {
            let stream_lock = &raw mut (*encoder.as_ptr()).stream_lock;
            glib::ffi::g_rec_mutex_unlock(stream_lock);
            let result = wait();
            glib::ffi::g_rec_mutex_lock(stream_lock);
            result
        }
    }
}
