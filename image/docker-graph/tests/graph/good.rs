//! Images that are as they should be, however odd.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use helix_docker_graph::{Options, Sharing, flatten, import, read_layout};

use crate::common::{Root, chain, listing, names, platform};
use crate::craft::{Crafted, Format, TIME, device, fifo, file, folder, hard_link, layer, saved, symlink};
use crate::layout::{Packing, layout};

fn image(name: &str, layers: &[&[crate::craft::Item]]) -> Crafted {
    Crafted::new(name, layers.iter().map(|items| layer(Format::Pax, items)).collect())
}

#[test]
fn whiteouts_and_opaque_folders_hide_what_is_below() {
    let base = [folder("d"), file("d/a", "a"), folder("d/s"), file("d/s/x", "x"), file("gone", "g"), file("kept", "k")];
    let top = [file(".wh.gone", ""), file("d/.wh..wh..opq", ""), file("d/new", "n")];
    let image = image("craft:1", &[&base, &top]);
    let root = Root::new();
    root.add(std::slice::from_ref(&image));
    assert_eq!(names(&root.top(&image)), ["d", "d/new", "kept"]);
    assert_eq!(names(&root.tree(&chain(&image)[0])), ["d", "d/a", "d/s", "d/s/x", "gone", "kept"]);
    root.assert_layers_come_back(&image);
}

#[test]
fn modes_times_and_names_are_kept() {
    let long = format!("{}/{}/{}", "n".repeat(90), "m".repeat(90), "o".repeat(90));
    let items = [
        folder("d").mode(0o1777).time(5, 0),
        file("d/setuid", "x").mode(0o6755),
        file(b"not\xffutf8", "raw"),
        file(&long, "long"),
        fifo("pipe").mode(0o600),
        symlink("link", "/nowhere").time(77, 5),
        file("old", "1970").time(0, 0),
    ];
    for format in [Format::Pax, Format::Gnu] {
        // A raw name is for the header alone; PAX records are UTF-8.
        let image = Crafted::new("craft:1", vec![layer(format, &items)]);
        let root = Root::new();
        root.add(std::slice::from_ref(&image));
        let found = listing(&root.top(&image));
        let nanoseconds = if format == Format::Pax { TIME.1 } else { 0 };
        let has = |name: &str, beginning: &str, end: &str| {
            let line = found.get(name).unwrap_or_else(|| panic!("{name} is not in {found:?}"));
            assert!(line.starts_with(beginning) && line.contains(end), "{name}: {line}");
        };
        has("d", "1777 ", " 5.000000000 folder");
        has("d/setuid", "6755 ", &format!(" {}.{nanoseconds:09} ", TIME.0));
        has("not\\xffutf8", "644 ", " ");
        has(&long, "644 ", " ");
        has("pipe", "600 ", " fifo");
        has(
            "link",
            "777 ",
            if format == Format::Pax { " 77.000000005 -> /nowhere" } else { " 77.000000000 -> /nowhere" },
        );
        has("old", "644 ", if format == Format::Pax { " 0.000000000 " } else { " 0." });
        root.assert_layers_come_back(&image);
    }
}

#[test]
fn hard_links_hold_within_a_layer_and_across_layers_and_change_no_layer_below() {
    let base = [file("a", "content"), hard_link("b", "a"), file("other", "o")];
    let top = [hard_link("c", "a"), file("d", "d"), hard_link("e", "d"), hard_link("s", "other").mode(0o600)];
    let image = image("craft:1", &[&base, &top]);
    let root = Root::new();
    root.add(std::slice::from_ref(&image));
    let (low, high) = (root.tree(&chain(&image)[0]), root.top(&image));
    let ino = |path: std::path::PathBuf| path.symlink_metadata().expect("a file").ino();
    assert_eq!(ino(low.join("a")), ino(low.join("b")));
    for name in ["a", "b", "c"] {
        assert_eq!(ino(high.join(name)), ino(low.join("a")), "{name} shares the data of the layer below");
    }
    assert_eq!(ino(high.join("d")), ino(high.join("e")));
    // The header of the link changes the file, but only from here on.
    let mode = |path: std::path::PathBuf| path.symlink_metadata().expect("a file").permissions().mode() & 0o7777;
    assert_eq!((mode(high.join("s")), mode(high.join("other")), mode(low.join("other"))), (0o600, 0o600, 0o644));
    root.assert_layers_come_back(&image);
}

#[test]
fn a_path_twice_in_a_layer_is_the_last_and_the_layer_comes_back() {
    // Engines refuse such a layer; nothing in it is wrong.
    let items = [
        file("twice", "first, and longer"),
        file("x", "between"),
        file("./twice", "second"),
        folder("f"),
        file("f/inside", "i"),
        file("f", "no folder any more"),
        file("g", "a file"),
        folder("g"),
        file("g/inside", "i"),
    ];
    let image = image("craft:1", &[&items]);
    let root = Root::new();
    root.add(std::slice::from_ref(&image));
    let top = root.top(&image);
    assert_eq!(names(&top), ["f", "g", "g/inside", "twice", "x"]);
    assert_eq!(std::fs::read_to_string(top.join("twice")).expect("a file"), "second");
    root.assert_layers_come_back(&image);
}

#[test]
fn files_through_links_of_the_image_stay_in_it_and_come_back() {
    let base = [folder("usr"), folder("usr/lib"), symlink("lib", "usr/lib"), symlink("abs", "/usr/lib")];
    let top = [file("lib/relative", "r"), file("abs/absolute", "a"), file("implied/folder/f", "i")];
    let image = image("craft:1", &[&base, &top]);
    let root = Root::new();
    root.add(std::slice::from_ref(&image));
    let top = root.top(&image);
    assert_eq!(std::fs::read_to_string(top.join("usr/lib/relative")).expect("a file"), "r");
    assert_eq!(std::fs::read_to_string(top.join("usr/lib/absolute")).expect("a file"), "a");
    assert!(top.join("implied/folder/f").exists());
    root.assert_layers_come_back(&image);
}

#[test]
fn sparse_files_of_every_format_are_whole_and_come_back() {
    for options in [
        &["--format=gnu"][..],
        &["--format=pax", "--sparse-version=0.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=1.0"],
    ] {
        let root = Root::new();
        let source = root.path("source");
        std::fs::create_dir(&source).expect("a folder");
        // More parts than a header of the old kind has room for.
        let mut expected = vec![0; 40 << 16];
        for part in 0..20_usize {
            expected[part << 17..(part << 17) + 700].fill(part as u8 + 1);
        }
        let file = std::fs::File::create(source.join("sparse")).expect("a file");
        file.set_len(expected.len() as u64).expect("a size");
        for part in 0..20_usize {
            use std::os::unix::fs::FileExt;
            file.write_all_at(&expected[part << 17..(part << 17) + 700], (part << 17) as u64).expect("a part");
        }
        std::fs::write(source.join("plain"), "plain").expect("a file");
        let mut tar = Command::new("tar");
        tar.args(["--sparse", "-cf"]).arg(root.path("layer.tar")).args(options);
        tar.arg("-C").arg(&source).args(["sparse", "plain"]);
        assert!(tar.status().expect("tar runs").success());
        let bytes = std::fs::read(root.path("layer.tar")).expect("a layer");
        assert!(bytes.len() < expected.len() / 2, "tar did not write a sparse file");
        let image = Crafted::new("craft:1", vec![bytes]);
        root.add(std::slice::from_ref(&image));
        let found = root.top(&image).join("sparse");
        assert!(std::fs::read(&found).expect("the file") == expected, "{options:?}");
        assert!(found.metadata().expect("the file").blocks() * 512 < expected.len() as u64, "{options:?}: no holes");
        root.assert_layers_come_back(&image);
    }
}

#[test]
fn layouts_of_every_packing_give_the_same_data_root() {
    let image = image("craft/packed:1", &[&[folder("d"), file("d/a", "a".repeat(100_000))], &[file("b", "b")]]);
    let mut first = None;
    for packing in Packing::ALL {
        let root = Root::new();
        let digests = layout(&root.path("layout"), &image, packing);
        let images = read_layout(&root.path("layout"), None, &platform()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            images[0].layers.iter().map(|l| l.blob.clone().unwrap().digest.unwrap()).collect::<Vec<_>>(),
            digests
        );
        import(&root.data(), &images, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
        root.assert_layers_come_back(&image);
        let repositories = std::fs::read_to_string(root.data().join("image/vfs/repositories.json")).expect("names");
        let expected = format!(r#"{{"Repositories":{{"craft/packed":{{"craft/packed:1":"{}"}}}}}}"#, image.id());
        assert_eq!(repositories, expected);
        let trees = listing(&root.data().join("vfs"));
        let ours: Vec<_> = trees.into_iter().filter(|(name, _)| name.contains("dir/")).collect();
        assert_eq!(*first.get_or_insert_with(|| ours.clone()), ours);
    }
}

#[test]
fn a_later_image_shares_the_layers_that_are_there_and_nothing_is_done_twice() {
    let base = [folder("d"), file("d/a", "a")];
    let one = image("craft:1", &[&base, &[file("one", "1")]]);
    let two = image("craft:2", &[&base, &[file("two", "2")]]);
    let root = Root::new();
    assert_eq!(root.add(std::slice::from_ref(&one)).layers, 2);
    let before = listing(&root.tree(&chain(&one)[0]));
    let report = root.add(&[one.clone(), two.clone()]);
    assert_eq!((report.layers, report.added.as_slice()), (1, &[two.id()][..]));
    assert_eq!(listing(&root.tree(&chain(&one)[0])), before);
    for image in [&one, &two] {
        root.assert_layers_come_back(image);
    }
    let all = listing(&root.data());
    assert_eq!(root.add(&[one, two]).layers, 0);
    assert_eq!(listing(&root.data()), all);
}

#[test]
fn two_images_in_one_archive_read_their_common_layer_once() {
    let base = [folder("d"), file("d/a", "a")];
    let one = image("craft:1", &[&base, &[file("one", "1")]]);
    let two = image("craft:2", &[&base, &[file("two", "2")]]);
    let root = Root::new();
    assert_eq!(root.add(&[one.clone(), two.clone()]).layers, 3);
    root.assert_layers_come_back(&one);
    root.assert_layers_come_back(&two);
}

#[test]
fn layers_share_data_in_the_way_that_is_asked_for() {
    let image = image("craft:1", &[&[file("a", "a"), hard_link("b", "a")], &[file("c", "c")]]);
    for sharing in [Sharing::HardLinks, Sharing::Copies] {
        let root = Root::new();
        let options = Options { sharing, ..Options::default() };
        root.import(std::slice::from_ref(&image), &options).unwrap_or_else(|e| panic!("{e}"));
        let (low, high) = (root.tree(&chain(&image)[0]), root.top(&image));
        let ino = |path: std::path::PathBuf| path.symlink_metadata().expect("a file").ino();
        assert_eq!(ino(low.join("a")) == ino(high.join("a")), sharing == Sharing::HardLinks);
        assert_eq!(ino(high.join("a")), ino(high.join("b")));
        assert_eq!(listing(&low)["a"], listing(&high)["a"]);
        root.assert_layers_come_back(&image);
    }
}

#[test]
fn devices_that_are_not_made_are_reported_and_the_layer_comes_back() {
    let image = image("craft:1", &[&[device("null", 1, 3), file("a", "a"), hard_link("also-null", "null")]]);
    let root = Root::new();
    let options = Options { devices: false, ..Options::default() };
    let report = root.import(std::slice::from_ref(&image), &options).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(names(&root.top(&image)), ["a"]);
    assert!(report.left_out.iter().any(|what| what.ends_with("device node of null")), "{:?}", report.left_out);
    root.assert_layers_come_back(&image);
}

#[test]
fn archives_may_be_packed_and_the_result_does_not_depend_on_threads() {
    let image = image("craft:1", &[&[file("a", "a")], &[file("b", "b")], &[file("c", "c")]]);
    let plain = saved(std::slice::from_ref(&image));
    let packed = Packing::ALL.map(|packing| packing.pack(&plain));
    let mut first = None;
    for (threads, bytes) in (1..).zip(packed) {
        let root = Root::new();
        let images = root.read(&bytes).unwrap_or_else(|e| panic!("{e}"));
        let threads = std::num::NonZeroUsize::new(threads).expect("a number of threads");
        import(&root.data(), &images, &Options { threads, ..Options::default() }).unwrap_or_else(|e| panic!("{e}"));
        root.assert_layers_come_back(&image);
        let trees: Vec<_> = listing(&root.data()).into_iter().filter(|(name, _)| name.contains("vfs/dir/")).collect();
        assert_eq!(*first.get_or_insert_with(|| trees.clone()), trees);
    }
}

#[test]
fn a_flattened_image_is_the_uppermost_tree_as_one_layer() {
    let base = [
        folder("d").mode(0o1777).time(5, 7),
        file("d/a", "a").mode(0o4755),
        hard_link("d/b", "d/a").mode(0o4755),
        symlink("l", "d/a"),
        fifo("f"),
        file("gone", "g"),
        file("x".repeat(150), "a long name"),
        file(b"caf\xe9", "raw"),
    ];
    let image = image("craft:1", &[&base, &[file(".wh.gone", ""), file("new", "n")]]);
    let (root, flat) = (Root::new(), Root::new());
    root.add(std::slice::from_ref(&image));
    let images = root.read(&saved(std::slice::from_ref(&image))).unwrap_or_else(|e| panic!("{e}"));
    let flattened = |dir: &str| {
        std::fs::create_dir(root.path(dir)).expect("a folder");
        flatten(&images[0], &root.path(dir), &Options::default()).unwrap_or_else(|e| panic!("{e}"))
    };
    let one = flattened("one");
    assert_eq!((one.layers.len(), one.names.clone()), (1, images[0].names.clone()));
    assert_ne!(one.id, image.id());
    // The same image gives the same id.
    assert_eq!(flattened("two").id, one.id);
    import(&flat.data(), std::slice::from_ref(&one), &Options::default()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(listing(&flat.tree(&one.layers[0].diff_id)), listing(&root.top(&image)));
}

#[test]
fn empty_numbers_of_a_header_are_zero() {
    let mut stream = layer(Format::Gnu, &[folder("d"), file("d/f", "")]);
    // Owner and size of the folder; the group as spaces.
    stream[108..116].fill(0);
    stream[116..124].fill(b' ');
    stream[124..136].fill(0);
    let sum: u32 = stream[..148].iter().chain(&stream[156..512]).map(|b| u32::from(*b)).sum::<u32>() + 8 * 32;
    stream[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let image = Crafted::new("craft:1", vec![stream]);
    let root = Root::new();
    match root.import(std::slice::from_ref(&image), &Options::default()) {
        Ok(_) => root.assert_layers_come_back(&image),
        // An ordinary user cannot give the folder to root; the number was read.
        Err(e) => assert!(e.to_string().contains("giving it to 0:0"), "{e}"),
    }
}

#[test]
fn attributes_are_kept_in_every_layer_and_owners_are_those_of_the_layer() {
    let own = (rustix::process::geteuid().as_raw().into(), rustix::process::getegid().as_raw().into());
    // Only root can give files away.
    let owner = if own.0 == 0 { (3_000_000, 4_000_000) } else { own };
    let value = b"two\nlines\0";
    let base = [file("a", "a").owner(owner.0, owner.1).xattr("user.helix", value)];
    let image = image("craft:1", &[&base, &[file("b", "b")]]);
    let root = Root::new();
    let report = root.add(std::slice::from_ref(&image));
    for chain_id in chain(&image) {
        let path = root.tree(&chain_id).join("a");
        let stat = path.symlink_metadata().expect("a file");
        assert_eq!((u64::from(stat.uid()), u64::from(stat.gid())), owner);
        // A file system may have no such attributes; then the report says so.
        match xattr::get(&path, "user.helix").expect("attributes") {
            Some(found) => assert_eq!(found, value),
            None => assert!(report.left_out.iter().any(|what| what.contains("user.helix")), "{:?}", report.left_out),
        }
    }
    root.assert_layers_come_back(&image);
}
