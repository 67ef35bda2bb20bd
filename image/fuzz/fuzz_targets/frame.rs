//! Any bytes are messages of the frame protocol, which then come back the same from any slices, or are refused; their
//! order is right or refused on both ends. The first byte says how the bytes are sliced.
#![no_main]

use std::time::Duration;

use helix_frame_protocol::limits::{HEADER, MAX_BODY};
use helix_frame_protocol::{Decoder, Envelope, Error, Message, Outgoing, Role, Session};
use libfuzzer_sys::fuzz_target;

/// All messages until the first that is refused; data is skipped.
fn decode(bytes: &[u8], slice: usize) -> (Vec<Envelope>, Option<Error>) {
    let (mut decoder, mut messages) = (Decoder::new(), Vec::new());
    for mut part in bytes.chunks(slice) {
        while !part.is_empty() {
            match decoder.feed(&mut part) {
                Ok(message) => messages.extend(message),
                Err(error) => return (messages, Some(error)),
            }
            assert!(decoder.space().len() <= HEADER + MAX_BODY as usize);
        }
    }
    (messages, None)
}

fn encoded(envelope: &Envelope, data: &[u8]) -> Vec<u8> {
    let (mut prefix, mut wire) = (Vec::new(), Vec::new());
    let outgoing = Outgoing::new(envelope, &mut prefix, &[data]).expect("what was read can be sent");
    outgoing.write_all(&mut wire, Duration::MAX).expect("memory");
    wire
}

fuzz_target!(|input: &[u8]| {
    let Some((slice, bytes)) = input.split_first() else { return };
    let (messages, error) = decode(bytes, usize::MAX);
    assert_eq!(decode(bytes, usize::from(*slice).max(1)), (messages.clone(), error));
    let (mut client, mut server) = (Session::new(Role::Client), Session::new(Role::Server));
    for envelope in messages {
        // Answers are the server's here, so that whole connections are met.
        let from_client = envelope.message.number() & 0x8000 == 0;
        let (sender, receiver) = if from_client { (&mut client, &mut server) } else { (&mut server, &mut client) };
        if sender.sending(&envelope).is_ok() {
            receiver.receiving(&envelope).expect("what may be sent is taken");
        }
        let length = envelope.message.data_length() as usize;
        if matches!(envelope.message, Message::Unknown(_)) || length > 1 << 16 {
            continue;
        }
        let wire = encoded(&envelope, &vec![0; length]);
        assert_eq!(decode(&wire, usize::MAX), (vec![envelope], None));
    }
});
