//! Images that are not what they should be: each is refused with its reason, and the data root stays as it was.

use std::path::Path;

use helix_docker_graph::{Error, Limits, Options, import, read_layout};
use serde_json::{Value, json};
use tar::EntryType;

use crate::common::{Root, listing, platform};
use crate::craft::{Crafted, Format, Item, file, folder, hard_link, layer, saved, symlink};
use crate::layout::{Packing, layout};

/// Tries to add images to a data root that has one already; returns the error's text.
fn refused(attempt: impl Fn(&Root) -> Result<(), Error>) -> String {
    let root = Root::new();
    attempt(&root).expect_err("this is refused");
    assert!(!root.data().exists(), "a data root was made for nothing");
    root.add(&[Crafted::new("there:1", vec![layer(Format::Pax, &[file("there", "t")])])]);
    let before = listing(&root.data());
    let error = attempt(&root).expect_err("this is refused").to_string();
    // The time of the data root's own folder is not in it.
    assert_eq!(listing(&root.data()), before, "{error}");
    error
}

fn archive_refused(bytes: &[u8]) -> String {
    refused(|root| import(&root.data(), &root.read(bytes)?, &Options::default()).map(drop))
}

fn layer_refused(items: &[Item]) -> String {
    archive_refused(&saved(&[Crafted::new("bad:1", vec![layer(Format::Pax, items)])]))
}

#[test]
fn no_name_leads_out_of_the_image() {
    for (items, reason) in [
        (&[file("../evil", "x")][..], "leads out of the layer"),
        (&[file("a/../../evil", "x")], "leads out of the layer"),
        (&[hard_link("h", "../../../etc/passwd")], "is not there"),
        (&[hard_link("h", "../..")], "is not in the layer"),
        (&[hard_link("h", "/etc/passwd")], "is not there"),
        (&[symlink("l", "/etc"), hard_link("h", "l/passwd")], "is not there"),
        (&[folder("d"), hard_link("h", "d")], "is a folder"),
        (&[file("d/.wh...", "")], "whiteout of no file"),
        (&[file("d/.wh..", "")], "whiteout of no file"),
        (&[file("f", "f"), file("f/g", "g")], "f is no folder"),
        (&[file("n".repeat(256), "x")], "has a name longer than"),
        (&[file("a/".repeat(300) + "f", "x")], "more than 256 folders deep"),
        (
            &[folder("d"), symlink("d/up", &"d/".repeat(200)), file("d/up/".to_owned() + &"x/".repeat(200) + "f", "x")],
            "folders deep",
        ),
        (&[symlink("a", "b"), symlink("b", "a"), file("a/x", "x")], "too many symbolic links"),
    ] {
        let message = layer_refused(items);
        assert!(message.contains(reason) && message.contains("layer 1 (sha256:"), "{message}");
    }
}

#[test]
fn an_absolute_name_is_taken_from_the_root_of_the_image() {
    let image = Crafted::new("good:1", vec![layer(Format::Pax, &[file("/etc/evil-but-inside", "x")])]);
    let root = Root::new();
    root.add(std::slice::from_ref(&image));
    assert!(root.top(&image).join("etc/evil-but-inside").exists());
    assert!(!Path::new("/etc/evil-but-inside").exists());
    root.assert_layers_come_back(&image);
}

#[test]
fn damaged_layers_are_named() {
    let good = layer(Format::Pax, &[file("a", "a".repeat(3000)), file("b", "b")]);
    let image = Crafted::new("bad:1", vec![good.clone()]);
    let lies = Crafted { layers: vec![layer(Format::Pax, &[file("a", "other")])], ..image.clone() };
    assert!(archive_refused(&saved(&[lies])).contains("it unpacks to sha256:"));

    let cut = |length: usize| Crafted::new("bad:1", vec![good[..length].to_vec()]);
    assert!(
        archive_refused(&saved(&[cut(2000)])).contains("ends in the middle of a"),
        "{}",
        archive_refused(&saved(&[cut(2000)]))
    );
    assert!(archive_refused(&saved(&[cut(100)])).contains("ends in the middle of a header"));
    let mut flipped = good.clone();
    flipped[0] ^= 1;
    let flipped = Crafted::new("bad:1", vec![flipped]);
    let message = archive_refused(&saved(&[flipped]));
    assert!(message.contains("checksum") || message.contains("extended header"), "{message}");
    let noise = Crafted::new("bad:1", vec![b"this is no tar stream at all, but is long enough".repeat(40)]);
    assert!(archive_refused(&saved(&[noise])).contains("tar stream"));
    let socket = Crafted::new("bad:1", vec![layer(Format::Pax, &[Item::new("s", EntryType::new(b'D'))])]);
    assert!(archive_refused(&saved(&[socket])).contains("unknown kind"));
    let hidden = [&layer(Format::Pax, &[file("a", "a")])[..], &[0; 512], &good].concat();
    // A stream that goes on after a block of zeros would have other members for another reader.
    let hidden = Crafted::new("bad:1", vec![[&hidden[..hidden.len() - good.len() - 512 - 512], &good].concat()]);
    assert!(archive_refused(&saved(&[hidden])).contains("after a block of zeros"));
}

#[test]
fn bombs_meet_their_limits() {
    let image = Crafted::new("bad:1", vec![layer(Format::Pax, &[file("a", vec![0; 1 << 20]), file("b", "b")])]);
    let limited = |limits: Limits| {
        let image = image.clone();
        refused(move |root| {
            layout(&root.path("layout"), &image, Packing::Gzip);
            let images = read_layout(&root.path("layout"), None, &platform())?;
            import(&root.data(), &images, &Options { limits, ..Options::default() }).map(drop)
        })
    };
    assert!(limited(Limits { bytes: 1 << 19, ..Limits::default() }).contains("more than 524288 bytes"));
    assert!(limited(Limits { members: 1, ..Limits::default() }).contains("more than 1 members"));
    // A sparse file of an exbibyte costs nothing in the stream.
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_path("huge").expect("a name");
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    header.as_gnu_mut().expect("GNU").set_real_size(1 << 60);
    header.set_cksum();
    let stream = [&header.as_bytes()[..], &[0; 1024]].concat();
    let message = archive_refused(&saved(&[Crafted::new("bad:1", vec![stream])]));
    assert!(message.contains("would have more than"), "{message}");
    // Hard links that each change their file cost a copy of it.
    let mut items = vec![file("f", vec![7; 1 << 20])];
    items.extend((0..50).map(|n| hard_link(&format!("l{n}"), "f").mode(0o600 + n % 2)));
    let image = Crafted::new("bad:1", vec![layer(Format::Pax, &items)]);
    let limits = Limits { bytes: 20 << 20, ..Limits::default() };
    let message =
        refused(|root| root.import(std::slice::from_ref(&image), &Options { limits, ..Options::default() }).map(drop));
    assert!(message.contains("changes too many files by hard links"), "{message}");
    // An extended header that claims to be huge.
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    header.set_size(1 << 32);
    header.set_cksum();
    let stream = [&header.as_bytes()[..], &[0; 4096]].concat();
    let message = archive_refused(&saved(&[Crafted::new("bad:1", vec![stream])]));
    assert!(message.contains("extended header of 4294967296 bytes"), "{message}");
}

#[test]
fn digests_in_a_layout_are_checked_before_anything_is_used() {
    let image = Crafted::new("bad:1", vec![layer(Format::Pax, &[file("a", "a")])]);
    for which in ["layer", "config", "manifest"] {
        let message = refused(|root| {
            let layers = layout(&root.path("layout"), &image, Packing::Gzip);
            let blobs = root.path("layout/blobs/sha256");
            let damaged = match which {
                "layer" => blobs.join(layers[0].hex()),
                "config" => blobs.join(image.id().hex()),
                _ => {
                    let index = std::fs::read_to_string(root.path("layout/index.json")).expect("an index");
                    let index: Value = serde_json::from_str(&index).expect("an index");
                    let digest = index["manifests"][0]["digest"].as_str().expect("a digest").to_owned();
                    blobs.join(&digest["sha256:".len()..])
                }
            };
            let mut bytes = std::fs::read(&damaged).expect("a blob");
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            std::fs::write(&damaged, bytes).expect("a blob");
            let images = read_layout(&root.path("layout"), None, &platform())?;
            import(&root.data(), &images, &Options::default()).map(drop)
        });
        assert!(message.contains("digest") && message.contains("nothing of it was used"), "{which}: {message}");
    }
}

/// Reads a layout whose manifest or index was changed, with all digests set right again.
fn changed_layout(change: impl Fn(&mut Value, &mut Value)) -> String {
    refused(|root| {
        let image = Crafted::new("bad:1", vec![layer(Format::Pax, &[file("a", "a")])]);
        layout(&root.path("layout"), &image, Packing::Gzip);
        let index_file = root.path("layout/index.json");
        let read = |path: &Path| -> Value {
            serde_json::from_slice(&std::fs::read(path).expect("a document")).expect("a document")
        };
        let mut index = read(&index_file);
        let digest = index["manifests"][0]["digest"].as_str().expect("a digest").to_owned();
        let mut manifest = read(&root.path("layout/blobs/sha256").join(&digest["sha256:".len()..]));
        change(&mut index, &mut manifest);
        let bytes = manifest.to_string().into_bytes();
        let digest = helix_docker_graph::Digest::of(&bytes);
        std::fs::write(root.path("layout/blobs/sha256").join(digest.hex()), &bytes).expect("a manifest");
        index["manifests"][0]["digest"] = json!(digest.to_string());
        index["manifests"][0]["size"] = json!(bytes.len());
        std::fs::write(index_file, index.to_string()).expect("an index");
        let images = read_layout(&root.path("layout"), None, &platform())?;
        import(&root.data(), &images, &Options::default()).map(drop)
    })
}

#[test]
fn manifests_that_cannot_be_used_say_why() {
    let message = changed_layout(|index, _| {
        index["manifests"][0]["platform"] = json!({ "os": "linux", "architecture": "s390x" });
    });
    assert!(message.contains("only for: linux/s390x"), "{message}");
    let media = |kind: &str| changed_layout(|_, manifest| manifest["layers"][0]["mediaType"] = json!(kind));
    assert!(media("application/vnd.oci.image.layer.v1.tar+gzip+encrypted").contains("is encrypted"));
    assert!(media("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip").contains("must not be passed on"));
    assert!(media("application/vnd.example.layer").contains("unknown type application/vnd.example.layer"));
    let message =
        changed_layout(|_, manifest| manifest["config"]["mediaType"] = json!("application/vnd.wasm.config.v1+json"));
    assert!(message.contains("it is no container image"), "{message}");
    let message =
        changed_layout(|_, manifest| manifest["layers"][0]["digest"] = json!(format!("sha256:{}", "0".repeat(64))));
    assert!(message.contains(&format!("blobs/sha256/{}", "0".repeat(64))), "{message}");
    let message = changed_layout(|_, manifest| manifest["layers"] = json!([]));
    assert!(message.contains("names 1 layers, its manifest 0"), "{message}");
    let message = changed_layout(|_, manifest| *manifest = json!({ "schemaVersion": 1, "fsLayers": [] }));
    assert!(message.contains("old version 1"), "{message}");
    let message = changed_layout(|_, manifest| manifest["layers"][0]["size"] = json!(7));
    assert!(message.contains("the manifest says 7"), "{message}");
}

#[test]
fn archives_that_are_none_say_so() {
    assert!(archive_refused(b"").contains("neither an archive of docker save nor an OCI layout"));
    assert!(archive_refused(&b"noise ".repeat(400)).contains("no tar archive"));
    let mut huge = tar::Header::new_gnu();
    huge.set_entry_type(EntryType::GNULongName);
    huge.set_size(8 << 20);
    huge.set_cksum();
    let message = archive_refused(&[&huge.as_bytes()[..], &vec![b'x'; 9 << 20]].concat());
    assert!(message.contains("an extended header of 8388608 bytes"), "{message}");
    let image = Crafted::new("bad:1", vec![layer(Format::Pax, &[file("a", "a".repeat(3000))])]);
    let whole = saved(std::slice::from_ref(&image));
    let message = archive_refused(&whole[..2500]);
    assert!(message.contains("cut off") || message.contains("no tar archive"), "{message}");
    let wrong = Crafted::with("bad:1", image.layers.clone(), |config| config["architecture"] = json!("s390x"));
    assert!(archive_refused(&saved(&[wrong])).contains("it is made for linux/s390x"));
    let windows = Crafted::with("bad:1", image.layers.clone(), |config| config["os"] = json!("windows"));
    assert!(archive_refused(&saved(&[windows])).contains("made for windows"));
    let more = Crafted::with("bad:1", image.layers.clone(), |config| {
        config["rootfs"]["diff_ids"] = json!([format!("sha256:{}", "0".repeat(64)), "sha256:x"]);
    });
    assert!(archive_refused(&saved(&[more])).contains("names 2 layers, its manifest 1"));
    let name = Crafted { name: "Not A Name".into(), ..image };
    assert!(archive_refused(&saved(&[name])).contains("\"Not A Name\" is no name of an image"));
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next() {
    let root = Root::new();
    let image = Crafted::new("a:1", vec![layer(Format::Pax, &[file("a", "a")])]);
    root.add(std::slice::from_ref(&image));
    let before = listing(&root.data());
    // Between the two moves of a layer there is a tree that nothing knows of; before them, only the staging folder.
    std::fs::create_dir_all(root.data().join(".helix-docker-graph-x/y")).expect("a folder");
    root.add(std::slice::from_ref(&image));
    assert_eq!(listing(&root.data()), before);
    let about = root.data().join("image/vfs/layerdb/sha256").join(image.diff_ids()[0].hex());
    let tree = root.top(&image);
    std::fs::remove_dir_all(&about).expect("a layer");
    std::fs::write(tree.join("half"), "made").expect("a file");
    root.add(std::slice::from_ref(&image));
    assert!(!root.top(&image).join("half").exists());
    root.assert_layers_come_back(&image);
}
