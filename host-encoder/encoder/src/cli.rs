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

/// The service files name options of this program and places that its machine makes.
#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::process::Command;

    use super::*;

    /// The folder of a user's programs at run time, which systemd puts in the place of `%t`.
    const RUNTIME: &str = "/run/user/1000";
    /// How long the daemon may take to end, in seconds.
    const STOP: u64 = 5;

    fn parse(words: &[&str]) -> Args {
        Args::try_parse_from(words).unwrap_or_else(|e| panic!("{words:?}: {e}"))
    }

    /// The settings of a unit by section and name.
    fn unit(text: &str) -> BTreeMap<(&str, &str), &str> {
        let (mut section, mut settings) = ("", BTreeMap::new());
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = name;
                continue;
            }
            let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{line:?} is no setting"));
            assert!(settings.insert((section, name), value).is_none(), "{name} is there twice");
        }
        settings
    }

    #[test]
    fn systemd_starts_it_with_options_that_it_has() {
        let unit = unit(include_str!("../../dist/helix-host-encoder.service"));
        let service = |name| *unit.get(&("Service", name)).unwrap_or_else(|| panic!("there is no {name}"));
        let line = service("ExecStart").replace("%t", RUNTIME);
        assert!(!line.contains(['%', '$', '"']), "{line:?} has more than this test expands");
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], "/usr/bin/helix-host-encoder");
        let args = parse(&words);
        let folder = PathBuf::from(RUNTIME).join(service("RuntimeDirectory"));
        assert_eq!(args.unix, [folder.join("encoder.sock"), folder.join("vsock_9000")]);
        assert!(service("TimeoutStopSec").parse::<u64>().expect("seconds") > STOP);
        let families: Vec<&str> = service("RestrictAddressFamilies").split(' ').collect();
        assert!(["AF_UNIX", "AF_INET", "AF_INET6", "AF_VSOCK"].iter().all(|family| families.contains(family)));
        assert_eq!(unit.get(&("Install", "WantedBy")), Some(&"default.target"));
    }

    #[test]
    fn launchd_starts_it_with_options_that_it_has() {
        let text = &include_bytes!("../../dist/dev.helix.host-encoder.plist")[..];
        let job = plist::Value::from_reader_xml(text).expect("a property list");
        let job = job.as_dictionary().expect("a dictionary");
        let words = job["ProgramArguments"].as_array().expect("a list").iter();
        let words: Vec<&str> = words.map(|word| word.as_string().expect("a text")).collect();
        let ["/bin/sh", "-c", line] = words[..] else { panic!("{words:?} is no line for a shell") };
        let options = line.strip_prefix("exec /usr/local/bin/helix-host-encoder ").expect("the daemon");
        // A shell splits it, as launchd's would.
        let mut shell = Command::new("/bin/sh");
        let output = shell.args(["-c", &format!("printf '%s\\n' daemon {options}")]).env("HOME", "/Users/a b").output();
        let output = String::from_utf8(output.expect("a shell").stdout).expect("text");
        let args = parse(&output.lines().collect::<Vec<_>>());
        assert!(matches!(args.tcp[..], [address] if address.ip().is_loopback() && address.port() == 9000));
        assert_eq!(args.token_file, Some("/Users/a b/.config/helix/encoder-token".into()));
        assert!(job["ExitTimeOut"].as_unsigned_integer().expect("seconds") > STOP);
        assert_eq!(job["Label"].as_string(), Some("dev.helix.host-encoder"));
    }
}
