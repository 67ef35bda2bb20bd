//! What an independent decoder makes of a stream: ffmpeg, which shares no line with any encoder that is checked.

use std::io::{Read, Write};
use std::process::{Child, Stdio};

use helix_command::Cmd;
use helix_frame_protocol::Size;

use crate::error::Error;
use helix_products::Target;

/// A stream, decoded.
pub struct Decoded {
    /// Frames in I420.
    pub frames: Vec<Vec<u8>>,
    /// Their size.
    pub size: Size,
    /// What ffprobe says of the stream, by its names of fields.
    about: Vec<(String, String)>,
}

impl Decoded {
    /// A field of ffprobe: `pix_fmt`, `color_range`, `color_space`, `profile` or `level`.
    pub fn says(&self, key: &str) -> &str {
        self.about.iter().find(|(found, _)| found == key).map_or("", |(_, value)| value)
    }
}

/// Decodes a byte stream (Annex B).
///
/// # Errors
/// When ffmpeg is missing, cannot be run, or finds any fault in the stream.
pub fn decode(stream: &[u8]) -> Result<Decoded, Error> {
    let entries = "stream=width,height,pix_fmt,color_range,color_space,profile,level";
    let probe = ["-v", "error", "-f", "h264", "-i", "pipe:0", "-show_entries", entries, "-of", "default=nw=1"];
    let text = run("ffprobe", &probe, stream)?;
    let about: Vec<(String, String)> = String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let side = |key: &str| about.iter().find(|(k, _)| k == key).and_then(|(_, v)| v.parse().ok());
    let (Some(width), Some(height)) = (side("width"), side("height")) else {
        return Err(faulty("ffprobe finds no picture in it".to_owned()));
    };
    // `-err_detect explode` makes every fault of the stream an error, and raw planes are not converted.
    let args = ["-v", "error", "-err_detect", "explode", "-xerror", "-f", "h264", "-i", "pipe:0"];
    let raw = ["-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"];
    let pixels = run("ffmpeg", &[&args[..], &raw].concat(), stream)?;
    let length = (width * height * 3 / 2) as usize;
    if pixels.len() % length != 0 {
        return Err(faulty(format!("ffmpeg gives {} bytes for frames of {length}", pixels.len())));
    }
    Ok(Decoded { frames: pixels.chunks(length).map(<[u8]>::to_vec).collect(), size: Size { width, height }, about })
}

fn faulty(fault: String) -> Error {
    Error::Faults { what: "the stream cannot be decoded".to_owned(), faults: vec![fault] }
}

/// Whether the programs can be started.
///
/// # Errors
/// When one cannot, with the command that installs it.
pub fn ready() -> Result<(), Error> {
    ["ffprobe", "ffmpeg"].into_iter().try_for_each(|program| run(program, &["-v", "error", "-version"], &[]).map(drop))
}

/// What a program writes; that it complains at all is a fault of the stream.
fn run(program: &str, args: &[&str], input: &[u8]) -> Result<Vec<u8>, Error> {
    let mut command = Cmd::new(program).args(args).to_std();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| {
        let install =
            if Target::host() == Some(Target::Mac) { "brew install ffmpeg" } else { "sudo apt-get install ffmpeg" };
        Error::NotReady(format!("{program} cannot be started: {e}; install it with\n  {install}"))
    })?;
    let failed = |e: std::io::Error| Error::Unfinished(format!("{program}: {e}"));
    let (output, errors) = talk(&mut child, input).map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    if status.success() && errors.is_empty() {
        Ok(output)
    } else {
        Err(faulty(format!("{program} ended with {status}: {errors}")))
    }
}

fn talk(child: &mut Child, input: &[u8]) -> std::io::Result<(Vec<u8>, String)> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        // A decoder that stops early says why.
        scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(input)));
        let errors = scope.spawn(move || {
            let mut text = Vec::new();
            stderr.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut text)).map(|_| text)
        });
        let mut output = Vec::new();
        stdout.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut output))?;
        let errors = errors.join().expect("the reader does not panic")?;
        Ok((output, String::from_utf8_lossy(&errors).into_owned()))
    })
}
