//! The encode path in the boot test: the guest's element, a port of virtio-serial, and a host encoder beside QEMU.

use std::path::Path;
use std::time::{Duration, Instant};

use helix_command::Cmd;
use helix_vm::{CheckResult, ENCODER_PORT, Outcome, Running};

/// The check's name in the report.
const NAME: &str = "encode-over-virtio-serial";
/// How many frames are encoded, 30 in a second.
const FRAMES: usize = 30;
const SIZE: (u32, u32) = (320, 240);
/// The least likeness of each frame to what was encoded, in dB.
const LEAST_PSNR: f64 = 30.0;
/// How long a pipeline may take in an emulated guest.
const TIMEOUT: Duration = Duration::from_secs(180);

/// Runs a pipeline in the guest against the host encoder `program`, and looks at what came out of it.
pub(crate) fn run(running: &mut Running, program: &Path) -> CheckResult {
    let folder = running.folder().path().to_owned();
    let (begun, command) = (Instant::now(), pipeline());
    let log = folder.join("host-encoder.log");
    let outcome = match Encoder::start(program, &running.folder().encoder_socket(), &log) {
        Ok(_encoder) => judge(running, &command, &folder).unwrap_or_else(|outcome| outcome),
        Err(e) => could_not(format!("starting {}: {e}", program.display())),
    };
    let outcome = match outcome {
        Outcome::Failed { expected, got, exit_code, stderr_tail } => {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            let stderr_tail = format!("{stderr_tail}\nthe host encoder said:\n{said}");
            Outcome::Failed { expected, got, exit_code, stderr_tail }
        }
        other => other,
    };
    CheckResult { name: NAME.to_owned(), command, duration: begun.elapsed(), outcome, output_tail: String::new() }
}

/// A host encoder, which ends with its handle.
struct Encoder(std::process::Child);

impl Encoder {
    fn start(program: &Path, socket: &Path, log: &Path) -> std::io::Result<Self> {
        let mut command = Cmd::new(program).arg("--virtio-serial").arg(socket).to_std();
        command.stdout(std::process::Stdio::null()).stderr(std::fs::File::create(log)?).spawn().map(Self)
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn could_not(why: String) -> Outcome {
    Outcome::CouldNotRun { why }
}

fn failed(expected: String, got: String) -> Outcome {
    Outcome::Failed { expected: Some(expected), got, exit_code: None, stderr_tail: String::new() }
}

/// What the guest runs: the times of the access units are printed, frames and access units kept.
fn pipeline() -> String {
    let (width, height) = SIZE;
    // Only these plugins are scanned: the first look at all 250 takes a minute under emulation.
    format!(
        "set -eu
rm -rf /var/tmp/encode && mkdir -p /var/tmp/encode/plugins && cd /var/tmp/encode
for plugin in coreelements videotestsrc videoparsersbad vsockenc; do ln -s /usr/lib/*/gstreamer-1.0/libgst$plugin.so plugins/; done
export GST_PLUGIN_SYSTEM_PATH_1_0=$PWD/plugins GST_REGISTRY_1_0=$PWD/registry GST_REGISTRY_FORK=no
gst-launch-1.0 -v videotestsrc num-buffers={FRAMES} pattern=ball \
! video/x-raw,format=I420,width={width},height={height},framerate=30/1 ! tee name=frames \
frames. ! queue ! filesink location=raw \
frames. ! queue ! vsockenc transport=virtio-port:{ENCODER_PORT} ! h264parse ! identity name=seen silent=false \
! filesink location=h264 > log
sed -n 's/.*chain.*seen:sink.*, pts: \\([0-9:.]*\\),.*/\\1/p' log"
    )
}

/// Runs the pipeline and compares: times, frames and pictures.
fn judge(running: &mut Running, command: &str, folder: &Path) -> Result<Outcome, Outcome> {
    let output = running.agent().exec(command, TIMEOUT).map_err(|e| could_not(e.to_string()))?;
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
        let packed = running.agent().exec(&format!("gzip -9 < /var/tmp/encode/{name}"), TIMEOUT);
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
