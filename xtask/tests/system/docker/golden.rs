//! Our data root and the one that an engine writes for the same images hold the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use helix_docker_graph::Digest;
use serde_json::Value;

use super::craft::{Crafted, Format, archive, file, folder, hard_link, layer, saved, symlink, v1};
use super::engine::{Engine, RELEASES};
use super::engines::{graph, graph_of, odd_image, scratch};

/// A file of a tree: kind, mode, owner, time, content or target, attributes.
type Line = (u32, u32, u32, (i64, i64), String, BTreeMap<String, Vec<u8>>);

/// Everything in a tree. The times of folders that no layer states are those of the moment, and left out.
fn tree(root: &Path, stated: &BTreeSet<String>) -> BTreeMap<String, Line> {
    let mut found = BTreeMap::new();
    let mut todo: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(path) = todo.pop() {
        let stat = path.symlink_metadata().expect("a file of the tree");
        let name = path.strip_prefix(root).expect("below the root").as_os_str().as_bytes().escape_ascii().to_string();
        let content = if stat.is_dir() {
            todo.extend(std::fs::read_dir(&path).expect("a folder").map(|e| e.expect("an entry").path()));
            String::new()
        } else if stat.is_symlink() {
            std::fs::read_link(&path).expect("a link").display().to_string()
        } else if stat.is_file() {
            Digest::of(&std::fs::read(&path).expect("a file")).to_string()
        } else {
            format!("device {}", stat.rdev())
        };
        let attributes = xattr::list(&path).expect("attributes").map(|key| {
            let value = xattr::get(&path, &key).expect("an attribute").unwrap_or_default();
            (key.to_string_lossy().into_owned(), value)
        });
        let attributes = attributes.collect();
        let time = if stat.is_dir() && !stated.contains(&name) { (0, 0) } else { (stat.mtime(), stat.mtime_nsec()) };
        found.insert(name, (stat.mode(), stat.uid(), stat.gid(), time, content, attributes));
    }
    found
}

/// The files about a layer: everything but the random name of its tree; the description line by line.
fn about(data: &Path, chain_id: &str) -> (BTreeMap<String, String>, Vec<Value>) {
    let folder = data.join("image/vfs/layerdb/sha256").join(chain_id);
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).expect("a layer").map(|e| e.expect("an entry")) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != "cache-id" && name != "tar-split.json.gz" {
            files.insert(name, std::fs::read_to_string(entry.path()).expect("a file"));
        }
    }
    let mut text = String::new();
    let packed = std::fs::File::open(folder.join("tar-split.json.gz")).expect("a description");
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).expect("a description");
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    (files, lines)
}

fn chain_ids(data: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(data.join("image/vfs/layerdb/sha256")).expect("the layers");
    entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn cache_folder(data: &Path, chain_id: &str) -> PathBuf {
    let file = data.join("image/vfs/layerdb/sha256").join(chain_id).join("cache-id");
    data.join("vfs/dir").join(std::fs::read_to_string(file).expect("a name"))
}

/// The raw bytes and names of a description: where one entry ends and the next begins is a matter of taste.
fn stream(lines: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut found: Vec<(String, String)> = Vec::new();
    for line in lines {
        if line["type"] == 1 {
            found.push((text(line, "name") + &text(line, "name_raw"), format!("{} {}", line["size"], line["payload"])));
            continue;
        }
        use base64::Engine;
        let bytes = base64::engine::general_purpose::STANDARD.decode(text(line, "payload")).expect("base64");
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        match found.last_mut() {
            Some((name, raw)) if name.is_empty() => raw.push_str(&hex),
            _ => found.push((String::new(), hex)),
        }
    }
    found
}

fn same_as_by(release: &str) {
    // Folders that a layer states; all others get the time at which something was put into them.
    let stated: BTreeSet<String> =
        ["bin", "usr", "tmp", "r", "only", "only/here"].into_iter().map(str::to_owned).collect();
    let second = Crafted::new(
        "second:1",
        vec![layer(
            Format::Pax,
            &[folder("only").owner(7, 8), folder("only/here").owner(0, 0), file("only/here/f", "f").owner(9, 9)],
        )],
    );
    let images = [odd_image("golden/odd:1"), second];
    let dir = scratch();
    graph(dir.path(), &images).ends_with(0);
    let (ours, theirs) = (dir.path().join("data"), dir.path().join("theirs"));
    let engine = Engine::start(release, &theirs);
    let loaded = engine.fed(&["load"], &saved(&images));
    assert_eq!(loaded.code, Some(0), "{}{}", loaded.stdout, loaded.stderr);
    drop(engine);
    assert_eq!(chain_ids(&ours), chain_ids(&theirs));
    for chain_id in chain_ids(&ours) {
        let our_tree = tree(&cache_folder(&ours, &chain_id), &stated);
        let mut their_tree = tree(&cache_folder(&theirs, &chain_id), &stated);
        if release == "bookworm" {
            // The old engine makes folders that no layer states with a mode that lets nobody in; newer ones say 755.
            let implied = their_tree.iter_mut().filter(|(name, line)| name.starts_with("nnn") && line.0 == 0o40600);
            implied.for_each(|(_, line)| line.0 = 0o40755);
        }
        for name in our_tree.keys().chain(their_tree.keys()) {
            assert_eq!(our_tree.get(name), their_tree.get(name), "{name:?} in layer {chain_id} by {release}");
        }
        let ((our_files, our_lines), (their_files, their_lines)) = (about(&ours, &chain_id), about(&theirs, &chain_id));
        assert_eq!(our_files, their_files, "about layer {chain_id}");
        let (ours, theirs) = (stream(&our_lines), stream(&their_lines));
        let differs = ours.iter().zip(&theirs).find(|(a, b)| a != b);
        assert_eq!((differs, ours.len()), (None, theirs.len()), "the description of layer {chain_id} by {release}");
    }
    let read =
        |data: &Path, file: &str| std::fs::read(data.join("image/vfs").join(file)).expect("a file of the data root");
    let names = |data: &Path| serde_json::from_slice::<Value>(&read(data, "repositories.json")).expect("names");
    assert_eq!(names(&ours), names(&theirs));
    for image in &images {
        let file = format!("imagedb/content/sha256/{}", image.id().hex());
        assert_eq!(read(&ours, &file), read(&theirs, &file));
    }
    for folder in ["", "image", "image/vfs", "image/vfs/imagedb", "image/vfs/layerdb", "vfs", "vfs/dir"] {
        let mode = |data: &Path| data.join(folder).metadata().expect("a folder").mode();
        assert_eq!(mode(&ours), mode(&theirs), "the mode of {folder:?} by {release}");
    }
}

#[test]
fn our_data_root_is_the_one_that_every_engine_writes() {
    for release in RELEASES {
        same_as_by(release);
    }
}

/// Archives that today's engines load and do not write.
fn old_archives() -> Vec<Vec<u8>> {
    let base =
        layer(Format::Gnu, &[folder("d"), file("d/a", "a"), symlink("d/up", "../../../../d")].map(|i| i.owner(0, 0)));
    let aufs = [
        folder(".wh..wh.plnk"),
        file(".wh..wh.plnk/12.34", "shared").mode(0o640),
        folder(".wh..wh.orph"),
        file(".wh..wh.orph/lost", "l"),
        hard_link("one", ".wh..wh.plnk/12.34"),
        hard_link("d/two", ".wh..wh.plnk/12.34").mode(0o600),
        file("d/up/through", "more dots than folders"),
    ];
    let aufs = layer(Format::Gnu, &aufs.map(|i| i.owner(0, 0)));
    let repositories = serde_json::json!({ "old/app": { "1": "bb2" }, "old/base": { "latest": "aa1" } });
    let old = [
        v1("aa1", "", &base),
        v1("bb2", "aa1", &aufs),
        vec![("repositories".to_owned(), repositories.to_string().into_bytes())],
    ];
    let empty = Crafted::with("empty:1", Vec::new(), |config| config["rootfs"]["diff_ids"] = Value::Null);
    let config = format!("{}.json", empty.id().hex());
    let manifest = serde_json::json!([{ "Config": config, "RepoTags": ["empty:1"], "Layers": null }]);
    let empty = [(config, empty.config), ("manifest.json".to_owned(), manifest.to_string().into_bytes())];
    vec![archive(&old.concat()), archive(&empty)]
}

#[test]
fn old_archives_become_what_an_engine_makes_of_them() {
    let dir = scratch();
    let (ours, theirs) = (dir.path().join("data"), dir.path().join("theirs"));
    // Later engines do not take the oldest kind.
    let engine = Engine::start(RELEASES[0], &theirs);
    for archive in old_archives() {
        graph_of(dir.path(), &archive).ends_with(0);
        let loaded = engine.fed(&["load"], &archive);
        assert_eq!(loaded.code, Some(0), "{}{}", loaded.stdout, loaded.stderr);
    }
    drop(engine);
    let names = |data: &Path| {
        let text = std::fs::read(data.join("image/vfs/repositories.json")).expect("names");
        serde_json::from_slice::<Value>(&text).expect("names")
    };
    assert_eq!(names(&ours), names(&theirs), "the ids of images");
    assert_eq!(chain_ids(&ours), chain_ids(&theirs));
    let stated: BTreeSet<String> = ["d".to_owned()].into();
    for chain_id in chain_ids(&ours) {
        let (mut our_tree, mut their_tree) =
            (tree(&cache_folder(&ours, &chain_id), &stated), tree(&cache_folder(&theirs, &chain_id), &stated));
        // The engine makes the folders of what it then passes over; nothing is in them.
        their_tree.retain(|name, _| ![".wh..wh.plnk", ".wh..wh.orph"].contains(&&**name));
        // A folder that a layer changes without stating it keeps its time here.
        for tree in [&mut our_tree, &mut their_tree] {
            tree.get_mut("d").expect("the folder").3 = (0, 0);
        }
        assert_eq!(our_tree, their_tree, "layer {chain_id}");
        assert_eq!(about(&ours, &chain_id).0, about(&theirs, &chain_id).0, "about layer {chain_id}");
    }
}
