//! Data roots that are used in other ways too, runs that are to end early, and the modes of what is made.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use helix_docker_graph::{Error, Image, Options, import, read_archive};

use crate::common::{Root, listing, platform};
use crate::craft::{Crafted, Format, file, layer, saved};
use crate::full::{image, in_namespace, passes};

#[test]
fn a_data_root_of_another_driver_is_refused_and_one_of_both_is_told() {
    // As engines leave them: Docker 29 with containerd's image store, and older ones with a graph driver.
    for (there, named) in [
        (&["engine-id", "containers/"][..], "containerd's image store"),
        (&["image/overlay2/layerdb/", "overlay2/l/"], "the driver overlay2"),
        (&["image/btrfs/", "image/zfs/", "engine-id"], "the driver btrfs and the driver zfs"),
    ] {
        let root = Root::new();
        for name in there {
            let path = root.data().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            if name.ends_with('/') {
                std::fs::create_dir_all(path).expect("a folder");
            } else {
                std::fs::write(path, "id").expect("a file");
            }
        }
        let before = listing(&root.data());
        let image = Crafted::new("a:1", vec![layer(Format::Pax, &[file("a", "a")])]);
        let refused = root.import(std::slice::from_ref(&image), &Options::default()).expect_err("this is refused");
        assert!(matches!(refused, Error::DataRoot { .. }), "{refused}");
        let message = refused.to_string();
        assert!(message.contains(&format!("uses this data root with {named}, and")), "{message}");
        assert!(message.contains("\"storage-driver\": \"vfs\""), "{message}");
        assert_eq!(listing(&root.data()), before, "{named}");

        // An engine was started on it with this driver, as the message says; the other one's images may be wanted still.
        std::fs::create_dir_all(root.data().join("image/vfs")).expect("a folder");
        let note = root.add(std::slice::from_ref(&image)).note;
        let again = root.add(std::slice::from_ref(&image)).note;
        assert_eq!(note, again);
        if there[0].starts_with("image") {
            assert!(note.expect("a note").contains(&format!("is used with {named} too")));
        } else {
            assert_eq!(note, None);
        }
        root.assert_layers_come_back(&image);
    }
}

#[test]
fn a_part_of_the_data_root_on_another_mount_is_refused_before_any_work() {
    passes(&mut in_namespace("place::imports_to_mounts"));
}

#[test]
#[ignore = "mounts: a_part_of_the_data_root_on_another_mount_is_refused_before_any_work runs it in a namespace"]
fn imports_to_mounts() {
    let run = |command: &mut Command| assert!(command.status().expect("a program").success());
    for part in ["vfs", "vfs/dir", "image", "image/vfs/layerdb"] {
        // Another file system, and another mount of the same one.
        for kind in ["tmpfs", "bind"] {
            let root = Root::new();
            let (mount, same) = (root.data().join(part), root.path("same"));
            std::fs::create_dir_all(&mount).expect("a folder");
            std::fs::create_dir(&same).expect("a folder");
            match kind {
                "tmpfs" => run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(&mount)),
                _ => run(Command::new("mount").arg("--bind").arg(&same).arg(&mount)),
            }
            let before = listing(&root.data());
            // A layer that cannot be read is not noticed, because it is not looked at.
            let mut images = root.read(&saved(&[image()])).expect("an archive");
            images[0].layers[0].blob.as_mut().expect("bytes").file = Arc::new(root.path("nothing"));
            let refused = import(&root.data(), &images, &Options::default()).expect_err("this is refused");
            assert!(matches!(&refused, Error::DataRoot { path, .. } if path.starts_with(&mount)), "{part}: {refused}");
            assert!(refused.to_string().contains("on another mount than the data root"), "{refused}");
            assert_eq!(listing(&root.data()), before, "{part}");
            run(Command::new("umount").arg(&mount));
        }
    }
    // The data root itself may be a mount.
    let root = Root::new();
    std::fs::create_dir(root.data()).expect("a folder");
    run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(root.data()));
    root.add(&[image()]);
    run(Command::new("umount").arg(root.data()));
}

fn stopped(images: &[Image], data: &Path, stop: Arc<AtomicBool>) -> Result<(), Error> {
    import(data, images, &Options { stop, ..Options::default() }).map(drop)
}

#[test]
fn a_run_that_is_to_end_leaves_the_data_root_as_it_was() {
    let (root, other) = (Root::new(), Root::new());
    let images = other.read(&saved(&[image()])).expect("an archive");
    let refused = stopped(&images, &root.data(), Arc::new(AtomicBool::new(true))).expect_err("it was to end");
    assert!(matches!(refused, Error::Interrupted), "{refused}");
    assert!(!root.data().exists());
    root.add(&[Crafted::new("there:1", vec![layer(Format::Pax, &[file("there", "t")])])]);
    let before = listing(&root.data());
    let mut ended = 0;
    // Longer and longer, until a run is whole before it is to end.
    for pause in (0..).map(|n| Duration::from_micros(500 * n)) {
        let stop = Arc::new(AtomicBool::new(false));
        let result = std::thread::scope(|scope| {
            let run = scope.spawn(|| stopped(&images, &root.data(), stop.clone()));
            std::thread::sleep(pause);
            stop.store(true, Ordering::Relaxed);
            run.join().expect("it does not panic")
        });
        match result {
            Ok(()) => break,
            Err(error) => assert!(matches!(error, Error::Interrupted), "{error}"),
        }
        ended += 1;
        assert_eq!(listing(&root.data()), before, "after {pause:?}");
    }
    assert!(ended > 0);
    root.assert_layers_come_back(&image());
}

#[test]
fn a_long_layer_ends_in_its_middle() {
    // A stream that goes on after its end, for hours.
    let root = Root::new();
    let mut images = root.read(&saved(&[image()])).expect("an archive");
    let (long, first) = (root.path("long"), layer(Format::Pax, &[file("f", "f")]));
    std::fs::write(&long, &first).expect("a file");
    let length = 60 << 30;
    std::fs::File::options().write(true).open(&long).and_then(|file| file.set_len(length)).expect("a file with a hole");
    let blob = images[0].layers[0].blob.as_mut().expect("bytes");
    (blob.file, blob.offset, blob.length) = (Arc::new(long), 0, length);
    let stop = Arc::new(AtomicBool::new(false));
    let refused = std::thread::scope(|scope| {
        let run = scope.spawn(|| stopped(&images, &root.data(), stop.clone()));
        std::thread::sleep(Duration::from_millis(100));
        stop.store(true, Ordering::Relaxed);
        run.join().expect("it does not panic").expect_err("it was to end")
    });
    assert!(matches!(refused, Error::Interrupted), "{refused}");
    assert!(!root.data().exists());
}

/// The modes of everything below a data root that no layer states.
fn modes(folder: &Path, inside: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry")) {
        let name = format!("{inside}/{}", entry.file_name().to_string_lossy());
        let stat = entry.metadata().expect("a file");
        found.push(format!("{:o} {name}", stat.permissions().mode()));
        if stat.is_dir() {
            modes(&entry.path(), &name, found);
        }
    }
    found.sort();
}

#[test]
fn modes_of_a_data_root_do_not_depend_on_the_umask() {
    let dir = tempfile::tempdir().expect("a folder");
    let made = |umask: &str| {
        let data = dir.path().join(umask);
        let mut command = Command::new("sh");
        command.args(["-c", "umask $0 && exec \"$@\"", umask]).arg(std::env::current_exe().expect("this program"));
        command.args(["--exact", "place::imports_to_a_place", "--ignored"]).env("DATA_ROOT", &data);
        passes(&mut command);
        let mut found = vec![format!("{:o} data", data.metadata().expect("a data root").permissions().mode())];
        modes(&data, "", &mut found);
        found
    };
    let usual = made("022");
    for expected in [
        "40710 data",
        "40700 /image",
        "40755 /image/vfs/layerdb/sha256",
        "40710 /vfs/dir",
        "100600 /image/vfs/repositories.json",
    ] {
        assert!(usual.iter().any(|line| line == expected), "{expected} is not in {usual:#?}");
    }
    let count = |end: &str, mode: &str| usual.iter().filter(|l| l.ends_with(end) && l.starts_with(mode)).count();
    for file in ["/diff", "/size", "/cache-id", "/tar-split.json.gz"] {
        assert_eq!(count(file, "100644 "), 12, "{file} in {usual:#?}");
    }
    for umask in ["000", "027", "077", "177"] {
        let found = made(umask);
        let other: Vec<_> = found.iter().filter(|line| !usual.contains(line)).collect();
        assert!(found.len() == usual.len() && other.is_empty(), "umask {umask}: {other:#?}");
    }
}

#[test]
#[ignore = "modes_of_a_data_root_do_not_depend_on_the_umask runs it"]
fn imports_to_a_place() {
    let data = std::env::var_os("DATA_ROOT").expect("the place");
    let dir = tempfile::tempdir_in("/tmp").expect("a folder");
    let archive = dir.path().join("archive.tar");
    std::fs::write(&archive, saved(&[image()])).expect("an archive");
    let images = read_archive(&archive, None, &platform(), dir.path()).expect("an archive");
    import(Path::new(&data), &images, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
}
