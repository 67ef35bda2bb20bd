//! The bodies of all messages, field by field, as the specification lists them.

use crate::code::{ErrorCode, FrameWay, Matrix, PixelFormat, Profile, Range, SkipReason};
use crate::error::Error;
use crate::fields::{Fields, Out};
use crate::kind::Kind;
use crate::message::{
    AccessUnit, Capabilities, Colorimetry, Configure, Configured, Failure, Frame, FrameRate, Hello, Level, Message,
    Refusal, Statistics, Welcome,
};
use crate::picture::{Plane, Size, Source};
use crate::token::Token;

/// A flag of the header: the frame must become, or the access unit is, a keyframe.
pub(crate) const KEYFRAME: u32 = 1;
/// A flag of the header: the error ends its stream or the connection.
pub(crate) const FATAL: u32 = 1 << 1;

const HAS_PTS: u32 = 1;
const HAS_DTS: u32 = 1 << 1;
const HAS_DURATION: u32 = 1 << 2;

/// The flags of the header that a type may have.
pub(crate) const fn allowed_flags(kind: Kind) -> u32 {
    match kind {
        Kind::Frame | Kind::AccessUnit => KEYFRAME,
        Kind::Error => FATAL,
        _ => 0,
    }
}

pub(crate) fn flags(message: &Message) -> u32 {
    match message {
        Message::Frame(Frame { keyframe: true, .. }) | Message::AccessUnit(AccessUnit { keyframe: true, .. }) => {
            KEYFRAME
        }
        Message::Error(Failure { fatal: true, .. }) => FATAL,
        _ => 0,
    }
}

/// Reads a body; everything in it is checked.
pub(crate) fn parse(kind: Kind, flags: u32, body: &[u8], data_length: u32) -> Result<Message, Error> {
    let mut fields = Fields::new(kind, body);
    let message = match kind {
        Kind::Hello => Message::Hello(hello(&mut fields)?),
        Kind::Welcome => Message::Welcome(welcome(&mut fields)?),
        Kind::Configure => Message::Configure(configure(&mut fields)?),
        Kind::Configured => Message::Configured(configured(&mut fields)?),
        Kind::Frame => Message::Frame(frame(&mut fields, flags & KEYFRAME != 0, data_length)?),
        Kind::AccessUnit => Message::AccessUnit(access_unit(&mut fields, flags & KEYFRAME != 0, data_length)?),
        Kind::Skipped => Message::Skipped(skipped(&mut fields)?),
        Kind::Statistics => Message::Statistics(statistics(&mut fields)?),
        Kind::Error => Message::Error(failure(&mut fields, flags & FATAL != 0)?),
        Kind::ForceKeyframe => Message::ForceKeyframe,
        Kind::KeyframeForced => Message::KeyframeForced,
        Kind::GetStatistics => Message::GetStatistics,
        Kind::Ping => Message::Ping,
        Kind::Pong => Message::Pong,
        Kind::EndOfStream => Message::EndOfStream,
        Kind::Drained => Message::Drained,
        Kind::Close => Message::Close,
        Kind::Closed => Message::Closed,
    };
    // A later version may put more at the end of a hello.
    if kind != Kind::Hello {
        fields.end()?;
    }
    message.check()?;
    Ok(message)
}

/// Writes the body of a message that was checked.
pub(crate) fn write(message: &Message, out: &mut Vec<u8>) {
    let mut out = Out(out);
    match message {
        Message::Hello(hello) => {
            out.u16(hello.min_version).u16(hello.max_version);
            write_capabilities(&hello.capabilities, &mut out);
            out.bytes(hello.name.as_bytes()).bytes(hello.token.as_ref().map_or(&[], Token::bytes));
        }
        Message::Welcome(welcome) => write_welcome(welcome, &mut out),
        Message::Configure(configure) => write_configure(configure, &mut out),
        Message::Configured(configured) => {
            out.u8(configured.profile.number()).u8(configured.level.idc());
            out.u8(configured.way.number()).u8(configured.max_in_flight);
            out.bytes(configured.encoder.as_bytes());
        }
        Message::Frame(frame) => write_frame(frame, &mut out),
        Message::AccessUnit(unit) => {
            out.u32(present([unit.pts_ns, unit.dts_ns, None])).u32(0);
            out.u64(unit.pts_ns.unwrap_or(0)).u64(unit.dts_ns.unwrap_or(0));
        }
        Message::Skipped(reason) => {
            out.u8(reason.number()).u8(0).u16(0);
        }
        Message::Statistics(s) => {
            out.u64(s.frames).u64(s.bytes).u64(s.encode_total_ns).u64(s.encode_max_ns).u64(s.dropped).u64(s.queued);
        }
        Message::Error(failure) => {
            out.u16(failure.code.number().into()).bytes(failure.text.as_bytes());
        }
        _ => {}
    }
}

fn hello(fields: &mut Fields<'_>) -> Result<Hello, Error> {
    let (min_version, max_version) = (fields.u16("min version")?, fields.u16("max version")?);
    let capabilities = Capabilities {
        ways: fields.known_of("ways")?,
        formats: fields.known_of("formats")?,
        profiles: fields.known_of("profiles")?,
        max_size: size(fields)?,
        max_streams: fields.u32("streams")?,
    };
    let name = fields.text("name")?;
    let token = fields.bytes("token")?;
    let token = if token.is_empty() { None } else { Some(Token::new(token)?) };
    Ok(Hello { min_version, max_version, capabilities, name, token })
}

fn write_capabilities(capabilities: &Capabilities, out: &mut Out<'_>) {
    out.u32(capabilities.ways.bits()).u32(capabilities.formats.bits()).u32(capabilities.profiles.bits());
    out.u32(capabilities.max_size.width).u32(capabilities.max_size.height).u32(capabilities.max_streams);
}

fn welcome(fields: &mut Fields<'_>) -> Result<Welcome, Error> {
    let version = fields.u16("version")?;
    let count = fields.u16("refused")?;
    let capabilities = Capabilities {
        ways: fields.set("ways")?,
        formats: fields.set("formats")?,
        profiles: fields.set("profiles")?,
        max_size: size(fields)?,
        max_streams: fields.u32("streams")?,
    };
    if usize::from(count) > FrameWay::ALL.len() {
        return fields.fault("refused", format!("it is {count}, there are {} ways", FrameWay::ALL.len()));
    }
    let mut refused = Vec::new();
    for _ in 0..count {
        let way = fields.choice("refused way", FrameWay::from_number)?;
        refused.push(Refusal { way, reason: fields.text("reason")? });
    }
    Ok(Welcome { version, capabilities, refused, name: fields.text("name")? })
}

fn write_welcome(welcome: &Welcome, out: &mut Out<'_>) {
    // The refused ways are in order, so there are no more of them than ways.
    out.u16(welcome.version).u16(welcome.refused.len() as u16);
    write_capabilities(&welcome.capabilities, out);
    for refusal in &welcome.refused {
        out.u8(refusal.way.number()).bytes(refusal.reason.as_bytes());
    }
    out.bytes(welcome.name.as_bytes());
}

fn configure(fields: &mut Fields<'_>) -> Result<Configure, Error> {
    let size = size(fields)?;
    let format = fields.choice("format", PixelFormat::from_number)?;
    let profile = fields.choice("profile", Profile::from_number)?;
    let level = match fields.u8("level")? {
        0 => None,
        idc => Some(level(fields, idc)?),
    };
    let low_latency = match fields.u8("low latency")? {
        0 => false,
        1 => true,
        other => return fields.fault("low latency", format!("it is {other}, must be 0 or 1")),
    };
    let (ways, bitrate) = (fields.set("ways")?, fields.u64("bitrate")?);
    let rate = FrameRate { numerator: fields.u32("rate numerator")?, denominator: fields.u32("rate denominator")? };
    let keyframe_interval = fields.u32("keyframe interval")?;
    let matrix = fields.choice("matrix", Matrix::from_number)?;
    let colorimetry = Colorimetry { matrix, range: fields.choice("range", Range::from_number)? };
    fields.zeros(2)?;
    Ok(Configure { size, format, colorimetry, profile, level, low_latency, rate, keyframe_interval, bitrate, ways })
}

fn write_configure(configure: &Configure, out: &mut Out<'_>) {
    out.u32(configure.size.width).u32(configure.size.height);
    out.u8(configure.format.number()).u8(configure.profile.number());
    out.u8(configure.level.map_or(0, Level::idc)).u8(configure.low_latency.into());
    out.u32(configure.ways.bits()).u64(configure.bitrate);
    out.u32(configure.rate.numerator).u32(configure.rate.denominator).u32(configure.keyframe_interval);
    out.u8(configure.colorimetry.matrix.number()).u8(configure.colorimetry.range.number()).u16(0);
}

fn configured(fields: &mut Fields<'_>) -> Result<Configured, Error> {
    let profile = fields.choice("profile", Profile::from_number)?;
    let idc = fields.u8("level")?;
    Ok(Configured {
        profile,
        level: level(fields, idc)?,
        way: fields.choice("way", FrameWay::from_number)?,
        max_in_flight: fields.u8("in flight")?,
        encoder: fields.text("encoder")?,
    })
}

fn frame(fields: &mut Fields<'_>, keyframe: bool, data_length: u32) -> Result<Frame, Error> {
    let way = fields.choice("way", FrameWay::from_number)?;
    let format = fields.choice("format", PixelFormat::from_number)?;
    let bits = fields.u8("times")?;
    fields.zeros(1)?;
    let size = size(fields)?;
    let (id, blob_size) = (fields.u32("resource")?, fields.u32("blob size")?);
    fields.zeros(4)?;
    let modifier = fields.u64("modifier")?;
    let [pts_ns, dts_ns, duration_ns] = times(fields, bits.into(), &["pts", "dts", "duration"])?;
    let mut planes = [Plane::default(); 3];
    for plane in &mut planes {
        *plane = Plane { offset: fields.u32("offset")?, stride: fields.u32("stride")? };
    }
    let source = source(fields, way, [id, blob_size, data_length], modifier)?;
    Ok(Frame { size, format, pts_ns, dts_ns, duration_ns, keyframe, source, planes })
}

/// What belongs to another way must be zero.
fn source(fields: &Fields<'_>, way: FrameWay, [id, size, length]: [u32; 3], modifier: u64) -> Result<Source, Error> {
    let source = match way {
        FrameWay::Resource => Source::Resource { id, modifier },
        FrameWay::Blob => Source::Blob { id, size },
        FrameWay::Pixels => Source::Pixels { length },
    };
    let others = [
        ("resource", way == FrameWay::Pixels && id != 0),
        ("blob size", way != FrameWay::Blob && size != 0),
        ("modifier", way != FrameWay::Resource && modifier != 0),
        ("data length", way != FrameWay::Pixels && length != 0),
    ];
    match others.into_iter().find(|(_, used)| *used) {
        Some((field, _)) => fields.fault(field, format!("it must be zero in a frame of the way {way}")),
        None => Ok(source),
    }
}

fn write_frame(frame: &Frame, out: &mut Out<'_>) {
    let (id, blob_size, modifier) = match frame.source {
        Source::Resource { id, modifier } => (id, 0, modifier),
        Source::Blob { id, size } => (id, size, 0),
        Source::Pixels { .. } => (0, 0, 0),
    };
    let times = [frame.pts_ns, frame.dts_ns, frame.duration_ns];
    out.u8(frame.source.way().number()).u8(frame.format.number()).u8(present(times) as u8).u8(0);
    out.u32(frame.size.width).u32(frame.size.height).u32(id).u32(blob_size).u32(0).u64(modifier);
    for time in times {
        out.u64(time.unwrap_or(0));
    }
    for plane in frame.planes {
        out.u32(plane.offset).u32(plane.stride);
    }
}

fn access_unit(fields: &mut Fields<'_>, keyframe: bool, length: u32) -> Result<AccessUnit, Error> {
    let bits = fields.u32("times")?;
    fields.zeros(4)?;
    let [pts_ns, dts_ns] = times(fields, bits, &["pts", "dts"])?;
    Ok(AccessUnit { pts_ns, dts_ns, keyframe, length })
}

fn skipped(fields: &mut Fields<'_>) -> Result<SkipReason, Error> {
    let reason = fields.choice("reason", SkipReason::from_number)?;
    fields.zeros(3)?;
    Ok(reason)
}

fn statistics(fields: &mut Fields<'_>) -> Result<Statistics, Error> {
    Ok(Statistics {
        frames: fields.u64("frames")?,
        bytes: fields.u64("bytes")?,
        encode_total_ns: fields.u64("encode total")?,
        encode_max_ns: fields.u64("encode max")?,
        dropped: fields.u64("dropped")?,
        queued: fields.u64("queued")?,
    })
}

fn failure(fields: &mut Fields<'_>, fatal: bool) -> Result<Failure, Error> {
    let code = ErrorCode::from_number(fields.u16("code")?).unwrap_or(ErrorCode::Internal);
    Ok(Failure { code, fatal, text: fields.text("text")? })
}

fn size(fields: &mut Fields<'_>) -> Result<Size, Error> {
    Ok(Size { width: fields.u32("width")?, height: fields.u32("height")? })
}

fn level(fields: &Fields<'_>, idc: u8) -> Result<Level, Error> {
    Level::new(idc).map_or_else(|| fields.fault("level", format!("there is no level_idc {idc}")), Ok)
}

/// The bits that say which times there are.
fn present([pts, dts, duration]: [Option<u64>; 3]) -> u32 {
    let bit = |time: Option<u64>, bit| if time.is_some() { bit } else { 0 };
    bit(pts, HAS_PTS) | bit(dts, HAS_DTS) | bit(duration, HAS_DURATION)
}

/// Times of which each bit says whether it is there. One that is not must be zero, so that a message has one form only.
fn times<const N: usize>(
    fields: &mut Fields<'_>,
    bits: u32,
    names: &[&'static str; N],
) -> Result<[Option<u64>; N], Error> {
    if bits >> N != 0 {
        return fields.fault("times", format!("the bits {bits:#x} stand for nothing"));
    }
    let mut times = [None; N];
    for (index, name) in names.iter().enumerate() {
        times[index] = match (bits & (1 << index) != 0, fields.u64(name)?) {
            (true, time) => Some(time),
            (false, 0) => None,
            (false, time) => return fields.fault(name, format!("it is {time}, but its bit says that it is not there")),
        };
    }
    Ok(times)
}
