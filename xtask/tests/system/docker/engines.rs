//! Engines start on our data root and do with its images everything that they do with their own.

use std::collections::BTreeMap;
use std::io::Read;

use helix_docker_graph::Digest;

use super::craft::{Crafted, Format, Item, device, fifo, file, folder, hard_link, layer, saved, symlink};
use super::engine::{Engine, busybox};
use crate::support::Run;

/// An image with a shell and everything that is odd but allowed.
pub(crate) fn odd_image(name: &str) -> Crafted {
    let root = |item: Item| item.owner(0, 0);
    let base = [
        root(folder("bin")),
        root(file("bin/busybox", busybox())).mode(0o755),
        root(hard_link("bin/sh", "bin/busybox")).mode(0o755),
        root(folder("etc")),
        root(file("etc/passwd", "root:x:0:0:root:/:/bin/sh\n")),
        root(file("etc/gone", "gone")),
        root(folder("usr")),
        root(folder("usr/lib")),
        root(symlink("lib", "usr/lib")),
        folder("d").mode(0o700).owner(5, 6),
        file("d/a", "a".repeat(5000)).mode(0o4755).owner(1000, 1000),
        root(folder("d/s")),
        root(file("d/s/x", "x")),
        root(folder("tmp")).mode(0o1777),
        // A file capability (cap_net_raw) whose bytes hold a line break.
        root(file("capable", "c"))
            .mode(0o755)
            .xattr("security.capability", &[1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        root(fifo("fifo")).mode(0o600),
        root(device("null", 1, 3)).mode(0o666),
        file("big-owner", "big").owner(3_000_000, 4_000_000),
        root(file(format!("{0}/{0}/{0}", "n".repeat(90)), "long")),
        root(folder("r")),
        root(file("r/f", "1")),
        root(file("same", "one")),
        root(file("caf\u{e9}", "name")),
    ];
    let middle = [
        root(file("etc/.wh.gone", "")),
        root(file("d/.wh..wh..opq", "")),
        root(file("d/new", "new")).time(7, 0),
        root(file("r", "now a file")),
        root(file("lib/through", "through a link")),
        root(hard_link("passwd", "etc/passwd")).time(super::craft::TIME.0, 0),
        root(file("same", "two")),
        root(file("g".repeat(200), "GNU")),
    ];
    let top = [root(folder("r")), root(file("r/again", "folder again")).mode(0o640), root(file("empty", ""))];
    Crafted::new(name, vec![layer(Format::Pax, &base), layer(Format::Gnu, &middle), layer(Format::Pax, &top)])
}

/// The digests of the layers in an archive of `docker save`, in their order.
pub(crate) fn saved_layers(archive: &[u8]) -> Vec<Digest> {
    let mut members = BTreeMap::new();
    let mut links = Vec::new();
    for entry in tar::Archive::new(archive).entries().expect("an archive") {
        let mut entry = entry.expect("a member");
        let name = entry.path().expect("a name").display().to_string();
        if entry.header().entry_type().is_symlink() {
            let to = entry.link_name().expect("a link").expect("a link").display().to_string();
            links.push((name, to.trim_start_matches("../").to_owned()));
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("a member");
        members.insert(name, bytes);
    }
    for (name, to) in links {
        let bytes = members[&to].clone();
        members.insert(name, bytes);
    }
    let manifest: serde_json::Value = serde_json::from_slice(&members["manifest.json"]).expect("a manifest");
    let layers = manifest[0]["Layers"].as_array().expect("layers");
    layers.iter().map(|name| Digest::of(&members[name.as_str().expect("a name")])).collect()
}

/// Runs `docker-graph` on an archive with these images.
pub(crate) fn graph(dir: &std::path::Path, images: &[Crafted]) -> Run {
    graph_of(dir, &saved(images))
}

/// Runs `docker-graph` on an archive.
pub(crate) fn graph_of(dir: &std::path::Path, bytes: &[u8]) -> Run {
    let archive = dir.join("archive.tar");
    std::fs::write(&archive, bytes).expect("an archive");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["docker-graph", "--json", "--data-root"]).arg(dir.join("data"));
    command.arg(format!("archive:{}", archive.display()));
    Run::of(command)
}

pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("d").tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

fn works_in(release: &str) {
    let dir = scratch();
    let image = odd_image("odd:1");
    let document = graph(dir.path(), std::slice::from_ref(&image)).ends_with(0).json();
    assert_eq!((&document["layers_added"], &document["left_out"]), (&3.into(), &serde_json::json!([])));
    let data = dir.path().join("data");
    let engine = Engine::start(release, &data);
    assert_eq!(engine.says(&["info", "--format", "{{.Driver}}"]), "vfs");
    assert_eq!(engine.says(&["images", "--quiet", "--no-trunc"]), image.id().to_string());
    let diff_ids: Vec<String> = image.diff_ids().iter().map(ToString::to_string).collect();
    let layers = engine.says(&["inspect", "--format", "{{join .RootFS.Layers \" \"}}", "odd:1"]);
    assert_eq!(layers, diff_ids.join(" "));
    let history = engine.says(&["history", "--no-trunc", "--format", "{{.CreatedBy}} {{.Size}}", "odd:1"]);
    assert!(history.starts_with("layer 2 12B\nlayer 1 "), "{history}");
    assert!(engine.says(&["system", "df"]).contains("Images"));

    // A running engine's data root is left alone.
    let run = graph(dir.path(), &[odd_image("odd:2")]).ends_with(4);
    assert!(run.stderr.contains("a Docker engine is running on this data root"), "{}", run.stderr);

    let script = "cat same lib/through r/again passwd && ls d && test -p fifo && test -c null && test -u bin/busybox || stat -c '%a %u %g' d big-owner";
    let run = ["run", "--rm", "--network", "none", "odd:1"];
    let said = engine.says(&[&run[..], &["sh", "-c", script]].concat());
    let expected = "twothrough a linkfolder againroot:x:0:0:root:/:/bin/sh\nnew\n700 5 6\n644 3000000 4000000";
    assert_eq!(said, expected);
    assert_eq!(saved_layers(&engine.saved("odd:1")), image.diff_ids());

    // Images on top of ours.
    engine.says(&["run", "--network", "none", "--name", "changed", "odd:1", "sh", "-c", "echo hello > new; rm same"]);
    assert_eq!(engine.says(&["diff", "changed"]), "A /new\nD /same");
    engine.says(&["commit", "changed", "odd:committed"]);
    let dockerfile = b"FROM odd:committed\nRUN cat new > built\n";
    let built = engine.fed(&["build", "--network", "none", "--tag", "odd:built", "-"], dockerfile);
    assert_eq!(built.code, Some(0), "{}{}", built.stdout, built.stderr);
    let built = ["run", "--rm", "--network", "none", "odd:built", "sh", "-c", "cat built"];
    assert_eq!(engine.says(&built), "hello");
    engine.says(&["tag", "odd:1", "other/name:1"]);

    // A newer image that shares layers with the one that is there.
    let mut layers = image.layers.clone();
    layers[2] = layer(Format::Pax, &[file("newer", "newer").owner(0, 0)]);
    let newer = Crafted::new("odd:newer", layers);
    let loaded = engine.fed(&["load"], &saved(std::slice::from_ref(&newer)));
    assert_eq!(loaded.code, Some(0), "{}{}", loaded.stdout, loaded.stderr);
    assert_eq!(
        engine.says(&["run", "--rm", "--network", "none", "odd:newer", "sh", "-c", "cat newer same"]),
        "newertwo"
    );
    assert_eq!(saved_layers(&engine.saved("odd:newer")), newer.diff_ids());
    let trees = |count: usize| {
        let there = std::fs::read_dir(data.join("vfs/dir")).expect("the trees").count();
        assert_eq!(there, count, "trees in the data root");
    };
    engine.says(&["rm", "changed"]);
    engine.says(&["rmi", "odd:built", "odd:committed", "other/name:1", "odd:1"]);
    // Two layers are still used.
    trees(3);
    engine.says(&["rmi", "odd:newer"]);
    trees(0);
    let layers = data.join("image/vfs/layerdb/sha256");
    assert_eq!(std::fs::read_dir(layers).expect("the layers").count(), 0);
}

#[test]
fn the_engine_of_debian_12_takes_our_data_root_for_its_own() {
    works_in("bookworm");
}

#[test]
fn the_engine_of_debian_13_takes_our_data_root_for_its_own() {
    works_in("trixie");
}

#[test]
fn the_newest_engine_in_debian_takes_our_data_root_for_its_own() {
    works_in("testing");
}

#[test]
fn what_an_engine_made_is_added_to() {
    let dir = scratch();
    let data = dir.path().join("data");
    let first = odd_image("odd:1");
    {
        let engine = Engine::start("trixie", &data);
        let loaded = engine.fed(&["load"], &saved(std::slice::from_ref(&first)));
        assert_eq!(loaded.code, Some(0), "{}{}", loaded.stdout, loaded.stderr);
    }
    let mut layers = first.layers.clone();
    layers.push(layer(Format::Pax, &[hard_link("again", "same").owner(0, 0), file("etc/.wh.passwd", "").owner(0, 0)]));
    let second = Crafted::new("odd:2", layers);
    let document = graph(dir.path(), &[first.clone(), second.clone()]).ends_with(0).json();
    assert_eq!(document["layers_added"], 1, "the engine's own layers are used");
    let engine = Engine::start("trixie", &data);
    assert_eq!(engine.says(&["run", "--rm", "--network", "none", "odd:2", "sh", "-c", "cat again same"]), "twotwo");
    for image in [first, second] {
        assert_eq!(saved_layers(&engine.saved(&image.name)), image.diff_ids());
    }
}
