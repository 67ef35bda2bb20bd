//! `helixh264enc` with an encoder that fails as it is told. That one takes the place of x264enc in this process, so that these
//! tests have one of their own.

mod broken;
mod nvidia;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use broken::Fault;
use gst::prelude::*;
use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo};
use nvidia::Generation;

fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().expect("GStreamer");
        gstvsockenc::plugin_register_static().expect("the plugin");
        broken::register().expect("the encoder that fails");
    });
}

fn picture() -> VideoInfo {
    VideoInfo::builder(VideoFormat::I420, 64, 48).fps(gst::Fraction::new(30, 1)).build().expect("video info")
}

/// The bin in a harness, while its first encoder has a fault.
struct Bin {
    harness: Harness,
    element: gst::Element,
    bus: gst::Bus,
    _alone: MutexGuard<'static, ()>,
}

impl Bin {
    /// Started from `state`, to which it comes first.
    fn with(fault: Fault, state: gst::State) -> Self {
        let alone = Self::alone();
        broken::set(fault);
        Self::start(alone, gst::ElementFactory::make("helixh264enc").build().expect("the element"), state)
    }

    /// With NVIDIA's encoder, which is asked for.
    fn with_nvidia(generation: Generation) -> Self {
        let alone = Self::alone();
        nvidia::register(generation).expect("the encoder");
        let bin = gst::ElementFactory::make("helixh264enc").property_from_str("encoder", "nvh264enc");
        let bin = bin.property("bitrate", 1234_u32).property("key-int-max", 50_u32).build().expect("the element");
        Self::start(alone, bin, gst::State::Null)
    }

    /// What is registered is so for the whole process.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        init();
        alone
    }

    fn start(alone: MutexGuard<'static, ()>, element: gst::Element, state: gst::State) -> Self {
        element.set_state(state).expect("a state");
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        harness.play();
        Self { harness, element, bus, _alone: alone }
    }

    fn chosen(&self) -> String {
        self.element.property("chosen")
    }

    /// Frames come out.
    fn encodes(&mut self) {
        self.harness.set_src_caps(picture().to_caps().expect("caps"));
        for index in 0..3 {
            let mut buffer = gst::Buffer::from_mut_slice(vec![128; picture().size()]);
            buffer.get_mut().expect("a buffer of its own").set_pts(gst::ClockTime::SECOND * index / 30);
            self.harness.push(buffer).expect("a frame that is taken");
            self.harness.pull().expect("an access unit");
        }
    }

    /// Frames come out, of OpenH264, and nobody hears of an error.
    fn encodes_with_the_next(&mut self, why: &[&str]) {
        self.encodes();
        assert_eq!(self.chosen(), "openh264enc");
        let reason: String = self.element.property("reason");
        assert!(why.iter().all(|text| reason.contains(text)), "{reason}");
        let error = self.bus.pop_filtered(&[gst::MessageType::Error]);
        assert!(error.is_none(), "{error:?}");
    }
}

impl Drop for Bin {
    fn drop(&mut self) {
        self.element.set_state(gst::State::Null).expect("stopped");
        self.bus.set_flushing(true);
    }
}

#[test]
fn an_encoder_without_a_fault_is_the_one_of_these_tests() {
    assert_eq!(Bin::with(Fault::None, gst::State::Null).chosen(), "x264enc");
}

#[test]
fn an_encoder_that_does_not_open_does_not_cost_the_next_one() {
    let mut bin = Bin::with(Fault::Open, gst::State::Null);
    assert_eq!(bin.chosen(), "openh264enc");
    bin.encodes_with_the_next(&["x264enc cannot be used: ", "Open fails"]);
}

#[test]
fn an_encoder_that_does_not_start_is_replaced() {
    for (state, why) in [(gst::State::Null, "x264enc cannot be used: "), (gst::State::Ready, "x264enc failed: ")] {
        let mut bin = Bin::with(Fault::Start, state);
        assert_eq!(bin.chosen(), "openh264enc");
        bin.encodes_with_the_next(&[why, "Start fails"]);
    }
}

#[test]
fn an_encoder_that_refuses_the_caps_is_replaced() {
    Bin::with(Fault::Caps, gst::State::Null).encodes_with_the_next(&["x264enc failed: "]);
}

#[test]
fn an_encoder_that_fails_at_a_frame_is_replaced() {
    Bin::with(Fault::Frame, gst::State::Null).encodes_with_the_next(&["x264enc failed: ", "this frame is refused"]);
}

/// The properties of the encoder in the bin, as texts.
fn settings(bin: &gst::Element, names: &[&str]) -> Vec<String> {
    let elements = bin.downcast_ref::<gst::Bin>().expect("a bin").iterate_elements().into_iter().flatten();
    let is_encoder = |element: &gst::Element| element.factory().is_some_and(|factory| factory.name() == "nvh264enc");
    let encoder = elements.into_iter().find(is_encoder).expect("the encoder");
    names.iter().map(|name| encoder.property_value(name).serialize().expect("a value").to_string()).collect()
}

#[test]
fn nvidias_encoder_is_set_by_the_names_that_it_has() {
    let both = ["preset", "bitrate", "gop-size"];
    for (generation, names) in [
        (Generation::Old, ["rc-mode", "bframes", "zerolatency"]),
        (Generation::New, ["rate-control", "b-frames", "zero-reorder-delay"]),
    ] {
        let mut bin = Bin::with_nvidia(generation);
        assert_eq!(bin.chosen(), "nvh264enc");
        assert_eq!(settings(&bin.element, &both), ["low-latency-hq", "1234", "50"], "{generation:?}");
        assert_eq!(settings(&bin.element, &names), ["cbr", "0", "true"], "{generation:?}");
        bin.encodes();
        bin.element.set_property("bitrate", 2_048_000_u32);
        assert_eq!(settings(&bin.element, &["bitrate"]), ["2048000"], "{generation:?}: while it plays");
    }
}

/// A folder with what GStreamer itself has, and no other plugin.
fn bare() -> tempfile::TempDir {
    init();
    let folder = tempfile::tempdir().expect("a folder");
    let core = gst::Registry::get().find_plugin("coreelements").and_then(|plugin| plugin.filename()).expect("its file");
    symlink(&core, folder.path().join("libgstcoreelements.so")).expect("a link");
    let built = Path::new(&std::env::current_exe().expect("a path")).with_file_name("libgstvsockenc.so");
    symlink(built, folder.path().join("libgstvsockenc.so")).expect("a link");
    folder
}

fn run(program: &str, arguments: &[&str], plugins: &Path) -> std::process::Output {
    let registry: PathBuf = plugins.join("registry.bin");
    let mut command = Command::new(program);
    command.args(arguments).env("GST_PLUGIN_SYSTEM_PATH_1_0", plugins).env("GST_REGISTRY_1_0", registry);
    command.output().unwrap_or_else(|e| panic!("running {program}: {e}"))
}

#[test]
fn without_the_parser_it_says_which_package_has_it() {
    let plugins = bare();
    let inspected = run("gst-inspect-1.0", &["helixh264enc"], plugins.path());
    assert!(inspected.status.success(), "{}", String::from_utf8_lossy(&inspected.stderr));
    let launched = run("gst-launch-1.0", &["fakesrc", "!", "helixh264enc", "!", "fakesink"], plugins.path());
    let text = String::from_utf8_lossy(&launched.stderr);
    assert!(launched.status.code().is_some_and(|code| code != 0), "{:?}: {text}", launched.status);
    assert!(text.contains("gstreamer1.0-plugins-base") || text.contains("gstreamer1.0-plugins-bad"), "{text}");
}
