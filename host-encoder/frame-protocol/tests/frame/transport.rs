//! Blocking transports: slow, stopped, cut.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use helix_frame_protocol::{Envelope, Message, Outgoing, ReceiveError, Receiver};

use crate::samples::{all, bytes, pixels};

const TICK: Duration = Duration::from_millis(10);
const LIMIT: Duration = Duration::from_millis(100);

fn pair() -> (UnixStream, UnixStream) {
    let (a, b) = UnixStream::pair().expect("sockets");
    for end in [&a, &b] {
        end.set_read_timeout(Some(TICK)).expect("a time-out");
        end.set_write_timeout(Some(TICK)).expect("a time-out");
    }
    (a, b)
}

#[test]
fn all_messages_cross_a_socket_in_one_byte_writes() {
    let (mut here, there) = pair();
    // However slow this machine is now.
    here.set_write_timeout(None).expect("no time-out");
    let sending = std::thread::spawn(move || {
        for byte in all().iter().flat_map(|sample| bytes(&sample.envelope, &sample.data)) {
            here.write_all(&[byte]).expect("written");
        }
    });
    let mut receiver = Receiver::new(there, Duration::from_secs(60));
    for sample in all() {
        let got = loop {
            match receiver.receive() {
                Err(ReceiveError::Idle) => {}
                other => break other.expect("a message"),
            }
        };
        let mut data = vec![0; receiver.data_left()];
        receiver.read_data(&mut data).expect("data");
        assert_eq!((got, data), (sample.envelope, sample.data));
    }
    sending.join().expect("a thread");
    assert!(matches!(receiver.receive(), Err(ReceiveError::Ended)));
}

#[test]
fn a_silent_peer_is_idle_between_messages_and_stalled_within_one() {
    for sample in all() {
        let wire = bytes(&sample.envelope, &sample.data);
        let (mut here, there) = pair();
        let mut receiver = Receiver::new(there, LIMIT);
        assert!(matches!(receiver.receive(), Err(ReceiveError::Idle)));
        here.write_all(&wire[..wire.len() - 1]).expect("written");
        let begun = Instant::now();
        let result = receiver.receive().and_then(|_| receiver.read_data(&mut vec![0; receiver.data_left()]));
        assert!(matches!(result, Err(ReceiveError::Stalled { .. })), "{}: {result:?}", sample.name);
        assert!(begun.elapsed() >= LIMIT / 2 && begun.elapsed() < LIMIT * 20);
    }
}

#[test]
fn a_peer_that_trickles_is_stalled_too() {
    let (mut here, there) = pair();
    let sending = std::thread::spawn(move || {
        for byte in bytes(&all().remove(0).envelope, &[]) {
            std::thread::sleep(TICK / 2);
            if here.write_all(&[byte]).is_err() {
                return;
            }
        }
    });
    let mut receiver = Receiver::new(there, LIMIT);
    let error = std::iter::repeat_with(|| receiver.receive()).find(|r| !matches!(r, Err(ReceiveError::Idle)));
    assert!(matches!(error, Some(Err(ReceiveError::Stalled { .. }))), "{error:?}");
    drop(receiver);
    sending.join().expect("a thread");
}

#[test]
fn a_peer_that_closes_ends_or_cuts() {
    let wire = bytes(&all().remove(0).envelope, &[]);
    assert!(matches!(Receiver::new(&wire[..0], LIMIT).receive(), Err(ReceiveError::Ended)));
    for cut in 1..wire.len() {
        assert!(matches!(Receiver::new(&wire[..cut], LIMIT).receive(), Err(ReceiveError::Cut)), "{cut}");
    }
}

#[test]
fn a_peer_that_does_not_read_is_given_up() {
    let (mut here, _there) = pair();
    let big = vec![0; 4 << 20];
    let mut prefix = Vec::new();
    let message = Message::AccessUnit(helix_frame_protocol::AccessUnit {
        pts_ns: None,
        dts_ns: None,
        keyframe: false,
        length: big.len() as u32,
    });
    let envelope = Envelope { stream: 1, request: 1, message };
    let outgoing = Outgoing::new(&envelope, &mut prefix, &[&big]).expect("a message");
    let begun = Instant::now();
    let error = outgoing.write_all(&mut here, LIMIT).expect_err("nobody reads");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(begun.elapsed() >= LIMIT && begun.elapsed() < LIMIT * 20);
}

/// Takes seven bytes at a time, and nothing every third time.
struct Miser(Vec<u8>, u32);

impl Write for Miser {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.1 += 1;
        if self.1.is_multiple_of(3) {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.0.extend_from_slice(&bytes[..bytes.len().min(7)]);
        Ok(bytes.len().min(7))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn partial_writes_keep_every_byte() {
    let envelope = Envelope { stream: 1, request: 1, message: pixels() };
    let data: Vec<u8> = (0..envelope.message.data_length()).map(|i| i as u8).collect();
    let (mut prefix, mut miser) = (Vec::new(), Miser(Vec::new(), 0));
    let outgoing = Outgoing::new(&envelope, &mut prefix, &[&data[..9], &data[9..]]).expect("a message");
    outgoing.write_all(&mut miser, Duration::from_secs(60)).expect("written");
    assert_eq!(miser.0, bytes(&envelope, &data));
}

#[test]
fn nothing_beyond_a_message_is_read() {
    let wire = [bytes(&all().remove(0).envelope, &[]), b"rest".to_vec()].concat();
    let mut source = &wire[..];
    Receiver::new(&mut source, LIMIT).receive().expect("a message");
    let mut rest = String::new();
    source.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "rest");
}
