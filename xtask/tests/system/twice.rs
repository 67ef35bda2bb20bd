//! The quickstart image, built twice from one lock in surroundings that differ in everything that must not matter.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{LOCKS, Project, Run, copy_folder, inside, root_folder, warm};

/// What must be the same.
const SAME: [&str; 3] = ["disk.qcow2", "sbom.cdx.json", "files.zst"];
/// The memory that a cache in memory takes, in KiB, with some to spare.
const NEEDED_KIB: u64 = 12 << 20;

/// A copy of the project's data at `root`, with the locks that the cache can answer.
fn checkout(root: &Path) {
    copy_folder(warm().recipes(), &root.join("recipes"));
    // As a checkout has them: links, and modes that git keeps.
    let mut copy = Command::new("cp");
    copy.arg("-a").arg(root_folder().join("guest-components")).arg(root);
    assert!(copy.status().expect("cp runs").success());
}

/// Gives a cache the package files that both builds need; trees are made anew.
fn lend_packages(cache: &Path) {
    for name in LOCKS {
        warm().packages(name).for_each(|p| warm().lend(&p, cache));
    }
}

struct Surroundings {
    umask: &'static str,
    locale: &'static str,
    zone: &'static str,
    threads: &'static str,
}

/// Builds quickstart in `root`; with `in_memory` the cache is a tmpfs that only the build sees.
fn build(program: &Path, root: &Path, with: &Surroundings, in_memory: bool) -> PathBuf {
    checkout(root);
    let cache = root.join("cache");
    lend_packages(&cache);
    let mount = "cp -a \"$HELIX_CACHE\" lent; mount -t tmpfs -o size=20g,mode=755 none \"$HELIX_CACHE\"; cp -a lent/. \"$HELIX_CACHE\"";
    let script = format!(
        "{}; umask {}; exec \"$XTASK\" build-image quickstart --no-test --locked --offline --threads {}",
        if in_memory { mount } else { ":" },
        with.umask,
        with.threads,
    );
    let mut command = inside(&script, true);
    command.current_dir(root).env("XTASK", program);
    command.env("HELIX_ROOT", root).env("HELIX_CACHE", &cache).env("LC_ALL", with.locale).env("TZ", with.zone);
    Run::of(command).ends_with(0);
    root.join("target/images/quickstart")
}

/// The memory that is to be had, in KiB.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").expect("/proc/meminfo");
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:")).expect("MemAvailable");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn two_builds_of_one_lock_are_the_same_byte_for_byte() {
    let place = tempfile::Builder::new().prefix("t").tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let in_memory = memory() > NEEDED_KIB;
    if !in_memory {
        eprintln!("less than {} GiB of memory: both caches are on the disk", NEEDED_KIB >> 20);
    }
    let one = Surroundings { umask: "022", locale: "C.UTF-8", zone: "UTC", threads: "1" };
    let other = Surroundings { umask: "077", locale: "tr_TR.UTF-8", zone: "Pacific/Chatham", threads: "2" };
    let started = std::time::Instant::now();
    // A copy: a developer may compile the next version while this one is tested.
    let program = place.path().join("xtask");
    std::fs::copy(env!("CARGO_BIN_EXE_xtask"), &program).expect("a copy of the program");
    let first = build(&program, &place.path().join("one"), &one, false);
    eprintln!("built after {:.0} s", started.elapsed().as_secs_f32());
    let second = build(&program, &place.path().join("another-place/deep/inside"), &other, in_memory);
    eprintln!("built again after {:.0} s", started.elapsed().as_secs_f32());
    assert_same(&first, &second);
}

/// Asserts that two images are one.
fn assert_same(first: &Path, second: &Path) {
    let digest = |dir: &Path, name: &str| helix_rootfs::fetch::sha256_of(&dir.join(name)).expect("a file of an image");
    let differ: Vec<&str> = SAME.into_iter().filter(|name| digest(first, name) != digest(second, name)).collect();
    assert!(differ.is_empty(), "{} differ between two builds:\n{}", differ.join(", "), differences(first, second));
}

/// What `diff` says of two images that should be one, and where their disks differ first.
fn differences(first: &Path, second: &Path) -> String {
    let mut diff = Command::new(env!("CARGO_BIN_EXE_xtask"));
    diff.arg("diff").arg(first).arg(second);
    let text = Run::of(diff).stdout;
    format!("{text}the disks differ at {}", first_differences(first, second).join(", "))
}

/// The first places, as byte offsets on the virtual disk, where two disks differ.
fn first_differences(first: &Path, second: &Path) -> Vec<String> {
    const BLOCK: usize = 4096;
    const SHOWN: usize = 12;
    let open = |dir: &Path| {
        let file = std::fs::File::open(dir.join("disk.qcow2")).expect("a disk");
        helix_disk::qcow2::Reader::open(file).expect("a qcow2 image")
    };
    let (mut one, mut other) = (open(first), open(second));
    let (mut a, mut b) = (vec![0; BLOCK], vec![0; BLOCK]);
    let mut found = Vec::new();
    // Whatever differs does so near the beginning: file systems are filled from there.
    for offset in (0..one.virtual_size().min(other.virtual_size()).min(6 << 30)).step_by(BLOCK) {
        one.read_at(offset, &mut a).expect("a readable disk");
        other.read_at(offset, &mut b).expect("a readable disk");
        if let Some(at) = a.iter().zip(&b).position(|(x, y)| x != y) {
            found.push(format!(
                "{:#x} ({:02x?}… and {:02x?}…)",
                offset + at as u64,
                &a[at..][..8.min(BLOCK - at)],
                &b[at..][..8.min(BLOCK - at)]
            ));
        }
        if found.len() == SHOWN {
            break;
        }
    }
    found
}

#[test]
fn a_small_image_is_the_same_with_a_cache_in_memory() {
    let project = Project::new();
    project.build().ends_with(0);
    let first = project.path("first");
    std::fs::rename(project.output(), &first).expect("the image can be moved");
    let script = "\
        mkdir small
        mount -t tmpfs -o size=16g,mode=755 none small
        cp -a cache/packages cache/tools small/
        export HELIX_CACHE=$PWD/small LC_ALL=tr_TR.UTF-8 TZ=Pacific/Chatham
        umask 077
        exec \"$XTASK\" build-image mini --no-test --locked --offline --threads 1";
    project.run_inside(script, true).ends_with(0);
    assert_same(&first, &project.output());
}
