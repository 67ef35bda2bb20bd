//! The daemon `helix-host-encoder`: the library with a command line.

mod cli;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use helix_frame_protocol::Token;
use helix_host_encoder::{Config, Endpoint, Server, StreamReport, Timeouts, backend};
use signal_hook::consts::{SIGINT, SIGTERM};
use tracing::level_filters::LevelFilter;

use crate::cli::{Args, Log};

/// How often figures are printed.
const STATS: Duration = Duration::from_secs(1);

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
    let server = Server::start(config(args)?).map_err(|e| e.to_string())?;
    for endpoint in server.endpoints() {
        print_line(&format!("listening on {endpoint}"));
    }
    wait(&server, signals, args.stats).map_err(|e| format!("waiting for signals: {e}"))?;
    Ok(server.stop())
}

fn config(args: &Args) -> Result<Config, String> {
    let token = args.token_file.as_deref().map(token).transpose()?;
    let unix = args.unix.iter().cloned().map(Endpoint::Unix);
    let tcp = args.tcp.iter().copied().map(Endpoint::Tcp);
    let vsock = args.vsock.iter().copied().map(Endpoint::Vsock);
    let serial = args.virtio_serial.iter().cloned().map(Endpoint::VirtioSerial);
    let print = |report: &StreamReport| print_report(report);
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

/// The first line of the file, so that an editor's newline is no part of the secret.
fn token(path: &Path) -> Result<Token, String> {
    let fault = |e: &dyn std::fmt::Display| format!("reading the token of {}: {e}", path.display());
    let bytes = std::fs::read(path).map_err(|e| fault(&e))?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Token::new(line.trim_ascii_end()).map_err(|e| fault(&e))
}

/// A socket that has a byte after each signal.
fn signals() -> std::io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGTERM, write.try_clone()?)?;
    signal_hook::low_level::pipe::register(SIGINT, write)?;
    Ok(read)
}

fn wait(server: &Server, mut signals: UnixStream, stats: bool) -> std::io::Result<()> {
    signals.set_read_timeout(stats.then_some(STATS))?;
    loop {
        match signals.read(&mut [0]) {
            Ok(_) => return Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => server.statistics().iter().for_each(print_report),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn print_report(report: &StreamReport) {
    if let Ok(line) = serde_json::to_string(report) {
        print_line(&line);
    }
}

/// A whole line at once. That nobody reads it is no reason to stop encoding.
fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
}
