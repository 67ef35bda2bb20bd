//! Whom the server refuses, and what it refuses and goes on.

use std::io::Write;
use std::time::{Duration, Instant};

use helix_frame_protocol::limits::HEADER;
use helix_frame_protocol::*;
use helix_host_encoder_artifacts::client::capabilities;

use crate::client::{Client, Host, PATIENCE, frame, hello, wanted};

/// As many connections as there may be.
const CONNECTIONS: usize = 256;

fn bytes(request: u64, message: Message) -> Vec<u8> {
    let (mut prefix, mut bytes) = (Vec::new(), Vec::new());
    let envelope = Envelope { stream: 0, request, message };
    let outgoing = Outgoing::new(&envelope, &mut prefix, &[]).expect("a message");
    outgoing.write_all(&mut bytes, Duration::MAX).expect("memory");
    bytes
}

/// What a client hears that begins so.
fn refusal(host: &Host, min_version: u16, max_version: u16, capabilities: Capabilities) -> Failure {
    let mut client = host.connect();
    let name = "test".into();
    client.ask(0, Message::Hello(Hello { min_version, max_version, capabilities, name, token: None }), &[]);
    client.end().expect("an error")
}

#[test]
fn without_a_version_or_a_capability_in_common_the_client_hears_which() {
    let host = Host::of("discard");
    for (min, max) in [(1, 1), (3, 3), (3, u16::MAX)] {
        let failure = refusal(&host, min, max, capabilities());
        assert_eq!((failure.code, failure.fatal), (ErrorCode::Version, true));
        assert_eq!(failure.text, format!("version 2 is spoken here, not {min} to {max}"));
    }
    let all = capabilities();
    for (lacking, what) in [
        (Capabilities { ways: Set::EMPTY, ..all }, "frame ways"),
        // There is no machine here that lends blobs.
        (Capabilities { ways: Set::from([FrameWay::Blob]), ..all }, "frame ways"),
        (Capabilities { formats: Set::EMPTY, ..all }, "pixel formats"),
        (Capabilities { profiles: Set::EMPTY, ..all }, "profiles"),
    ] {
        let failure = refusal(&host, 1, 9, lacking);
        assert_eq!((failure.code, failure.fatal), (ErrorCode::Unsupported, true));
        assert_eq!(failure.text, format!("there are no {what} that both ends have"));
    }
    host.hello();
}

#[test]
fn an_unknown_request_is_answered_and_the_connection_goes_on() {
    const UNKNOWN: u16 = 0x0777;
    const ANSWER: u16 = 0x8000;
    let host = Host::of("discard");
    let wanted = wanted(PixelFormat::I420, 16, 16);
    let mut client = host.hello();
    client.configure(1, &wanted);
    // A body and data that nobody here can read.
    let strange = |client: &mut Client, number: u16, request: u64| {
        let mut message = bytes(1, Message::Ping);
        message[6..8].copy_from_slice(&number.to_le_bytes());
        message[16..24].copy_from_slice(&request.to_le_bytes());
        message[24..28].copy_from_slice(&8_u32.to_le_bytes());
        message[28..32].copy_from_slice(&1000_u32.to_le_bytes());
        message.resize(HEADER + 1008, 0x58);
        client.write.write_all(&message).expect("it is sent");
    };
    // An answer to nothing, and what wants none.
    strange(&mut client, UNKNOWN | ANSWER, 100);
    strange(&mut client, UNKNOWN, 0);
    // To this end's books it is a ping, whose answer may be an error.
    let request = client.session.next_request();
    client.session.sending(&Envelope { stream: 0, request, message: Message::Ping }).expect("in order");
    strange(&mut client, UNKNOWN, request);
    let got = client.answer();
    assert_eq!(got.request, request);
    let failure = got.failure();
    assert_eq!((failure.code, failure.fatal), (ErrorCode::UnknownType, false));
    client.encode(1, frame(&wanted, None), &[0; 384]);
}

#[test]
fn the_257th_connection_is_sent_away_until_another_goes() {
    let host = Host::of("discard");
    // They stay: whoever has said hello may be silent for long.
    let mut open: Vec<Client> = (0..CONNECTIONS).map(|_| host.hello()).collect();
    let failure = host.connect().end().expect("an error");
    assert_eq!((failure.code, failure.fatal), (ErrorCode::Busy, true));
    assert_eq!(failure.text, "there are too many connections");
    drop(open.pop());
    let begun = Instant::now();
    loop {
        let mut client = host.connect();
        // Whoever is sent away may be so before it has said a word.
        let sent = client.send(0, hello(None), &[]);
        match sent.map(|_| client.get()) {
            Ok(Ok(got)) if matches!(got.message, Message::Welcome(_)) => break,
            _ => assert!(begun.elapsed() < PATIENCE, "the place stays taken"),
        }
    }
}
