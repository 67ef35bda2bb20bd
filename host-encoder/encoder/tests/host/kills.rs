//! Real processes that are killed at random moments: the daemon under its clients, and clients under one daemon.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use helix_frame_protocol::*;
use rustix::process::Signal;

use crate::client::{Client, PATIENCE, frame, hello, seed, wanted};
use crate::daemon::{Daemon, works};

const KILLS: usize = 50;
/// Where the client process of [`a_client_process`] connects to.
const SOCKET: &str = "HELIX_TEST_SOCKET";
/// What a client process says then.
const CONNECTED: &str = "connected";
/// From a start to a kill.
const MOMENTS_MS: u64 = 60;

/// A time below [`MOMENTS_MS`].
fn moment(seed: &mut u64) -> Duration {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    Duration::from_micros((*seed >> 33) % (MOMENTS_MS * 1000))
}

/// Has as many frames under way as there may be until the connection fails; the error is how many were answered, and why.
fn stream(socket: UnixStream) -> Result<(), (usize, String)> {
    let mut client = Client::new(socket);
    let wanted = wanted(PixelFormat::Nv12, 64, 64);
    let data = vec![77; wanted.format.packed_length(wanted.size) as usize];
    let mut answers = 0;
    let begun = Instant::now();
    let mut all = || -> Result<(), Box<dyn std::error::Error>> {
        client.send(0, hello(None), &[])?;
        client.get()?;
        client.send(1, Message::Configure(wanted), &[])?;
        let Message::Configured(configured) = client.get()?.message else { return Err("not configured".into()) };
        for _ in 1..configured.max_in_flight {
            client.send(1, Message::Frame(frame(&wanted, None)), &data)?;
        }
        while begun.elapsed() < PATIENCE {
            client.send(1, Message::Frame(frame(&wanted, None)), &data)?;
            client.get()?;
            answers += 1;
        }
        Ok(())
    };
    let ended = all();
    ended.map_err(|why| (answers, why.to_string()))
}

#[test]
fn a_daemon_that_is_killed_leaves_a_path_where_the_next_one_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("socket");
    let path = socket.to_str().expect("text").to_owned();
    let (mut seed, mut answers) = (seed(), 0);
    for round in 0..KILLS {
        assert_eq!(socket.exists(), round > 0, "a daemon that is killed cannot remove its socket");
        let mut daemon = Daemon::start(&["--unix", &path]);
        assert_eq!(daemon.line(), format!("listening on unix:{path}"), "round {round}");
        let clients = [(); 2].map(|()| {
            let socket = UnixStream::connect(&socket).expect("a connection");
            std::thread::spawn(move || stream(socket))
        });
        std::thread::sleep(moment(&mut seed));
        let killed = Instant::now();
        daemon.signal(Signal::KILL);
        assert_eq!(daemon.code(), None, "it was killed");
        for client in clients {
            let (count, _) = client.join().expect("a thread").expect_err("the daemon is gone");
            answers += count;
        }
        assert!(killed.elapsed() < Duration::from_secs(5), "clients hang in round {round}");
    }
    println!("{KILLS} daemons were killed, after {answers} access units");
    assert!(answers > 0, "no client ever had an answer");
    let mut daemon = Daemon::start(&["--unix", &path]);
    daemon.line();
    works(Client::new(UnixStream::connect(&socket).expect("a connection")), None);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.code(), Some(0));
    assert!(!socket.exists());
}

#[test]
#[ignore = "the client process of the test below, which starts and kills it"]
fn a_client_process() {
    let socket = std::env::var_os(SOCKET).expect("it is started by a test");
    let socket = UnixStream::connect(Path::new(&socket)).expect("a connection");
    println!("{CONNECTED}");
    let ended = stream(socket);
    panic!("nobody killed it: {ended:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn clients_that_are_killed_leave_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("socket");
    let mut daemon = Daemon::start(&["--unix", socket.to_str().expect("text"), "--stats"]);
    daemon.line();
    works(Client::new(UnixStream::connect(&socket).expect("a connection")), None);
    let before = daemon.settled();
    let mut seed = seed();
    for _ in 0..KILLS {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["kills::a_client_process", "--exact", "--ignored", "--nocapture"]).env(SOCKET, &socket);
        let mut client = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a client");
        let mut lines = BufReader::new(client.stdout.take().expect("a pipe")).lines();
        assert!(lines.any(|line| line.expect("a line").ends_with(CONNECTED)), "it never connected");
        std::thread::sleep(moment(&mut seed));
        assert_eq!(client.try_wait().expect("a status"), None, "it runs until it is killed");
        client.kill().and_then(|()| client.wait()).expect("it is killed");
    }
    // Whoever was killed while it waited to be let in is let in before this one.
    works(Client::new(UnixStream::connect(&socket).expect("a connection")), None);
    let after = daemon.settled();
    let frames = daemon.frames();
    println!("file descriptors, threads, KiB: {before:?}, {after:?} after {KILLS} clients with {frames} frames");
    assert_eq!((before.0, before.1), (after.0, after.1));
    assert!(frames > 2, "no client ever streamed");
}
