//! The order of messages, looked at from both ends at once.

use helix_frame_protocol::limits::MAX_PENDING;
use helix_frame_protocol::*;

use crate::samples::{
    SIZE, access_unit, all, capabilities, configure, configured, failure, frame, hello, pixels, statistics, welcome,
};

/// A connection whose messages arrive at once.
struct Link {
    client: Session,
    server: Session,
    next: u64,
}

impl Link {
    fn new() -> Self {
        Self { client: Session::new(Role::Client), server: Session::new(Role::Server), next: 1 }
    }

    /// Both ends greeted each other.
    fn open() -> Self {
        let mut link = Self::new();
        link.ask(0, hello()).expect("hello");
        link.reply(0, 1, welcome()).expect("welcome");
        link
    }

    /// Stream 1 is configured.
    fn ready() -> Self {
        let mut link = Self::open();
        let request = link.ask(1, configure()).expect("configure");
        link.reply(1, request, configured()).expect("configured");
        link
    }

    fn pass(&mut self, from: Role, envelope: &Envelope) -> Result<(), Rule> {
        let (sender, receiver) = match from {
            Role::Client => (&mut self.client, &mut self.server),
            Role::Server => (&mut self.server, &mut self.client),
        };
        let sent = sender.sending(envelope);
        // Whatever one end refuses to send, the other would refuse to take.
        if sent.is_err() {
            let received = receiver.receiving(envelope);
            assert_eq!(sent, received);
        } else {
            receiver.receiving(envelope).expect("what may be sent is taken");
        }
        sent.map_err(|error| error.rule)
    }

    fn ask(&mut self, stream: u32, message: Message) -> Result<u64, Rule> {
        let request = self.next;
        self.next += 1;
        self.pass(Role::Client, &Envelope { stream, request, message }).map(|()| request)
    }

    fn reply(&mut self, stream: u32, request: u64, message: Message) -> Result<(), Rule> {
        self.pass(Role::Server, &Envelope { stream, request, message })
    }
}

#[test]
fn a_whole_connection() {
    let mut link = Link::ready();
    let (a, b) = (link.ask(1, pixels()).expect("a frame"), link.ask(1, pixels()).expect("a frame"));
    let (key, figures) = (link.ask(1, Message::ForceKeyframe), link.ask(1, Message::GetStatistics));
    // In the order of decoding, which need not be that of the frames.
    link.reply(1, b, access_unit(5)).expect("an answer");
    link.reply(1, key.expect("asked"), Message::KeyframeForced).expect("an answer");
    link.reply(1, figures.expect("asked"), statistics()).expect("an answer");
    let end = link.ask(1, Message::EndOfStream).expect("asked");
    assert_eq!(link.reply(1, end, Message::Drained), Err(Rule::TooEarly { open: 1 }));
    link.reply(1, a, Message::Skipped(SkipReason::RateControl)).expect("an answer");
    link.reply(1, end, Message::Drained).expect("an answer");
    let ping = Envelope { stream: 0, request: 1, message: Message::Ping };
    link.pass(Role::Server, &ping).expect("the server asks, with ids of its own");
    link.pass(Role::Client, &Envelope { message: Message::Pong, ..ping }).expect("an answer");
    let again = link.ask(1, pixels()).expect("the stream goes on");
    let close = link.ask(1, Message::Close).expect("asked");
    assert_eq!(link.ask(1, pixels()), Err(Rule::Waiting { to: Kind::Close }));
    assert_eq!(link.reply(1, close, Message::Closed), Err(Rule::TooEarly { open: 1 }));
    link.reply(1, again, Message::Skipped(SkipReason::Closed)).expect("an answer");
    link.reply(1, close, Message::Closed).expect("an answer");
    assert_eq!(link.client.open_requests(Role::Client).count(), 0);
    assert_eq!(link.ask(1, pixels()), Err(Rule::NotOpen));
    link.ask(1, configure()).expect("an id can be used again");
}

#[test]
fn nothing_comes_before_hello() {
    for sample in all() {
        for from in [Role::Client, Role::Server] {
            let good = match sample.envelope.message {
                Message::Hello(_) => from == Role::Client,
                Message::Error(_) => true,
                _ => false,
            };
            assert_eq!(Link::new().pass(from, &sample.envelope).is_ok(), good, "{} from {from:?}", sample.name);
        }
    }
    let unknown = Envelope { stream: 0, request: 1, message: Message::Unknown(0x777) };
    assert_eq!(Link::new().pass(Role::Client, &unknown), Err(Rule::Handshake));
}

#[test]
fn there_is_one_handshake_and_its_answer_is_within_the_offer() {
    let mut link = Link::open();
    assert_eq!(link.ask(0, hello()), Err(Rule::Handshake));
    let Message::Welcome(good) = welcome() else { unreachable!() };
    let more = Capabilities { max_streams: 5, ..good.capabilities };
    let bigger = Capabilities { max_size: Size { width: 8192, height: 16 }, ..good.capabilities };
    for wrong in [
        Welcome { capabilities: more, ..good.clone() },
        Welcome { capabilities: bigger, ..good.clone() },
        Welcome { capabilities: capabilities(), ..good.clone() },
        Welcome { refused: Vec::new(), ..good.clone() },
    ] {
        let mut link = Link::new();
        link.ask(0, hello()).expect("hello");
        assert!(matches!(link.reply(0, 1, Message::Welcome(wrong)), Err(Rule::NotAgreed { .. })));
    }
    let mut link = Link::new();
    link.ask(0, hello()).expect("hello");
    assert_eq!(link.ask(1, configure()), Err(Rule::Handshake));
    link.reply(0, 1, failure(ErrorCode::Unauthorized, true)).expect("a refusal");
    assert_eq!(link.ask(0, hello()), Err(Rule::Over));
}

#[test]
fn frames_come_after_configure_and_as_it_says() {
    let mut link = Link::open();
    assert_eq!(link.ask(1, pixels()), Err(Rule::NotOpen));
    let request = link.ask(1, configure()).expect("configure");
    for message in [pixels(), configure(), Message::Close, Message::GetStatistics, Message::EndOfStream] {
        assert_eq!(link.ask(1, message), Err(Rule::Waiting { to: Kind::Configure }));
    }
    link.reply(1, request, configured()).expect("configured");
    for other in [frame(PixelFormat::Nv12, Size { width: 16, ..SIZE }), frame(PixelFormat::I420, SIZE)] {
        assert!(matches!(link.ask(1, other), Err(Rule::NotAgreed { .. })));
    }
    let Message::Frame(frame) = pixels() else { unreachable!() };
    let blob = Message::Frame(Frame { source: Source::Blob { id: 1, size: 9999 }, ..frame });
    assert!(matches!(link.ask(1, blob), Err(Rule::NotAgreed { what: "way", .. })));
    link.ask(1, pixels()).expect("a frame");
    link.ask(1, pixels()).expect("a frame");
    assert_eq!(link.ask(1, pixels()), Err(Rule::TooManyRequests { limit: 2 }));
}

#[test]
fn a_configuration_is_within_what_was_agreed() {
    let Message::Configure(good) = configure() else { unreachable!() };
    for wrong in [
        Configure { ways: Set::from([FrameWay::Resource]), ..good },
        Configure { size: Size { width: 4098, height: 16 }, ..good },
    ] {
        assert!(matches!(Link::open().ask(1, Message::Configure(wrong)), Err(Rule::NotAgreed { .. })));
    }
    let mut link = Link::open();
    link.ask(7, configure()).expect("configure");
    link.ask(8, configure()).expect("configure");
    assert_eq!(link.ask(9, configure()), Err(Rule::TooManyStreams { limit: 2 }));
    let Message::Configured(answer) = configured() else { unreachable!() };
    let wrong = Configured { way: FrameWay::Resource, ..answer };
    assert!(matches!(link.reply(7, 2, Message::Configured(wrong)), Err(Rule::NotAgreed { .. })));
}

#[test]
fn a_refused_configuration_changes_nothing() {
    let mut link = Link::open();
    let request = link.ask(1, configure()).expect("configure");
    link.reply(1, request, failure(ErrorCode::Unsupported, false)).expect("refused");
    assert_eq!(link.ask(1, pixels()), Err(Rule::NotOpen));
    let mut link = Link::ready();
    let frame = link.ask(1, pixels()).expect("a frame");
    let request = link.ask(1, configure()).expect("configure");
    assert_eq!(link.reply(1, request, configured()), Err(Rule::TooEarly { open: 1 }));
    link.reply(1, frame, access_unit(1)).expect("an answer");
    link.reply(1, request, failure(ErrorCode::Unsupported, false)).expect("refused");
    link.ask(1, pixels()).expect("as before");
}

#[test]
fn every_request_gets_exactly_one_answer_of_its_kind() {
    let mut link = Link::ready();
    let frame = link.ask(1, pixels()).expect("a frame");
    assert_eq!(link.reply(1, frame + 1, access_unit(1)), Err(Rule::NotAsked));
    assert_eq!(link.reply(2, frame, access_unit(1)), Err(Rule::NotAsked));
    assert!(matches!(link.reply(1, frame, statistics()), Err(Rule::WrongAnswer { .. })));
    link.reply(1, frame, failure(ErrorCode::Encoder, false)).expect("one frame failed");
    assert_eq!(link.reply(1, frame, access_unit(1)), Err(Rule::NotAsked));
    link.ask(1, pixels()).expect("the next frame");
}

#[test]
fn request_ids_count_upwards_and_streams_are_where_they_belong() {
    let mut link = Link::ready();
    for request in [0, 1, link.next - 1] {
        let old = Envelope { stream: 1, request, message: pixels() };
        assert_eq!(link.pass(Role::Client, &old), Err(Rule::StaleRequest { last: link.next - 1 }));
    }
    assert_eq!(link.ask(0, pixels()), Err(Rule::StreamId));
    assert_eq!(link.ask(1, Message::Ping), Err(Rule::StreamId));
    assert_eq!(link.ask(1, Message::Drained), Err(Rule::Direction));
    let from_server = Envelope { stream: 1, request: 1, message: pixels() };
    assert_eq!(link.pass(Role::Server, &from_server), Err(Rule::Direction));
    assert_eq!(link.client.next_request(), link.server.open_requests(Role::Client).count() as u64 + 3);
}

#[test]
fn open_requests_are_bounded() {
    let mut link = Link::ready();
    for _ in 0..MAX_PENDING {
        link.ask(0, Message::Ping).expect("a ping");
    }
    assert_eq!(link.ask(0, Message::Ping), Err(Rule::TooManyRequests { limit: MAX_PENDING }));
    assert_eq!(link.ask(0, Message::Unknown(0x777)), Err(Rule::TooManyRequests { limit: MAX_PENDING }));
}

#[test]
fn an_unknown_request_is_answered_by_an_error_only() {
    let mut link = Link::ready();
    let request = link.ask(1, Message::Unknown(0x777)).expect("skipped");
    assert!(matches!(link.reply(1, request, Message::Closed), Err(Rule::WrongAnswer { .. })));
    link.reply(1, request, failure(ErrorCode::UnknownType, false)).expect("an answer");
    link.reply(1, 99, Message::Unknown(0x8777)).expect("an answer that is not known means nothing");
}

#[test]
fn a_failed_stream_answers_by_errors_until_it_is_closed() {
    let mut link = Link::ready();
    let frame = link.ask(1, pixels()).expect("a frame");
    // The server states the failure while a frame is under way to it.
    let failed = Envelope { stream: 1, request: 0, message: failure(ErrorCode::Encoder, true) };
    link.server.sending(&failed).expect("told");
    let late = Envelope { stream: 1, request: frame + 1, message: pixels() };
    link.client.sending(&late).expect("not known yet");
    link.client.receiving(&failed).expect("known now");
    link.server.receiving(&late).expect("not the client's fault");
    let refused = Envelope { stream: 1, request: frame + 2, message: pixels() };
    assert_eq!(link.client.sending(&refused).map_err(|e| e.rule), Err(Rule::Failed));
    link.next += 1;
    let close = link.ask(1, Message::Close).expect("closed");
    for request in [frame, late.request] {
        link.reply(1, request, failure(ErrorCode::NoStream, false)).expect("an answer each");
    }
    link.reply(1, close, Message::Closed).expect("closed");
    link.ask(1, configure()).expect("opened again");
}

#[test]
fn a_close_is_never_refused_and_only_the_server_fails_streams() {
    let mut link = Link::ready();
    let by_client = Envelope { stream: 1, request: 0, message: failure(ErrorCode::Internal, true) };
    assert_eq!(link.pass(Role::Client, &by_client), Err(Rule::Direction));
    let close = link.ask(1, Message::Close).expect("asked");
    assert!(matches!(link.reply(1, close, failure(ErrorCode::Busy, false)), Err(Rule::WrongAnswer { .. })));
    assert_eq!(link.ask(1, Message::Close), Err(Rule::Waiting { to: Kind::Close }));
}

#[test]
fn an_order_error_says_what_where_and_why_and_is_told_to_the_peer() {
    let mut server = Session::new(Role::Server);
    let error = server.receiving(&Envelope { stream: 3, request: 8, message: pixels() }).expect_err("too early");
    let told = "frame (stream 3, request 8) from the client: a connection begins with hello and its answer, once";
    assert_eq!(error.to_string(), told);
    let answer = error.answer();
    assert_eq!((answer.stream, answer.request), (0, 8));
    server.sending(&answer).expect("it can be told");
}
