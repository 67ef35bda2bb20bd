//! `docker-graph`: container images into a Docker data root.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime};

use helix_build::progress::Progress;
use helix_build::store::Store;

use helix_docker_graph::{
    BlobCache, Error, Image, News, Options, Patience, Platform, Sharing, import, pull, read_archive, read_layout,
};
use helix_rootfs::Arch;
use rustix::process::{Pid, Signal};
use serde_json::json;

use crate::cli::{ArchArg, DockerGraphArgs, ImageArg, ImageSource, ShareArg};
use crate::exit::{Failure, interrupted, watch_signals};
use crate::ui::Ui;

/// How many of the things that are left out are listed one by one.
const LISTED: usize = 10;
/// How often a wait looks whether a signal has come.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn run(args: &DockerGraphArgs, json: bool) -> Result<(), Failure> {
    let started = Instant::now();
    if !rustix::process::geteuid().is_root() {
        return Err(helix_build::Error::Host(
            "files of images belong to many users, which only root can give them; run this with sudo".to_owned(),
        )
        .into());
    }
    let stop = watch_signals();
    let platform = platform(args.arch)?;
    let run = Store::open(&super::workspace()?.cache)?.dir("run");
    let scratch = tempfile::Builder::new()
        .prefix("g")
        .tempdir_in(&run)
        .map_err(|e| Failure::Other(format!("making a folder for archives: {e}")))?;
    let mut images = Vec::new();
    for image in &args.images {
        images.extend(read(image, &platform, scratch.path())?);
    }
    let options = Options {
        sharing: match args.share {
            ShareArg::Hardlinks => Sharing::HardLinks,
            ShareArg::Reflinks => Sharing::Reflinks,
            ShareArg::Copies => Sharing::Copies,
        },
        threads: args.threads.unwrap_or(Options::default().threads),
        time: time()?,
        stop,
        ..Options::default()
    };
    let step = format!("Putting images into {}", args.data_root.display());
    let report = shown(&step, || Ok(import(&args.data_root, &images, &options)?))?;
    let seconds = started.elapsed().as_secs_f64();
    let names = |image: &Image| image.names.iter().map(ToString::to_string).collect::<Vec<_>>();
    if json {
        let list: Vec<_> = images
            .iter()
            .map(|i| json!({ "id": i.id.to_string(), "names": names(i), "fresh": report.added.contains(&i.id) }))
            .collect();
        super::print_json(&json!({
            "images": list, "driver": "vfs", "layers_added": report.layers, "left_out": report.left_out,
            "note": report.note, "seconds": seconds,
        }));
        return Ok(());
    }
    for image in &images {
        let state = if report.added.contains(&image.id) { "" } else { " (was there)" };
        let names = if image.names.is_empty() { "no name".to_owned() } else { names(image).join(", ") };
        eprintln!("{}: {names}, {}, {} layers{state}", image.origin, image.id, image.layers.len());
    }
    for what in report.left_out.iter().take(LISTED) {
        eprintln!("warning: not on the disk: {what}");
    }
    if report.left_out.len() > LISTED {
        eprintln!("warning: not on the disk: {} more; --json lists them all", report.left_out.len() - LISTED);
    }
    if let Some(note) = &report.note {
        eprintln!("warning: {note}");
    }
    let root = args.data_root.display();
    eprintln!("{} layers added to {root}, for engines with the driver vfs ({seconds:.1} s)", report.layers);
    Ok(())
}

fn read(image: &ImageArg, platform: &Platform, scratch: &Path) -> Result<Vec<Image>, Failure> {
    if let ImageSource::Build(recipe) = &image.source {
        let folder = build(recipe, &platform.architecture, scratch)?;
        let mut images = read_layout(&folder, image.name.as_ref(), platform)?;
        images.iter_mut().for_each(|image| image.origin = format!("build:{recipe}"));
        return Ok(images);
    }
    let (image, platform, scratch) = (image.clone(), platform.clone(), scratch.to_owned());
    unless_interrupted(move || fetch(&image, &platform, &scratch))
}

/// Does `work` in a thread of its own, which is left when a signal comes: it may wait for a network or unpack for minutes.
/// The end of this program ends it.
fn unless_interrupted<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let (sender, result) = channel();
    let worker = std::thread::spawn(move || sender.send(work()).is_ok());
    loop {
        match result.recv_timeout(LOOK) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) if interrupted() => return Err(Error::Interrupted.into()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                std::panic::resume_unwind(worker.join().expect_err("it ended without a result"))
            }
        }
    }
}

/// Does `work`, which tells nothing on its way, as a step that is shown.
fn shown<T>(step: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let ui = Ui::new();
    ui.begin(step, None);
    let result = work();
    ui.end(if result.is_ok() { "" } else { "not done" });
    result
}

fn fetch(image: &ImageArg, platform: &Platform, scratch: &Path) -> Result<Vec<Image>, Failure> {
    let name = image.name.as_ref();
    Ok(match &image.source {
        ImageSource::Build(_) => unreachable!("it is built, not fetched"),
        ImageSource::Archive(path) => {
            shown(&format!("Reading {}", path.display()), || Ok(read_archive(path, name, platform, scratch)?))?
        }
        ImageSource::Layout(path) => {
            shown(&format!("Reading {}", path.display()), || Ok(read_layout(path, name, platform)?))?
        }
        ImageSource::Registry(reference) => {
            let cache = BlobCache::new(&super::workspace()?.cache.join("blobs"), false);
            let ui = Ui::new();
            ui.begin(&format!("Fetching {reference}"), None);
            let size = AtomicU64::new(0);
            let image = pull(reference, name, platform, &cache, Patience::default(), &|news| match news {
                News::Bytes(n) => {
                    let whole = size.fetch_add(n, Ordering::Relaxed) + n;
                    ui.advance(1, &format!("{} MB", whole / 1_000_000));
                }
                News::Note(note) => ui.warn(&note),
            })?;
            ui.end(&format!("{} MB", size.into_inner() / 1_000_000));
            vec![image]
        }
    })
}

/// Builds a container recipe, in a process of its own: the build goes on in a user namespace, in which no device of the
/// other images could be made.
fn build(recipe: &str, architecture: &str, scratch: &Path) -> Result<PathBuf, Failure> {
    let told = |e: std::io::Error| Failure::Other(format!("building {recipe}: {e}"));
    let folder = tempfile::tempdir_in(scratch).map_err(told)?.keep().join("layout");
    let program = std::env::current_exe().map_err(told)?;
    // In a group of its own, it and its programs get one signal, from here, whether that is Ctrl-C or not.
    let mut child = Command::new(program)
        .args(["build-container", recipe, "--arch", architecture, "--output"])
        .arg(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(told)?;
    let mut asked = false;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(told)? {
            break status;
        }
        if interrupted() && !asked {
            asked = true;
            // One that has just ended needs no signal.
            let _ = rustix::process::kill_process_group(Pid::from_child(&child), Signal::INT);
        }
        std::thread::sleep(LOOK);
    };
    if interrupted() {
        return Err(Error::Interrupted.into());
    }
    if status.success() {
        return Ok(folder);
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(5);
    Err(Failure::Verb { code, doing: format!("building {recipe}") })
}

fn platform(arch: Option<ArchArg>) -> Result<Platform, Failure> {
    let architecture = match arch {
        Some(ArchArg::Arm64) => Arch::Arm64,
        Some(ArchArg::Amd64) => Arch::Amd64,
        None => Arch::host().ok_or_else(|| {
            helix_build::Error::Host("this architecture is not supported; name one with --arch".into())
        })?,
    };
    Ok(Platform { architecture: architecture.debian_name().to_owned() })
}

/// Now, or what `SOURCE_DATE_EPOCH` says.
fn time() -> Result<i64, Failure> {
    if let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") {
        return text.parse().map_err(|e| Failure::Other(format!("SOURCE_DATE_EPOCH={text}: {e}")));
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(now.as_secs()).unwrap_or(0))
}
