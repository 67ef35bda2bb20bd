//! What a peer or an encoder can do wrong. After each fault the server still serves.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use helix_frame_protocol::*;
use helix_host_encoder::{Config, Endpoint, Server, StartError, Timeouts, backend};

use crate::client::{Client, Got, Host, config, frame, hello, seed, wanted};
use crate::scripted::{Act, Scripted};

const SHORT: Timeouts = Timeouts {
    handshake: Duration::from_millis(400),
    message: Duration::from_millis(400),
    answer: Duration::from_millis(400),
    idle: Duration::from_millis(200),
};

fn small() -> Configure {
    wanted(PixelFormat::I420, 16, 16)
}

/// A whole stream works.
fn works(host: &Host) {
    let mut client = host.hello();
    client.configure(1, &small());
    client.encode(1, frame(&small(), Some(1)), &[5; 384]);
    client.ask(1, Message::Close, &[]);
    assert_eq!(client.answer().message, Message::Closed);
}

fn quick(backend: std::sync::Arc<dyn helix_host_encoder::Backend>) -> Host {
    Host::start(Config { timeouts: SHORT, ..config(backend) })
}

fn discard() -> std::sync::Arc<dyn helix_host_encoder::Backend> {
    backend::backend("discard").expect("an encoder")
}

/// The requests of a whole stream, each with its data.
fn script() -> Vec<(u32, Message, Vec<u8>)> {
    vec![
        (0, hello(None), vec![]),
        (1, Message::Configure(small()), vec![]),
        (1, Message::Frame(frame(&small(), Some(1))), vec![9; 384]),
        (1, Message::ForceKeyframe, vec![]),
        (1, Message::GetStatistics, vec![]),
        (0, Message::Ping, vec![]),
        (1, Message::EndOfStream, vec![]),
        (1, Message::Close, vec![]),
    ]
}

/// Does the first requests of the script; then the bytes of the next one.
fn part(client: &mut Client, whole: usize) -> Vec<u8> {
    for (stream, message, data) in script().into_iter().take(whole) {
        client.ask(stream, message, &data);
        client.answer();
    }
    let (stream, message, data) = script().remove(whole);
    let envelope = Envelope { stream, request: client.session.next_request(), message };
    let (mut prefix, mut bytes) = (Vec::new(), Vec::new());
    let outgoing = Outgoing::new(&envelope, &mut prefix, &[&data]).expect("a message");
    outgoing.write_all(&mut bytes, Duration::MAX).expect("memory");
    bytes
}

#[test]
fn every_message_cut_at_every_byte_ends_its_connection_only() {
    let host = Host::of("discard");
    let mut cuts = 0;
    for whole in 0..script().len() {
        for cut in 0.. {
            let socket = UnixStream::connect(&host.path).expect("a connection");
            let mut client = Client::new(socket.try_clone().expect("a twin"));
            let bytes = part(&mut client, whole);
            if cut >= bytes.len() {
                break;
            }
            client.write.write_all(&bytes[..cut]).expect("it is sent");
            socket.shutdown(Shutdown::Write).expect("it is shut");
            assert!(client.end().is_none(), "whoever stops hears nothing of it");
            cuts += 1;
        }
    }
    assert!(cuts > 700, "{cuts}");
    works(&host);
    let begun = Instant::now();
    while !host.server().statistics().is_empty() {
        assert!(begun.elapsed() < crate::client::PATIENCE, "streams are left");
    }
}

#[test]
fn a_connection_is_killed_at_1000_random_points() {
    let host = Host::of(backend::NAMES[0]);
    let wanted = wanted(PixelFormat::Nv12, 64, 64);
    let data = vec![77; wanted.format.packed_length(wanted.size) as usize];
    let mut seed = seed();
    for _ in 0..1000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = (seed >> 33) as usize;
        let mut client = host.hello();
        let in_flight = client.configure(1, &wanted).max_in_flight;
        let mut bytes = Vec::new();
        for index in 0..in_flight {
            let request = 3 + u64::from(index);
            let envelope = Envelope { stream: 1, request, message: Message::Frame(frame(&wanted, None)) };
            let mut prefix = Vec::new();
            let outgoing = Outgoing::new(&envelope, &mut prefix, &[&data]).expect("a message");
            outgoing.write_all(&mut bytes, Duration::MAX).expect("memory");
        }
        client.write.write_all(&bytes[..random % bytes.len()]).expect("it is sent");
    }
    works(&host);
}

#[test]
fn what_is_no_message_or_out_of_order_is_answered_by_an_error_and_ends_the_connection() {
    let host = Host::of("discard");
    let not_now =
        [(1, Message::Configure(small())), (1, Message::Close), (0, Message::Ping), (1, Message::ForceKeyframe)];
    for (stream, message) in not_now {
        let mut client = host.connect();
        client.ask(stream, message, &[]);
        assert_eq!(client.end().expect("an error").code, ErrorCode::Protocol);
    }
    for (stream, message) in [(0, hello(None)), (1, Message::EndOfStream), (0, Message::Pong)] {
        let mut client = host.hello();
        client.ask(stream, message, &[]);
        assert_eq!(client.end().expect("an error").code, ErrorCode::Protocol);
    }
    for bytes in [&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], &[0; 64], &[0xff; 64]] {
        let mut client = host.connect();
        client.write.write_all(bytes).expect("it is sent");
        assert_eq!(client.end().expect("an error").code, ErrorCode::Protocol);
    }
    works(&host);
}

#[test]
fn more_frames_than_agreed_are_refused() {
    let host = Host::start(config(Scripted::backend(|_| Act::Slow(Duration::from_millis(200)), |_| true)));
    let mut client = host.hello();
    let in_flight = client.configure(1, &small()).max_in_flight;
    for _ in 0..=in_flight {
        client.ask(1, Message::Frame(frame(&small(), None)), &[0; 384]);
    }
    assert_eq!(client.end().expect("an error").code, ErrorCode::Protocol);
}

#[test]
fn silent_and_half_open_peers_end_within_their_time() {
    let host = quick(discard());
    let (begun, mut silent) = (Instant::now(), host.connect());
    silent.end();
    assert!(begun.elapsed() >= SHORT.handshake && begun.elapsed() < SHORT.handshake * 10);
    // One that is gone without a word: it answers no ping.
    let (begun, mut gone) = (Instant::now(), host.hello());
    gone.configure(1, &small());
    assert_eq!(gone.end().expect("an error").code, ErrorCode::Timeout);
    assert!(begun.elapsed() >= SHORT.idle + SHORT.answer && begun.elapsed() < SHORT.idle + SHORT.answer * 10);
    // One that stops in the middle of a frame.
    let (begun, mut stopped) = (Instant::now(), host.connect());
    let bytes = part(&mut stopped, 2);
    stopped.write.write_all(&bytes[..200]).expect("it is sent");
    assert_eq!(stopped.end().expect("an error").code, ErrorCode::Timeout);
    assert!(begun.elapsed() >= SHORT.message && begun.elapsed() < SHORT.message * 10);
    works(&host);
}

#[test]
fn clients_that_never_say_hello_keep_nobody_out() {
    // Nobody's handshake ends while this test runs.
    let timeouts = Timeouts { handshake: Duration::from_secs(600), ..Timeouts::default() };
    let host = Host::start(Config { timeouts, ..config(discard()) });
    let mut early = host.hello();
    early.configure(1, &small());
    let mut silent: Vec<Client> = (0..400).map(|_| host.connect()).collect();
    works(&host);
    // The oldest has made room, and was told why; one that came before and did say hello has not.
    let told = silent[0].end().expect("an error");
    assert_eq!(told.code, ErrorCode::Busy);
    assert!(told.text.contains("hello"), "{}", told.text);
    early.encode(1, frame(&small(), Some(1)), &[5; 384]);
    // The newest still have their time.
    silent.last_mut().expect("a client").hello(None);
}

#[test]
fn a_client_that_trickles_its_hello_ends_when_the_handshake_should_be_over() {
    // Only the handshake has an end: neither a message nor silence has.
    let timeouts = Timeouts { handshake: SHORT.handshake, ..Timeouts::default() };
    let host = Host::start(Config { timeouts, ..config(discard()) });
    let mut slow = host.connect();
    let bytes = part(&mut host.connect(), 0);
    let begun = Instant::now();
    let sent = bytes.iter().take_while(|byte| {
        std::thread::sleep(SHORT.handshake * 2 / bytes.len() as u32);
        slow.write.write_all(&[**byte]).is_ok()
    });
    let sent = sent.count();
    assert!(sent < bytes.len(), "all {sent} bytes were taken");
    assert!(begun.elapsed() >= SHORT.handshake && begun.elapsed() < SHORT.handshake * 3);
    works(&host);
}

#[test]
fn a_quiet_client_that_answers_pings_stays() {
    let host = quick(discard());
    let mut client = host.hello();
    client.configure(1, &small());
    let begun = Instant::now();
    while begun.elapsed() < (SHORT.idle + SHORT.answer) * 3 {
        // A request is answered after the pings that came before it.
        std::thread::sleep(SHORT.idle);
        client.ask(1, Message::GetStatistics, &[]);
        assert!(matches!(client.answer().message, Message::Statistics(_)));
    }
    client.encode(1, frame(&small(), None), &[0; 384]);
}

#[test]
fn a_peer_that_does_not_read_is_cut_off_and_holds_up_nobody() {
    let host = quick(Scripted::backend(|_| Act::Unit(16 << 20), |_| true));
    let mut greedy = host.hello();
    greedy.configure(1, &small());
    let begun = Instant::now();
    for _ in 0..2 {
        greedy.ask(1, Message::Frame(frame(&small(), None)), &[0; 384]);
    }
    // Meanwhile others are served.
    let mut other = host.hello();
    other.configure(1, &small());
    for _ in 0..5 {
        assert_eq!(other.encode(1, frame(&small(), None), &[0; 384]).1.len(), 16 << 20);
    }
    while host.server().statistics().len() > 1 {
        assert!(begun.elapsed() < SHORT.message * 20);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn pings_are_answered_while_an_encoder_works() {
    let host = Host::start(config(Scripted::backend(|_| Act::Slow(Duration::from_secs(1)), |_| true)));
    let mut client = host.hello();
    client.configure(1, &small());
    client.ask(1, Message::Frame(frame(&small(), None)), &[0; 384]);
    let begun = Instant::now();
    client.ask(0, Message::Ping, &[]);
    assert_eq!(client.answer().message, Message::Pong);
    assert!(begun.elapsed() < Duration::from_millis(700));
    client.answer().unit();
}

#[test]
fn an_encoder_that_fails_costs_one_frame_and_a_keyframe_follows() {
    for act in [(|n| if n == 1 { Act::Refuse } else { Act::Unit(9) }) as fn(usize) -> Act, |n| match n {
        1 => Act::Fail,
        _ => Act::Unit(9),
    }] {
        let host = Host::start(config(Scripted::backend(act, |_| true)));
        let mut client = host.hello();
        client.configure(1, &small());
        assert!(client.encode(1, frame(&small(), None), &[0; 384]).0.keyframe);
        client.ask(1, Message::Frame(frame(&small(), None)), &[0; 384]);
        let failure = client.answer().failure();
        assert_eq!((failure.code, failure.fatal), (ErrorCode::Encoder, false));
        assert!(client.encode(1, frame(&small(), None), &[0; 384]).0.keyframe);
        assert!(!client.encode(1, frame(&small(), None), &[0; 384]).0.keyframe);
        client.ask(1, Message::GetStatistics, &[]);
        let Message::Statistics(figures) = client.answer().message else { panic!("no figures") };
        assert_eq!((figures.frames, figures.dropped, figures.queued, figures.bytes), (4, 1, 0, 27));
    }
}

#[test]
fn an_encoder_that_cannot_be_replaced_fails_its_stream_and_no_other() {
    let host = Host::start(config(Scripted::backend(|n| if n == 1 { Act::Refuse } else { Act::Unit(9) }, |n| n < 2)));
    let mut client = host.hello();
    for stream in [1, 2] {
        client.configure(stream, &small());
    }
    client.encode(2, frame(&small(), None), &[0; 384]);
    client.ask(1, Message::Frame(frame(&small(), None)), &[0; 384]);
    let failure = client.answer().failure();
    assert_eq!((failure.code, failure.fatal), (ErrorCode::Encoder, true));
    client.ask(1, Message::Close, &[]);
    assert_eq!(client.answer().message, Message::Closed);
    client.encode(2, frame(&small(), None), &[0; 384]);
    client.ask(3, Message::Configure(small()), &[]);
    assert_eq!(client.answer().failure().code, ErrorCode::Encoder);
    // An id that was refused can be tried again.
    client.ask(3, Message::Configure(small()), &[]);
    assert_eq!(client.answer().failure().code, ErrorCode::Encoder);
}

#[test]
fn skipped_frames_and_panics() {
    let act = |n| match n {
        1 => Act::Skip,
        0 | 2 | 3 => Act::Unit(3),
        _ => Act::Panic,
    };
    let host = Host::start(config(Scripted::backend(act, |_| true)));
    let mut client = host.hello();
    client.configure(1, &small());
    client.encode(1, frame(&small(), None), &[0; 384]);
    client.ask(1, Message::Frame(Frame { keyframe: true, ..frame(&small(), None) }), &[0; 384]);
    assert_eq!(client.answer().message, Message::Skipped(SkipReason::RateControl));
    // The keyframe that was asked for comes later, and once.
    assert!(client.encode(1, frame(&small(), None), &[0; 384]).0.keyframe);
    assert!(!client.encode(1, frame(&small(), None), &[0; 384]).0.keyframe);
    client.ask(1, Message::Frame(frame(&small(), None)), &[0; 384]);
    assert_eq!(client.end().expect("an error").code, ErrorCode::Internal);
    assert!(matches!(host.hello().configure(1, &small()).max_in_flight, 2..=4));
}

#[test]
fn there_are_no_more_streams_than_allowed() {
    let host = Host::start(Config { max_streams: 3, ..config(discard()) });
    let (mut one, mut two) = (host.hello(), host.hello());
    one.configure(1, &small());
    one.configure(2, &small());
    two.configure(1, &small());
    two.ask(2, Message::Configure(small()), &[]);
    assert_eq!(two.answer().failure().code, ErrorCode::Busy);
    one.ask(1, Message::Close, &[]);
    assert_eq!(one.answer().message, Message::Closed);
    two.configure(2, &small());
}

#[test]
fn tcp_asks_for_the_token_and_refuses_to_listen_without_one() {
    let listen = |address: &str, token: Option<&[u8]>| {
        let token = token.map(|token| Token::new(token).expect("a token"));
        let endpoints = vec![Endpoint::Tcp(address.parse().expect("an address"))];
        Server::start(Config { endpoints, token, ..config(discard()) })
    };
    assert!(matches!(listen("127.0.0.1:0", None), Err(StartError::NoToken(_))));
    assert!(matches!(listen("0.0.0.0:0", Some(b"secret")), Err(StartError::NotLoopback(_))));
    let server = listen("127.0.0.1:0", Some(b"secret")).expect("a server");
    let [Endpoint::Tcp(address)] = server.endpoints() else { panic!("one endpoint") };
    assert_ne!(address.port(), 0);
    let connect = || Client::new(TcpStream::connect(address).expect("a connection"));
    for wrong in [None, Some(&b"secreT"[..]), Some(b"secret2"), Some(b"s")] {
        let mut client = connect();
        client.ask(0, hello(wrong), &[]);
        assert_eq!(client.end().expect("an error").code, ErrorCode::Unauthorized);
    }
    let mut client = connect();
    client.hello(Some(b"secret"));
    client.configure(1, &small());
    client.encode(1, frame(&small(), None), &[5; 384]);
}

#[test]
fn clients_hear_that_the_server_stops() {
    let mut host = Host::of("discard");
    let mut client = host.hello();
    client.configure(1, &small());
    let begun = Instant::now();
    let server = host.server.take().expect("it runs");
    let stopping = std::thread::spawn(move || server.stop());
    assert_eq!(client.end().expect("an error").code, ErrorCode::ShuttingDown);
    drop(client);
    assert!(stopping.join().expect("a thread"));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(!host.path.exists());
}

#[test]
fn a_client_that_never_pauses_hears_that_the_server_stops() {
    for round in 0..20 {
        let mut host = Host::of("discard");
        let mut client = host.hello();
        let most = client.configure(1, &small()).max_in_flight;
        let server = host.server.take().expect("it runs");
        let stopping = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            server.stop()
        });
        for _ in 0..most {
            client.ask(1, Message::Frame(frame(&small(), None)), &[0; 384]);
        }
        let failure = loop {
            match client.answer() {
                Got { message: Message::Error(failure), .. } => break failure,
                _ => client.ask(1, Message::Frame(frame(&small(), None)), &[0; 384]),
            };
        };
        assert_eq!((failure.code, failure.fatal), (ErrorCode::ShuttingDown, true), "round {round}");
        drop(client);
        assert!(stopping.join().expect("a thread"));
    }
}

#[test]
fn a_client_that_comes_while_the_server_stops_is_not_served() {
    for round in 0..50 {
        let mut host = Host::of("discard");
        let path = host.path.clone();
        let coming = std::thread::spawn(move || {
            let mut clients = Vec::new();
            // Until nobody listens any more.
            while let Ok(socket) = UnixStream::connect(&path) {
                clients.push(socket);
            }
            clients
        });
        std::thread::sleep(Duration::from_millis(round % 5));
        assert!(host.server.take().expect("it runs").stop(), "round {round}");
        for mut client in coming.join().expect("a thread") {
            client.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
            // It is told that the server stops or is full, or never was accepted; in no case it is still served.
            match client.read_to_end(&mut Vec::new()) {
                Ok(_) => {}
                Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset, "round {round}"),
            }
        }
    }
}

#[test]
fn a_socket_that_takes_nobody_holds_up_neither_start_nor_stop() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, connect, listen, socket};
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("full");
    let address = SocketAddrUnix::new(&path).expect("an address");
    let make = || {
        let made = socket(AddressFamily::UNIX, SocketType::STREAM, None).expect("a socket");
        rustix::io::ioctl_fionbio(&made, true).expect("not blocking");
        made
    };
    let owner = make();
    bind(&owner, &address).and_then(|()| listen(&owner, 0)).expect("it listens");
    let waiting: Vec<_> = std::iter::from_fn(|| {
        let client = make();
        connect(&client, &address).is_ok().then_some(client)
    })
    .collect();
    assert!(!waiting.is_empty());
    let start = |endpoint| Server::start(Config { endpoints: vec![endpoint], ..config(discard()) });
    let begun = Instant::now();
    assert!(matches!(start(Endpoint::Unix(path.clone())), Err(StartError::InUse(_))));
    let server = start(Endpoint::VirtioSerial(path.clone())).expect("a server");
    std::thread::sleep(Duration::from_millis(50));
    assert!(server.stop());
    assert!(begun.elapsed() < Duration::from_secs(5));
}
