//! Container images that a recipe names: from an archive into the store on the disk.

use helix_docker_graph::Digest;
use serde_json::{Value, json};

use crate::docker::craft::{Crafted, Format, file, folder, layer, saved};
use crate::support::{Project, Run};

/// A small image for the mini recipe's architecture.
fn image(content: &str) -> Crafted {
    let root = |item: crate::docker::craft::Item| item.owner(0, 0);
    let base = layer(Format::Pax, &[root(folder("d")), root(file("d/kept", "k"))]);
    let top = layer(Format::Pax, &[root(file("top", content))]);
    Crafted::with("test/crafted:1", vec![base, top], |config| config["architecture"] = json!("arm64"))
}

fn with_image(content: &str) -> Project {
    let project = Project::new();
    write(&project, content);
    project.edit("disk:", "container-images: [{source: \"archive:image.tar\"}]\ndisk:");
    project
}

fn write(project: &Project, content: &str) {
    std::fs::write(project.path("root/recipes/image.tar"), saved(&[image(content)])).expect("an archive");
}

fn built(project: &Project) -> Value {
    project.run(&["build-image", "mini", "--no-test", "--json"]).ends_with(0).json()["manifest"].clone()
}

/// The steps that `plan` wants to do.
fn planned(project: &Project) -> Vec<String> {
    let steps = project.run(&["plan", "mini", "--json"]).ends_with(0).json();
    let wanted = steps.as_array().expect("steps").iter().filter(|s| s["cached"] == false && s["step"] != "test");
    wanted.map(|s| s["step"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn an_image_of_an_archive_is_in_the_store_and_a_changed_one_is_put_there_anew() {
    let project = with_image("1");
    let manifest = built(&project);
    let expected = json!([{
        "source": "archive:image.tar", "names": ["docker.io/test/crafted:1"], "id": image("1").id().to_string(),
        "data_root": "/var/lib/docker", "layers": image("1").diff_ids().iter().map(Digest::to_string).collect::<Vec<_>>(),
    }]);
    assert_eq!(manifest["container_images"], expected);
    let first = project.disk_digest();
    assert_eq!(planned(&project), Vec::<String>::new());

    write(&project, "2");
    assert_eq!(planned(&project), ["files", "containers", "disk"]);
    assert_eq!(built(&project)["container_images"][0]["id"], image("2").id().to_string());
    assert_ne!(project.disk_digest(), first);
    write(&project, "1");
    built(&project);
    assert_eq!(project.disk_digest(), first, "the same image makes the same disk");

    // Elsewhere, under another name, and as one layer.
    project.edit(
        "\"archive:image.tar\"}",
        "\"archive:image.tar\", name: \"other:2\", data-root: /srv/docker, flatten: true}",
    );
    let stored = built(&project)["container_images"][0].clone();
    assert_eq!(
        (&stored["names"], &stored["data_root"]),
        (&json!(["docker.io/library/other:2"]), &json!("/srv/docker"))
    );
    assert_eq!(stored["layers"].as_array().map(Vec::len), Some(1));
    assert_ne!(stored["id"], image("1").id().to_string());
}

#[test]
fn an_image_that_cannot_be_used_is_named_and_nothing_is_made() {
    let refused = |project: &Project, code: i32, phrases: &[&str]| {
        let run: Run = project.build().ends_with(code);
        run.says(phrases);
        project.assert_nothing_half_made();
    };
    let project = with_image("1");
    std::fs::write(project.path("root/recipes/image.tar"), "no archive").expect("a file");
    refused(&project, 3, &["image.tar", "archive"]);

    let other = Crafted::with("other:1", image("1").layers, |config| config["architecture"] = json!("s390x"));
    std::fs::write(project.path("root/recipes/image.tar"), saved(&[other])).expect("an archive");
    refused(&project, 3, &["it is made for linux/s390x, not for linux/arm64"]);

    let lies = Crafted { layers: vec![image("2").layers[0].clone(), image("2").layers[1].clone()], ..image("1") };
    std::fs::write(project.path("root/recipes/image.tar"), saved(&[lies])).expect("an archive");
    refused(&project, 3, &["layer 2", "nothing of it was used"]);

    std::fs::remove_file(project.path("root/recipes/image.tar")).expect("the archive");
    refused(&project, 3, &["the file `image.tar` does not exist"]);

    write(&project, "1");
    // A link of the machine hides a store.
    project.edit("\"archive:image.tar\"}", "\"archive:image.tar\", data-root: /lib/docker}");
    refused(&project, 3, &["/lib/docker cannot be a store", "/lib is no folder of the image"]);
    project.edit(", data-root: /lib/docker}", "}");
    // A server on this machine is asked directly, whatever the proxy is.
    let url = project.server.url();
    let nowhere = format!("registry:{}/none:1", url.trim_start_matches("http://").trim_end_matches('/'));
    project.edit("archive:image.tar", &nowhere);
    refused(&project, 3, &[&nowhere, "there is no such image"]);
    write(&project, "1");
    project.edit(&nowhere, "archive:image.tar");
    built(&project);
}

const CONTAINER: &str = r#"summary: A container image in layers
distribution: debian
release: mini
architecture: arm64
archives:
  - name: mini
    mirror: http://archive.invalid/mini
    suites: [mini]
    key: ../keys/test.asc
packages: [mini-data]
layers:
  - name: tool
    packages: [mini-tool]
  - name: files
    files: [{source: ../../layer}]
"#;

fn with_container() -> Project {
    let project = Project::new();
    let folder = project.path("root/recipes/containers");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("layered.yaml"), CONTAINER).expect("a recipe");
    project
}

fn edit_container(project: &Project, from: &str, to: &str) {
    let file = project.path("root/recipes/containers/layered.yaml");
    let text = std::fs::read_to_string(&file).expect("the recipe");
    assert!(text.contains(from), "the recipe has no {from:?}");
    std::fs::write(file, text.replace(from, to)).expect("the recipe");
}

/// Builds the container image; returns the names in each of its layers.
fn container_layers(project: &Project, args: &[&str]) -> Vec<Vec<String>> {
    let out = project.path("layout");
    let command = ["build-container", "layered", "--json", "--output", out.to_str().expect("a path")];
    project.run(&[&command[..], args].concat()).ends_with(0);
    let read = |digest: &Value| {
        let hex = digest.as_str().and_then(|d| d.strip_prefix("sha256:")).expect("a digest").to_owned();
        let bytes = std::fs::read(out.join("blobs/sha256").join(&hex)).expect("a blob");
        assert_eq!(Digest::of(&bytes).hex(), hex);
        bytes
    };
    let json = |bytes: &[u8]| -> Value { serde_json::from_slice(bytes).expect("JSON") };
    let index = json(&std::fs::read(out.join("index.json")).expect("an index"));
    let manifest = json(&read(&index["manifests"][0]["digest"]));
    let diff_ids = json(&read(&manifest["config"]["digest"]))["rootfs"]["diff_ids"].clone();
    let layers = manifest["layers"].as_array().expect("layers");
    assert_eq!(diff_ids, layers.iter().map(|l| l["digest"].clone()).collect::<Value>());
    let names = |bytes: Vec<u8>| {
        let mut archive = tar::Archive::new(&bytes[..]);
        let entries = archive.entries().expect("a layer").map(|e| e.expect("a member"));
        entries.map(|e| e.path().expect("a name").display().to_string()).collect()
    };
    layers.iter().map(|layer| names(read(&layer["digest"]))).collect()
}

/// The digests of the layers that were built last.
fn layer_digests(project: &Project) -> Vec<String> {
    let folder = project.path("layout");
    let platform = helix_docker_graph::Platform { architecture: "arm64".into() };
    let images = helix_docker_graph::read_layout(&folder, None, &platform).expect("the layout");
    images[0].layers.iter().map(|layer| layer.diff_id.to_string()).collect()
}

#[test]
fn a_layer_adds_packages_and_a_change_of_them_leaves_those_below() {
    let mut project = with_container();
    let layers = container_layers(&project, &[]);
    let has = |at: usize, name: &str| layers[at].iter().any(|n| n == name);
    assert!(has(0, "usr/share/zoneinfo/Etc/UTC") && has(0, "etc/apt/sources.list.d/mini.sources"), "{:?}", layers[0]);
    assert!(!has(0, "usr/bin/mini-tool"));
    for name in ["usr/bin/mini-tool", "var/lib/mini-tool/made", "var/lib/dpkg/status"] {
        assert!(has(1, name), "{name} is not in {:?}", layers[1]);
    }
    // Nothing of what the build needs, and nothing of what is below.
    for name in ["usr/sbin/policy-rc.d", "var/lib/dpkg/arch-native", "usr/share/zoneinfo/Etc/UTC", "usr/bin/sed"] {
        assert!(!has(1, name), "{name} is in {:?}", layers[1]);
    }
    assert_eq!(layers[2], ["etc/", "etc/kernel/", "etc/kernel/entry-token"]);
    let bill = std::fs::read(project.path("layout/sbom.cdx.json")).expect("a bill of materials");
    let bill: Value = serde_json::from_slice(&bill).expect("JSON");
    assert_eq!(bill["metadata"]["component"]["type"], "container");
    let names: Vec<&str> =
        bill["components"].as_array().expect("components").iter().filter_map(|c| c["name"].as_str()).collect();
    assert!(names.contains(&"mini-data") && names.contains(&"mini-tool") && names.contains(&"dpkg"), "{names:?}");

    let first = layer_digests(&project);
    container_layers(&project, &["--locked", "--offline"]);
    assert_eq!(layer_digests(&project), first);
    // The archive has a newer tool: the lock still names the old one, until it is asked to move.
    project.publish_tool(Some("2"));
    project.publish_tools();
    container_layers(&project, &["--update-lock"]);
    let second = layer_digests(&project);
    assert_eq!(second[0], first[0], "the lowest layer has none of it");
    assert_ne!(second[1], first[1]);
    // In a cache of its own everything comes out the same.
    for kind in ["trees", "packages"] {
        std::fs::remove_dir_all(project.cache().join(kind)).expect("the cache");
    }
    container_layers(&project, &[]);
    assert_eq!(layer_digests(&project), second);

    let machine = project.path("root/recipes/mini.yaml");
    let text = std::fs::read_to_string(&machine).expect("the recipe");
    let images = "container-images: [{source: \"build:containers/layered.yaml\", name: \"layered:1\"}]\ndisk:";
    std::fs::write(&machine, text.replace("disk:", images)).expect("the recipe");
    let stored = built(&project)["container_images"][0].clone();
    assert_eq!(stored["layers"], json!(second), "the same image is in a machine");
    let bill = std::fs::read(project.output().join("sbom.cdx.json")).expect("a bill of materials");
    let bill: Value = serde_json::from_slice(&bill).expect("JSON");
    let container = bill["components"].as_array().and_then(|all| all.iter().find(|c| c["type"] == "container"));
    let container = container.expect("the container image");
    assert_eq!(container["version"], stored["id"]);
    let inside = container["components"].as_array().expect("its components");
    assert!(inside.iter().any(|c| c["name"] == "mini-tool" && c["version"] == "2"), "{inside:?}");
}

#[test]
fn a_container_recipe_that_cannot_be_built_says_why_and_leaves_what_was_there() {
    let project = with_container();
    container_layers(&project, &[]);
    let before = layer_digests(&project);
    let refused = |code: i32, phrases: &[&str]| {
        let out = project.path("layout");
        let command = ["build-container", "layered", "--output", out.to_str().expect("a path")];
        project.run(&command).ends_with(code).says(phrases);
        assert_eq!(layer_digests(&project), before);
        project.assert_clean_cache();
    };
    edit_container(&project, "packages: [mini-tool]", "packages: [mini-tol]");
    refused(3, &["mini-tol"]);
    edit_container(&project, "packages: [mini-tol]", "packages: [mini-data-]");
    refused(3, &["`mini-data-` removes a package that nobody added before"]);
    edit_container(&project, "packages: [mini-data-]", "pakages: [mini-tool]");
    refused(3, &["pakages", "did you mean `packages`?"]);
    edit_container(&project, "pakages: [mini-tool]", "packages: [mini-tool]");
    // An archive that may give only some packages gives no others.
    edit_container(&project, "    key: ../keys/test.asc\n", "    key: ../keys/test.asc\n    only: [mini-data]\n");
    refused(3, &["no archive of the recipe has base-files"]);
    project.run(&["build-container", "layred"]).ends_with(2).says(&["there is no container recipe layred", "layered"]);
}

#[test]
fn docker_graph_builds_a_recipe_and_passes_on_why_it_cannot() {
    let project = with_container();
    let root = project.path("data");
    let graph = |source: &str| {
        let data = root.to_str().expect("a path");
        // Files of an image belong to many users: in namespaces of its own everybody is root.
        project
            .run_inside(&format!("\"$XTASK\" docker-graph --json --arch arm64 --data-root '{data}' '{source}'"), true)
    };
    let made = graph("build:layered=layered:1").ends_with(0).json();
    assert_eq!(
        (&made["images"][0]["names"], &made["layers_added"]),
        (&json!(["docker.io/library/layered:1"]), &json!(3))
    );
    container_layers(&project, &[]);
    let id = serde_json::from_slice::<Value>(&std::fs::read(root.join("image/vfs/repositories.json")).expect("names"));
    assert!(id.expect("JSON").to_string().contains(made["images"][0]["id"].as_str().expect("an id")));
    edit_container(&project, "packages: [mini-tool]", "packages: [mini-tol]");
    graph("build:layered=layered:2").ends_with(3).says(&["mini-tol", "building layered failed, for the reason above"]);
}

#[test]
fn a_full_disk_leaves_the_images_that_were_there() {
    let project = Project::new();
    let archive = |name: &str, size: usize| {
        let root = |item: crate::docker::craft::Item| item.owner(0, 0);
        let layers = vec![layer(Format::Pax, &[root(file(name, vec![7; size]))])];
        let image = Crafted::with(&format!("{name}:1"), layers, |config| config["architecture"] = json!("arm64"));
        std::fs::write(project.path(name), saved(&[image])).expect("an archive");
    };
    archive("small", 1 << 20);
    archive("large", 30 << 20);
    let script = r#"
        mkdir full
        mount -t tmpfs -o size=16m tmpfs full
        graph() { "$XTASK" docker-graph --arch arm64 --data-root full/data "archive:$1"; }
        code=0; graph large || code=$?
        echo "ended with $code, $(ls full | wc -l) folders"
        graph small
        find full | sort > before
        code=0; graph large || code=$?
        find full | sort > after
        cmp before after && echo "ended with $code, nothing has changed"
    "#;
    let run = project.run_inside(script, true).ends_with(0);
    assert!(run.stderr.contains("No space left on device"), "{}", run.stderr);
    assert!(run.stdout.contains("ended with 5, 0 folders"), "{}", run.stdout);
    assert!(run.stdout.contains("ended with 5, nothing has changed"), "{}", run.stdout);
}
