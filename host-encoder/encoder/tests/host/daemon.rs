//! The daemon: its lines, its signals, its exit codes, and that nothing grows.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use helix_frame_protocol::*;
use rustix::process::{Pid, Signal, kill_process};

use crate::client::{Client, PATIENCE, frame, wanted};

pub(crate) struct Daemon {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Daemon {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_helix-host-encoder"));
        // With one arena for all threads memory that is free is used again, and a leak shows.
        command.env("MALLOC_ARENA_MAX", "1");
        command.args(args).args(["--log", "warn"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the daemon");
        let lines = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, lines }
    }

    /// What it says when it does not start.
    fn complaint(args: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_helix-host-encoder")).args(args).output().expect("the daemon");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    pub(crate) fn code(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[cfg(target_os = "linux")]
    fn proc(&self, what: &str) -> std::path::PathBuf {
        format!("/proc/{}/{what}", self.child.id()).into()
    }

    /// File descriptors, threads, and KiB of memory.
    #[cfg(target_os = "linux")]
    fn uses(&self) -> (usize, usize, usize) {
        let count = |what| std::fs::read_dir(self.proc(what)).expect("a folder").count();
        (count("fd"), count("task"), self.memory("VmRSS:"))
    }

    /// KiB of memory: what it has (`VmRSS:`) or the most that it had (`VmHWM:`).
    #[cfg(target_os = "linux")]
    pub(crate) fn memory(&self, what: &str) -> usize {
        let status = std::fs::read_to_string(self.proc("status")).expect("a status");
        let memory = status.lines().find_map(|line| line.strip_prefix(what)).expect("its memory");
        memory.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// What it uses once nobody is connected any more.
    #[cfg(target_os = "linux")]
    pub(crate) fn settled(&self) -> (usize, usize, usize) {
        let begun = Instant::now();
        // The main thread, the one that accepts and the one that prints.
        while self.uses().1 > 3 {
            assert!(begun.elapsed() < PATIENCE, "threads are left: {:?}", self.uses());
            std::thread::sleep(Duration::from_millis(10));
        }
        self.uses()
    }

    /// Ends it; the frames of all streams that its figures told of.
    #[cfg(target_os = "linux")]
    pub(crate) fn frames(&mut self) -> u64 {
        self.signal(Signal::TERM);
        assert_eq!(self.code(), Some(0));
        let lines = std::iter::from_fn(|| Some(self.line()).filter(|line| !line.is_empty()));
        let reports = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line).expect("JSON"));
        reports.filter(|report| report["open"] == false).filter_map(|report| report["frames"].as_u64()).sum()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A test that failed must not leave it behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn works(mut client: Client, token: Option<&[u8]>) {
    let wanted = wanted(PixelFormat::I420, 16, 16);
    client.hello(token);
    client.configure(1, &wanted);
    client.encode(1, frame(&wanted, None), &[0; 384]);
    client.ask(1, Message::Close, &[]);
    assert_eq!(client.answer().message, Message::Closed);
}

#[test]
fn it_says_where_it_listens_prints_figures_and_ends_on_signals() {
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, token) = (folder.path().join("socket"), folder.path().join("token"));
    std::fs::write(&token, "secret\n").expect("a file");
    let (path, token) = (socket.to_str().expect("text"), token.to_str().expect("text"));
    for signal in [Signal::TERM, Signal::INT] {
        let args = ["--unix", path, "--tcp", "127.0.0.1:0", "--token-file", token, "--stats", "--encoder", "discard"];
        let mut daemon = Daemon::start(&args);
        assert_eq!(daemon.line(), format!("listening on unix:{path}"));
        let line = daemon.line();
        let address = line.strip_prefix("listening on tcp://").expect("an address");
        works(Client::new(TcpStream::connect(address).expect("a connection")), Some(b"secret"));
        works(Client::new(UnixStream::connect(path).expect("a connection")), None);
        for peer in [&line["listening on ".len()..], &format!("unix:{path}")] {
            let report = loop {
                let report: serde_json::Value = serde_json::from_str(&daemon.line()).expect("JSON");
                if report["open"] == false {
                    break report;
                }
            };
            assert_eq!((report["peer"].as_str(), report["frames"].as_u64()), (Some(peer), Some(1)));
            assert_eq!((report["size"].as_str(), report["way"].as_str()), (Some("16x16"), Some("pixels")));
        }
        daemon.signal(signal);
        assert_eq!(daemon.code(), Some(0));
        assert!(!socket.exists());
    }
}

#[test]
fn it_says_why_it_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    let empty = folder.path().join("empty");
    std::fs::write(&file, "secret\n").expect("a file");
    std::fs::write(&empty, "").expect("a file");
    let (file, empty) = (file.to_str().expect("text"), empty.to_str().expect("text"));
    for (args, code, said) in [
        (&[][..], 2, "--unix"),
        (&["--tcp", "127.0.0.1:0"], 2, "--token-file"),
        (&["--tcp", "0.0.0.0:0", "--token-file", file], 1, "no address on loopback"),
        (&["--tcp", "127.0.0.1:0", "--token-file", empty], 1, "0 bytes"),
        (&["--unix", file], 1, "no socket"),
    ] {
        let (found, text) = Daemon::complaint(args);
        assert!(found == Some(code) && text.contains(said), "{args:?}: {found:?} {text}");
    }
}

/// The error of a vsock socket at any port; nothing if this kernel has vsock.
#[cfg(target_os = "linux")]
fn no_vsock() -> Option<std::io::Error> {
    vsock::VsockListener::bind_with_cid_port(vsock::VMADDR_CID_ANY, u32::MAX).err()
}

#[cfg(target_os = "linux")]
#[test]
fn it_listens_on_vsock_and_says_why_it_cannot() {
    let folder = tempfile::tempdir().expect("a folder");
    let (token, empty) = (folder.path().join("token"), folder.path().join("empty"));
    std::fs::write(&token, "secret\n").and_then(|()| std::fs::write(&empty, "")).expect("files");
    let (token, empty) = (token.to_str().expect("text"), empty.to_str().expect("text"));
    // Any port that nobody has here; it is no number of another test.
    let port = format!("{}", 0x4865_0000 + std::process::id() % 0x1_0000);
    let args = ["--vsock", &port, "--encoder", "discard"];
    if let Some(why) = no_vsock() {
        // A kernel without it, or a container that may not use it.
        use rustix::io::Errno;
        let none = [Errno::AFNOSUPPORT, Errno::PERM, Errno::ACCESS].map(|errno| Some(errno.raw_os_error()));
        assert!(none.contains(&why.raw_os_error()), "vsock is there and gives no port: {why}");
        let (code, text) = Daemon::complaint(&args);
        println!("this kernel has no vsock: {why}; the daemon says: {text}");
        assert!(code == Some(1) && text.contains(&format!("listening on vsock:{port}: ")), "{code:?} {text}");
        return;
    }
    for more in [&[][..], &["--token-file", token]] {
        let mut daemon = Daemon::start(&[&args[..], more].concat());
        assert_eq!(daemon.line(), format!("listening on vsock:{port}"));
        let (code, text) = Daemon::complaint(&args);
        let said = format!("listening on vsock:{port}: Address already in use");
        assert!(code == Some(1) && text.contains(&said), "{code:?} {text}");
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.code(), Some(0));
    }
    // A token that is named and is none does not mean that everybody may come.
    let (code, text) = Daemon::complaint(&[&args[..], &["--token-file", empty]].concat());
    assert!(code == Some(1) && text.contains("0 bytes"), "{code:?} {text}");
}

#[test]
fn figures_that_nobody_reads_hold_up_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let args = ["--unix", path.to_str().expect("text"), "--stats", "--encoder", "discard"];
    let mut daemon = Daemon::start(&args);
    daemon.line();
    // A pipe has 64 KiB, and 1,024 lines wait: 200 bytes and more each.
    for _ in 0..2000 {
        works(Client::new(UnixStream::connect(&path).expect("a connection")), None);
    }
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let mut daemon = Daemon::start(&["--unix", path.to_str().expect("text")]);
    daemon.line();
    let round = |index: u32| {
        let client = Client::new(UnixStream::connect(&path).expect("a connection"));
        match index % 4 {
            // Some go without a word, some after hello, some in the middle of a stream.
            0 => drop(client),
            1 => drop({ client }.hello(None)),
            2 => {
                let (mut client, wanted) = (client, wanted(PixelFormat::I420, 64, 64));
                client.hello(None);
                client.configure(1, &wanted);
                client.ask(1, Message::Frame(frame(&wanted, None)), &[0; 6144]);
            }
            _ => works(client, None),
        }
    };
    (0..1000).for_each(round);
    let before = daemon.settled();
    (0..10_000).for_each(round);
    let after = daemon.settled();
    println!("file descriptors, threads, KiB: {before:?} after 1,000 connections, {after:?} after 11,000");
    assert_eq!((before.0, before.1), (after.0, after.1));
    // How many connections happened to be open at once decides how many stacks glibc keeps for later, 7 MiB at most were
    // seen. A leak of 2 KiB for each connection would be 20 MiB.
    assert!(after.2 < before.2 + (16 << 10), "{before:?} {after:?}");
}
