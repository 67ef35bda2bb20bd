//! A connection at work: frames out, access units in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use helix_frame_protocol::limits::{MAX_BITRATE, MAX_KEYFRAME_INTERVAL, MIN_BITRATE};
use helix_frame_protocol::{
    Capabilities, Configure, Configured, Envelope, ErrorCode, Failure, Frame as WireFrame, FrameWay, Message, Profile,
    Set, SkipReason,
};

use super::connection::{Connection, Ending};
use super::driver::Driver;
use super::mailbox::Request;
use super::{CAT, Event, Frame, Setup};
use crate::carrier::{self, Carrier, Load, LoadError, Picture};
use crate::picture;

/// How often the host is asked for its figures.
const FIGURES: Duration = Duration::from_secs(1);

/// The only stream of a connection.
const STREAM: u32 = 1;

/// A frame that the host has.
struct Sent {
    number: u32,
    flushes: u64,
    keyframe: bool,
    at: Instant,
    /// What the host reads the frame from.
    _load: Option<Load>,
}

/// What no frame may be sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// For the answer to this request.
    Configured { request: u64 },
    /// The pipeline's number; the request, or 0 while there is none.
    Drained { number: u64, request: u64 },
}

/// What was agreed with the host about the frames.
struct Active {
    way: FrameWay,
    carrier: Box<dyn Carrier>,
    most: usize,
}

pub(super) struct Serving<'a, 'b> {
    driver: &'a mut Driver,
    connection: Connection<'b>,
    sent: BTreeMap<u64, Sent>,
    waiting: Option<Waiting>,
    active: Option<Active>,
    /// Ways that turned out to be of no use.
    refused: Set<FrameWay>,
    /// Whether there was an access unit.
    encoded: bool,
    /// When the host was asked for its figures.
    asked: Instant,
}

impl<'a, 'b> Serving<'a, 'b> {
    pub(super) fn new(driver: &'a mut Driver, connection: Connection<'b>) -> Self {
        let (waiting, active, refused) = (None, None, Set::EMPTY);
        let (sent, encoded, asked) = (BTreeMap::new(), false, Instant::now());
        Self { driver, connection, sent, waiting, active, refused, encoded, asked }
    }

    /// Serves until the connection ends; how it did, and whether there was an access unit.
    pub(super) fn run(mut self) -> (Ending, bool) {
        let ending = match self.serve() {
            Ok(()) | Err(Ending::Stopped) => {
                self.connection.goodbye();
                Ending::Stopped
            }
            Err(ending) => self.finish_reading(ending),
        };
        self.give_up_frames();
        (ending, self.encoded)
    }

    fn serve(&mut self) -> Result<(), Ending> {
        if self.driver.setup.is_some() {
            self.configure()?;
        }
        while !self.driver.mailbox.is_stopped() {
            self.driver.take_requests();
            self.send_requests()?;
            self.ask_for_figures()?;
            let limit = self.connection.keep_alive()?;
            if let Some((envelope, data)) = self.connection.next(limit)? {
                self.handle(envelope, data)?;
            }
        }
        Ok(())
    }

    /// Asks for the host's figures while there are frames, now and then.
    fn ask_for_figures(&mut self) -> Result<(), Ending> {
        if self.active.is_none() || self.waiting.is_some() || self.sent.is_empty() || self.asked.elapsed() < FIGURES {
            return Ok(());
        }
        self.asked = Instant::now();
        self.connection.send(STREAM, Message::GetStatistics, &[]).map(drop)
    }

    /// What came before the end still counts, but for questions.
    fn finish_reading(&mut self, ending: Ending) -> Ending {
        while let Some((envelope, data)) = self.connection.take_arrived() {
            if matches!(envelope.message, Message::Ping | Message::Unknown(_)) {
                continue;
            }
            if let Err(stated) = self.handle(envelope, data) {
                return stated;
            }
        }
        ending
    }

    /// Sends as much as the host takes now.
    fn send_requests(&mut self) -> Result<(), Ending> {
        while self.waiting.is_none() {
            let full = self.active.as_ref().is_none_or(|active| self.sent.len() >= active.most);
            match self.driver.queue.pop_front() {
                None => return Ok(()),
                Some(Request::Configure(setup)) => {
                    self.driver.setup = Some(*setup);
                    self.configure()?;
                }
                Some(Request::Drain(number)) => self.drain(number)?,
                Some(Request::Frame(frame, flushes)) if !full => self.send_frame(frame, flushes)?,
                Some(frame) => {
                    self.driver.queue.push_front(frame);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn configure(&mut self) -> Result<(), Ending> {
        let (Some(setup), Some(agreed)) = (&self.driver.setup, self.connection.agreed()) else { return Ok(()) };
        let wanted = wanted(setup, agreed, self.refused)?;
        let request = self.connection.send(STREAM, Message::Configure(wanted), &[])?;
        self.waiting = Some(Waiting::Configured { request });
        Ok(())
    }

    fn drain(&mut self, number: u64) -> Result<(), Ending> {
        if self.active.is_none() {
            self.driver.mailbox.emit(Event::Drained(number));
            return Ok(());
        }
        // Also when it cannot be sent, somebody waits for the answer: it is asked again in the next connection.
        self.waiting = Some(Waiting::Drained { number, request: 0 });
        let request = self.connection.send(STREAM, Message::EndOfStream, &[])?;
        self.waiting = Some(Waiting::Drained { number, request });
        Ok(())
    }

    fn send_frame(&mut self, frame: Frame, flushes: u64) -> Result<(), Ending> {
        let (Some(active), Some(setup)) = (&mut self.active, &self.driver.setup) else { return Ok(()) };
        let info = setup.input.info();
        let size = picture::size(info);
        let picture = Picture { info, format: setup.format, size, buffer: &frame.buffer };
        let load = match active.carrier.load(&picture) {
            Ok(load) => load,
            Err(error) => return self.cannot_load(frame, flushes, &error),
        };
        if !self.connection.can_carry(&load.slices()) {
            let reason = "its pixels look like the beginning of a connection".to_owned();
            self.drop_frame(frame.number, flushes, frame.keyframe, reason);
            return Ok(());
        }
        let wire = WireFrame {
            size,
            format: setup.format,
            pts_ns: frame.pts.map(gst::ClockTime::nseconds),
            dts_ns: frame.dts.map(gst::ClockTime::nseconds),
            duration_ns: frame.duration.map(gst::ClockTime::nseconds),
            keyframe: frame.keyframe,
            source: load.source,
            planes: load.planes,
        };
        let at = Instant::now();
        let request = match self.connection.send(STREAM, Message::Frame(wire), &load.slices()) {
            Ok(request) => request,
            Err(ending) => {
                // The host has a part of it at most, and it can be sent once more to another.
                self.driver.queue.push_front(Request::Frame(frame, flushes));
                return Err(ending);
            }
        };
        let sent = Sent { number: frame.number, flushes, keyframe: frame.keyframe, at, _load: load.sent() };
        self.sent.insert(request, sent);
        Ok(())
    }

    /// A way that is of no use here is not tried again in this connection.
    fn cannot_load(&mut self, frame: Frame, flushes: u64, error: &LoadError) -> Result<(), Ending> {
        gst::warning!(CAT, "{error}");
        match error {
            LoadError::Frame(_) => {
                self.drop_frame(frame.number, flushes, frame.keyframe, error.to_string());
                Ok(())
            }
            LoadError::Way { way, .. } => {
                let way = *way;
                self.driver.queue.push_front(Request::Frame(frame, flushes));
                self.refuse(way)
            }
        }
    }

    fn refuse(&mut self, way: FrameWay) -> Result<(), Ending> {
        self.refused = self.refused.iter().chain([way]).collect();
        self.configure()
    }

    fn handle(&mut self, envelope: Envelope, data: Vec<u8>) -> Result<(), Ending> {
        if let Some(refusal) = envelope.refusal() {
            return self.connection.write(&refusal, &[]);
        }
        let request = envelope.request;
        match envelope.message {
            Message::Ping => self.connection.write(&Envelope { message: Message::Pong, ..envelope }, &[])?,
            Message::Configured(configured) => self.configured(configured),
            Message::AccessUnit(unit) => self.unit(request, unit.dts_ns.or(unit.pts_ns), unit.keyframe, data),
            Message::Skipped(reason) => self.skipped(request, reason),
            Message::Drained => self.drained(),
            Message::Statistics(figures) => self.driver.figure(|all| all.host_figures = figures),
            Message::Error(failure) => return self.failure(request, &failure),
            _ => {}
        }
        Ok(())
    }

    fn configured(&mut self, configured: Configured) {
        let Some(setup) = self.driver.setup.clone() else { return };
        let (way, encoder) = (configured.way, &configured.encoder);
        gst::info!(CAT, "{encoder} encodes; frames travel as {way}: {}", self.reason(way, setup.dmabuf));
        let carrier = carrier::carrier(way, self.driver.gpu.as_ref());
        self.active = Some(Active { way, carrier, most: configured.max_in_flight.into() });
        self.waiting = None;
        self.driver.mailbox.set_window(configured.max_in_flight);
        self.driver.mailbox.set_away(false);
        self.driver.figure(|figures| {
            figures.way = Some(way);
            figures.encoder.clone_from(encoder);
        });
        self.driver.mailbox.emit(Event::Configured(Box::new((setup, configured))));
    }

    /// Why frames travel in this way.
    fn reason(&self, way: FrameWay, dmabuf: bool) -> &'static str {
        let accepted =
            self.connection.agreed().is_some_and(|agreed| !agreed.ways.without([FrameWay::Pixels].into()).is_empty());
        match way {
            FrameWay::Resource => "they are DMA-BUFs of virtio-gpu",
            FrameWay::Blob => "they are ordinary memory, and virtio-gpu has blobs",
            FrameWay::Pixels if self.driver.gpu.is_none() => "there is no virtio-gpu",
            FrameWay::Pixels if !accepted => "the host accepts nothing else",
            FrameWay::Pixels if dmabuf => "the host chose so, or their DMA-BUFs are not of virtio-gpu",
            FrameWay::Pixels => "the host chose so, or there are no blobs",
        }
    }

    fn unit(&mut self, request: u64, dts_ns: Option<u64>, keyframe: bool, data: Vec<u8>) {
        let Some(sent) = self.sent.remove(&request) else { return };
        self.encoded = true;
        let took = sent.at.elapsed();
        self.driver.figure(|figures| {
            figures.units += 1;
            figures.keyframes += u64::from(keyframe);
            figures.bytes += data.len() as u64;
            figures.answer_total += took;
            figures.answer_max = figures.answer_max.max(took);
        });
        let dts = dts_ns.map(gst::ClockTime::from_nseconds);
        self.driver.mailbox.emit_of(sent.flushes, Event::Unit { number: sent.number, data, keyframe, dts });
    }

    fn skipped(&mut self, request: u64, reason: SkipReason) {
        if let Some(sent) = self.sent.remove(&request) {
            self.drop_frame(sent.number, sent.flushes, sent.keyframe, format!("the host skipped it: {reason}"));
        }
    }

    /// A keyframe that was asked for is still wanted.
    fn drop_frame(&mut self, number: u32, flushes: u64, keyframe: bool, reason: String) {
        if keyframe {
            self.driver.mailbox.force_keyframe();
        }
        self.driver.figure(|figures| figures.dropped += 1);
        self.driver.mailbox.emit_of(flushes, Event::Dropped { number, reason });
    }

    fn drained(&mut self) {
        if let Some(Waiting::Drained { number, .. }) = self.waiting.take() {
            self.driver.mailbox.emit(Event::Drained(number));
        }
    }

    fn failure(&mut self, request: u64, failure: &Failure) -> Result<(), Ending> {
        if failure.fatal {
            return Err(Ending::stated(failure));
        }
        let Some(sent) = self.sent.remove(&request) else {
            match self.waiting {
                Some(Waiting::Configured { request: asked }) if asked == request => {
                    return Err(Ending::stated(failure));
                }
                // The frames are answered all the same.
                Some(Waiting::Drained { request: asked, .. }) if asked == request => self.drained(),
                _ => gst::warning!(CAT, "{}", Ending::text(failure)),
            }
            return Ok(());
        };
        self.drop_frame(sent.number, sent.flushes, sent.keyframe, Ending::text(failure));
        let way = self.active.as_ref().map(|active| active.way);
        match way.filter(|_| failure.code == ErrorCode::NoResource && self.waiting.is_none()) {
            Some(way) if !self.refused.contains(way) => self.refuse(way),
            _ => Ok(()),
        }
    }

    /// The frames that the host had are lost. What was asked for behind them is asked again.
    fn give_up_frames(&mut self) {
        for (_, sent) in std::mem::take(&mut self.sent) {
            self.drop_frame(sent.number, sent.flushes, sent.keyframe, "the connection ended".to_owned());
        }
        if let Some(Waiting::Drained { number, .. }) = self.waiting {
            self.driver.queue.push_front(Request::Drain(number));
        }
    }
}

/// What the host is asked for.
fn wanted(setup: &Setup, agreed: &Capabilities, refused: Set<FrameWay>) -> Result<Configure, Ending> {
    let info = setup.input.info();
    let ways = carrier::ways_of(setup.dmabuf).common(agreed.ways).without(refused);
    if ways.is_empty() {
        return Err(Ending::unsupported("the host accepts no way in which these frames can travel"));
    }
    let size = picture::size(info);
    if !agreed.formats.contains(setup.format) || !size.fits(agreed.max_size) {
        let text =
            format!("the host takes {} up to {}, frames are {} {size}", agreed.formats, agreed.max_size, setup.format);
        return Err(Ending::unsupported(text));
    }
    Ok(Configure {
        size,
        format: setup.format,
        colorimetry: picture::colorimetry(info),
        profile: profile(setup, agreed)?,
        level: setup.wanted.level,
        low_latency: true,
        rate: picture::frame_rate(info),
        // The properties have wider ranges.
        keyframe_interval: setup.keyframe_interval.min(MAX_KEYFRAME_INTERVAL),
        bitrate: setup.bitrate_bps.clamp(MIN_BITRATE, MAX_BITRATE),
        ways,
    })
}

fn profile(setup: &Setup, agreed: &Capabilities) -> Result<Profile, Ending> {
    let found = setup.wanted.profiles.iter().find(|profile| agreed.profiles.contains(**profile));
    found.copied().ok_or_else(|| {
        Ending::unsupported(format!("the host has {}, downstream takes {:?}", agreed.profiles, setup.wanted.profiles))
    })
}
