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
    project.edit("archive:image.tar", "registry:127.0.0.1:1/none:1");
    refused(&project, 3, &["registry:127.0.0.1:1/none:1", "there is no such image"]);
    write(&project, "1");
    project.edit("registry:127.0.0.1:1/none:1", "archive:image.tar");
    built(&project);
}
