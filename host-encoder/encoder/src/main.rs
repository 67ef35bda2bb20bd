//! The daemon `helix-host-encoder`: the library with a command line.

mod cli;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

use clap::Parser;
use helix_frame_protocol::Token;
use helix_host_encoder::{Config, Endpoint, Server, StreamReport, Timeouts, backend};
use signal_hook::consts::{SIGINT, SIGTERM};
use tracing::level_filters::LevelFilter;

use crate::cli::{Args, Log};

/// How often figures are printed.
const STATS: Duration = Duration::from_secs(1);
/// How many lines may wait to be read.
const MAX_LINES: usize = 1024;
/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let args = Args::parse();
    let level = match args.log {
        Log::Warn => LevelFilter::WARN,
        Log::Info => LevelFilter::INFO,
        Log::Debug => LevelFilter::DEBUG,
    };
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).with_ansi(false).init();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(text) => {
            eprintln!("error: {text}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything ended.
fn run(args: &Args) -> Result<bool, String> {
    // Before anybody learns that it runs.
    let signals = signals().map_err(|e| format!("preparing for signals: {e}"))?;
    let printer = Printer::start().map_err(|e| format!("starting a thread: {e}"))?;
    let server = Server::start(config(args, &printer)?).map_err(|e| e.to_string())?;
    for endpoint in server.endpoints() {
        printer.lines.print(format!("listening on {endpoint}"));
    }
    let print = |report: &StreamReport| printer.lines.print_report(report);
    wait(&server, signals, args.stats, &print).map_err(|e| format!("waiting for signals: {e}"))?;
    let all = server.stop();
    printer.finish();
    Ok(all)
}

fn config(args: &Args, printer: &Printer) -> Result<Config, String> {
    let token = args.token_file.as_deref().map(token).transpose()?;
    let unix = args.unix.iter().cloned().map(Endpoint::Unix);
    let tcp = args.tcp.iter().copied().map(Endpoint::Tcp);
    let vsock = args.vsock.iter().copied().map(Endpoint::Vsock);
    let serial = args.virtio_serial.iter().cloned().map(Endpoint::VirtioSerial);
    let lines = printer.lines.clone();
    let print = move |report: &StreamReport| lines.print_report(report);
    Ok(Config {
        endpoints: unix.chain(tcp).chain(vsock).chain(serial).collect(),
        token,
        backend: backend::backend(&args.encoder).ok_or_else(|| format!("there is no encoder {}", args.encoder))?,
        provider: None,
        max_streams: args.max_streams.into(),
        timeouts: Timeouts::default(),
        on_stream_end: args.stats.then_some(Box::new(print)),
    })
}

fn token(path: &Path) -> Result<Token, String> {
    let fault = |e: &dyn std::fmt::Display| format!("reading the token of {}: {e}", path.display());
    let bytes = std::fs::read(path).map_err(|e| fault(&e))?;
    Token::of_file(&bytes).map_err(|e| fault(&e))
}

/// A socket that has a byte after each signal.
fn signals() -> std::io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGTERM, write.try_clone()?)?;
    signal_hook::low_level::pipe::register(SIGINT, write)?;
    Ok(read)
}

fn wait(server: &Server, mut signals: UnixStream, stats: bool, print: &dyn Fn(&StreamReport)) -> std::io::Result<()> {
    signals.set_read_timeout(stats.then_some(STATS))?;
    loop {
        match signals.read(&mut [0]) {
            Ok(_) => return Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => server.statistics().iter().for_each(print),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Standard output, written by a thread of its own: that nobody reads it is no reason to stop encoding, or not to end.
struct Printer {
    lines: Lines,
    /// Closed when all is written.
    done: Receiver<()>,
}

/// Lines on their way to standard output.
#[derive(Clone)]
struct Lines(SyncSender<String>);

impl Printer {
    fn start() -> std::io::Result<Self> {
        let (lines, waiting) = sync_channel(MAX_LINES);
        let (open, done) = channel();
        std::thread::Builder::new().name("print".into()).spawn(move || {
            waiting.iter().for_each(|line: String| print_line(&line));
            drop::<Sender<()>>(open);
        })?;
        Ok(Self { lines: Lines(lines), done })
    }

    /// Waits a little for the last lines.
    fn finish(self) {
        let Self { lines, done } = self;
        drop(lines);
        // It ends by the thread's end, or because nobody reads.
        let _ = done.recv_timeout(LAST_LINES);
    }
}

impl Lines {
    /// A line for which there is no room is lost.
    fn print(&self, line: String) {
        if let Err(TrySendError::Full(line)) = self.0.try_send(line) {
            tracing::debug!("nobody reads standard output: {line}");
        }
    }

    fn print_report(&self, report: &StreamReport) {
        if let Ok(line) = serde_json::to_string(report) {
            self.print(line);
        }
    }
}

/// A whole line at once.
fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
}
