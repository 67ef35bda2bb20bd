//! A character device of QEMU, which the test plays: it listens, and nothing on it says that a program of the guest went.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use helix_frame_protocol::*;
use helix_host_encoder::{Config, Endpoint, Server, Timeouts, backend};

use crate::client::{Client, PATIENCE, config, frame, hello, seed, wanted};

/// So short that a server that waits for one of them fails the test by its time.
const TIMEOUTS: Timeouts = Timeouts {
    handshake: Duration::from_millis(500),
    message: Duration::from_secs(5),
    answer: Duration::from_secs(5),
    idle: Duration::from_secs(5),
};

struct Machine {
    server: Option<Server>,
    listener: UnixListener,
    device: UnixStream,
    marks: u8,
    _folder: tempfile::TempDir,
}

impl Machine {
    fn start(encoder: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("chardev");
        let endpoints = vec![Endpoint::VirtioSerial(path.clone())];
        let backend = backend::backend(encoder).expect("an encoder");
        // The server is first, and waits for the machine.
        let server = Server::start(Config { endpoints, timeouts: TIMEOUTS, ..config(backend) }).expect("a server");
        let listener = UnixListener::bind(&path).expect("a device");
        let (device, _) = listener.accept().expect("the server comes");
        Self { server: Some(server), listener, device, marks: 0, _folder: folder }
    }

    fn attach(&mut self) -> Attach {
        self.marks = self.marks.wrapping_add(1);
        Attach::new([self.marks; 16])
    }

    /// Throws away what the host says until it answers the attach.
    fn skip_to(&mut self, attach: Attach) {
        let (mut finder, mut byte, begun) = (Finder::default(), [0], Instant::now());
        while begun.elapsed() < PATIENCE {
            match self.device.read_exact(&mut byte) {
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => continue,
                result => result.expect("the host answers"),
            }
            if finder.find(&byte).is_some_and(|(found, _)| found == attach) {
                return;
            }
        }
        panic!("the host does not answer");
    }

    /// A program of the guest opens the port.
    fn open(&mut self) -> Client {
        let attach = self.attach();
        (&self.device).write_all(attach.bytes()).expect("it is sent");
        self.skip_to(attach);
        Client::new(self.device.try_clone().expect("a twin"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(server) = self.server.take().filter(|_| !std::thread::panicking()) {
            let begun = Instant::now();
            assert!(server.stop());
            assert!(begun.elapsed() < Duration::from_secs(3), "the end took {:?}", begun.elapsed());
        }
    }
}

/// What a program does before it goes, as bytes: everything up to frames without an answer.
fn whole_program(wanted: &Configure) -> Vec<u8> {
    let data = vec![77; wanted.format.packed_length(wanted.size) as usize];
    let frames = (3..=4).map(|request| (1, request, Message::Frame(frame(wanted, None)), &data[..]));
    let first = [(0, 1, hello(None), &[][..]), (1, 2, Message::Configure(*wanted), &[][..])];
    let mut bytes = Vec::new();
    for (stream, request, message, data) in first.into_iter().chain(frames) {
        let envelope = Envelope { stream, request, message };
        let mut prefix = Vec::new();
        let outgoing = Outgoing::new(&envelope, &mut prefix, &[data]).expect("a message");
        outgoing.write_all(&mut bytes, Duration::MAX).expect("memory");
    }
    bytes
}

fn works(client: &mut Client, wanted: &Configure) {
    client.hello(None);
    client.configure(1, wanted);
    let data = vec![5; wanted.format.packed_length(wanted.size) as usize];
    assert!(client.encode(1, frame(wanted, Some(1)), &data).0.keyframe);
}

#[test]
fn it_is_connected_to_again_and_again_and_a_guest_may_come_late() {
    let mut machine = Machine::start("discard");
    let wanted = wanted(PixelFormat::I420, 16, 16);
    for _ in 0..3 {
        // Longer than any time-out for the guest would be.
        std::thread::sleep(TIMEOUTS.handshake * 2);
        works(&mut machine.open(), &wanted);
        let (device, _) = {
            machine.device.shutdown(std::net::Shutdown::Both).expect("it is shut");
            machine.listener.accept().expect("the server comes back")
        };
        machine.device = device;
    }
}

#[test]
fn a_program_that_said_goodbye_is_followed_by_another_on_the_same_bytes() {
    let mut machine = Machine::start("discard");
    for _ in 0..20 {
        let mut client = machine.open();
        works(&mut client, &wanted(PixelFormat::I420, 16, 16));
        let goodbye = Envelope::fatal(0, ErrorCode::ShuttingDown, "the pipeline was stopped");
        let mut prefix = Vec::new();
        let goodbye = Outgoing::new(&goodbye, &mut prefix, &[]).expect("a message");
        goodbye.write_all(&mut client.write, PATIENCE).expect("it is sent");
    }
}

/// Each program is killed anywhere, also within its attach, and leaves what it did not read.
#[test]
fn a_program_killed_at_1000_random_points_is_followed_by_another_on_the_same_bytes() {
    let mut machine = Machine::start(backend::NAMES[0]);
    let small = wanted(PixelFormat::Nv12, 64, 64);
    let program = whole_program(&small);
    let begun = Instant::now();
    let mut random = seed();
    for _ in 0..1000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let attach = machine.attach();
        let bytes = [attach.bytes(), &program].concat();
        let cut = (random >> 33) as usize % bytes.len();
        (&machine.device).write_all(&bytes[..cut]).expect("it is sent");
        works(&mut machine.open(), &small);
    }
    println!("1000 programs killed and 1000 served in {:?}", begun.elapsed());
}

/// The port is closed: QEMU takes nothing, until the next program opens it.
#[test]
fn a_host_that_could_not_write_to_the_last_program_serves_the_next() {
    let mut machine = Machine::start("openh264");
    // Noise, so that access units are larger than what the socket holds.
    let large = wanted(PixelFormat::Nv12, 1280, 720);
    let mut value = 1u32;
    let noise = || {
        value = value.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (value >> 24) as u8
    };
    let data: Vec<u8> = std::iter::repeat_with(noise).take(large.format.packed_length(large.size) as usize).collect();
    for _ in 0..3 {
        let mut client = machine.open();
        client.hello(None);
        client.configure(1, &large);
        for _ in 0..4 {
            client.ask(1, Message::Frame(Frame { keyframe: true, ..frame(&large, None) }), &data);
        }
        std::thread::sleep(Duration::from_millis(500));
        let begun = Instant::now();
        works(&mut machine.open(), &wanted(PixelFormat::I420, 16, 16));
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}

#[test]
fn what_is_no_attach_is_thrown_away() {
    let mut machine = Machine::start("discard");
    // What a guest wrote to another host, as after the restart of this one.
    (&machine.device).write_all(&whole_program(&wanted(PixelFormat::Nv12, 64, 64))).expect("it is sent");
    (&machine.device).write_all(&[0xff; 100_000]).expect("it is sent");
    works(&mut machine.open(), &wanted(PixelFormat::I420, 16, 16));
    // A program that attaches and says nothing is waited for, but the next one need not wait.
    machine.open();
    let begun = Instant::now();
    works(&mut machine.open(), &wanted(PixelFormat::I420, 16, 16));
    assert!(begun.elapsed() < TIMEOUTS.handshake);
    machine.open();
    std::thread::sleep(TIMEOUTS.handshake * 2);
    works(&mut machine.open(), &wanted(PixelFormat::I420, 16, 16));
}
