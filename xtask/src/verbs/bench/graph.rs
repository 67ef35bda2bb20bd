//! `bench docker-graph`: an image put into a data root, by us and by `docker load` of the host's engine on vfs.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use helix_build::pipeline::Job;
use helix_command::Cmd;
use helix_docker_graph::{Blob, Digest, Platform};
use serde_json::json;

use super::{line, median, scratch, timed};
use crate::exit::Failure;

/// How often each side is measured; the median counts.
const ROUNDS: usize = 3;
/// The image that the project's goals are for: this many bytes in this many layers.
const BYTES: u64 = 640_000_000;
const LAYERS: u64 = 9;
/// The container recipe of the other one.
const DESKTOP: &str = "helix-debian";

pub(super) fn run(job: &Job) -> Result<(), Failure> {
    for program in ["dockerd", "docker"] {
        if Cmd::new("sh").args(["-c", &format!("command -v {program}")]).run().is_err() {
            return Err(helix_build::Error::Host(format!(
                "{program} is missing; the comparison needs\n    sudo apt-get install docker.io"
            ))
            .into());
        }
    }
    let dir = scratch(job)?;
    let archive = dir.path().join("image.tar");
    let files = make_image(&real_tree(job)?, &archive)?;
    compare(&format!("{} MB, {files} files, {LAYERS} layers", BYTES / 1_000_000), dir.path(), &archive, ROUNDS)?;
    let layers = make_desktop(job, dir.path(), &archive)?;
    let size = archive.metadata().map_err(|e| Failure::Other(format!("{}: {e}", archive.display())))?.len();
    // It is four times as large: one round takes minutes.
    compare(&format!("{DESKTOP}, {} MB, {layers} layers", size / 1_000_000), dir.path(), &archive, 1)
}

/// Puts the image of `archive` into data roots of both, and prints times, memory and disk use.
fn compare(what: &str, dir: &Path, archive: &Path, rounds: usize) -> Result<(), Failure> {
    crate::ui::out(&format!("an image of {what}"));
    // Nothing is removed between two rounds: ext4 is slow to take inodes that were given back minutes ago.
    let folder = tempfile::tempdir_in(dir).map_err(|e| Failure::Other(format!("{}: {e}", dir.display())))?.keep();
    let (mut ours, mut theirs) = (folder.clone(), folder.clone());
    let (mut our_times, mut their_times, mut peak) = (Vec::new(), Vec::new(), 0);
    for round in 0..rounds {
        (ours, theirs) = (folder.join(format!("ours-{round}")), folder.join(format!("theirs-{round}")));
        // Neither side waits for what was written before.
        Cmd::new("sync").run()?;
        let (time, memory) = load_ours(archive, &ours)?;
        our_times.push(time);
        peak = memory.max(peak);
        let engine = Engine::start(&theirs)?;
        Cmd::new("sync").run()?;
        their_times.push(timed(|| {
            engine.client().args(["load", "--quiet", "--input"]).arg(archive).run()?;
            // As we do at the end.
            Ok(Cmd::new("sync").arg("--file-system").arg(&theirs).run()?)
        })?);
    }
    line("an image into a data root", median(our_times), median(their_times));
    crate::ui::out(&format!("peak memory of the tool {} MiB", peak >> 10));
    let (again, _) = load_ours(archive, &ours)?;
    crate::ui::out(&format!("once more, nothing changed: {:.2} s", again.as_secs_f64()));
    let flat = top_tree(&ours)?;
    let (ours, theirs, flat) = (disk_use(&ours.join("vfs"))?, disk_use(&theirs.join("vfs"))?, disk_use(&flat)?);
    let ratio = ours as f64 / flat as f64;
    crate::ui::out(&format!(
        "disk use: ours {ours} MiB, docker load {theirs} MiB, the uppermost tree alone {flat} MiB; ours is {ratio:.2} times that"
    ));
    Ok(())
}

/// Builds the desktop and writes it as an archive of `docker save`; returns how many layers it has.
fn make_desktop(job: &Job, dir: &Path, archive: &Path) -> Result<usize, Failure> {
    let (layout, architecture) = (dir.join("layout"), architecture());
    let program = std::env::current_exe().map_err(|e| Failure::Other(e.to_string()))?;
    Cmd::new(program)
        .args(["build-container", DESKTOP, "--arch", architecture, "--output"])
        .arg(&layout)
        .env("HELIX_CACHE", &job.conduct.workspace.cache)
        .run()?;
    let platform = Platform { architecture: architecture.to_owned() };
    let images = helix_docker_graph::read_layout(&layout, None, &platform)?;
    let open = |blob: &Blob| std::fs::File::open(&*blob.file).map(|file| (blob.length, file));
    let layers: Result<Vec<_>, _> = images[0].layers.iter().filter_map(|layer| layer.blob.as_ref()).map(open).collect();
    let other = |e: std::io::Error| Failure::Other(format!("writing {}: {e}", archive.display()));
    write_archive(archive, &images[0].config, layers.map_err(other)?).map_err(other)?;
    Ok(images[0].layers.len())
}

/// The architecture of this machine.
fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

/// The packages of the built image: real files.
fn real_tree(job: &Job) -> Result<PathBuf, Failure> {
    let trees = job.conduct.workspace.cache.join("trees");
    let entries = std::fs::read_dir(&trees).map_err(|e| Failure::Other(format!("{}: {e}", trees.display())))?;
    // Layers of container images are there too; only a machine has kernel and package manager.
    let is_machine =
        |tree: &PathBuf| ["usr/lib/modules", "var/lib/dpkg/status"].iter().all(|at| tree.join(at).exists());
    let found = entries.filter_map(|e| Some(e.ok()?.path().join("tree"))).find(is_machine);
    found.ok_or_else(|| {
        Failure::Other("there are no packages in the cache; build the image first\n    cargo xtask build-image".into())
    })
}

/// Writes an archive of `docker save` with files of `tree`; returns how many.
fn make_image(tree: &Path, archive: &Path) -> Result<u64, Failure> {
    let other = |e: std::io::Error| Failure::Other(format!("writing {}: {e}", archive.display()));
    let mut files = Vec::new();
    let mut size = 0;
    collect(&tree.join("usr"), &mut files).map_err(other)?;
    // Every so many, so that large and small files are mixed as they are in a system.
    let all: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    let share = BYTES as f64 / all as f64;
    let mut wanted = 0.0;
    files.retain(|(_, bytes)| {
        wanted += share * *bytes as f64;
        let taken = (size as f64) < wanted && size < BYTES;
        size += if taken { *bytes } else { 0 };
        taken
    });
    let mut layers: Vec<Vec<u8>> = Vec::new();
    let mut rest = files.iter().peekable();
    for _ in 0..LAYERS {
        let mut builder = tar::Builder::new(Vec::new());
        builder.follow_symlinks(false);
        let mut filled = 0;
        while let Some((path, bytes)) = rest.next_if(|_| filled < BYTES / LAYERS) {
            let name = path.strip_prefix(tree).expect("the files are in the tree");
            builder.append_path_with_name(path, name).map_err(other)?;
            filled += bytes;
        }
        layers.push(builder.into_inner().map_err(other)?);
    }
    let diff_ids: Vec<String> = layers.iter().map(|l| Digest::of(l).to_string()).collect();
    let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
    let config = json!({ "architecture": architecture(), "os": "linux", "config": {}, "rootfs": rootfs }).to_string();
    let layers = layers.iter().map(|layer| (layer.len() as u64, &layer[..]));
    write_archive(archive, config.as_bytes(), layers).map_err(other)?;
    Ok(files.len() as u64)
}

/// Writes an archive as `docker save` of every age reads it back; layers come with their lengths.
fn write_archive<R: Read>(
    archive: &Path,
    config: &[u8],
    layers: impl IntoIterator<Item = (u64, R)>,
) -> std::io::Result<()> {
    let mut builder = tar::Builder::new(std::io::BufWriter::new(std::fs::File::create(archive)?));
    let mut add = |name: &str, length: u64, bytes: &mut dyn Read| {
        let mut header = tar::Header::new_gnu();
        header.set_size(length);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes)
    };
    let mut names = Vec::new();
    for (at, (length, mut layer)) in layers.into_iter().enumerate() {
        names.push(format!("{at}/layer.tar"));
        add(&names[at], length, &mut layer)?;
    }
    let manifest = json!([{ "Config": "config.json", "RepoTags": ["helix/bench:1"], "Layers": names }]).to_string();
    for (name, mut bytes) in [("config.json", config), ("manifest.json", manifest.as_bytes())] {
        add(name, bytes.len() as u64, &mut bytes)?;
    }
    builder.into_inner()?.flush()
}

fn collect(dir: &Path, files: &mut Vec<(PathBuf, u64)>) -> std::io::Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(dir)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let stat = entry.metadata()?;
        files.push((entry.path(), if stat.is_file() { stat.len() } else { 0 }));
        if stat.is_dir() {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}

/// Runs `docker-graph`: duration, and peak memory in KiB.
fn load_ours(archive: &Path, root: &Path) -> Result<(Duration, u64), Failure> {
    let program = std::env::current_exe().map_err(|e| Failure::Other(e.to_string()))?;
    let mut command = Command::new(program);
    command.args(["docker-graph", "--data-root"]).arg(root).arg(format!("archive:{}", archive.display()));
    super::followed(command.stderr(Stdio::null()))
}

/// An engine on vfs with a data root of its own and nothing else.
struct Engine {
    child: Child,
    socket: String,
    _runtime: tempfile::TempDir,
}

impl Engine {
    fn start(root: &Path) -> Result<Self, Failure> {
        let other = |e: std::io::Error| Failure::Other(format!("starting dockerd: {e}"));
        std::fs::create_dir_all(root).map_err(other)?;
        let runtime = tempfile::tempdir().map_err(other)?;
        let dir = runtime.path().to_owned();
        let log = std::fs::File::create(dir.join("dockerd.log")).map_err(other)?;
        let socket = format!("unix://{}", dir.join("docker.sock").display());
        // In a process namespace that ends with it, and so does its containerd.
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "dockerd",
            "--storage-driver",
            "vfs",
        ]);
        command
            .args(["--iptables=false", "--ip6tables=false", "--bridge=none", "--host", &socket, "--data-root"])
            .arg(root);
        command.arg("--exec-root").arg(dir.join("exec")).arg("--pidfile").arg(dir.join("pid"));
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(other)?).stderr(log);
        let engine = Self { child: command.spawn().map_err(other)?, socket, _runtime: runtime };
        let started = Instant::now();
        while engine.client().arg("version").run().is_err() {
            if started.elapsed() > Duration::from_secs(60) {
                let log = std::fs::read_to_string(dir.join("dockerd.log")).unwrap_or_default();
                return Err(Failure::Other(format!("dockerd does not start; it said\n{log}")));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(engine)
    }

    fn client(&self) -> Cmd {
        Cmd::new("docker").args(["--host", &self.socket])
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The tree of the layer that no other is on top of.
fn top_tree(root: &Path) -> Result<PathBuf, Failure> {
    let other = |e: std::io::Error| Failure::Other(format!("reading {}: {e}", root.display()));
    let layers = root.join("image/vfs/layerdb/sha256");
    let mut parents = Vec::new();
    let mut all = Vec::new();
    for entry in std::fs::read_dir(layers).map_err(other)? {
        let path = entry.map_err(other)?.path();
        parents.extend(std::fs::read_to_string(path.join("parent")).ok());
        all.push(path);
    }
    let is_parent = |path: &PathBuf| parents.iter().any(|p| path.ends_with(p.trim_start_matches("sha256:")));
    let top = all.into_iter().find(|path| !is_parent(path)).ok_or_else(|| Failure::Other("no layers".into()))?;
    Ok(root.join("vfs/dir").join(std::fs::read_to_string(top.join("cache-id")).map_err(other)?))
}

/// What `du` says, in MiB.
fn disk_use(path: &Path) -> Result<u64, Failure> {
    let said = Cmd::new("du").args(["--summarize", "--block-size=1M"]).arg(path).output()?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    text.split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .ok_or_else(|| Failure::Other(format!("du said {text:?}")))
}
