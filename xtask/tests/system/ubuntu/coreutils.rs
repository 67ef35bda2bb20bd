//! Ubuntu's coreutils, which are written in Rust: the real ones, of Debian's package, under the names and in the folders
//! that Ubuntu has them in.

use std::path::PathBuf;

use helix_command::Cmd;
use helix_rootfs::Arch;

use crate::support::{Deb, Debian, Project, Synthetic, root_folder};

/// Where rust-coreutils has its tools, all of them links to one program.
const RUST: &str = "usr/lib/cargo/bin/coreutils";
/// What the system and the scripts need besides coreutils.
const OTHERS: [&str; 10] =
    ["base-files", "base-passwd", "dash", "diffutils", "dpkg", "grep", "gzip", "libc-bin", "mawk", "sed"];

/// Asks which program loader a tool has: that of a twin is this machine's. Then uses the tools.
const PROBE: &str = r#"#!/bin/sh
set -eu
mkdir -p /var/lib/probe && cd /var/lib/probe
for tool in ls env cut tr sync; do
	LD_TRACE_LOADED_OBJECTS=1 $tool >loaded-$tool
done
LD_TRACE_LOADED_OBJECTS=1 uname >loaded-uname
ls /usr/share/probe/overlay/usr/lib >listed
env WORD=seven sh -c 'echo "$WORD"' >environment
uname -m >machine
sh -eu /usr/share/probe/scripts
"#;

/// Runs the overlay's scripts that call coreutils. Programs that need a disk or a network are made up.
const SCRIPTS: &str = r#"
export PATH=/usr/share/probe/bin:$PATH
overlay=/usr/share/probe/overlay
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
mkdir -p /var/lib/helix/data /var/lib/helix/workspaces /var/lib/docker/volumes/v /etc/ssh
echo kept >/var/lib/docker/volumes/v/file
sh $overlay/usr/lib/helix/data-disk
sh $overlay/usr/lib/helix/ssh-host-keys

mkdir /tmp/entry
echo kernel | gzip >/tmp/entry/linux
KERNEL_INSTALL_LAYOUT=bls sh $overlay/etc/kernel/install.d/95-helix-gunzip.install add 1 /tmp/entry
cp /tmp/entry/linux unpacked

mkdir -p /tmp/initramfs/usr/lib/udev /usr/share/initramfs-tools
touch /tmp/initramfs/usr/lib/udev/hwdb.bin
echo 'manual_add_modules() { echo "$@"; }' >/usr/share/initramfs-tools/hook-functions
DESTDIR=/tmp/initramfs sh $overlay/etc/initramfs-tools/hooks/helix >modules
ls /tmp/initramfs/usr/lib/udev >left
"#;

/// Programs that the scripts call and that no tree under construction can run.
const MADE_UP: [(&str, &str); 5] = [
    ("blkid", "echo /dev/made-up"),
    ("mount", ": >/tmp/mounted"),
    ("mountpoint", "[ -e /tmp/mounted ]"),
    ("xfs_growfs", ":"),
    ("ssh-keygen", "echo key >/etc/ssh/ssh_host_ed25519_key; echo key >/etc/ssh/ssh_host_ed25519_key.pub"),
];

/// coreutils as Ubuntu has it: an empty package, the names in /usr/bin, and the program.
fn coreutils(project: &Project, rust: &Deb) -> [Deb; 2] {
    let dir = project.path("rust");
    Cmd::new("dpkg-deb").arg("--extract").arg(&rust.file).arg(&dir).run().expect("rust-coreutils is unpacked");
    let tools = std::fs::read_dir(dir.join(RUST)).expect("tools").map(|e| e.expect("an entry").file_name());
    let names =
        tools.fold(Synthetic::new("coreutils-from-uutils", "1").field("Depends", "rust-coreutils"), |p, name| {
            let name = name.to_string_lossy();
            p.link(&format!("usr/bin/{name}"), &format!("../lib/cargo/bin/coreutils/{name}"))
        });
    let empty = Synthetic::new("coreutils", "99").field("Depends", "coreutils-from-uutils");
    [names, empty].map(|package| package.build(&project.path("debs")))
}

/// The package whose script looks at the tools.
fn probe(project: &Project) -> Deb {
    let overlay = root_folder().join("guest-components/overlay");
    let scripts = [
        "usr/lib/helix/data-disk",
        "usr/lib/helix/ssh-host-keys",
        "etc/kernel/install.d/95-helix-gunzip.install",
        "etc/initramfs-tools/hooks/helix",
    ];
    let package = Synthetic::new("probe", "1").field("Depends", "diffutils, grep, gzip");
    let package = package.file("DEBIAN/postinst", 0o755, PROBE).file("usr/share/probe/scripts", 0o644, SCRIPTS);
    let package = scripts.iter().fold(package, |package, name| {
        let text = std::fs::read(overlay.join(name)).expect("a script of the overlay");
        package.file(&format!("usr/share/probe/overlay/{name}"), 0o755, text)
    });
    let package = MADE_UP.iter().fold(package, |package, (name, text)| {
        package.file(&format!("usr/share/probe/bin/{name}"), 0o755, format!("#!/bin/sh\n{text}\n"))
    });
    package.build(&project.path("debs"))
}

/// The mini system with everything real in it from Debian's development release, and coreutils as Ubuntu has them.
fn project() -> Project {
    let mut project = Project::new();
    let own = project.path("debs");
    project.mini.debs.retain(|deb| deb.file.starts_with(&own));
    let wanted = [&OTHERS[..], &["rust-coreutils"]].concat();
    let host = Arch::host().expect("a known architecture");
    let mut real = Debian::sid(Arch::Arm64).debs(&wanted);
    if host != Arch::Arm64 {
        let twins = Debian::sid(host).debs(&wanted);
        real.extend(twins.into_iter().filter(|deb| deb.field("Architecture") == Some(host.debian_name())));
    }
    real.retain(|deb| deb.name() != "coreutils");
    let rust = real.iter().find(|deb| deb.name() == "rust-coreutils").expect("rust-coreutils").clone();
    real.extend(coreutils(&project, &rust));
    let essential = |deb: &Deb| OTHERS.contains(&deb.name()) || deb.name() == "coreutils";
    let marked = real.into_iter().map(|deb| {
        let mark = essential(&deb).then_some("yes");
        deb.with("Essential", mark)
    });
    project.mini.debs.extend(marked);
    project.mini.replace(probe(&project));
    std::fs::remove_dir_all(project.site().join("mini/pool")).expect("the pool can be emptied");
    project.publish(&project.suite());
    project.edit("mini-tool]", "mini-tool, probe]");
    project
}

/// The tree of packages, which is the only one with what the probe wrote.
fn tree(project: &Project) -> PathBuf {
    let entries = std::fs::read_dir(project.cache().join("trees")).expect("trees").map(|e| e.expect("an entry").path());
    let mut trees = entries.map(|entry| entry.join("tree")).filter(|tree| tree.join("var/lib/probe").exists());
    trees.next().expect("a tree with what the probe wrote")
}

#[test]
fn coreutils_in_rust_run_as_twins_under_their_names_and_the_overlays_scripts_run_with_them() {
    let project = project();
    project.run(&["build-image", "mini", "--until", "packages"]).ends_with(0);
    let tree = tree(&project);
    let read = |name: &str| std::fs::read_to_string(tree.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let probed = |name: &str| read(&format!("var/lib/probe/{name}"));
    let host = Arch::host().expect("a known architecture");
    for (tool, arch) in
        [("ls", host), ("env", host), ("cut", host), ("tr", host), ("sync", host), ("uname", Arch::Arm64)]
    {
        let loaded = probed(&format!("loaded-{tool}"));
        assert!(loaded.contains(&format!("/{}/libc.so", arch.triplet())), "{tool} is not of {arch}:\n{loaded}");
    }
    assert_eq!(probed("listed"), "helix\n");
    assert_eq!(probed("environment"), "seven\n");
    assert_eq!(probed("machine"), "aarch64\n");

    assert_eq!(read("var/lib/helix/data/volumes/v/file"), "kept\n");
    assert_eq!(read("var/lib/helix/data/machine-id"), "0123456789abcdef0123456789abcdef\n");
    assert_eq!(read("var/lib/helix/data/ssh/ssh_host_ed25519_key.pub"), "key\n");
    assert_eq!(probed("unpacked"), "kernel\n");
    assert!(probed("modules").starts_with("xfs "));
    assert_eq!(probed("left"), "");
}
