//! The encode path in the boot test: the guest's element, each way to the host, and a host encoder beside QEMU.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use helix_command::Cmd;
use helix_vm::{CheckResult, ENCODER_PORT, ENCODER_VSOCK_PORT, Outcome, RunFolder, Running};

/// How many checks there are.
pub(crate) const CHECKS: usize = 4;
/// How many frames are encoded, 30 in a second.
const FRAMES: usize = 30;
const SIZE: (u32, u32) = (320, 240);
/// The least likeness of each frame to what was encoded, in dB.
const LEAST_PSNR: f64 = 30.0;
/// How long a pipeline may take in an emulated guest of the usual pace.
const TIMEOUT: Duration = Duration::from_secs(180);
/// The folder in the guest.
const WORK: &str = "/var/tmp/encode";

/// A way from the guest to the host.
struct Way {
    /// The check's name in the report.
    name: &'static str,
    /// The element that takes it, with its properties.
    element: String,
    /// Whether root runs it, or the user whose desktop is encoded.
    root: bool,
}

/// The ways, with the host encoder's port of TCP. QEMU's user network shows the guest the host's loopback as 10.0.2.2.
fn ways(tcp_port: u16) -> [Way; CHECKS] {
    let way = |name, transport: String| Way { name, element: format!("vsockenc transport={transport}"), root: true };
    [
        // What people write first: no properties, and no more rights than a desktop has.
        Way { name: "encode-without-properties", element: "vsockenc".to_owned(), root: false },
        way("encode-over-virtio-serial", format!("virtio-port:{ENCODER_PORT}")),
        way("encode-over-vsock", format!("vsock://2:{ENCODER_VSOCK_PORT}")),
        way("encode-over-tcp", format!("tcp://10.0.2.2:{tcp_port} token-file={WORK}/token")),
    ]
}

/// Runs a pipeline for each way in the guest against the host encoder `program`, and looks at what came out of it.
pub(crate) fn run(running: &mut Running, program: &Path, done: &mut dyn FnMut(&CheckResult)) -> Vec<CheckResult> {
    let folder = running.folder().clone();
    let started = Encoder::start(program, &folder).map_err(|e| format!("starting {}: {e}", program.display()));
    let prepared = started.and_then(|encoder| prepare(running, &encoder).map(|()| encoder));
    let port = prepared.as_ref().map_or(0, |encoder| encoder.tcp_port);
    let check = |way: Way| {
        let (begun, command) = (Instant::now(), pipeline(&way));
        let outcome = match &prepared {
            Ok(encoder) => encoder.quoted(judge(running, &command, folder.path()).unwrap_or_else(|outcome| outcome)),
            Err(why) => could_not(why.clone()),
        };
        let name = way.name.to_owned();
        let result = CheckResult { name, command, duration: begun.elapsed(), outcome, output_tail: String::new() };
        done(&result);
        result
    };
    ways(port).into_iter().map(check).collect()
}

/// A host encoder, which ends with its handle.
struct Encoder {
    child: std::process::Child,
    log: PathBuf,
    token: String,
    tcp_port: u16,
}

impl Encoder {
    fn start(program: &Path, folder: &RunFolder) -> std::io::Result<Self> {
        let (log, file) = (folder.path().join("host-encoder.log"), folder.path().join("token"));
        let mut random = [0; 16];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let (token, tcp_port) = (uuid::Uuid::from_bytes(random).simple().to_string(), crate::verify::free_port()?);
        let mut secret = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file)?;
        secret.write_all(token.as_bytes())?;
        let command = Cmd::new(program).ends_with_parent().arg("--virtio-serial").arg(folder.encoder_socket());
        let command = command.arg("--unix").arg(folder.encoder_vsock());
        let command = command.args(["--tcp", &format!("127.0.0.1:{tcp_port}"), "--token-file"]).arg(&file);
        let errors = std::fs::File::create(&log)?;
        let child = command.to_std().stdout(std::process::Stdio::null()).stderr(errors).spawn()?;
        Ok(Self { child, log, token, tcp_port })
    }

    /// A failure, with what the host encoder said.
    fn quoted(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Failed { expected, got, exit_code, stderr_tail } => {
                let said = std::fs::read_to_string(&self.log).unwrap_or_default();
                let stderr_tail = format!("{stderr_tail}\nthe host encoder said:\n{said}");
                Outcome::Failed { expected, got, exit_code, stderr_tail }
            }
            other => other,
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes the guest's folder: the plugins that are needed, and the secret, which no report shows.
fn prepare(running: &mut Running, encoder: &Encoder) -> Result<(), String> {
    // Only these plugins are scanned: the first look at all 250 takes a minute under emulation.
    let script = format!(
        "set -eu; rm -rf {WORK}; mkdir -p {WORK}/plugins; chmod 777 {WORK}; cd {WORK}; (umask 077; echo {} > token)
for plugin in coreelements videotestsrc videoparsersbad vsockenc; do ln -s /usr/lib/*/gstreamer-1.0/libgst$plugin.so plugins/; done",
        encoder.token
    );
    let output = running.exec(&script, TIMEOUT).map_err(|e| e.to_string())?;
    let said = output.stderr_text();
    if output.exit_code == Some(0) { Ok(()) } else { Err(format!("preparing {WORK} in the guest: {said}")) }
}

fn could_not(why: String) -> Outcome {
    Outcome::CouldNotRun { why }
}

fn failed(expected: String, got: String) -> Outcome {
    Outcome::Failed { expected: Some(expected), got, exit_code: None, stderr_tail: String::new() }
}

/// What the guest runs: the times of the access units are printed, frames and access units kept.
fn pipeline(way: &Way) -> String {
    let ((width, height), element) = (SIZE, &way.element);
    let shell = if way.root { "sh" } else { "runuser -u $(id -un 1000) -- sh" };
    format!(
        "{shell} << 'END'
set -eu; cd {WORK}; rm -f raw h264 log
export GST_PLUGIN_SYSTEM_PATH_1_0=$PWD/plugins GST_REGISTRY_1_0=$PWD/registry GST_REGISTRY_FORK=no
gst-launch-1.0 -v videotestsrc num-buffers={FRAMES} pattern=ball \
! video/x-raw,format=I420,width={width},height={height},framerate=30/1 ! tee name=frames \
frames. ! queue ! filesink location=raw \
frames. ! queue ! {element} ! h264parse ! identity name=seen silent=false ! filesink location=h264 > log
sed -n 's/.*chain.*seen:sink.*, pts: \\([0-9:.]*\\),.*/\\1/p' log
END"
    )
}

/// Runs the pipeline and compares: times, frames and pictures.
fn judge(running: &mut Running, command: &str, folder: &Path) -> Result<Outcome, Outcome> {
    let output = running.exec(command, TIMEOUT).map_err(|e| could_not(e.to_string()))?;
    if output.exit_code != Some(0) {
        return Ok(Outcome::Failed {
            expected: None,
            got: output.stdout_text(),
            exit_code: output.exit_code,
            stderr_tail: output.stderr_text(),
        });
    }
    let expected: Vec<String> = (0..FRAMES).map(time_of_frame).collect();
    let times: Vec<String> = output.stdout_text().lines().map(str::to_owned).collect();
    if times != expected {
        return Ok(failed(format!("access units at {}", expected.join(" ")), times.join(" ")));
    }
    let mut files = Vec::new();
    for name in ["raw", "h264"] {
        let packed = running.exec(&format!("gzip -9 < {WORK}/{name}"), TIMEOUT);
        let packed = packed.map_err(|e| could_not(e.to_string()))?;
        let file = folder.join(name);
        let mut target = std::fs::File::create(&file).map_err(|e| could_not(e.to_string()))?;
        // At most as large as the frames are.
        let mut source = std::io::Read::take(flate2::read::GzDecoder::new(&packed.stdout[..]), 64 << 20);
        std::io::copy(&mut source, &mut target).map_err(|e| could_not(format!("unpacking {name}: {e}")))?;
        files.push(file);
    }
    compare(&files[0], &files[1])
}

/// The time of a frame as GStreamer prints it.
fn time_of_frame(at: usize) -> String {
    let nanoseconds = at as u64 * 1_000_000_000 / 30;
    format!("0:00:{:02}.{:09}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000)
}

/// Decodes with ffmpeg, which knows neither encoder, and compares each picture with what was encoded.
fn compare(raw: &Path, h264: &Path) -> Result<Outcome, Outcome> {
    let ffmpeg =
        || Cmd::new("ffmpeg").args(["-nostdin", "-hide_banner", "-v", "error", "-xerror", "-err_detect", "explode"]);
    let told = |e: helix_command::Error| failed("a stream that decodes without error".to_owned(), e.to_string());
    let decoded = ffmpeg().arg("-i").arg(h264).args(["-f", "framemd5", "-"]).output().map_err(told)?;
    let frames = decoded.text().lines().filter(|line| !line.starts_with('#')).count();
    if frames != FRAMES {
        return Ok(failed(format!("{FRAMES} pictures"), format!("{frames} pictures")));
    }
    let size = format!("{}x{}", SIZE.0, SIZE.1);
    let compared = ffmpeg()
        .arg("-i")
        .arg(h264)
        .args(["-f", "rawvideo", "-pixel_format", "yuv420p", "-framerate", "30", "-video_size", &size, "-i"])
        .arg(raw)
        .args([
            "-lavfi",
            "[0]settb=1/30,setpts=N[a];[1]settb=1/30,setpts=N[b];[a][b]psnr=stats_file=-",
            "-r",
            "30",
            "-f",
            "null",
            "-",
        ])
        .output()
        .map_err(told)?;
    let text = compared.text();
    let psnr =
        |line: &str| line.split_whitespace().find_map(|word| word.strip_prefix("psnr_avg:")?.parse::<f64>().ok());
    let pictures: Vec<f64> = text.lines().filter_map(psnr).collect();
    let least = pictures.iter().copied().fold(f64::INFINITY, f64::min);
    if pictures.len() != FRAMES || least < LEAST_PSNR {
        let expected = format!("{FRAMES} pictures of at least {LEAST_PSNR} dB");
        return Ok(failed(expected, format!("{} pictures, the worst of {least:.1} dB", pictures.len())));
    }
    tracing::info!("{FRAMES} pictures through the host encoder, the worst of {least:.1} dB");
    Ok(Outcome::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_gstreamer() {
        let times: Vec<String> = [0, 1, 2, 29].map(time_of_frame).to_vec();
        assert_eq!(times, ["0:00:00.000000000", "0:00:00.033333333", "0:00:00.066666666", "0:00:00.966666666"]);
    }
}
