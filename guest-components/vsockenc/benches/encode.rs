//! The path of a frame to the host's encoder and back, beside the encoders that GStreamer has, in one run.
//!
//! `cargo xtask bench encode` runs it. This process is the guest, the daemon of `HELIX_HOST_ENCODER` the host; both share
//! the machine's processors. Words after `--` are the parts to run: see `main`.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo};
use helix_frame_protocol::{
    Colorimetry, Configure, FrameRate, FrameWay, PixelFormat, Profile, Set, Size, packed_planes,
};
use helix_host_encoder::convert::Picture;
use helix_host_encoder::{FrameSource, SourceError, backend};
use rustix::time::{ClockId, clock_gettime};

/// How often each side of a comparison is measured, in turns; the median counts.
const ROUNDS: usize = 5;
/// Pictures that are made before any clock starts, and sent again and again.
const PICTURES: usize = 60;
/// Of all encoders, at 640×360 and 1280×720.
const KBPS: u32 = 4000;

fn main() {
    gst::init().expect("GStreamer");
    gstvsockenc::plugin_register_static().expect("the plugin");
    let parts: [(&str, fn()); 5] = [
        ("throughput", throughput),
        ("latency", latency),
        ("openh264enc", beside_openh264enc),
        ("x264enc", guest_processor_time),
        ("streams", many_streams),
    ];
    // Cargo adds an option of its own.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            part();
        }
    }
}

/// The daemon, with a folder of its own for its socket.
struct Host {
    child: Child,
    folder: tempfile::TempDir,
}

impl Host {
    fn start(encoder: &str) -> Self {
        let program = std::env::var("HELIX_HOST_ENCODER").expect("HELIX_HOST_ENCODER, the path of the daemon");
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(program);
        command.args(["--encoder", encoder, "--log", "warn", "--unix"]).arg(folder.path().join("socket"));
        Self { child: command.stdout(std::process::Stdio::null()).spawn().expect("the daemon"), folder }
    }

    fn encoder(&self) -> String {
        format!("vsockenc transport=unix:{} bitrate={KBPS}", self.folder.path().join("socket").display())
    }

    /// Resident memory in KiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("a daemon that can be ended");
    }
}

/// Frames of a format and size, made once.
struct Video {
    info: VideoInfo,
    frames: Vec<gst::Buffer>,
}

impl Video {
    fn new(format: VideoFormat, width: u32, height: u32) -> Self {
        let fps = gst::Fraction::new(60, 1);
        let info = VideoInfo::builder(format, width, height).fps(fps).build().expect("video info");
        let caps = info.to_caps().expect("caps");
        // Bars that move, and a corner of noise.
        let line = format!("videotestsrc pattern=smpte horizontal-speed=5 num-buffers={PICTURES} ! {caps} ! identity");
        let mut source = Harness::new_parse(&line);
        source.play();
        let frames = (0..PICTURES).map(|_| source.pull().expect("a picture")).collect();
        Self { info, frames }
    }

    /// The frame of a number; its pixels are shared with others, not copied.
    fn frame(&self, number: usize) -> gst::Buffer {
        let mut buffer = self.frames[number % PICTURES].clone();
        let time = gst::ClockTime::SECOND * number as u64 / 60;
        buffer.make_mut().set_pts(time);
        buffer
    }

    /// An encoder that has encoded its first frames.
    fn encoder(&self, line: &str) -> Harness {
        let mut harness = Harness::new_parse(line);
        harness.set_src_caps(self.info.to_caps().expect("caps"));
        for number in 0..PICTURES {
            harness.push_and_pull(self.frame(number)).expect("an access unit for each frame");
        }
        harness
    }
}

/// Pushes so many frames as fast as they are taken, and waits until all are done.
fn push_all(video: &Video, harness: &mut Harness, count: usize) -> Duration {
    let begun = Instant::now();
    for number in 0..count {
        harness.push(video.frame(number)).expect("a frame that is taken");
        while harness.try_pull().is_some() {}
    }
    harness.push_event(gst::event::Eos::new());
    begun.elapsed()
}

/// Frames per second of a fresh encoder, its start not counted.
fn rate(video: &Video, line: &str, count: usize) -> f64 {
    count as f64 / push_all(video, &mut video.encoder(line), count).as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn throughput() {
    let (host, video) = (Host::start("discard"), Video::new(VideoFormat::Nv12, 1920, 1080));
    let rates = (0..ROUNDS).map(|_| rate(&video, &host.encoder(), 1500)).collect();
    println!("1920x1080 NV12 there and back, without encoding: {:.0} fps (goal 240)", median(rates));
}

/// The times at the places 50, 99 and 100 of a hundred, in milliseconds.
fn percentiles(mut times: Vec<Duration>) -> [f64; 3] {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    [at(50), at(99), at(100)]
}

/// Does something with each frame at its time.
fn paced(count: usize, fps: u32, mut encode: impl FnMut(usize)) -> Vec<Duration> {
    let begun = Instant::now();
    let one = |number| {
        std::thread::sleep(
            (begun + Duration::from_secs(number as u64) / fps).saturating_duration_since(Instant::now()),
        );
        let at = Instant::now();
        encode(number);
        at.elapsed()
    };
    (0..count).map(one).collect()
}

fn through_the_path(video: &Video, host: &Host, count: usize, fps: u32) -> Vec<Duration> {
    let mut harness = video.encoder(&host.encoder());
    paced(count, fps, |number| {
        harness.push(video.frame(number)).expect("a frame that is taken");
        harness.pull().expect("an access unit");
    })
}

/// A frame in this process's memory.
struct Here<'a>(&'a VideoInfo, &'a [u8]);

impl FrameSource for Here<'_> {
    fn picture(&mut self) -> Result<Picture<'_>, SourceError> {
        let size = Size { width: self.0.width(), height: self.0.height() };
        let planes = packed_planes(PixelFormat::Nv12, size);
        Picture::new(PixelFormat::Nv12, size, &planes, self.1).ok_or_else(|| SourceError("too few bytes".into()))
    }
}

/// The host's encoder, called in this process.
fn in_process(video: &Video, encoder: &str, count: usize, fps: u32) -> Vec<Duration> {
    let configure = Configure {
        size: Size { width: video.info.width(), height: video.info.height() },
        format: PixelFormat::Nv12,
        colorimetry: Colorimetry::default(),
        profile: Profile::H264ConstrainedBaseline,
        level: None,
        low_latency: true,
        rate: FrameRate { numerator: 60, denominator: 1 },
        keyframe_interval: 0,
        bitrate: u64::from(KBPS) * 1000,
        ways: Set::from([FrameWay::Pixels]),
    };
    let backend = backend::backend(encoder).expect("an encoder of this build");
    let mut encoder = backend.open(&configure, std::sync::Arc::new(|_, _| {})).expect("an encoder");
    let mut encode = |number: usize| {
        let buffer = &video.frames[number % PICTURES];
        let map = buffer.map_readable().expect("a frame");
        encoder.encode(number as u64, &mut Here(&video.info, &map), false).expect("it is encoded");
    };
    (0..PICTURES).for_each(&mut encode);
    paced(count, fps, encode)
}

/// The medians of the rounds at the places 50 and 99 of a hundred, in milliseconds, and the longest of all.
fn summary(rounds: &[[f64; 3]]) -> [f64; 3] {
    let all = |place: usize| rounds.iter().map(|round| round[place]).collect::<Vec<_>>();
    [median(all(0)), median(all(1)), all(2).into_iter().fold(0.0, f64::max)]
}

fn latency() {
    let video = Video::new(VideoFormat::Nv12, 1920, 1080);
    let (discard, openh264) = (Host::start("discard"), Host::start("openh264"));
    let path = |host, count, fps| percentiles(through_the_path(&video, host, count, fps));
    let rounds: Vec<_> = (0..ROUNDS).map(|_| path(&discard, 300, 60)).collect();
    let [half, most, longest] = summary(&rounds);
    println!(
        "1920x1080 at 60 fps, without encoding, so that all of it is added: {half:.2} ms, p99 {most:.2} (goal 3), longest \
         {longest:.2}"
    );
    let own = |_| percentiles(in_process(&video, "openh264", 200, 20));
    let (ours, own): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|round| (path(&openh264, 200, 20), own(round))).unzip();
    let ([half, most, longest], [own_half, own_most, own_longest]) = (summary(&ours), summary(&own));
    println!(
        "1920x1080 at 20 fps, OpenH264: through the path {half:.2} ms, p99 {most:.2}, longest {longest:.2}; in one process \
         {own_half:.2} ms, p99 {own_most:.2}, longest {own_longest:.2}; added {:.2} ms, p99 {:.2} (goal 3)",
        half - own_half,
        most - own_most
    );
}

fn beside_openh264enc() {
    let (host, video, count) = (Host::start("openh264"), Video::new(VideoFormat::I420, 640, 360), 1500);
    let theirs =
        format!("openh264enc bitrate={} rate-control=bitrate complexity=low enable-frame-skip=false", KBPS * 1000);
    let sides = (0..ROUNDS).map(|_| (rate(&video, &host.encoder(), count), rate(&video, &theirs, count)));
    let (ours, theirs): (Vec<_>, Vec<_>) = sides.unzip();
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "640x360 with OpenH264: ours {ours:.0} fps, openh264enc {theirs:.0} fps, ratio {:.2} (goal 0.9)",
        ours / theirs
    );
}

/// The processor time of this process: in user mode, and in all.
fn processor_time() -> [Duration; 2] {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("figures of this process");
    let ticks = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(11)?.parse::<u64>().ok());
    let user = Duration::from_secs(ticks.expect("utime")) / rustix::param::clock_ticks_per_second() as u32;
    let all = clock_gettime(ClockId::ProcessCPUTime);
    [user, Duration::new(all.tv_sec as u64, all.tv_nsec as u32)]
}

/// What a frame costs this process, in microseconds: in user mode, and in all.
fn cost(video: &Video, line: &str, count: usize) -> [f64; 2] {
    let mut harness = video.encoder(line);
    let before = processor_time();
    push_all(video, &mut harness, count);
    let after = processor_time();
    [0, 1].map(|which| (after[which] - before[which]).as_secs_f64() * 1e6 / count as f64)
}

fn guest_processor_time() {
    let (host, video) = (Host::start("openh264"), Video::new(VideoFormat::Nv12, 1280, 720));
    let theirs = format!("x264enc tune=zerolatency speed-preset=veryfast bitrate={KBPS}");
    let sides = (0..ROUNDS).map(|_| (cost(&video, &host.encoder(), 1000), cost(&video, &theirs, 300)));
    let (ours, theirs): (Vec<_>, Vec<_>) = sides.unzip();
    for (which, what) in ["user time", "user and system time"].into_iter().enumerate() {
        let pick = |side: &[[f64; 2]]| median(side.iter().map(|both| both[which]).collect());
        let (ours, theirs) = (pick(&ours), pick(&theirs));
        println!(
            "1280x720, {what} of the guest per frame: ours {ours:.0} us, x264enc {theirs:.0} us, ratio {:.3} (goal 0.1)",
            ours / theirs
        );
    }
}

/// All streams at once, each with as many frames under way as it may have.
fn many_streams() {
    const STREAMS: usize = 64;
    let (host, video) = (Host::start("openh264"), Video::new(VideoFormat::Nv12, 640, 360));
    let empty = host.memory();
    let until = Instant::now() + Duration::from_secs(20);
    let counts: Vec<u32> = std::thread::scope(|scope| {
        let stream = || {
            let mut harness = Harness::new_parse(&host.encoder());
            harness.set_src_caps(video.info.to_caps().expect("caps"));
            let mut count = 0;
            for number in 0.. {
                if Instant::now() >= until || harness.push(video.frame(number)).is_err() {
                    break;
                }
                count += std::iter::from_fn(|| harness.try_pull()).count() as u32;
            }
            count
        };
        let threads: Vec<_> = (0..STREAMS).map(|_| scope.spawn(stream)).collect();
        std::thread::sleep(Duration::from_secs(15));
        let memory = host.memory();
        println!(
            "{STREAMS} streams of 640x360 at once: the host has {} MiB, {} MiB without streams: {:.1} MiB a stream",
            memory >> 10,
            empty >> 10,
            (memory - empty) as f64 / STREAMS as f64 / 1024.0
        );
        threads.into_iter().map(|thread| thread.join().expect("a stream")).collect()
    });
    let (least, most) = (counts.iter().min().expect("a stream"), counts.iter().max().expect("a stream"));
    println!("{STREAMS} streams of 640x360 for 20 s: the slowest got {least} access units, the fastest {most}");
}
