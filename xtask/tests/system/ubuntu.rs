//! The Ubuntu recipes, unmodified, as far as an image: against archives of Ubuntu's shape, which the test makes from
//! Debian's packages under Ubuntu's names.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use helix_command::Cmd;

use crate::support::{Deb, Project, Publication, Signature, Suite, Synthetic, warm};

/// Packages that Ubuntu has in `universe`, by the beginning of their names.
const UNIVERSE: [&str; 4] = ["docker", "containerd", "gstreamer1.0-plugins-bad", "vulkan-tools"];
/// Packages that have had a security update, by the beginning of their names.
const SECURITY: [&str; 2] = ["openssl", "libssl"];

/// Where the ESP of every image begins, and how long it may be, in bytes.
const ESP: (u64, usize) = (1 << 20, 512 << 20);

/// The packages of both architectures, those of Ubuntu's own names included.
fn packages(project: &Project) -> Vec<Deb> {
    let dir = project.path("debs");
    let host = helix_rootfs::Arch::host().expect("a known architecture").debian_name();
    let files = warm().files("arm64");
    let kernel = files.keys().find(|n| n.starts_with("linux-image-6") || n.starts_with("linux-image-7"));
    let kernel = kernel.expect("quickstart has a kernel");
    let mut debs: Vec<Deb> = files.iter().filter(|(name, _)| *name != kernel).map(|(_, f)| Deb::read(f)).collect();
    debs.push(pack_kernel(&files[kernel], &dir));
    if host != "arm64" {
        let twins = warm().files(host);
        debs.extend(twins.values().map(|f| Deb::read(f)).filter(|d| d.field("Architecture") == Some(host)));
    }
    let made_up = [
        Synthetic::new("linux-image-virtual", "6.17").field("Depends", kernel),
        Synthetic::new("ubuntu-keyring", "2026").file("usr/share/keyrings/ubuntu-archive-keyring.gpg", 0o644, "keys"),
        Synthetic::new("docker-compose-v2", "2.40").field("Depends", "docker.io"),
    ];
    debs.extend(made_up.iter().map(|s| s.build(&dir)));
    debs
}

/// The kernel's package with the kernel packed by gzip, as Ubuntu's for arm64 is.
fn pack_kernel(file: &Path, dir: &Path) -> Deb {
    let tree = dir.join("kernel");
    Cmd::new("dpkg-deb").arg("--raw-extract").arg(file).arg(&tree).run().expect("the kernel's package is unpacked");
    let boot = std::fs::read_dir(tree.join("boot")).expect("the kernel's folder").map(|e| e.expect("an entry").path());
    let kernel = boot.into_iter().find(|p| p.to_string_lossy().contains("/vmlinuz-")).expect("a kernel");
    let packed = Cmd::new("gzip").args(["--fast", "--no-name", "--stdout"]).arg(&kernel).output().expect("gzip packs");
    std::fs::write(&kernel, packed.stdout).expect("the packed kernel");
    let out = dir.join("kernel.deb");
    let build = Cmd::new("dpkg-deb").args(["--root-owner-group", "-Znone", "--build"]);
    build.arg(&tree).arg(&out).run().expect("the kernel's package is built");
    std::fs::remove_dir_all(tree).expect("the unpacked kernel");
    Deb::read(&out)
}

/// Publishes a release: its main suite, its updates (the kernel) and its security updates.
fn publish(project: &Project, archive: &str, release: &str, debs: &[Deb], expired: bool) {
    let begins = |deb: &Deb, names: &[&str]| names.iter().any(|n| deb.name().starts_with(n));
    let of = |suite: &str| -> Vec<Deb> {
        let belongs = |deb: &&Deb| match suite {
            "-updates" => begins(deb, &["linux-image"]),
            "-security" => begins(deb, &SECURITY),
            _ => !begins(deb, &SECURITY) && !begins(deb, &["linux-image"]),
        };
        debs.iter().filter(belongs).cloned().collect()
    };
    for ending in ["", "-updates", "-security"] {
        let (universe, main) = of(ending).into_iter().partition(|deb| begins(deb, &UNIVERSE));
        let mut suite = Suite::new(&format!("{release}{ending}"), "main", main);
        suite.codename = release.to_owned();
        suite.components.insert("universe".to_owned(), universe);
        suite.valid_until = expired.then(|| SystemTime::now() - Duration::from_secs(86_400));
        Publication::at(&project.site().join(archive)).publish(&suite, Signature::By(&project.key));
    }
}

/// Those of one architecture and of all.
fn of_architecture(debs: &[Deb], architecture: &str) -> Vec<Deb> {
    let fits = |d: &&Deb| matches!(d.field("Architecture"), Some(a) if a == architecture || a == "all");
    debs.iter().filter(fits).cloned().collect()
}

/// The beginning of the kernel on the ESP of an image.
fn kernel_on_esp(disk: &Path, version: &str, project: &Project) -> Vec<u8> {
    let mut image = helix_disk::qcow2::Reader::open(std::fs::File::open(disk).expect("the disk")).expect("a qcow2");
    let mut bytes = vec![0; ESP.1];
    image.read_at(ESP.0, &mut bytes).expect("the ESP can be read");
    let esp = project.path("esp.img");
    std::fs::write(&esp, bytes).expect("the ESP");
    let copy = project.path("kernel");
    let mut mcopy = Command::new("mcopy");
    mcopy.arg("-i").arg(&esp).arg(format!("::/helix/{version}/linux")).arg(&copy);
    assert!(mcopy.status().expect("mcopy runs").success(), "the kernel is not on the ESP");
    let mut start = vec![0; 2];
    std::fs::File::open(copy).and_then(|mut f| f.read_exact(&mut start)).expect("the kernel");
    start
}

#[test]
fn the_release_recipe_makes_an_image_and_its_lock_pins_it() {
    let project = Project::with_real_recipes();
    project.publish_tools();
    let debs = packages(&project);
    // As in reality: ports has no amd64, and the main archive has no arm64.
    publish(&project, "ubuntu-ports", "resolute", &of_architecture(&debs, "arm64"), false);
    publish(&project, "ubuntu", "resolute", &of_architecture(&debs, "amd64"), false);
    let build = ["build-image", "ubuntu-26.04", "--no-test", "--json"];
    let run = project.run(&[&build[..], &["--update-lock"]].concat()).ends_with(0);
    let manifest = run.json()["manifest"].clone();
    assert_eq!(manifest["resolved_recipe"]["distribution"], "ubuntu");
    let image: PathBuf = project.path("root/target/images/ubuntu-26.04");
    project.run(&["inspect", "root/target/images/ubuntu-26.04"]).ends_with(0);
    let version = manifest["kernel"].as_str().expect("the kernel's version");
    assert_eq!(kernel_on_esp(&image.join("disk.qcow2"), version, &project), *b"MZ", "an EFI program, not gzip");

    let lock = std::fs::read_to_string(project.path("root/recipes/ubuntu-26.04.lock")).expect("the lock");
    for archive in ["\"archive\":\"ubuntu\"", "\"archive\":\"ubuntu-security\""] {
        assert!(lock.contains(archive), "no package comes from {archive}");
    }
    std::fs::remove_dir_all(&image).expect("the image");
    let again = project.run(&[&build[..], &["--locked", "--offline"]].concat()).ends_with(0).json();
    assert_eq!(again["manifest"]["artifacts"], manifest["artifacts"]);
}

#[test]
fn the_recipe_of_the_release_that_ended_reads_an_archive_that_nobody_signs_anew() {
    let project = Project::with_real_recipes();
    // One tree with both architectures, as old-releases is.
    publish(&project, "ubuntu", "questing", &packages(&project), true);
    project.run(&["build-image", "ubuntu-25.10", "--until", "packages"]).ends_with(0);
    let lock = std::fs::read_to_string(project.path("root/recipes/ubuntu-25.10.lock")).expect("the lock");
    assert!(lock.contains("\"name\":\"linux-image-virtual\""));
}
