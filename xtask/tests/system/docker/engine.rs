//! Docker engines of several Debian releases, each in a tree of its own, with the data root that a test gives it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use helix_command::Cmd;

use crate::support::{Run, root_folder};

/// The Debian releases whose engines are tried: 20.10, 26.1, and the newest there is.
pub(crate) const RELEASES: [&str; 3] = ["bookworm", "trixie", "testing"];

/// What an engine's tree holds: the engine, its client, a registry, mkfs.xfs, and a shell that needs no library for images.
const PACKAGES: [&str; 8] =
    ["docker.io", "docker-registry", "coreutils", "dash", "mount", "ca-certificates", "busybox-static", "xfsprogs"];

/// Starts the engine in namespaces of its own, which end with it. Its tree is the root of the mount namespace, because
/// the container runtime asks for a root that is a mount.
const START: &str = r#"
set -eu
tree=$1 data=$2 socket=$3
mount --make-rprivate /
mount --bind "$tree" "$tree"
cd "$tree"
mkdir -p proc sys dev run tmp data old sock
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount --bind "$data" data
pivot_root . old
umount -l /old
exec /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp DOCKER_RAMDISK=1 dockerd --data-root /data \
    --host "unix:///sock/$socket" --storage-driver vfs --iptables=false --ip6tables=false --bridge=none \
    --exec-root /run/docker --pidfile /run/docker.pid --insecure-registry 127.0.0.0/8
"#;

/// The tree of a release's engine, made when it is not there yet.
pub(crate) fn tree(release: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("engines").join(release);
    std::fs::create_dir_all(&folder).expect("a folder for engines");
    let lock = File::create(folder.join("lock")).expect("a lock");
    lock.lock().expect("the lock");
    let (tree, whole) = (folder.join("tree"), folder.join("whole"));
    if !whole.exists() {
        fetch(release, &folder, &tree);
        std::fs::write(whole, "").expect("a mark");
    }
    tree
}

/// Downloads the packages by the host's apt, with lists and keys of its own, and unpacks them. Nothing is configured.
fn fetch(release: &str, folder: &Path, tree: &Path) {
    let _ = std::fs::remove_dir_all(tree);
    let recipe = root_folder().join("recipes/quickstart.yaml");
    let options = helix_recipe::Options { architecture: None, mirror: None };
    let recipe = helix_recipe::load(&recipe, &options).expect("the quickstart recipe");
    let archive = &recipe.archives[0];
    let own = helix_build::host::own_mirror(&archive.mirror, &archive.suites, true);
    let mirror = own.unwrap_or_else(|| archive.mirror.clone());
    let apt = folder.join("apt");
    for sub in ["lists/partial", "cache/archives/partial"] {
        std::fs::create_dir_all(apt.join(sub)).expect("folders for apt");
    }
    let write = |name: &str, text: String| std::fs::write(apt.join(name), text).expect("a file for apt");
    write("status", String::new());
    write("sources", format!("deb [signed-by={}] {mirror} {release} main\n", archive.key.path().display()));
    let dir = apt.display();
    write(
        "conf",
        format!(
            "Dir::Etc::sourcelist \"{dir}/sources\"; Dir::Etc::sourceparts \"/dev/null\"; Dir::Etc::main \"/dev/null\";\n\
             Dir::Etc::parts \"/dev/null\"; Dir::Etc::preferencesparts \"/dev/null\"; Dir::State \"{dir}\";\n\
             Dir::State::status \"{dir}/status\"; Dir::State::lists \"{dir}/lists\"; Dir::Cache \"{dir}/cache\";\n\
             Acquire::Check-Valid-Until \"false\"; APT::Install-Recommends \"false\"; APT::Sandbox::User \"root\";\n"
        ),
    );
    let apt_get = |args: &[&str]| {
        Cmd::new("apt-get")
            .env("APT_CONFIG", apt.join("conf"))
            .args(["-q", "-y"])
            .args(args)
            .run()
            .unwrap_or_else(|e| panic!("{e}"));
    };
    apt_get(&["update"]);
    // The client is a package of its own since Debian 13, where links like /bin are in base-files.
    let newer: &[&str] = if release == "bookworm" { &[] } else { &["docker-cli", "base-files"] };
    apt_get(&[&["install", "--download-only"], &PACKAGES[..], newer].concat());
    let archives =
        std::fs::read_dir(apt.join("cache/archives")).expect("the packages").map(|e| e.expect("an entry").path());
    let mut debs: Vec<PathBuf> = archives.filter(|path| path.extension().is_some_and(|e| e == "deb")).collect();
    // Links of the root folder come first.
    debs.sort_by_key(|path| !path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("base-files")));
    for deb in &debs {
        Cmd::new("dpkg-deb").arg("-x").arg(deb).arg(tree).run().unwrap_or_else(|e| panic!("{e}"));
    }
    std::fs::remove_dir_all(apt).expect("apt's files can be removed");
}

/// A shell and all its tools as one program, which needs no library.
pub(crate) fn busybox() -> Vec<u8> {
    let tree = tree(RELEASES[1]);
    let place = ["bin/busybox", "usr/bin/busybox"].map(|name| tree.join(name)).into_iter().find(|path| path.exists());
    std::fs::read(place.expect("busybox-static has a busybox")).expect("busybox")
}

/// An engine that runs.
#[derive(Debug)]
pub(crate) struct Engine {
    tree: PathBuf,
    socket: String,
    log: PathBuf,
    child: Child,
}

impl Engine {
    /// Starts the engine of a release on a data root.
    pub(crate) fn start(release: &str, data: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let tree = tree(release);
        std::fs::create_dir_all(tree.join("sock")).expect("a folder for sockets");
        std::fs::create_dir_all(data).expect("a data root");
        let socket = format!("{}-{}.sock", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let log = data.with_extension("log");
        let output = File::create(&log).expect("a log");
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", START, "sh"])
            .arg(&tree)
            .arg(data)
            .arg(&socket);
        command.stdin(Stdio::null()).stdout(output.try_clone().expect("a log")).stderr(output);
        let child = command.spawn().expect("unshare runs");
        let mut engine = Self { tree, socket, log, child };
        let started = Instant::now();
        while engine.docker(&["version"]).code != Some(0) {
            let over = engine.child.try_wait().expect("a child can be waited for").is_some();
            if over || started.elapsed() > Duration::from_secs(120) {
                panic!("the engine of {release} does not start; it said:\n{}", engine.said());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        engine
    }

    /// Its log, but for what it always says.
    fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter(|line| !line.contains("level=info")).collect::<Vec<_>>().join("\n")
    }

    fn client(&self, args: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(&self.tree).args(["docker", "--host", &format!("unix:///sock/{}", self.socket)]).args(args);
        command.env("DOCKER_BUILDKIT", "0").env("HOME", "/");
        command
    }

    /// Runs the client.
    pub(crate) fn docker(&self, args: &[&str]) -> Run {
        Run::of(self.client(args))
    }

    /// Runs the client, which must succeed; returns what it printed.
    pub(crate) fn says(&self, args: &[&str]) -> String {
        let run = self.docker(args);
        assert_eq!(run.code, Some(0), "docker {args:?}:\n{}{}\nthe engine:\n{}", run.stdout, run.stderr, self.said());
        run.stdout.trim_end().to_owned()
    }

    /// Runs the client with bytes on its standard input.
    pub(crate) fn fed(&self, args: &[&str], input: &[u8]) -> Run {
        let mut command = self.client(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the client runs");
        let mut stdin = child.stdin.take().expect("its input");
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().expect("the client ends");
        // It may have said no before it had read everything.
        let _ = writer.join();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Run { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// What `docker save` writes.
    pub(crate) fn saved(&self, image: &str) -> Vec<u8> {
        let output = self.client(&["save", image]).stdin(Stdio::null()).output().expect("the client runs");
        assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), self.said());
        output.stdout
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // With the first process of its namespace everything in it ends.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(self.tree.join("sock").join(&self.socket));
    }
}
