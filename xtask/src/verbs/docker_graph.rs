//! `docker-graph`: container images into a Docker data root.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use helix_build::progress::Progress;
use helix_build::store::Store;

use helix_docker_graph::{
    BlobCache, Image, News, Options, Patience, Platform, Sharing, import, pull, read_archive, read_layout,
};
use helix_rootfs::Arch;
use serde_json::json;

use crate::cli::{ArchArg, DockerGraphArgs, ImageArg, ImageSource, ShareArg};
use crate::exit::Failure;
use crate::ui::Ui;

/// How many of the things that are left out are listed one by one.
const LISTED: usize = 10;

pub(crate) fn run(args: &DockerGraphArgs, json: bool) -> Result<(), Failure> {
    let started = Instant::now();
    if !rustix::process::geteuid().is_root() {
        return Err(helix_build::Error::Host(
            "files of images belong to many users, which only root can give them; run this with sudo".to_owned(),
        )
        .into());
    }
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
        ..Options::default()
    };
    let report = import(&args.data_root, &images, &options)?;
    let seconds = started.elapsed().as_secs_f64();
    let names = |image: &Image| image.names.iter().map(ToString::to_string).collect::<Vec<_>>();
    if json {
        let list: Vec<_> = images
            .iter()
            .map(|i| json!({ "id": i.id.to_string(), "names": names(i), "fresh": report.added.contains(&i.id) }))
            .collect();
        super::print_json(&json!({
            "images": list, "layers_added": report.layers, "left_out": report.left_out, "seconds": seconds,
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
    eprintln!("{} layers added to {} ({seconds:.1} s)", report.layers, args.data_root.display());
    Ok(())
}

fn read(image: &ImageArg, platform: &Platform, scratch: &Path) -> Result<Vec<Image>, Failure> {
    let name = image.name.as_ref();
    Ok(match &image.source {
        ImageSource::Build(recipe) => {
            let folder = build(recipe, &platform.architecture, scratch)?;
            let mut images = read_layout(&folder, name, platform)?;
            images.iter_mut().for_each(|image| image.origin = format!("build:{recipe}"));
            images
        }
        ImageSource::Archive(path) => read_archive(path, name, platform, scratch)?,
        ImageSource::Layout(path) => read_layout(path, name, platform)?,
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
    let status = Command::new(program)
        .args(["build-container", recipe, "--arch", architecture, "--output"])
        .arg(&folder)
        .stdout(Stdio::null())
        .status()
        .map_err(told)?;
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
