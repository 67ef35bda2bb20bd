//! What the task of the source pad does with what the host's thread hands over.

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::{VideoCodecFrame, VideoCodecFrameFlags};
use helix_frame_protocol::{Configured, Level, Profile};

use super::VsockEnc;
use super::imp::CAT;
use crate::client::{Event, Fault, FaultKind, Mailbox, Setup};
use crate::picture::{allowed_name, level_name, stream_info};

pub(super) fn deliver(element: &VsockEnc, mailbox: &Mailbox, (event, flushes): (Event, u64)) {
    match event {
        Event::Configured(both) => configured(element, mailbox, &both.0, &both.1),
        Event::Unit { number, data, keyframe, dts } => {
            finish(element, mailbox, (number, flushes), |mut frame| {
                frame.set_output_buffer(gst::Buffer::from_mut_slice(data));
                frame.set_dts(dts);
                if keyframe {
                    frame.set_flags(VideoCodecFrameFlags::SYNC_POINT);
                }
                element.finish_frame(frame)
            });
        }
        Event::Dropped { number, reason } => {
            gst::warning!(CAT, obj = element, "frame {number} is dropped: {reason}");
            finish(element, mailbox, (number, flushes), |frame| element.imp().drop_frame(frame));
        }
        Event::Drained(number) => mailbox.drained(number),
        Event::Away(text) => {
            gst::element_warning!(element, gst::ResourceError::Read, ("The host encoder is away"), ["{text}"]);
        }
        Event::Failed(fault) => {
            failed(element, &fault);
            mailbox.failed();
        }
    }
}

/// Gives a frame back to the base class, by `finish`, and those behind it that waited for that to be dropped.
///
/// After a flush there may be another frame of that number.
fn finish(
    element: &VsockEnc,
    mailbox: &Mailbox,
    (number, flushes): (u32, u64),
    finish: impl FnOnce(VideoCodecFrame<'_>) -> Result<gst::FlowSuccess, gst::FlowError>,
) {
    if let Some(frame) = element.frame(number as i32) {
        // The frame holds the lock under which flushes happen.
        if mailbox.flushes() != flushes {
            return;
        }
        if let Err(error) = finish(frame).and_then(|_| element.imp().finish_dropped()) {
            gst::debug!(CAT, obj = element, "frame {number} cannot be pushed: {error}");
            if error != gst::FlowError::Flushing {
                mailbox.downstream_failed(error);
            }
        }
    }
    mailbox.finished();
}

fn configured(element: &VsockEnc, mailbox: &Mailbox, setup: &Setup, configured: &Configured) {
    if let Err(text) = set_caps(element, setup, configured.profile, Some(configured.level)) {
        gst::element_error!(
            element,
            gst::StreamError::Format,
            ("The next element does not take the stream of the host"),
            ["{text}"]
        );
        mailbox.downstream_failed(gst::FlowError::NotNegotiated);
    }
    let fps = setup.input.info().fps();
    match (u64::try_from(fps.numer()), u64::try_from(fps.denom())) {
        (Ok(numerator @ 1..), Ok(denominator)) => {
            // A frame is finished before the next one comes, or the pipeline waits; the host may hold some.
            let frame = gst::ClockTime::SECOND.mul_div_ceil(denominator, numerator).unwrap_or_default();
            element.set_latency(frame, frame * u64::from(configured.max_in_flight));
        }
        // How long a frame takes is not known if they come at any time.
        _ => element.set_latency(gst::ClockTime::ZERO, gst::ClockTime::NONE),
    }
}

/// Frames can be dropped before the host has ever answered, and even then the base class wants to know the caps. Whoever
/// calls this has a frame, which holds the lock, so that real caps are not replaced.
pub(super) fn ensure_caps(element: &VsockEnc, setup: &Setup) {
    if element.output_state().is_none() {
        let set = set_caps(element, setup, setup.wanted.profiles[0], setup.wanted.level);
        let _ = set.inspect_err(|text| gst::warning!(CAT, obj = element, "{text}"));
    }
}

/// States what the stream is, or says why the next element does not take it.
fn set_caps(element: &VsockEnc, setup: &Setup, profile: Profile, level: Option<Level>) -> Result<(), String> {
    let allowed = element.src_pad().allowed_caps().unwrap_or_else(gst::Caps::new_any);
    let caps = gst::Caps::builder("video/x-h264")
        .field("stream-format", "byte-stream")
        .field("alignment", "au")
        .field("profile", allowed_name(&allowed, profile))
        .field_if_some("level", level.map(level_name))
        .build();
    let text = format!("the stream is {caps}, the next element takes {allowed}");
    negotiate(element, setup, caps).map_err(|error| format!("{text}: {error}"))
}

fn negotiate(element: &VsockEnc, setup: &Setup, caps: gst::Caps) -> Result<(), String> {
    let mut state = element.set_output_state(caps, Some(&setup.input)).map_err(|e| e.to_string())?;
    // Else the base class would say that the stream has the colours of the frames.
    state.set_info(stream_info(setup.input.info()).map_err(|e| e.to_string())?);
    element.negotiate(state).map_err(|e| e.to_string())
}

fn failed(element: &VsockEnc, fault: &Fault) {
    let text = &fault.text;
    match fault.kind {
        FaultKind::Host => {
            gst::element_error!(element, gst::ResourceError::Failed, ("The host encoder is away"), ["{text}"]);
        }
        FaultKind::Token => {
            gst::element_error!(element, gst::ResourceError::NotAuthorized, ("The host refuses the token"), ["{text}"]);
        }
        FaultKind::Unsupported => {
            gst::element_error!(element, gst::StreamError::Encode, ("The host cannot encode this"), ["{text}"]);
        }
    }
}
