//! Messages that cross each other: what one end may send, the other takes, however long it was under way.

use std::collections::VecDeque;

use helix_frame_protocol::*;
use proptest::prelude::*;

use crate::samples::{access_unit, configure, configured, failure, hello, pixels, statistics, welcome};

/// A connection on which messages stay under way until they are delivered.
struct Line {
    ends: [Session; 2],
    /// What is under way to the client, and to the server.
    under_way: [VecDeque<Envelope>; 2],
    sent: usize,
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

impl Line {
    fn open() -> Self {
        let ends = [Session::new(Role::Client), Session::new(Role::Server)];
        let mut line = Self { ends, under_way: Default::default(), sent: 0 };
        line.send(CLIENT, Envelope { stream: 0, request: 1, message: hello() });
        line.deliver(SERVER);
        line.send(SERVER, Envelope { stream: 0, request: 1, message: welcome() });
        line.deliver(CLIENT);
        line
    }

    /// Sends what may be sent.
    fn send(&mut self, from: usize, envelope: Envelope) {
        if self.ends[from].sending(&envelope).is_ok() {
            self.sent += 1;
            self.under_way[1 - from].push_back(envelope);
        }
    }

    fn deliver(&mut self, to: usize) {
        if let Some(envelope) = self.under_way[to].pop_front() {
            self.ends[to].receiving(&envelope).expect("what may be sent is taken");
        }
    }

    fn ask(&mut self, what: u8, stream: u32) {
        let message = match what % 8 {
            0 => configure(),
            1 | 2 => pixels(),
            3 => Message::ForceKeyframe,
            4 => Message::GetStatistics,
            5 => Message::EndOfStream,
            6 => Message::Close,
            _ => Message::Unknown(0x777),
        };
        let request = self.ends[CLIENT].next_request();
        self.send(CLIENT, Envelope { stream, request, message });
    }

    fn answer(&mut self, what: u8, which: usize) {
        let open: Vec<(u32, u64)> = self.ends[SERVER].open_requests(Role::Client).collect();
        let Some((stream, request)) = open.get(which % open.len().max(1)).copied() else { return };
        let message = match what % 12 {
            0 => failure(ErrorCode::Encoder, true),
            1 => failure(ErrorCode::Unsupported, false),
            2 | 3 => access_unit(1),
            4 => Message::Skipped(SkipReason::Overload),
            5 | 6 => configured(),
            7 => Message::Drained,
            8 | 9 => Message::Closed,
            10 => Message::KeyframeForced,
            _ => statistics(),
        };
        self.send(SERVER, Envelope { stream, request, message });
    }

    fn step(&mut self, (kind, what, which): (u8, u8, u8)) {
        let stream = 1 + u32::from(which % 3);
        match kind % 16 {
            0..=4 => self.ask(what, stream),
            5..=9 => self.answer(what, which.into()),
            10..=12 => self.deliver(CLIENT),
            13 | 14 => self.deliver(SERVER),
            _ if what.is_multiple_of(8) => {
                self.send(SERVER, Envelope { stream, request: 0, message: failure(ErrorCode::Encoder, true) });
            }
            _ => self.deliver(SERVER),
        }
    }

    /// Delivers everything, and closes and answers what is left, as both ends can always do.
    fn finish(&mut self) {
        for round in 0..200 {
            while self.under_way.iter().any(|messages| !messages.is_empty()) {
                self.deliver(SERVER);
                self.deliver(CLIENT);
            }
            for (what, which) in (0..12).rev().flat_map(|what| (0..40).map(move |which| (what, which))) {
                // The fatal error is not needed to get rid of a request.
                self.answer(if what == 0 { 1 } else { what }, which);
            }
            if round % 2 == 0 {
                (1..4).for_each(|stream| self.ask(6, stream));
            }
        }
        assert_eq!(self.ends[CLIENT].open_requests(Role::Client).count(), 0, "every request can be answered");
        assert_eq!(self.ends[SERVER].open_requests(Role::Client).count(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn nothing_that_may_be_sent_is_refused(steps in proptest::collection::vec(any::<(u8, u8, u8)>(), 0..400)) {
        let mut line = Line::open();
        steps.into_iter().for_each(|step| line.step(step));
        prop_assert!(line.sent >= 2);
        line.finish();
    }
}
