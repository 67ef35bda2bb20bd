//! Many streams at once.

use std::collections::BTreeMap;
#[cfg(target_os = "linux")]
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use helix_frame_protocol::*;

use crate::client::{Client, Host, frame, wanted};
#[cfg(target_os = "linux")]
use crate::daemon::Daemon;

const CONNECTIONS: u32 = 16;
const STREAMS: u32 = 4;
const TIME: Duration = Duration::from_secs(4);

/// Has two frames under way in each stream all the time; how many access units each got.
fn keep_busy(mut client: Client, until: Instant) -> BTreeMap<u32, u32> {
    let wanted = wanted(PixelFormat::Nv12, 320, 180);
    let mut data = vec![0; wanted.format.packed_length(wanted.size) as usize];
    let mut counts = BTreeMap::new();
    for stream in 1..=STREAMS {
        client.configure(stream, &wanted);
        counts.insert(stream, 0);
    }
    for stream in (1..=STREAMS).chain(1..=STREAMS) {
        client.ask(stream, Message::Frame(frame(&wanted, None)), &data);
    }
    while Instant::now() < until {
        let got = client.answer();
        let stream = got.stream;
        assert!(!got.unit().1.is_empty());
        *counts.entry(stream).or_default() += 1;
        // Something to do for the encoder.
        data.iter_mut().step_by(17).for_each(|byte| *byte = byte.wrapping_add(31));
        client.ask(stream, Message::Frame(frame(&wanted, None)), &data);
    }
    counts
}

/// All streams of a connection with as many frames under way as there may be, twice.
#[cfg(target_os = "linux")]
fn fill(client: &mut Client, wanted: &Configure, data: &[u8]) {
    let most = (1..=STREAMS).map(|stream| client.configure(stream, wanted).max_in_flight).max().unwrap_or(0);
    for _ in 0..2 {
        for stream in (0..most).flat_map(|_| 1..=STREAMS) {
            client.ask(stream, Message::Frame(frame(wanted, None)), data);
        }
        for _ in 0..u32::from(most) * STREAMS {
            assert!(!client.answer().unit().1.is_empty());
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_stream_takes_less_than_16_mib() {
    const MOST_KIB: usize = 16 << 10;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let mut daemon = Daemon::start(&["--unix", path.to_str().expect("text"), "--encoder", "openh264"]);
    daemon.line();
    let before = daemon.memory("VmRSS:");
    let wanted = wanted(PixelFormat::Nv12, 640, 360);
    let data = vec![100; wanted.format.packed_length(wanted.size) as usize];
    let connect = || Client::new(UnixStream::connect(&path).expect("a connection"));
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| connect()).collect();
    std::thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| {
                client.hello(None);
                fill(client, &wanted, &data);
            });
        }
    });
    let (now, most) = (daemon.memory("VmRSS:"), daemon.memory("VmHWM:"));
    let each = (most - before) / 64;
    println!("KiB: {before} without a stream, {now} with 64 of 640x360, {most} at most: {each} for each");
    // An encoder alone has two pictures.
    assert!(each > data.len() / 1024 && each < MOST_KIB, "{each} KiB for each of 64 streams");
    drop(clients);
    daemon.settled();
}

#[test]
fn none_of_64_streams_is_starved() {
    let host = Host::of("openh264");
    let until = Instant::now() + TIME;
    let busy: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let client = host.hello();
            std::thread::spawn(move || keep_busy(client, until))
        })
        .collect();
    let counts: Vec<u32> = busy.into_iter().flat_map(|thread| thread.join().expect("a thread").into_values()).collect();
    assert_eq!(counts.len(), 64);
    let (least, most, sum) = (counts.iter().min(), counts.iter().max(), counts.iter().sum::<u32>());
    println!("64 streams of 320x180: {sum} access units in {TIME:?}, the least {least:?}, the most {most:?}");
    let mean = sum / 64;
    assert!(mean >= 2, "{sum} access units are too few to tell");
    assert!(counts.iter().all(|count| *count >= mean / 3), "{counts:?}");
}
