//! Images at the edges of what a system and an engine can do.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use helix_docker_graph::{Options, Sharing, flatten, import};
use tar::EntryType;

use crate::common::{Root, chain, listing, names};
use crate::craft::{Crafted, Format, Item, fifo, file, folder, hard_link, layer, saved};

fn image(layers: &[&[Item]]) -> Crafted {
    Crafted::new("edge:1", layers.iter().map(|items| layer(Format::Pax, items)).collect())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What tar makes of layers that lie on top of each other and have no whiteouts.
fn untarred(root: &Root, image: &Crafted) -> std::path::PathBuf {
    let folder = root.path("untarred");
    std::fs::create_dir(&folder).expect("a folder");
    for layer in &image.layers {
        let file = root.path("layer.tar");
        std::fs::write(&file, layer).expect("a layer");
        let mut tar = Command::new("tar");
        tar.args(["--extract", "--preserve-permissions", "--numeric-owner", "--delay-directory-restore", "--file"]);
        assert!(tar.arg(&file).arg("--directory").arg(&folder).status().expect("tar runs").success());
    }
    folder
}

/// Mode, owner and time of a folder itself.
fn meta(path: &Path) -> (u32, u32, u32, i64, i64) {
    let stat = path.metadata().expect("a folder");
    (stat.permissions().mode(), stat.uid(), stat.gid(), stat.mtime(), stat.mtime_nsec())
}

#[test]
fn the_entry_of_the_root_is_applied_and_holds_for_the_layers_above() {
    let owner = if is_root() { (12, 3_000_000_000) } else { own() };
    for name in [".", "", "./."] {
        let stated = folder(name).mode(0o1750).owner(owner.0, owner.1).time(7_777, 5).xattr("user.helix", b"root");
        let image = image(&[&[file("a", "a"), stated], &[folder("."), folder(".").mode(0o711).time(99, 0)]]);
        let root = Root::new();
        root.add(std::slice::from_ref(&image));
        let low = root.tree(&chain(&image)[0]);
        assert_eq!(meta(&low), (0o41750, owner.0 as u32, owner.1 as u32, 7_777, 5), "{name:?}");
        assert_eq!(meta(&root.top(&image)), meta(&untarred(&root, &image)), "{name:?}");
        // Attributes stay when a layer does not name them.
        for tree in [low, root.top(&image)] {
            assert_eq!(xattr::get(&tree, "user.helix").expect("attributes").as_deref(), Some(&b"root"[..]), "{name:?}");
        }
        root.assert_layers_come_back(&image);
    }
}

fn own() -> (u64, u64) {
    (rustix::process::geteuid().as_raw().into(), rustix::process::getegid().as_raw().into())
}

#[test]
fn a_layer_without_an_entry_of_the_root_keeps_it() {
    let image = image(&[&[folder(".").mode(0o700).time(7_777, 0)], &[file("a", "a")]]);
    let root = Root::new();
    root.add(std::slice::from_ref(&image));
    assert_eq!((meta(&root.top(&image)).0, meta(&root.top(&image)).3), (0o40700, 7_777));
    // Also when the layer below was there before, and when all become one.
    let second = Crafted { layers: vec![image.layers[0].clone(), layer(Format::Pax, &[file("b", "b")])], ..image };
    let second = Crafted::new("edge:2", second.layers);
    assert_eq!(root.add(std::slice::from_ref(&second)).layers, 1);
    assert_eq!(meta(&root.top(&second)).0, 0o40700);
    let images = root.read(&saved(std::slice::from_ref(&second))).unwrap_or_else(|e| panic!("{e}"));
    let flat = Root::new();
    let one = flatten(&images[0], &flat.path(""), &Options::default()).unwrap_or_else(|e| panic!("{e}"));
    import(&flat.data(), std::slice::from_ref(&one), &Options::default()).unwrap_or_else(|e| panic!("{e}"));
    let tree = flat.tree(&one.layers[0].diff_id);
    assert_eq!(meta(&tree), meta(&root.top(&second)));
    assert_eq!(names(&tree), ["b"]);
}

#[test]
fn something_else_in_the_place_of_the_root_is_refused() {
    let there = file("there", "t");
    for item in [file("./", "x"), fifo("/"), Item::new(".", EntryType::Symlink), hard_link(".", "there")] {
        let root = Root::new();
        let image = image(&[&[there.clone(), item.clone()]]);
        let refused = root.import(std::slice::from_ref(&image), &Options::default());
        let message = refused.expect_err("this is refused").to_string();
        assert!(message.contains("in the place of the root") || message.contains("link to nothing"), "{message}");
        assert!(!root.data().exists());
    }
}

#[test]
fn folders_lie_in_each_other_as_deep_as_a_path_reaches() {
    let deep = "d/".repeat(1_500);
    let base = [file(deep.clone() + "f", "deep"), file(deep.clone() + "gone", "g"), file("x", "x")];
    let top =
        [file(deep.clone() + ".wh.gone", ""), hard_link("near", &(deep.clone() + "f")), file(deep.clone() + "n", "n")];
    let image = image(&[&base, &top]);
    for sharing in [Sharing::HardLinks, Sharing::Copies] {
        let root = Root::new();
        let options = Options { sharing, ..Options::default() };
        root.import(std::slice::from_ref(&image), &options).unwrap_or_else(|e| panic!("{e}"));
        let bottom = root.top(&image).join(&deep);
        assert_eq!(names(&bottom), ["f", "n"]);
        let ino = |path: &Path| path.metadata().expect("a file").ino();
        assert_eq!(ino(&bottom.join("f")), ino(&root.top(&image).join("near")));
        root.assert_layers_come_back(&image);
        // A layer on top of what is there is put on a tree that is read from the disk.
        let next = Crafted::new("edge:2", [&image.layers[..], &[layer(Format::Pax, &[file("y", "y")])]].concat());
        assert_eq!(root.add(std::slice::from_ref(&next)).layers, 1);
        assert_eq!(std::fs::read_to_string(root.top(&next).join(&deep).join("f")).expect("a file"), "deep");
    }
}

#[test]
fn the_highest_numbers_of_users_and_groups_are_kept() {
    const MOST: u64 = u32::MAX as u64 - 1;
    if !is_root() {
        // An ordinary user cannot give files away; the number was read.
        let image = image(&[&[file("f", "f").owner(MOST, MOST)]]);
        let refused = Root::new().import(std::slice::from_ref(&image), &Options::default());
        assert!(refused.expect_err("no right to do so").to_string().contains("giving it to 4294967294:4294967294"));
        return;
    }
    for format in [Format::Pax, Format::Gnu] {
        let items =
            [folder("d").owner(MOST, 1 << 31), file("d/f", "f").owner(2_097_152, MOST), fifo("p").owner(MOST, 0)];
        let image = Crafted::new("edge:1", vec![layer(format, &items)]);
        let root = Root::new();
        root.add(std::slice::from_ref(&image));
        assert_eq!(listing(&root.top(&image)), listing(&untarred(&root, &image)), "{format:?}");
        root.assert_layers_come_back(&image);
        // The same through a layer that is packed here.
        let images = root.read(&saved(std::slice::from_ref(&image))).unwrap_or_else(|e| panic!("{e}"));
        let one = flatten(&images[0], &root.path(""), &Options::default()).unwrap_or_else(|e| panic!("{e}"));
        let flat = Root::new();
        import(&flat.data(), std::slice::from_ref(&one), &Options::default()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(listing(&flat.tree(&one.layers[0].diff_id)), listing(&root.top(&image)));
    }
    // The next one means "as it is" to the system.
    let image = image(&[&[file("f", "f").owner(MOST + 1, 0)]]);
    let refused = Root::new().import(std::slice::from_ref(&image), &Options::default());
    assert!(refused.expect_err("no such user").to_string().contains("impossible uid 4294967295"));
}

/// The layer with the time of its first header as a binary number, as GNU and Go write what octal digits cannot say.
fn with_binary_time(mut stream: Vec<u8>, seconds: i64) -> Vec<u8> {
    let field = &mut stream[136..148];
    field.fill(if seconds < 0 { 0xff } else { 0 });
    field[4..].copy_from_slice(&seconds.to_be_bytes());
    field[0] |= 0x80;
    stream[148..156].fill(b' ');
    let sum: u32 = stream[..512].iter().map(|b| u32::from(*b)).sum();
    stream[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    stream
}

#[test]
fn times_that_an_engine_does_not_know_are_1970() {
    for (text, expected) in [
        ("-0.5", (0, 0)),
        ("-1", (0, 0)),
        ("-86400.000000001", (0, 0)),
        ("-9223372036854775808", (0, 0)),
        ("0.5", (0, 500_000_000)),
        ("9000000000", (9_000_000_000, 0)),
        // The last nanosecond of 64 bits, and the one after it.
        ("9223372036.854775807", (9_223_372_036, 854_775_807)),
        ("9223372036.854775808", (0, 0)),
        ("9223372037", (0, 0)),
        ("9223372036854775807", (0, 0)),
    ] {
        let kinds = [folder("d"), file("f", "f"), fifo("p"), folder(".")];
        let image = image(&[&kinds.map(|item| item.record("mtime", text.as_bytes()))]);
        let root = Root::new();
        root.add(std::slice::from_ref(&image));
        for name in ["d", "f", "p", ""] {
            let stat = root.top(&image).join(name).metadata().expect("a file");
            assert_eq!((stat.mtime(), stat.mtime_nsec()), expected, "{text} of {name:?}");
        }
        root.assert_layers_come_back(&image);
    }
    for (seconds, expected) in [(-1, 0), (i64::MIN, 0), (9_223_372_036, 9_223_372_036), (9_223_372_037, 0)] {
        let image = Crafted::new("edge:1", vec![with_binary_time(layer(Format::Gnu, &[file("f", "f")]), seconds)]);
        let root = Root::new();
        root.add(std::slice::from_ref(&image));
        assert_eq!(root.top(&image).join("f").metadata().expect("a file").mtime(), expected, "{seconds}");
        root.assert_layers_come_back(&image);
    }
}

#[test]
fn a_flattened_image_keeps_times_that_a_header_has_no_room_for() {
    let image =
        image(&[&[file("f", "f").record("mtime", b"9000000000"), folder("d").record("mtime", b"9223372036.5")]]);
    let (root, flat) = (Root::new(), Root::new());
    root.add(std::slice::from_ref(&image));
    let images = root.read(&saved(std::slice::from_ref(&image))).unwrap_or_else(|e| panic!("{e}"));
    let one = flatten(&images[0], &root.path(""), &Options::default()).unwrap_or_else(|e| panic!("{e}"));
    import(&flat.data(), std::slice::from_ref(&one), &Options::default()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(listing(&flat.tree(&one.layers[0].diff_id)), listing(&root.top(&image)));
}

#[test]
fn a_file_may_have_more_names_than_the_file_system_allows() {
    let base = image(&[&[file("first", "content").mode(0o640).xattr("user.helix", b"kept")]]);
    let root = Root::new();
    root.add(std::slice::from_ref(&base));
    // Until there is no room for one more: ext4 allows 65,000, Btrfs fewer within a folder. Others may allow them all.
    let (first, elsewhere) = (root.top(&base).join("first"), root.path("names"));
    std::fs::create_dir(&elsewhere).expect("a folder");
    for n in 0..66_000 {
        if std::fs::hard_link(&first, elsewhere.join(n.to_string())).is_err() {
            break;
        }
    }
    let links: Vec<Item> = (0..5).map(|n| hard_link(&format!("n{n}"), "first").mode(0o640)).collect();
    let (second, third) = (layer(Format::Pax, &links), layer(Format::Pax, &[file("other", "o")]));
    let image = Crafted::new("edge:2", vec![base.layers[0].clone(), second, third]);
    assert_eq!(root.add(std::slice::from_ref(&image)).layers, 2);
    for chain_id in &chain(&image)[1..] {
        let tree = root.tree(chain_id);
        let ino = first_of(&tree).ino();
        for name in ["first", "n0", "n1", "n2", "n3", "n4"] {
            let path = tree.join(name);
            let stat = path.metadata().expect("a file");
            assert_eq!((stat.mode(), stat.mtime(), stat.ino()), (0o100_640, crate::craft::TIME.0 as i64, ino));
            assert_eq!(std::fs::read_to_string(&path).expect("a file"), "content");
            assert_eq!(xattr::get(&path, "user.helix").expect("attributes").as_deref(), Some(&b"kept"[..]));
        }
    }
    root.assert_layers_come_back(&image);
}

fn first_of(tree: &Path) -> std::fs::Metadata {
    tree.join("first").metadata().expect("a file")
}

#[test]
fn copies_of_a_file_keep_its_holes() {
    let root = Root::new();
    let source = root.path("source");
    std::fs::create_dir(&source).expect("a folder");
    let sparse = std::fs::File::create(source.join("sparse")).expect("a file");
    let length = 48 << 20;
    sparse.set_len(length).expect("a size");
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"middle", 16 << 20).expect("a part");
    let tar = Command::new("tar")
        .args(["--sparse", "-cf"])
        .arg(root.path("layer.tar"))
        .arg("-C")
        .arg(&source)
        .arg("sparse")
        .status();
    assert!(tar.expect("tar runs").success());
    let base = std::fs::read(root.path("layer.tar")).expect("a layer");
    // The header of the link changes the file, which is copied for that.
    let image = Crafted::new("edge:1", vec![base, layer(Format::Pax, &[hard_link("link", "sparse").mode(0o600)])]);
    root.import(std::slice::from_ref(&image), &Options { sharing: Sharing::Copies, ..Options::default() })
        .unwrap_or_else(|e| panic!("{e}"));
    for file in
        [root.tree(&chain(&image)[0]).join("sparse"), root.top(&image).join("sparse"), root.top(&image).join("link")]
    {
        let stat = file.metadata().expect("a file");
        assert_eq!(stat.len(), length);
        assert!(stat.blocks() * 512 < 1 << 20, "{} takes {} blocks", file.display(), stat.blocks());
        let mut part = [0; 8];
        let open = std::fs::File::open(&file).expect("a file");
        std::os::unix::fs::FileExt::read_exact_at(&open, &mut part, (16 << 20) - 1).expect("a part");
        assert_eq!(&part, b"\0middle\0");
    }
}

#[test]
fn a_hard_link_may_change_a_pipe() {
    let image = image(&[&[fifo("p")], &[hard_link("q", "p").mode(0o600)]]);
    let root = Root::new();
    root.add(std::slice::from_ref(&image));
    let mode = |path: std::path::PathBuf| path.metadata().expect("a pipe").mode();
    assert_eq!(mode(root.top(&image).join("p")), 0o10600);
    assert_eq!(mode(root.top(&image).join("q")), 0o10600);
    assert_eq!(mode(root.tree(&chain(&image)[0]).join("p")), 0o10644);
}
