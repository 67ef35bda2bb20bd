//! The server: who may connect, what runs, how it ends.

mod connection;
mod endpoint;
mod outbox;
mod stream;
mod transport;

use std::collections::BTreeMap;
use std::io::Error as IoError;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use helix_frame_protocol::limits::{ANSWER_TIMEOUT, HANDSHAKE_TIMEOUT, IDLE_TIMEOUT, MAX_STREAMS, MESSAGE_TIMEOUT};
use helix_frame_protocol::{Attach, Capabilities, Envelope, ErrorCode, FrameWay, Outgoing, Set, Token};

use self::connection::Peer;
pub use self::endpoint::Endpoint;
use self::endpoint::{Listener, connect_unix, pause};
use self::outbox::Outbox;
use self::stream::Link;
pub use self::stream::StreamReport;
use self::transport::{Device, MAX_VSOCK_WRITE, Transport};
use crate::encoder::Backend;
use crate::source::FrameProvider;

/// The most connections at the same time. Each has two threads and a few KiB before it has streams.
const MAX_CONNECTIONS: usize = 256;
/// The most connections of one endpoint that have not said hello. They are few, so that silent clients keep nobody out: not
/// those of another endpoint, and not those of the same one for longer than a handshake may take.
const MAX_GREETING: usize = 32;
/// How long connections may take to say goodbye when the server stops.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long threads may then still work on a frame.
const LAST_FRAME: Duration = Duration::from_secs(3);
/// The pauses between two attempts to connect to a character device: the first and the longest.
const RECONNECT: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// How long this end waits; see `docs/src/protocol.md`.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// From the connection to hello.
    pub handshake: Duration,
    /// For a message from its first byte to its last, reading and writing.
    pub message: Duration,
    /// For the answer to a ping.
    pub answer: Duration,
    /// How long a client may be silent before it is asked whether it is there.
    pub idle: Duration,
}

impl Default for Timeouts {
    /// Those of the specification, which are the longest.
    fn default() -> Self {
        Self { handshake: HANDSHAKE_TIMEOUT, message: MESSAGE_TIMEOUT, answer: ANSWER_TIMEOUT, idle: IDLE_TIMEOUT }
    }
}

impl Timeouts {
    /// How long a socket blocks before time is looked at.
    fn tick(&self) -> Duration {
        let shortest = self.handshake.min(self.message).min(self.answer).min(self.idle);
        (shortest / 4).clamp(Duration::from_millis(5), Duration::from_millis(250))
    }
}

/// What is told when a stream has ended.
pub type OnStreamEnd = Box<dyn Fn(&StreamReport) + Send + Sync>;

/// What a server is made of.
pub struct Config {
    /// Where clients come from.
    pub endpoints: Vec<Endpoint>,
    /// What clients show where the transport lets everybody in.
    pub token: Option<Token>,
    /// What encodes.
    pub backend: Arc<dyn Backend>,
    /// Where resources and blobs are, if there is a virtual machine monitor.
    pub provider: Option<Arc<dyn FrameProvider>>,
    /// The most streams at the same time, of all connections.
    pub max_streams: usize,
    /// How long this end waits.
    pub timeouts: Timeouts,
    /// Called with the last figures of each stream, by its thread.
    pub on_stream_end: Option<OnStreamEnd>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Everybody in the network could send frames.
    #[error("{0} is no address on loopback, where alone this listens")]
    NotLoopback(SocketAddr),
    /// Everybody on this machine could send frames.
    #[error("listening on {0} needs a token, because every user of this machine can connect")]
    NoToken(SocketAddr),
    /// Something that is no socket is at the place of the socket.
    #[error("{}: there is something that is no socket", .0.display())]
    NoSocket(PathBuf),
    /// Another process serves this socket.
    #[error("{}: another process listens here", .0.display())]
    InUse(PathBuf),
    /// The system refuses.
    #[error("listening on {endpoint}: {source}")]
    Listen {
        /// Where.
        endpoint: Endpoint,
        /// What it says.
        #[source]
        source: IoError,
    },
    /// The system has no thread or socket left.
    #[error("starting a thread: {0}")]
    Thread(#[source] IoError),
}

type StreamKey = u64;

struct Connection {
    transport: Transport,
    outbox: Arc<Outbox>,
    /// The endpoint of a client that has not said hello; nothing from hello on.
    greeting: Option<String>,
}

#[derive(Default)]
struct Connections {
    open: BTreeMap<u64, Connection>,
    /// No more are taken.
    stopping: bool,
}

/// What all connections share.
pub(crate) struct Context {
    token: Option<Token>,
    backend: Arc<dyn Backend>,
    provider: Option<Arc<dyn FrameProvider>>,
    max_streams: usize,
    timeouts: Timeouts,
    on_stream_end: Option<OnStreamEnd>,
    /// How many streams there are.
    streams: AtomicUsize,
    numbers: AtomicU64,
    listed: Mutex<BTreeMap<StreamKey, Arc<Link>>>,
    connections: Mutex<Connections>,
    /// A connection has ended.
    fewer: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connections {
    /// Takes out the oldest connection of an endpoint that has as many without hello as it may have.
    fn take_oldest_in_excess(&mut self, endpoint: &str) -> Option<Connection> {
        let silent = self.open.iter().filter(|(_, connection)| connection.greeting.as_deref() == Some(endpoint));
        let numbers: Vec<u64> = silent.map(|(number, _)| *number).collect();
        let oldest = numbers.first().filter(|_| numbers.len() >= MAX_GREETING)?;
        self.open.remove(oldest)
    }
}

impl Context {
    fn capabilities(&self) -> Capabilities {
        let able = self.backend.abilities();
        let lent = self.provider.as_ref().map_or(Set::EMPTY, |provider| provider.ways());
        let ways = lent.iter().chain([FrameWay::Pixels]).collect();
        let max_streams = self.max_streams.clamp(1, MAX_STREAMS as usize) as u32;
        let (formats, profiles, max_size) = (able.formats, able.profiles, able.max_size);
        Capabilities { ways, formats, profiles, max_size, max_streams }
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn list(&self, link: &Arc<Link>) -> StreamKey {
        let key = self.number();
        lock(&self.listed).insert(key, Arc::clone(link));
        key
    }

    fn unlist(&self, key: StreamKey, link: &Link) {
        lock(&self.listed).remove(&key);
        if let Some(tell) = &self.on_stream_end {
            tell(&link.report(false));
        }
    }

    /// Takes a connection into the list, before it has a thread, so that a server that stops knows all of them.
    ///
    /// An endpoint whose quota of clients without hello is used up gives the place of the oldest one to the new one.
    fn enter(self: &Arc<Self>, transport: Transport, endpoint: &str) -> Result<Entry, NoEntry> {
        let mut connections = lock(&self.connections);
        if connections.stopping {
            return Err(NoEntry::Stopping);
        }
        let silent = connections.take_oldest_in_excess(endpoint);
        if connections.open.len() >= MAX_CONNECTIONS {
            return Err(NoEntry::Full(transport));
        }
        let (connection, outbox) = (self.number(), Arc::new(Outbox::default()));
        let greeting = Some(endpoint.to_owned());
        let open = Connection { transport: transport.clone(), outbox: Arc::clone(&outbox), greeting };
        connections.open.insert(connection, open);
        drop(connections);
        if let Some(Connection { transport, .. }) = silent {
            tracing::warn!("a client of {endpoint} is sent away: {MAX_GREETING} have not said hello");
            send_away(transport.clone(), "there are too many connections that have not said hello");
            transport.cut();
        }
        Ok(Entry { context: Arc::clone(self), connection, transport, outbox })
    }

    /// A client has said hello, and counts no longer among those that have not.
    fn greeted(&self, connection: u64) {
        if let Some(connection) = lock(&self.connections).open.get_mut(&connection) {
            connection.greeting = None;
        }
    }

    /// Takes no more connections, and tells those that there are.
    fn tell_all(&self) {
        let mut connections = lock(&self.connections);
        connections.stopping = true;
        for connection in connections.open.values() {
            let last = Envelope::fatal(0, ErrorCode::ShuttingDown, "the host encoder is being stopped");
            connection.outbox.end(Some(last));
        }
    }

    fn cut_all(&self) {
        lock(&self.connections).open.values().for_each(|connection| connection.transport.cut());
    }

    fn wait_for_connections(&self, limit: Duration) -> bool {
        let connections = lock(&self.connections);
        let waited = self.fewer.wait_timeout_while(connections, limit, |connections| !connections.open.is_empty());
        waited.unwrap_or_else(PoisonError::into_inner).0.open.is_empty()
    }
}

/// Why a connection is not taken.
enum NoEntry {
    Stopping,
    Full(Transport),
}

/// A connection in the list of the server.
struct Entry {
    context: Arc<Context>,
    connection: u64,
    transport: Transport,
    outbox: Arc<Outbox>,
}

impl Entry {
    /// Serves the client in this thread.
    fn serve(self, device: Option<(&mut Device, Attach)>, name: String, needs_token: bool) {
        let peer = Peer { connection: self.connection, name, needs_token };
        connection::serve(&self.context, &self.transport, device, &self.outbox, &peer);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.context.connections).open.remove(&self.connection);
        self.context.fewer.notify_all();
    }
}

/// A running server. It stops when it is dropped.
///
/// Each connection has a thread that reads and one that writes, each stream one that encodes, so that none waits for
/// another but for the processor. A stream holds at most four frames as they come, fewer if they are large (64 MiB in all,
/// but at least two), each at most twice its packed size and 64 KiB; one converted picture; its encoder; and as many access
/// units as frames.
pub struct Server {
    context: Arc<Context>,
    endpoints: Vec<Endpoint>,
    /// Closed when the server stops; its other end is what threads wait for.
    stop: Option<UnixStream>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Listens, and serves in threads of its own.
    ///
    /// # Errors
    /// When it cannot listen at all of the endpoints; then it listens at none.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let Config { endpoints: wanted, token, backend, provider, max_streams, timeouts, on_stream_end } = config;
        let has_token = token.is_some();
        let listeners: Vec<_> = wanted.iter().map(|e| Listener::bind(e, has_token)).collect::<Result<_, _>>()?;
        let context = Arc::new(Context {
            token,
            backend,
            provider,
            max_streams,
            timeouts,
            on_stream_end,
            streams: AtomicUsize::new(0),
            numbers: AtomicU64::new(0),
            listed: Mutex::default(),
            connections: Mutex::default(),
            fewer: Condvar::new(),
        });
        let (stop, stopped) = UnixStream::pair().map_err(StartError::Thread)?;
        let mut server = Self { context, endpoints: Vec::new(), stop: Some(stop), threads: Vec::new() };
        for (endpoint, listener) in wanted.into_iter().zip(listeners) {
            let stopped = stopped.try_clone().map_err(StartError::Thread)?;
            server.start_endpoint(endpoint, listener, stopped)?;
        }
        Ok(server)
    }

    fn start_endpoint(
        &mut self,
        endpoint: Endpoint,
        listener: Option<Listener>,
        stopped: UnixStream,
    ) -> Result<(), StartError> {
        let context = Arc::clone(&self.context);
        let bound = listener.as_ref().map_or(&endpoint, |listener| &listener.endpoint).clone();
        let work = move || match (listener, endpoint) {
            (Some(listener), _) => listen(&context, &listener, &stopped),
            (None, Endpoint::VirtioSerial(path)) => keep_connected(&context, &path, &stopped),
            (None, _) => {}
        };
        self.threads.push(Builder::new().name("accept".into()).spawn(work).map_err(StartError::Thread)?);
        self.endpoints.push(bound);
        Ok(())
    }

    /// Where clients come from; with the port that was chosen if any was wanted.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The figures of all streams that are open.
    pub fn statistics(&self) -> Vec<StreamReport> {
        let links: Vec<Arc<Link>> = lock(&self.context.listed).values().cloned().collect();
        links.iter().map(|link| link.report(true)).collect()
    }

    /// Stops: clients are told so, and what they do not read within two seconds is cut off.
    ///
    /// Takes at most five seconds: a thread that still works on a frame then is left to end by itself. Returns whether all
    /// threads are gone.
    pub fn stop(mut self) -> bool {
        self.halt()
    }

    fn halt(&mut self) -> bool {
        if self.stop.take().is_none() {
            return true;
        }
        self.context.tell_all();
        let all = self.context.wait_for_connections(GOODBYE) || {
            self.context.cut_all();
            self.context.wait_for_connections(LAST_FRAME)
        };
        if all {
            // They have ended, or are about to: they serve nobody, see that the stop is closed, and join what they started.
            self.threads.drain(..).for_each(|thread| drop(thread.join()));
        }
        all
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.halt();
    }
}

/// Accepts clients until the server stops.
fn listen(context: &Arc<Context>, listener: &Listener, stop: &UnixStream) {
    let needs_token = listener.endpoint.needs_token(context.token.is_some());
    let mut threads = Vec::new();
    loop {
        match listener.accept(stop) {
            Ok(Some(socket)) => match start_connection(context, socket, &listener.endpoint, needs_token) {
                Ok(thread) => threads.extend(thread),
                Err(e) => tracing::warn!("a client of {}: {e}", listener.endpoint),
            },
            Ok(None) => break,
            Err(e) => {
                tracing::warn!("accepting at {}: {e}", listener.endpoint);
                // Most likely no file descriptors are left, and some come back when clients go.
                if !pause(RECONNECT[0], stop) {
                    break;
                }
            }
        }
        threads.retain(|thread: &JoinHandle<()>| !thread.is_finished());
    }
    // What they panic with they have said.
    threads.into_iter().for_each(|thread| drop(thread.join()));
}

/// The thread that serves a client; none if the client is sent away.
fn start_connection(
    context: &Arc<Context>,
    socket: OwnedFd,
    endpoint: &Endpoint,
    needs_token: bool,
) -> Result<Option<JoinHandle<()>>, IoError> {
    let most = if matches!(endpoint, Endpoint::Vsock(_)) { MAX_VSOCK_WRITE } else { usize::MAX };
    let name = endpoint.to_string();
    let entry = match context.enter(Transport::new(socket, context.timeouts.tick(), most)?, &name) {
        Ok(entry) => entry,
        Err(NoEntry::Stopping) => return Ok(None),
        Err(NoEntry::Full(transport)) => {
            tracing::warn!("a client of {endpoint} is sent away: there are {MAX_CONNECTIONS} connections");
            send_away(transport, "there are too many connections");
            return Ok(None);
        }
    };
    Builder::new().name("read".into()).spawn(move || entry.serve(None, name, needs_token)).map(Some)
}

/// Tells a client that there are too many. Nothing was written to its socket before, so that this does not block.
fn send_away(mut transport: Transport, text: &str) {
    let (busy, mut prefix) = (Envelope::fatal(0, ErrorCode::Busy, text), Vec::new());
    if let Ok(outgoing) = Outgoing::new(&busy, &mut prefix, &[]) {
        // Whoever does not hear it sees the connection close.
        let _ = outgoing.write_all(&mut transport, Duration::ZERO);
    }
}

/// Serves the guest behind a character device, whenever there is one.
fn keep_connected(context: &Arc<Context>, path: &Path, stop: &UnixStream) {
    let (mut rest, mut said) = (RECONNECT[0], String::new());
    loop {
        match serve_device(context, path, stop) {
            Ok(()) => (rest, said) = (RECONNECT[0], String::new()),
            Err(e) => {
                rest = (2 * rest).min(RECONNECT[1]);
                let text = e.to_string();
                if text != said {
                    tracing::warn!("connecting to {}: {text}; trying again until it works", path.display());
                    said = text;
                }
            }
        }
        if !pause(rest, stop) {
            return;
        }
    }
}

/// Connects to the device, and serves one program of the guest after the other.
fn serve_device(context: &Arc<Context>, path: &Path, stop: &UnixStream) -> Result<(), IoError> {
    let mut device = Device::new(Transport::new(connect_unix(path)?, context.timeouts.tick(), usize::MAX)?);
    tracing::info!("connected to {}", path.display());
    let name = Endpoint::VirtioSerial(path.to_owned()).to_string();
    while let Some((attach, transport)) = device.next(stop)? {
        match context.enter(transport, &name) {
            Ok(entry) => entry.serve(Some((&mut device, attach)), name.clone(), false),
            Err(NoEntry::Stopping) => break,
            Err(NoEntry::Full(_)) => {
                tracing::warn!("a client of {name} hears nothing: there are {MAX_CONNECTIONS} connections");
            }
        }
    }
    Ok(())
}
