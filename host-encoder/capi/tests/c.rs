//! The C header is up to date, and a program in C drives the library.

use std::path::{Path, PathBuf};

/// Set, it makes the test write the header instead of comparing it.
const UPDATE: &str = "HELIX_UPDATE_HEADER";

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn header() -> PathBuf {
    folder().join("include/helix_host_encoder.h")
}

#[test]
fn the_header_is_what_the_source_says() {
    let config = cbindgen::Config::from_file(folder().join("cbindgen.toml")).expect("a configuration");
    let builder = cbindgen::Builder::new().with_config(config).with_src(folder().join("src/lib.rs"));
    let mut made = Vec::new();
    builder.generate().expect("a header").write(&mut made);
    let made = String::from_utf8(made).expect("text");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(header(), &made).expect("the header");
    }
    let found = std::fs::read_to_string(header()).unwrap_or_default();
    assert_eq!(found, made, "after a change that is meant, set {UPDATE}=1 and run again");
}

#[cfg(target_os = "linux")]
mod drive {
    use std::io::{BufRead, BufReader, Read};
    use std::os::unix::net::UnixStream;
    use std::path::{Path, PathBuf};
    use std::process::{Child, ChildStdout, Command, Stdio};
    use std::time::Duration;

    use helix_frame_protocol::*;

    /// Where cargo has put the libraries for C: beside this test.
    fn libraries() -> PathBuf {
        let test = std::env::current_exe().expect("this program");
        test.parent().expect("a folder").to_owned()
    }

    /// How the program gets at the library.
    #[derive(Debug, Clone, Copy)]
    enum Way {
        /// It is linked in; C needs what the standard library and OpenH264 need.
        Linked,
        /// It is loaded while the program runs.
        Loaded,
    }

    fn compile(way: Way, into: &Path) {
        let tests = super::folder().join("tests");
        let mut command = Command::new(std::env::var_os("CC").unwrap_or("cc".into()));
        command.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-o"]).arg(into);
        command.arg(tests.join("drive.c")).arg("-I").arg(super::folder().join("include"));
        match way {
            Way::Linked => command.arg(libraries().join("libhelix_host_encoder_capi.a")).arg("-lstdc++"),
            Way::Loaded => command.arg(tests.join("load.c")).arg(format!("-DLIBRARY={:?}", shared())),
        };
        command.args(["-lpthread", "-ldl", "-lm", "-lgcc_s"]);
        let output = command.output().expect("a C compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn shared() -> PathBuf {
        libraries().join("libhelix_host_encoder_capi.so")
    }

    #[test]
    fn the_shared_library_gives_away_the_functions_of_the_header_alone() {
        let output = Command::new("nm").args(["-D", "--defined-only"]).arg(shared()).output().expect("binutils");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().last()).collect();
        names.sort_unstable();
        assert_eq!(names, ["set_log", "start", "stop"].map(|name| format!("helix_host_encoder_{name}")));
    }

    struct Program {
        child: Child,
        lines: BufReader<ChildStdout>,
    }

    impl Program {
        fn start(program: &Path, socket: &Path) -> Self {
            let mut command = Command::new(program);
            command.arg(socket).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().expect("the program");
            let lines = BufReader::new(child.stdout.take().expect("its output"));
            Self { child, lines }
        }

        fn line(&mut self) -> String {
            let mut line = String::new();
            self.lines.read_line(&mut line).expect("a line");
            line.trim_end().to_owned()
        }
    }

    fn ask(socket: &mut UnixStream, stream: u32, request: u64, message: Message) -> (Message, Vec<u8>) {
        let envelope = Envelope { stream, request, message };
        let mut prefix = Vec::new();
        let outgoing = Outgoing::new(&envelope, &mut prefix, &[]).expect("a message");
        outgoing.write_all(socket, Duration::from_secs(10)).expect("it is sent");
        let mut receiver = Receiver::new(&mut *socket, Duration::from_secs(60));
        let answer = receiver.receive().expect("an answer");
        let mut data = vec![0; receiver.data_left()];
        receiver.read_data(&mut data).expect("its data");
        assert_eq!(answer.request, request);
        (answer.message, data)
    }

    fn hello() -> Message {
        let max_size = Size { width: 640, height: 360 };
        let capabilities = Capabilities {
            ways: Set::from([FrameWay::Resource, FrameWay::Blob]),
            formats: Set::all(),
            profiles: Set::all(),
            max_size,
            max_streams: 1,
        };
        Message::Hello(Hello { min_version: 2, max_version: 2, capabilities, name: "test".into(), token: None })
    }

    fn configure() -> Configure {
        Configure {
            size: Size { width: 640, height: 360 },
            format: PixelFormat::Nv12,
            colorimetry: Colorimetry::default(),
            profile: Profile::H264ConstrainedBaseline,
            level: None,
            low_latency: true,
            rate: FrameRate { numerator: 30, denominator: 1 },
            keyframe_interval: 0,
            bitrate: 1_000_000,
            ways: Set::from([FrameWay::Blob]),
        }
    }

    fn frame(id: u32, size: u32) -> Message {
        let Configure { size: pixels, format, .. } = configure();
        Message::Frame(Frame {
            size: pixels,
            format,
            pts_ns: Some(4),
            dts_ns: None,
            duration_ns: None,
            keyframe: false,
            source: Source::Blob { id, size },
            planes: packed_planes(format, pixels),
        })
    }

    fn resource(id: u32) -> Message {
        let Message::Frame(like) = frame(5, 640 * 360 * 3 / 2) else { unreachable!() };
        let plane = |offset, stride| Plane { offset, stride };
        let planes = [plane(4096, 700), plane(262_144, 701), Plane::default()];
        Message::Frame(Frame { source: Source::Resource { id, modifier: 0x0102_0304_0506_0708 }, planes, ..like })
    }

    #[test]
    fn a_program_in_c_lends_blobs_and_survives_its_clients() {
        lends_blobs_and_survives_its_clients(Way::Linked);
    }

    #[test]
    fn a_program_that_loads_the_library_does_the_same() {
        lends_blobs_and_survives_its_clients(Way::Loaded);
    }

    fn lends_blobs_and_survives_its_clients(way: Way) {
        let folder = tempfile::tempdir().expect("a folder");
        let (program, path) = (folder.path().join("drive"), folder.path().join("socket"));
        compile(way, &program);
        let mut running = Program::start(&program, &path);
        assert_eq!(running.line(), "ready");
        let mut socket = UnixStream::connect(&path).expect("a connection");
        let (Message::Welcome(welcome), _) = ask(&mut socket, 0, 1, hello()) else { panic!("no welcome") };
        assert_eq!(welcome.capabilities.ways, Set::from([FrameWay::Resource, FrameWay::Blob]));
        let (answer, _) = ask(&mut socket, 1, 2, Message::Configure(configure()));
        assert!(matches!(answer, Message::Configured(_)), "{answer:?}");
        for request in 3..20 {
            let (answer, data) = ask(&mut socket, 1, request, frame(5, 640 * 360 * 3 / 2));
            let Message::AccessUnit(unit) = answer else { panic!("{answer:?}") };
            assert_eq!((unit.keyframe, unit.pts_ns, data.is_empty()), (request == 3, Some(4), false));
        }
        for (request, id, size) in [(20, 6, 640 * 360 * 3 / 2), (21, 5, 640 * 360 * 3 / 2 + 1)] {
            let (Message::Error(failure), _) = ask(&mut socket, 1, request, frame(id, size)) else {
                panic!("no error")
            };
            assert_eq!(failure.code, ErrorCode::NoResource);
        }
        let resources = Configure { ways: Set::from([FrameWay::Resource]), ..configure() };
        let (Message::Configured(_), _) = ask(&mut socket, 1, 22, Message::Configure(resources)) else {
            panic!("not configured")
        };
        // The program knows one resource, and compares all that is said of it.
        for (request, id, good) in [(23, 9, true), (24, 8, false)] {
            let (answer, _) = ask(&mut socket, 1, request, resource(id));
            assert_eq!(matches!(answer, Message::AccessUnit(_)), good, "{answer:?}");
        }
        // One that goes while an answer is under way raises no SIGPIPE, which C programs do not ignore.
        for _ in 0..20 {
            let mut client = UnixStream::connect(&path).expect("a connection");
            ask(&mut client, 0, 1, hello());
            let envelope = Envelope { stream: 0, request: 2, message: Message::Ping };
            let mut prefix = Vec::new();
            for _ in 0..2 {
                let ping = Outgoing::new(&envelope, &mut prefix, &[]).expect("a message");
                // The second one breaks the order, and its answer meets nobody.
                let _ = ping.write_all(&mut client, Duration::from_secs(1));
            }
        }
        drop(running.child.stdin.take());
        // The last client is told.
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).expect("the end");
        assert!(!rest.is_empty());
        drop(socket);
        assert!(running.line().ends_with(" calls"));
        assert!(running.child.wait().expect("it ends").success());
        assert!(!path.exists());
    }
}
