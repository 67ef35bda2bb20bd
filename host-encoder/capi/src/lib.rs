//! The host encoder for programs in C: a virtual machine monitor starts a server in its own process and lends it the
//! memory of its guests.
//!
//! `include/helix_host_encoder.h` is made from this file. No panic crosses the boundary: it becomes
//! [`HelixStatus::Internal`].

mod log;

use std::ffi::{CStr, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use helix_frame_protocol::{FrameWay, Set, Token};
use helix_host_encoder::backend::{NAMES, backend};
use helix_host_encoder::{Config, Endpoint, FrameProvider, Resource, Server, SourceError, Timeouts};

/// What became of a call.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelixStatus {
    /// It worked.
    Ok = 0,
    /// An argument is missing or wrong.
    Argument = 1,
    /// The server could not listen.
    Listen = 2,
    /// Some threads still work on a frame, and end by themselves.
    Busy = 3,
    /// A fault in the library.
    Internal = 4,
}

/// A virtio-gpu resource as a frame names it.
///
/// All of this is what the guest says, and nobody has compared it with the resource: sizes, offsets and strides may lead
/// out of it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct HelixResource {
    /// Its id.
    pub id: u32,
    /// The format of the frame, as `docs/src/protocol.md` numbers it.
    pub format: u32,
    /// How the resource is laid out, as `drm_fourcc.h` has it.
    pub modifier: u64,
    /// The width in pixels.
    pub width: u32,
    /// The height in pixels.
    pub height: u32,
    /// Where planes begin, in bytes.
    pub offsets: [u32; 3],
    /// From row to row of each plane, in bytes.
    pub strides: [u32; 3],
}

/// Copies bytes of a blob: `length` bytes from `offset` on, to `into`.
///
/// Returns 0, or another number when there is no blob `id`, it has less than `size` bytes, or the bytes are not within it.
pub type HelixReadBlob = Option<
    unsafe extern "C" fn(opaque: *mut c_void, id: u32, size: u32, offset: u32, into: *mut u8, length: usize) -> i32,
>;

/// Copies the pixels of a resource to `into`, packed: plane after plane without padding, `length` bytes in all.
///
/// Returns 0, or another number when there is no such resource or it is not what `resource` says. Compare before anything
/// is read.
pub type HelixReadResource = Option<
    unsafe extern "C" fn(opaque: *mut c_void, resource: *const HelixResource, into: *mut u8, length: usize) -> i32,
>;

/// Where the pixels of frames are that do not travel on the wire.
///
/// Callbacks are called from several threads at once, until `helix_host_encoder_stop` has returned `HELIX_STATUS_OK`. They
/// must not wait for a lock that the caller of that function holds.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct HelixProvider {
    /// Given back to the callbacks.
    pub opaque: *mut c_void,
    /// Null if there are no blobs.
    pub read_blob: HelixReadBlob,
    /// Null if there are no resources.
    pub read_resource: HelixReadResource,
}

/// What a server is made of. Texts end in a zero byte; they, and this, are copied.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct HelixConfig {
    /// The path of a Unix socket to listen on, or null.
    pub unix_path: *const c_char,
    /// An address on loopback to listen on, as `127.0.0.1:9000`, or null.
    pub tcp_address: *const c_char,
    /// The path of a socket of a character device to connect to, or null.
    pub virtio_serial_path: *const c_char,
    /// The secret that clients show on TCP, or null.
    pub token: *const c_char,
    /// The name of the encoder, or null for that of this system.
    pub encoder: *const c_char,
    /// The most streams at the same time; 0 for 64.
    pub max_streams: u32,
    /// Where resources and blobs are.
    pub provider: HelixProvider,
}

/// A running server.
#[derive(Debug)]
pub struct HelixServer {
    _private: [u8; 0],
}

/// How important a message is.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelixLevel {
    /// A fault in the library or the system.
    Error = 1,
    /// What ends a connection, or costs a frame.
    Warn = 2,
    /// Connections and streams.
    Info = 3,
    /// Everything.
    Debug = 4,
}

/// Takes a message: a text in UTF-8 without line breaks, which is valid during the call.
pub type HelixLog = Option<unsafe extern "C" fn(opaque: *mut c_void, level: HelixLevel, text: *const c_char)>;

/// The callback for messages with what it is given.
struct Logger {
    log: unsafe extern "C" fn(*mut c_void, HelixLevel, *const c_char),
    opaque: *mut c_void,
}

// SAFETY: the caller promises that the callback can be called from any thread, several at once.
#[expect(unsafe_code, reason = "the callback holds a pointer, of which only its owner knows what it is")]
unsafe impl Send for Logger {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "as above")]
unsafe impl Sync for Logger {}

impl Logger {
    fn say(&self, level: HelixLevel, text: &CStr) {
        // SAFETY: the text is valid during the call; the rest is the caller's promise.
        #[expect(unsafe_code, reason = "a call to C")]
        unsafe {
            (self.log)(self.opaque, level, text.as_ptr());
        }
    }
}

/// Callbacks with what they are given.
struct Callbacks(HelixProvider);

// SAFETY: the caller promises that its callbacks can be called from any thread, several at once.
#[expect(unsafe_code, reason = "the callbacks hold a pointer, of which only its owner knows what it is")]
unsafe impl Send for Callbacks {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "as above")]
unsafe impl Sync for Callbacks {}

impl FrameProvider for Callbacks {
    fn ways(&self) -> Set<FrameWay> {
        let resource = self.0.read_resource.map(|_| FrameWay::Resource);
        resource.into_iter().chain(self.0.read_blob.map(|_| FrameWay::Blob)).collect()
    }

    fn read_blob(&self, id: u32, size: u32, offset: u32, into: &mut [u8]) -> Result<(), SourceError> {
        let read = self.0.read_blob.ok_or_else(|| SourceError("there are no blobs".into()))?;
        // SAFETY: `into` has room for `length` bytes; the rest is the caller's promise.
        #[expect(unsafe_code, reason = "a call to C")]
        let status = unsafe { read(self.0.opaque, id, size, offset, into.as_mut_ptr(), into.len()) };
        if status == 0 { Ok(()) } else { Err(SourceError(format!("blob {id} of {size} bytes: error {status}"))) }
    }

    fn read_resource(&self, resource: &Resource, into: &mut [u8]) -> Result<(), SourceError> {
        let read = self.0.read_resource.ok_or_else(|| SourceError("there are no resources".into()))?;
        let lent = HelixResource {
            id: resource.id,
            format: resource.format.number().into(),
            modifier: resource.modifier,
            width: resource.size.width,
            height: resource.size.height,
            offsets: resource.planes.map(|plane| plane.offset),
            strides: resource.planes.map(|plane| plane.stride),
        };
        // SAFETY: both are valid during the call, and `into` has room for `length` bytes.
        #[expect(unsafe_code, reason = "a call to C")]
        let status = unsafe { read(self.0.opaque, &lent, into.as_mut_ptr(), into.len()) };
        if status == 0 { Ok(()) } else { Err(SourceError(format!("resource {}: error {status}", resource.id))) }
    }
}

/// A fault, and what to say of it.
type Fault = (HelixStatus, String);

fn wrong(what: &str, why: impl std::fmt::Display) -> Fault {
    (HelixStatus::Argument, format!("{what}: {why}"))
}

/// The bytes of a text; nothing for null.
///
/// # Safety
/// It must be null or end in a zero byte.
#[expect(unsafe_code, reason = "texts of C are pointers")]
unsafe fn bytes<'a>(text: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes())
}

fn utf8<'a>(what: &str, bytes: &'a [u8]) -> Result<&'a str, Fault> {
    std::str::from_utf8(bytes).map_err(|e| wrong(what, e))
}

/// # Safety
/// All texts must be null or end in a zero byte.
#[expect(unsafe_code, reason = "texts of C are pointers")]
unsafe fn config(from: &HelixConfig) -> Result<Config, Fault> {
    // SAFETY: the caller's promise.
    let [unix, tcp, serial, token, encoder] = unsafe {
        [from.unix_path, from.tcp_address, from.virtio_serial_path, from.token, from.encoder].map(|text| bytes(text))
    };
    let path = |bytes| PathBuf::from(OsStr::from_bytes(bytes));
    let mut endpoints: Vec<Endpoint> = unix.map(|bytes| Endpoint::Unix(path(bytes))).into_iter().collect();
    if let Some(address) = tcp {
        let address = utf8("tcp_address", address)?.parse().map_err(|e| wrong("tcp_address", e))?;
        endpoints.push(Endpoint::Tcp(address));
    }
    endpoints.extend(serial.map(|bytes| Endpoint::VirtioSerial(path(bytes))));
    if endpoints.is_empty() {
        return Err(wrong("endpoints", "there is none"));
    }
    let name = encoder.map_or(Ok(NAMES[0]), |name| utf8("encoder", name))?;
    let backend = backend(name).ok_or_else(|| wrong("encoder", format!("there is no {name}, only {NAMES:?}")))?;
    let token = token.map(|token| Token::new(token).map_err(|e| wrong("token", e))).transpose()?;
    let lends = from.provider.read_blob.is_some() || from.provider.read_resource.is_some();
    Ok(Config {
        endpoints,
        token,
        backend,
        provider: lends.then(|| Arc::new(Callbacks(from.provider)) as Arc<dyn FrameProvider>),
        max_streams: if from.max_streams == 0 { 64 } else { from.max_streams as usize },
        timeouts: Timeouts::default(),
        on_stream_end: None,
    })
}

/// Runs `work` so that no panic leaves it.
fn guarded(work: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err((HelixStatus::Internal, "a fault in the host encoder".into())))
}

/// Starts a server. It is written to `server`, and stopped by `helix_host_encoder_stop`.
///
/// When it does not start, `server` becomes null, and what went wrong is written to `error` as a text that ends in a zero
/// byte, as much of it as fits into `error_size` bytes; `error` may be null.
///
/// # Safety
/// `config` and `server` must be valid; the texts of `config` must be null or end in a zero byte; its callbacks must be
/// callable from any thread until the server is stopped; `error` must be null or have room for `error_size` bytes.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "a function for C")]
pub unsafe extern "C" fn helix_host_encoder_start(
    config: *const HelixConfig,
    server: *mut *mut HelixServer,
    error: *mut c_char,
    error_size: usize,
) -> HelixStatus {
    let result = guarded(|| {
        // SAFETY: the caller's promise, null being looked for.
        let (from, to) = unsafe { (config.as_ref(), server.as_mut()) };
        let Some(to) = to else { return Err(wrong("server", "it is null")) };
        *to = std::ptr::null_mut();
        let Some(from) = from else { return Err(wrong("config", "it is null")) };
        // SAFETY: the caller's promise.
        let config = unsafe { self::config(from) }?;
        let started = Server::start(config).map_err(|e| (HelixStatus::Listen, e.to_string()))?;
        *to = Box::into_raw(Box::new(started)).cast();
        Ok(())
    });
    let Err((status, text)) = result else { return HelixStatus::Ok };
    // SAFETY: the caller's promise.
    unsafe { say(&text, error, error_size) };
    status
}

/// Writes a text for C, cut where there is no more room.
///
/// # Safety
/// `to` must be null or have room for `size` bytes.
#[expect(unsafe_code, reason = "texts of C are pointers")]
unsafe fn say(text: &str, to: *mut c_char, size: usize) {
    if to.is_null() || size == 0 {
        return;
    }
    let most = text.len().min(size - 1);
    let length = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    // SAFETY: there is room for `length` bytes and the zero.
    let room = unsafe { std::slice::from_raw_parts_mut(to.cast::<u8>(), length + 1) };
    room[..length].copy_from_slice(&text.as_bytes()[..length]);
    room[length] = 0;
}

/// Has what servers log told to `log`: messages up to the level `most`, a [`HelixLevel`].
///
/// It is of the whole process and stays until its end. A second call, or one in a program of Rust that has a log of its
/// own, returns `HELIX_STATUS_ARGUMENT` and changes nothing. Without a call nothing is logged.
///
/// # Safety
/// `log` must be callable with `opaque` from any thread, several at once, until the process ends. It must not call a
/// function of this library.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "a function for C")]
pub unsafe extern "C" fn helix_host_encoder_set_log(log: HelixLog, opaque: *mut c_void, most: u32) -> HelixStatus {
    let result = guarded(|| {
        let log = log.ok_or_else(|| wrong("log", "it is null"))?;
        let most = log::level(most).ok_or_else(|| wrong("most", format!("there is no level {most}")))?;
        log::set(Logger { log, opaque }, most).map_err(|e| wrong("log", e))
    });
    result.map_or_else(|(status, _)| status, |()| HelixStatus::Ok)
}

/// Stops a server and frees it; null is no error. Clients are told so. It takes at most five seconds.
///
/// After `HELIX_STATUS_OK` no callback is called any more. After `HELIX_STATUS_BUSY` a callback that runs has not returned
/// yet: the library must stay loaded, and what the callbacks need must stay valid.
///
/// # Safety
/// `server` must be null or come from `helix_host_encoder_start`, and must not be used after this.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "a function for C")]
pub unsafe extern "C" fn helix_host_encoder_stop(server: *mut HelixServer) -> HelixStatus {
    let result = guarded(|| {
        if server.is_null() {
            return Ok(());
        }
        // SAFETY: it is the box that `helix_host_encoder_start` gave away.
        let server = unsafe { Box::from_raw(server.cast::<Server>()) };
        if server.stop() { Ok(()) } else { Err((HelixStatus::Busy, String::new())) }
    });
    result.map_or_else(|(status, _)| status, |()| HelixStatus::Ok)
}
