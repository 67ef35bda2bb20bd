//! Archives and layouts that engines load although they are not as today's write them.

use std::os::unix::fs::MetadataExt;

use helix_docker_graph::{Digest, Error, Image, Options, flatten, import, read_layout};
use serde_json::{Value, json};

use crate::common::{Root, names, platform};
use crate::craft::{Crafted, Format, archive, file, folder, hard_link, layer, saved, symlink, v1};
use crate::layout::{Layout, Packing, for_platform, named};

fn image(name: &str, layers: &[&[crate::craft::Item]]) -> Crafted {
    Crafted::new(name, layers.iter().map(|items| layer(Format::Pax, items)).collect())
}

fn called(images: &[Image]) -> Vec<String> {
    images.iter().map(|image| image.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn archives_from_before_docker_1_10_are_read_by_their_repositories() {
    let (low, middle) = (layer(Format::Gnu, &[folder("d"), file("d/a", "a")]), layer(Format::Gnu, &[file("b", "b")]));
    let (top, other) = (layer(Format::Gnu, &[file(".wh.b", "")]), layer(Format::Gnu, &[file("o", "o")]));
    let repositories = json!({ "old/app": { "1": "aa3", "latest": "aa3" }, "old/base": { "0.1": "aa1" } });
    let files = [
        v1("aa3", "aa2", &Packing::Gzip.pack(&top)),
        v1("aa1", "", &low),
        v1("aa2", "aa1", &middle),
        v1("bb1", "aa1", &other),
        vec![("repositories".to_owned(), repositories.to_string().into_bytes())],
    ];
    let root = Root::new();
    let images = root.read(&archive(&files.concat())).unwrap_or_else(|e| panic!("{e}"));
    let library = "docker.io/old";
    let expected = [format!("{library}/base:0.1"), format!("{library}/app:1 {library}/app:latest"), String::new()];
    assert_eq!(called(&images), expected);
    let diff_ids = |image: &Image| image.layers.iter().map(|layer| layer.diff_id.clone()).collect::<Vec<_>>();
    assert_eq!(diff_ids(&images[1]), [Digest::of(&low), Digest::of(&middle), Digest::of(&top)]);
    assert_eq!(diff_ids(&images[2]), [Digest::of(&low), Digest::of(&other)]);
    let text = String::from_utf8(images[0].config.clone()).expect("text");
    let config: Value = serde_json::from_str(&text).expect("a configuration");
    assert_eq!(config["config"]["Cmd"], json!(["/bin/true"]));
    let history = r#""history":[{"created":"2014-05-01T10:00:00.5Z","author":"Ann \u003cann@example.org\u003e",
        "created_by":"/bin/sh -c make aa1"}]"#;
    assert!(text.contains(&history.replace("\n        ", "")), "{text}");
    assert!(config.get("id").is_none() && config.get("Size").is_none(), "{text}");
    import(&root.data(), &images, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
    let app = Crafted { config: images[1].config.clone(), layers: vec![low, middle, top], name: String::new() };
    assert_eq!(names(&root.top(&app)), ["d", "d/a"]);
    root.assert_layers_come_back(&app);
    // One of them, by name or by what it was called then.
    let one = |which: &str| called(&root.read_one(&archive(&files.concat()), which, Some("n:1")).expect("one image"));
    assert_eq!(one(":old/base:0.1"), ["docker.io/library/n:1"]);
    assert_eq!(one(":bb1"), ["docker.io/library/n:1"]);
    // An image that is its own parent, one whose parent is missing, and one without its layer.
    for (files, why) in [
        (v1("aa1", "aa1", b""), "it holds no image"),
        (v1("aa2", "aa1", b""), "aa1/json is not in it"),
        (v1("aa1", "", b"")[..2].to_vec(), "aa1/layer.tar is not in it"),
        (vec![("repositories".to_owned(), b"{}".to_vec())], "neither an archive of docker save"),
    ] {
        let refused = root.read(&archive(&files)).expect_err("this is refused").to_string();
        assert!(refused.contains(why), "{refused}");
    }
    let circle = [v1("aa1", "aa2", b""), v1("aa2", "aa1", b""), v1("aa3", "aa1", b"")].concat();
    assert!(root.read(&archive(&circle)).expect_err("a circle").to_string().contains("more than 125 layers"));
}

#[test]
fn images_without_layers_are_images_however_a_list_of_nothing_is_written() {
    for nothing in [Value::Null, json!([])] {
        let empty = Crafted::with("empty:1", Vec::new(), |config| config["rootfs"]["diff_ids"] = nothing.clone());
        let id = empty.id();
        let config = format!("{}.json", id.hex());
        let manifest = json!([{ "Config": config, "RepoTags": ["empty:1"], "Layers": nothing }]);
        let root = Root::new();
        let from_archive = root.read(&archive(&[
            (config, empty.config.clone()),
            ("manifest.json".to_owned(), manifest.to_string().into_bytes()),
        ]));
        let layout = Layout::new(&root.path("layout"));
        let config = layout.blob("application/vnd.oci.image.config.v1+json", &empty.config);
        layout.index(&[named(layout.manifest(&config, &nothing), "empty:1")]);
        for images in [from_archive, read_layout(&root.path("layout"), None, &platform())] {
            let images = images.unwrap_or_else(|e| panic!("{e}"));
            let data = tempfile::tempdir().expect("a folder");
            let report = import(data.path(), &images, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!((report.added.as_slice(), report.layers), (&[id.clone()][..], 0));
            let repositories = std::fs::read_to_string(data.path().join("image/vfs/repositories.json")).expect("names");
            assert!(repositories.contains(&format!("\"empty:1\":\"{id}\"")), "{repositories}");
            assert_eq!(flatten(&images[0], data.path(), &Options::default()).expect("the same image").id, id);
        }
    }
}

#[test]
fn layers_of_an_archive_may_be_packed_in_every_way() {
    for packing in Packing::ALL {
        let image = image("packed:1", &[&[file("a", "a".repeat(9000))], &[file("b", "b")]]);
        let packed =
            Crafted { layers: image.layers.iter().map(|layer| packing.pack(layer)).collect(), ..image.clone() };
        let root = Root::new();
        root.add(&[packed]);
        root.assert_layers_come_back(&image);
    }
}

#[test]
fn bombs_of_every_packing_meet_the_limit() {
    let image = image("bomb:1", &[&[file("a", vec![0; 4 << 20])]]);
    for packing in Packing::ALL {
        let root = Root::new();
        Layout::new(&root.path("layout")).index(&[Layout::new(&root.path("layout")).image(&image, packing)]);
        let images = read_layout(&root.path("layout"), None, &platform()).unwrap_or_else(|e| panic!("{e}"));
        let limits = helix_docker_graph::Limits { bytes: 1 << 20, ..Default::default() };
        let refused = import(&root.data(), &images, &Options { limits, ..Options::default() });
        let refused = refused.expect_err("a bomb").to_string();
        assert!(refused.contains("more than 1048576 bytes"), "{packing:?}: {refused}");
    }
}

#[test]
fn layers_that_are_left_out_are_those_of_the_data_root_or_of_another_image() {
    let base = [folder("d"), file("d/a", "a")];
    let (low, high) = (image("thin/base:1", &[&base]), image("thin/top:1", &[&base, &[file("b", "b")]]));
    let config = format!("{}.json", high.id().hex());
    let thin = |layers: Value| {
        let manifest = json!([{ "Config": config, "RepoTags": ["thin/top:1"], "Layers": layers }]);
        archive(&[
            (config.clone(), high.config.clone()),
            ("top/layer.tar".to_owned(), high.layers[1].clone()),
            ("manifest.json".to_owned(), manifest.to_string().into_bytes()),
        ])
    };
    for left_out in ["", "base/layer.tar"] {
        let bytes = thin(json!([left_out, "top/layer.tar"]));
        let root = Root::new();
        let refused = import(&root.data(), &root.read(&bytes).expect("an image"), &Options::default());
        let refused = refused.expect_err("the layer is nowhere").to_string();
        assert!(refused.contains("layer 1 (sha256:") && refused.contains("is left out"), "{refused}");
        assert!(!root.data().exists());
        root.add(std::slice::from_ref(&low));
        let report = import(&root.data(), &root.read(&bytes).expect("an image"), &Options::default());
        assert_eq!(report.unwrap_or_else(|e| panic!("{e}")).layers, 1);
        root.assert_layers_come_back(&high);
        // Both at once, in either order.
        let at_once = Root::new();
        let mut images = at_once.read(&bytes).expect("an image");
        std::fs::write(at_once.path("base.tar"), saved(std::slice::from_ref(&low))).expect("an archive");
        let base = helix_docker_graph::read_archive(&at_once.path("base.tar"), None, &platform(), &at_once.path(""));
        images.extend(base.expect("an image"));
        import(&at_once.data(), &images, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
        at_once.assert_layers_come_back(&high);
    }
    // Engines clean the names in the list.
    let root = Root::new();
    root.add(std::slice::from_ref(&low));
    let images = root.read(&thin(json!(["", "./x/../top/layer.tar"]))).unwrap_or_else(|e| panic!("{e}"));
    import(&root.data(), &images, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
    root.assert_layers_come_back(&high);
    // A list that is too short leaves open which ones are meant.
    let refused = Root::new().read(&thin(json!(["top/layer.tar"]))).expect_err("a list too short").to_string();
    assert!(refused.contains("names 2 layers, its manifest 1"), "{refused}");
}

#[test]
fn links_with_more_dots_than_folders_end_at_the_root_of_the_image() {
    let base = [folder("srv"), folder("srv/www"), folder("usr"), symlink("usr/www", "../../../../srv/www")];
    let top =
        [file("usr/www/page", "p"), hard_link("page", "../../usr/www/page"), symlink("up", "../.."), file("up/x", "x")];
    let image = image("dots:1", &[&base, &top]);
    let root = Root::new();
    root.add(std::slice::from_ref(&image));
    let top = root.top(&image);
    assert_eq!(names(&top), ["page", "srv", "srv/www", "srv/www/page", "up", "usr", "usr/www", "x"]);
    let ino = |name: &str| top.join(name).metadata().expect("a file").ino();
    assert_eq!(ino("page"), ino("srv/www/page"));
    // An engine that puts the layer together follows links outside of the image: it finds no content by such a name.
    root.assert_layers_come_back(&image);
}

#[test]
fn what_aufs_left_in_a_layer_is_left_out_but_for_hard_links_to_it() {
    let base = [folder("d"), file("kept", "k")];
    let top = [
        folder(".wh..wh.plnk"),
        file(".wh..wh.plnk/345.12", "shared").mode(0o640),
        file(".wh..wh.plnk/346.12", "of no name"),
        folder(".wh..wh.orph"),
        file(".wh..wh.orph/lost/and/found", "l"),
        file(".wh..wh.aufs", ""),
        hard_link("d/one", ".wh..wh.plnk/345.12"),
        hard_link("two", "/.wh..wh.plnk/345.12").mode(0o600),
        // Only at the root are these AUFS's own; elsewhere this is the whiteout of a file with an odd name.
        file("d/.wh..wh.x", ""),
    ];
    let image = image("aufs:1", &[&base, &top]);
    let root = Root::new();
    root.add(std::slice::from_ref(&image));
    let tree = root.top(&image);
    assert_eq!(names(&tree), ["d", "d/one", "kept", "two"]);
    let stat = |name: &str| tree.join(name).metadata().expect("a file");
    assert_eq!((stat("d/one").ino(), stat("two").mode() & 0o777), (stat("two").ino(), 0o640));
    assert_eq!(std::fs::read(tree.join("two")).expect("a file"), b"shared");
    root.assert_layers_come_back(&image);
}

/// The images of a layout, by what follows its path.
fn of_layout(root: &Root, which: &str, name: Option<&str>) -> Result<Vec<Image>, Error> {
    let name = name.map(|name| name.parse().expect("a name"));
    read_layout(&root.path(&format!("layout{which}")), name.as_ref(), &platform())
}

#[test]
fn names_that_only_the_oci_allows_do_not_matter_where_another_is_given() {
    for odd in ["Team/App:1.0+build7", "app:v1/with/slash", "UPPER:x"] {
        let image = image(odd, &[&[file("a", "a")]]);
        let root = Root::new();
        let layout = Layout::new(&root.path("layout"));
        layout.index(&[named(layout.image(&image, Packing::Gzip), odd)]);
        let bytes = saved(std::slice::from_ref(&image));
        for (images, without) in [
            (of_layout(&root, "", Some("team/app:1")), of_layout(&root, "", None)),
            (root.read_one(&bytes, "", Some("team/app:1")), root.read(&bytes)),
        ] {
            assert_eq!(called(&images.unwrap_or_else(|e| panic!("{e}"))), ["docker.io/team/app:1"]);
            let refused = without.expect_err("no name for Docker").to_string();
            assert!(refused.contains(odd) && refused.contains("=NAME:TAG"), "{refused}");
        }
        // It can be asked for by that name too.
        assert_eq!(
            called(&of_layout(&root, &format!(":{odd}"), Some("b:2")).expect("the image")),
            ["docker.io/library/b:2"]
        );
    }
}

#[test]
fn one_image_of_several_can_be_asked_for() {
    let (one, two) = (image("many/one:1", &[&[file("a", "1")]]), image("many/two:2", &[&[file("a", "2")]]));
    let root = Root::new();
    let layout = Layout::new(&root.path("layout"));
    let descriptors = [one.clone(), two.clone()].map(|image| layout.image(&image, Packing::Plain));
    let digest = descriptors[1]["digest"].as_str().expect("a digest").to_owned();
    // A tag alone is no name, but can be asked for.
    layout.index(&[named(descriptors[0].clone(), "stable"), named(descriptors[1].clone(), "docker.io/many/two:2")]);
    assert_eq!(called(&of_layout(&root, "", None).expect("both")), ["", "docker.io/many/two:2"]);
    let ids = |images: Result<Vec<Image>, Error>| {
        images.unwrap_or_else(|e| panic!("{e}")).into_iter().map(|image| image.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(of_layout(&root, ":stable", None)), [one.id()]);
    assert_eq!(ids(of_layout(&root, ":many/two:2", Some("x"))), [two.id()]);
    assert_eq!(called(&of_layout(&root, &format!("@{digest}"), None).expect("the image")), ["docker.io/many/two:2"]);
    let refused = of_layout(&root, "", Some("x")).expect_err("two images").to_string();
    assert!(refused.contains("holds 2 images") && refused.contains("PATH:ITS-NAME="), "{refused}");
    assert!(of_layout(&root, ":none", None).expect_err("no such image").to_string().contains("holds no image none"));
    let bytes = saved(&[one.clone(), two.clone()]);
    assert_eq!(ids(root.read_one(&bytes, ":many/one:1", None)), [one.id()]);
    assert_eq!(ids(root.read_one(&bytes, &format!("@{}", two.id()), Some("x"))), [two.id()]);
    // A file whose own name looks like that is a file.
    std::fs::copy(root.path("archive.tar"), root.path("archive.tar:many")).expect("a copy");
    assert_eq!(ids(root.read_one(&bytes, ":many", None)), [one.id(), two.id()]);
    assert_eq!(ids(root.read_one(&bytes, ":many:many/two:2", None)), [two.id()]);
}

#[test]
fn what_is_no_image_is_passed_over_wherever_it_stands() {
    let (architecture, other) = if cfg!(target_arch = "aarch64") { ("aarch64", "amd64") } else { ("x86_64", "arm64") };
    let wanted = image("choice:1", &[&[file("a", "wanted")]]);
    let foreign = Crafted::with("choice:1", wanted.layers.clone(), |config| config["architecture"] = json!(other));
    let modern =
        Crafted::with("choice:1", wanted.layers.clone(), |config| config["created"] = json!("2024-01-01T00:00:00Z"));
    let root = Root::new();
    let layout = Layout::new(&root.path("layout"));
    let blob = layout.blob("application/vnd.in-toto+json", b"{}");
    let empty = layout.blob("application/vnd.oci.empty.v1+json", b"{}");
    let config = layout.blob("application/vnd.oci.image.config.v1+json", &wanted.config);
    let no_config = layout.blob("application/vnd.oci.image.config.v1+json", b"{}");
    let tar = layout.blob("application/vnd.oci.image.layer.v1.tar", &wanted.layers[0]);
    // Nothing in their descriptors tells these from images.
    let hidden = [
        layout.manifest(&config, &json!([blob])),
        layout.manifest(&empty, &json!([blob])),
        layout.manifest(&no_config, &json!([tar])),
        layout.image(&foreign, Packing::Plain),
        layout.nested(&[]),
    ];
    let here = |descriptor: Value, variant: &str| for_platform(descriptor, &format!("linux/{architecture}{variant}"));
    let good = layout.image(&wanted, Packing::Gzip);
    let newer = layout.image(&modern, Packing::Gzip);
    let mut inside: Vec<Value> = hidden.iter().map(|descriptor| here(descriptor.clone(), "")).collect();
    inside.extend(hidden.clone());
    inside.insert(0, here(newer.clone(), if architecture == "x86_64" { "/v3" } else { "/v9" }));
    inside.push(here(good.clone(), if architecture == "x86_64" { "/v1" } else { "/v8" }));
    let ids = |root: &Root, which: &str| {
        let images = of_layout(root, which, None).unwrap_or_else(|e| panic!("{e}"));
        images.into_iter().map(|image| image.id).collect::<Vec<_>>()
    };
    // In an index of the layout, and in one inside it.
    layout.index(&inside);
    assert_eq!(ids(&root, ""), [wanted.id()]);
    layout.index(&[named(layout.nested(&inside), "choice:1"), hidden[0].clone(), hidden[1].clone()]);
    assert_eq!(ids(&root, ""), [wanted.id()]);
    // The demanding one can be had by its digest.
    assert_eq!(ids(&root, &format!("@{}", newer["digest"].as_str().expect("a digest"))), [modern.id()]);
    // With nothing else, each says what it is.
    for (descriptor, why) in
        hidden.iter().zip(["in-toto", "oci.empty", "is empty", &format!("made for linux/{other}"), "is empty"])
    {
        layout.index(std::slice::from_ref(descriptor));
        let refused = of_layout(&root, "", None).expect_err("no image").to_string();
        assert!(refused.contains(why), "{refused}");
    }
    // Indexes of indexes of nothing end.
    let mut nothing = layout.nested(&[]);
    for _ in 0..3 {
        nothing = layout.nested(&vec![nothing; 40]);
    }
    layout.index(&[nothing]);
    assert!(of_layout(&root, "", None).expect_err("no image").to_string().contains("among the first 1000"));
}
