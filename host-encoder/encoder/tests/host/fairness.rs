//! Many streams at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use helix_frame_protocol::*;

use crate::client::{Client, Host, frame, wanted};

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
