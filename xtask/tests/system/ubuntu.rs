//! The Ubuntu recipes, unmodified, as far as an image: against archives of Ubuntu's shape, which the test makes from
//! Debian's packages under Ubuntu's names.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use helix_command::Cmd;

use crate::support::{Deb, Project, Publication, Signature, Suite, Synthetic, warm};

mod coreutils;
mod kernel;
mod moves;
mod names;

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
fn publish(project: &Project, archive: &str, release: &str, debs: &[Deb]) {
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

/// What the desktop's recipe names and the machine's archive lacks, as packages without files.
fn desktop_packages(project: &Project, present: &[Deb]) -> Vec<Deb> {
    let dir = project.path("debs");
    let options = helix_recipe::Options { architecture: Some(helix_recipe::Architecture::Arm64), mirror: None };
    let file = project.path("root/recipes/containers/helix-ubuntu.yaml");
    let recipe = helix_recipe::load_container(&file, &options).expect("the desktop's recipe");
    let wanted = recipe.layers.iter().flat_map(|layer| &layer.packages).chain(&recipe.packages);
    let missing = |name: &&String| !present.iter().any(|d| d.name() == *name) && !name.starts_with("chromium");
    let made_up = wanted.filter(missing).map(|name| {
        let package = Synthetic::new(name, "20:1").file(&format!("usr/share/made-up/{name}"), 0o644, "ubuntu");
        // It brings the group `render`, as the real one does.
        if name == "gnome-shell" { package.field("Depends", "udev") } else { package }
    });
    made_up.map(|package| package.build(&dir)).collect()
}

/// Debian's chromium with its library, and a package that Ubuntu has too.
fn debian_packages(project: &Project) -> Vec<Deb> {
    let dir = project.path("debian-debs");
    std::fs::create_dir_all(&dir).expect("a folder for packages");
    let chromium = Synthetic::new("chromium", "156").field("Depends", "chromium-common, libjpeg62-turbo");
    let made_up = [
        chromium.file("usr/bin/chromium", 0o755, "debian"),
        Synthetic::new("chromium-common", "156"),
        Synthetic::new("chromium-sandbox", "156"),
        Synthetic::new("libjpeg62-turbo", "99"),
        Synthetic::new("unzip", "99:1").file("usr/share/made-up/unzip", 0o644, "debian"),
    ];
    made_up.iter().map(|package| package.build(&dir)).collect()
}

/// Puts a file on the server in place of one of the recipe's artifacts.
fn serve_artifact(project: &Project, text: &mut String, address: &str, digest: &str, bytes: &[u8]) {
    let name = address.rsplit('/').next().expect("an address ends with a name").replace("${architecture}", "arm64");
    std::fs::write(project.site().join(&name), bytes).expect("an artifact");
    assert!(text.contains(address) && text.contains(digest), "the recipe has no {address} with {digest}");
    let own = helix_docker_graph::Digest::of(bytes);
    *text = text.replace(address, &format!("{}/{name}", project.server.url())).replace(digest, own.hex());
}

/// Puts Ghostty and Zed on the server, and their addresses and digests into the desktop's recipe.
fn serve_editors(project: &Project) {
    let ghostty =
        Synthetic::new("ghostty", "1.3").file("usr/bin/ghostty", 0o755, "ghostty").build(&project.path("debs"));
    let mut zed = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_mode(0o755);
    zed.append_data(&mut header, "zed.app/bin/zed", &b"zed"[..]).expect("memory");
    let file = project.path("root/recipes/containers/helix-ubuntu.yaml");
    let mut text = std::fs::read_to_string(&file).expect("the recipe");
    let ghostty_url = "https://github.com/mkasberg/ghostty-ubuntu/releases/download/1.3.1-0-ppa2/ghostty_1.3.1-0.ppa2_${architecture}_25.10.deb";
    let ghostty_digest = "c6a4fd4fd786b4bdea42036650ef1724f535c4b636329f488f7ece36820d3d6b";
    let bytes = std::fs::read(&ghostty.file).expect("a package");
    serve_artifact(project, &mut text, ghostty_url, ghostty_digest, &bytes);
    let zed_url = "https://github.com/zed-industries/zed/releases/download/v1.17.2/zed-linux-aarch64.tar.gz";
    let zed_digest = "4f75332ab8155a5a62b0cdc473473cf8938959cf3cd2b0145e2975969d7e8929";
    serve_artifact(project, &mut text, zed_url, zed_digest, &zed.into_inner().expect("memory"));
    std::fs::write(&file, text).expect("the recipe");
}

/// The real recipes with archives for the machine and its desktop: Ubuntu's with both architectures, and Debian's.
fn project_with_archives() -> (Project, Vec<Deb>) {
    let project = Project::with_real_recipes();
    project.publish_tools();
    project.publish_guest();
    let debs = packages(&project);
    let all: Vec<Deb> = desktop_packages(&project, &debs).into_iter().chain(debs.clone()).collect();
    publish(&project, "ubuntu", "resolute", &all);
    let debian = debian_packages(&project);
    for (archive, suite, debs) in [("debian", "trixie", debian), ("debian-security", "trixie-security", Vec::new())] {
        let suite = Suite::new(suite, "main", debs);
        Publication::at(&project.site().join(archive)).publish(&suite, Signature::By(&project.key));
    }
    serve_editors(&project);
    (project, all)
}

/// The files of a container image that is built from a recipe, with their contents.
fn contents(project: &Project, recipe: &str) -> BTreeMap<String, Vec<u8>> {
    let layout = project.path("layout");
    project.run(&["build-container", recipe, "--output", layout.to_str().expect("a path")]).ends_with(0);
    let platform = helix_docker_graph::Platform { architecture: "arm64".into() };
    let image = helix_docker_graph::read_layout(&layout, None, &platform).expect("a layout").remove(0);
    let mut contents = BTreeMap::new();
    for blob in image.layers.iter().filter_map(|layer| layer.blob.as_ref()) {
        let stream = std::fs::File::open(&*blob.file).expect("a layer");
        for entry in tar::Archive::new(stream).entries().expect("a layer") {
            let mut entry = entry.expect("a member");
            let name = entry.path().expect("a name").display().to_string();
            let mut text = Vec::new();
            entry.read_to_end(&mut text).expect("a member");
            contents.insert(name, text);
        }
    }
    std::fs::remove_dir_all(layout).expect("the layout");
    contents
}

/// Chromium alone comes from Debian, and the editors from their projects.
fn check_desktop(contents: &BTreeMap<String, Vec<u8>>) {
    for (name, text) in [
        ("usr/share/made-up/unzip", "ubuntu"),
        ("usr/bin/chromium", "debian"),
        ("usr/bin/ghostty", "ghostty"),
        ("opt/zed/bin/zed", "zed"),
    ] {
        assert_eq!(contents.get(name).map(|t| String::from_utf8_lossy(t)).as_deref(), Some(text), "{name}");
    }
    for name in ["usr/local/bin/ghostty", "usr/local/bin/zed", "usr/local/bin/helix-desktop", "home/helix/"] {
        assert!(contents.contains_key(name), "{name} is not in the image");
    }
    let preferences = String::from_utf8_lossy(&contents["etc/apt/preferences.d/debian.pref"]).into_owned();
    assert!(preferences.contains("Package: *\nPin: release n=trixie\nPin-Priority: -1"), "{preferences}");
}

/// A recipe that adds a program of its own to the desktop, as the book has it for those that connect it to Helix.
fn add_bridge(project: &Project) {
    let program = b"#!/bin/sh\n";
    let folder = project.path("root/recipes/containers");
    std::fs::write(folder.join("desktop-bridge"), program).expect("a program");
    let digest = helix_docker_graph::Digest::of(program);
    let text = format!(
        "extends: helix-ubuntu.yaml\nsummary: The desktop with its bridge\nlayers:\n  - name: bridge\n    artifacts:\n      \
         - {{url: \"file:desktop-bridge\", sha256: {}, target: /usr/local/bin/desktop-bridge}}\n",
        digest.hex()
    );
    std::fs::write(folder.join("bridge.yaml"), text).expect("a recipe");
}

#[test]
fn the_release_recipe_makes_an_image_with_the_desktop_in_it_and_its_lock_pins_both() {
    let (project, _) = project_with_archives();
    let build = ["build-image", "ubuntu-26.04", "--no-test", "--json"];
    let run = project.run(&[&build[..], &["--update-lock"]].concat()).ends_with(0);
    let manifest = run.json()["manifest"].clone();
    // Nobody had solved them before.
    assert_eq!(manifest["unverified"], serde_json::json!(["ubuntu-26.04", "helix-ubuntu"]));
    assert_eq!(manifest["resolved_recipe"]["distribution"], "ubuntu");
    assert_eq!(manifest["container_images"][0]["names"], serde_json::json!(["docker.io/helix/ubuntu:latest"]));
    let image: PathBuf = project.path("root/target/images/ubuntu-26.04");
    project.run(&["inspect", "root/target/images/ubuntu-26.04"]).ends_with(0);
    let version = manifest["kernel"].as_str().expect("the kernel's version");
    assert_eq!(kernel_on_esp(&image.join("disk.qcow2"), version, &project), *b"MZ", "an EFI program, not gzip");

    for name in ["ubuntu-26.04", "containers/helix-ubuntu"] {
        let lock = project.path(&format!("root/recipes/{name}.lock"));
        let lock = std::fs::read_to_string(lock).expect("the lock");
        // One is in the security updates alone.
        for package in ["libssl3t64", "libc6"] {
            let of_ubuntu =
                |line: &str| line.contains(&format!("\"{package}\"")) && line.contains("\"archive\":\"ubuntu\"");
            assert!(lock.lines().any(of_ubuntu), "{name}: {package} does not come from Ubuntu");
        }
    }
    std::fs::remove_dir_all(&image).expect("the image");
    let again = project.run(&[&build[..], &["--locked", "--offline"]].concat()).ends_with(0).json();
    assert_eq!(again["manifest"]["artifacts"], manifest["artifacts"]);
    assert_eq!(again["manifest"]["unverified"], serde_json::Value::Null);

    check_desktop(&contents(&project, "helix-ubuntu"));
    add_bridge(&project);
    let extended = contents(&project, "bridge");
    check_desktop(&extended);
    assert_eq!(extended["usr/local/bin/desktop-bridge"], b"#!/bin/sh\n");
}
