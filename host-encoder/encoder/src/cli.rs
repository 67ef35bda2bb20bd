//! The command line of the daemon.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Parser, ValueEnum};
use helix_host_encoder::backend::NAMES;

const AFTER: &str = "\
Examples:
  helix-host-encoder --unix /run/helix/encoder.sock
  helix-host-encoder --tcp 127.0.0.1:0 --token-file /etc/helix/token
  helix-host-encoder --virtio-serial /run/helix/vm1-encoder.sock --stats
  helix-host-encoder --unix /run/helix/vsock_9000      (guests of vhost-device-vsock --uds-path /run/helix/vsock)

When it is ready it prints a line `listening on ENDPOINT` for each place. SIGTERM and SIGINT end it.

Exit codes:
  0  ended by a signal
  1  could not start; the error says why
  2  the command line is wrong
  3  ended by a signal, while an encoder was stuck in a frame";

/// Encodes frames of guests to H.264.
#[derive(Debug, Parser)]
#[command(name = "helix-host-encoder", version, about, after_help = AFTER)]
#[command(group = ArgGroup::new("places").required(true).multiple(true).args(["unix", "tcp", "vsock", "virtio_serial"]))]
pub(crate) struct Args {
    /// Listen on a Unix socket, made with mode 0600; a stale one is replaced
    #[arg(long, value_name = "PATH")]
    pub(crate) unix: Vec<PathBuf>,
    /// Listen on a TCP port of loopback; port 0 takes any. Needs --token-file
    #[arg(long, value_name = "IP:PORT", requires = "token_file")]
    pub(crate) tcp: Vec<SocketAddr>,
    /// Listen on a port of vsock, for all guests of this machine (Linux)
    #[arg(long, value_name = "PORT")]
    pub(crate) vsock: Vec<u32>,
    /// Connect to the socket of a QEMU character device behind a virtio-serial port, whenever it is there
    #[arg(long, value_name = "PATH")]
    pub(crate) virtio_serial: Vec<PathBuf>,
    /// The secret that clients show on TCP and vsock: the first line of this file
    #[arg(long, value_name = "PATH")]
    pub(crate) token_file: Option<PathBuf>,
    /// What encodes; discard encodes nothing and measures the way there and back
    #[arg(long, value_name = "NAME", default_value = NAMES[0], value_parser = PossibleValuesParser::new(NAMES))]
    pub(crate) encoder: String,
    /// The most streams at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) max_streams: u16,
    /// Print the figures of each stream once a second and when it ends, as lines of JSON
    #[arg(long)]
    pub(crate) stats: bool,
    /// What the log on stderr has
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(crate) log: Log,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Log {
    /// What ends a connection
    Warn,
    /// Connections and streams too
    Info,
    /// Everything
    Debug,
}
