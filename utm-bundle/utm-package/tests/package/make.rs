//! What is made.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use helix_utm_package::{Error, Options, inspect};

use crate::support::{World, at};

#[test]
fn a_package_has_its_files_and_nothing_is_wrong_with_it() {
    let (world, _) = World::made();
    assert_eq!(world.beside(), ["helix-linux.utm", "image"], "nothing is left aside");
    assert_eq!(
        files(&world.package()),
        ["Data/data.qcow2", "Data/disk.qcow2", "Data/icon.png", "Data/seed.img", "config.plist", "screenshot.png"]
    );
    assert_eq!(inspect(&world.package()), []);
    let disk = |path: &Path| fs::read(path.join("disk.qcow2")).unwrap();
    assert_eq!(disk(&world.package().join("Data")), disk(&world.image()));
}

#[test]
fn the_same_image_gives_the_same_bytes_modes_and_times() {
    let (one, _) = World::made();
    let (other, _) = World::made();
    for name in files(&one.package()) {
        let (a, b) = (one.package().join(&name), other.package().join(&name));
        assert!(fs::read(&a).unwrap() == fs::read(&b).unwrap(), "{name}");
    }
    for name in files(&one.package()).iter().map(String::as_str).chain(["", "Data"]) {
        let data = fs::metadata(one.package().join(name)).unwrap();
        let mode = if data.is_dir() { 0o755 } else { 0o644 };
        assert_eq!(
            (data.permissions().mode() & 0o7777, data.mtime(), data.mtime_nsec()),
            (mode, 315_532_800, 0),
            "{name}"
        );
    }
}

#[test]
fn another_image_is_another_vm() {
    let (one, two) = (World::new(), World::new());
    let path = two.image().join("disk.qcow2");
    let mut disk = fs::read(&path).unwrap();
    disk.extend([0; 65536]);
    fs::write(path, disk).unwrap();
    two.manifest("arm64");
    let (one, two) = (one.make(&Options::default()).unwrap(), two.make(&Options::default()).unwrap());
    assert!(one.uuid != two.uuid && one.mac != two.mac, "{one:?} {two:?}");
}

#[test]
fn the_vm_is_what_the_guest_and_the_mac_need() {
    let (_world, mut config) = World::made();
    let mut text = |path: &str| at(&mut config, path).as_string().unwrap().to_owned();
    assert_eq!(text("Display.0.Hardware"), "virtio-gpu-gl-pci");
    assert_eq!([text("Drive.0.ImageName"), text("Drive.0.Interface")], ["disk.qcow2", "VirtIO"]);
    // UTM makes the serial number of it, without hyphens for VirtIO; the guest looks for this one.
    assert_eq!([text("Drive.1.Identifier"), text("Drive.1.Interface")], ["helix-data", "NVMe"]);
    assert_eq!([text("Network.0.Mode"), text("Network.0.Hardware")], ["Emulated", "virtio-net-pci"]);
    for forward in 0..2 {
        assert_eq!(text(&format!("Network.0.PortForward.{forward}.HostAddress")), "127.0.0.1");
    }
    let mut number = |path: &str| at(&mut config, path).as_signed_integer().unwrap();
    let port = |end: &str, index: usize| format!("Network.0.PortForward.{index}.{end}Port");
    assert_eq!([number(&port("Host", 0)), number(&port("Guest", 0))], [2222, 22]);
    assert_eq!([number(&port("Host", 1)), number(&port("Guest", 1))], [8080, 8080]);
    // Guests with 24 processors had time-outs; 0 would be as many as the Mac has.
    assert_eq!([number("System.CPUCount"), number("System.MemorySize")], [4, 6144]);
    let mut flag = |path: &str| at(&mut config, path).as_boolean().unwrap();
    assert!(flag("QEMU.UEFIBoot") && flag("QEMU.Hypervisor") && flag("Drive.2.ReadOnly"));
    assert!(at(&mut config, "QEMU.AdditionalArguments").as_array().unwrap().is_empty());
    assert!(at(&mut config, "Sound").as_array().unwrap().is_empty());
}

#[test]
fn the_seed_opens_the_consoles_and_has_no_key_or_secret() {
    let (world, _) = World::made();
    let volume = fs::File::options().read(true).write(true).open(world.package().join("Data/seed.img")).unwrap();
    let volume = fatfs::FileSystem::new(volume, fatfs::FsOptions::new()).unwrap();
    assert_eq!(volume.volume_label(), "CIDATA");
    let mut names: Vec<String> = volume.root_dir().iter().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["meta-data", "user-data"]);
    let mut text = String::new();
    volume.root_dir().open_file("user-data").unwrap().read_to_string(&mut text).unwrap();
    let user: serde_json::Value = serde_json::from_str(text.strip_prefix("#cloud-config\n").unwrap()).unwrap();
    assert_eq!(user["users"], serde_json::json!([{ "name": "user", "ssh_authorized_keys": [] }]));
    assert_eq!(text.matches("--autologin user ").count(), 2);
    for secret in ["passw", "ssh-", "token", "PRIVATE"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[test]
fn the_data_disk_is_blank_small_and_good() {
    let (world, _) = World::made();
    let path = world.package().join("Data/data.qcow2");
    assert!(fs::metadata(&path).unwrap().len() < 1 << 20);
    let mut reader = helix_disk::qcow2::Reader::open(fs::File::open(&path).unwrap()).unwrap();
    assert_eq!((reader.virtual_size(), reader.allocated_after(0).unwrap()), (256 << 30, None));
    let check = Command::new("qemu-img").args(["check", "-q"]).arg(&path).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

#[test]
fn pictures_of_ones_own_are_taken() {
    let world = World::new();
    let picture = world.path().join("mine.png");
    let mut bytes = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/icon.png")).unwrap();
    bytes.push(0);
    fs::write(&picture, &bytes).unwrap();
    world.make(&Options { icon: Some(picture.clone()), screenshot: Some(picture), ..Options::default() }).unwrap();
    assert_eq!(fs::read(world.package().join("Data/icon.png")).unwrap(), bytes);
    assert_eq!(fs::read(world.package().join("screenshot.png")).unwrap(), bytes);
}

#[test]
fn arguments_are_bare_strings_of_one_word_each() {
    let world = World::new();
    let arguments = vec!["-device".to_owned(), "virtio-balloon-pci".to_owned()];
    world.make(&Options { arguments, ..Options::default() }).unwrap();
    let mut config = world.config();
    let words = at(&mut config, "QEMU.AdditionalArguments").as_array().unwrap();
    assert_eq!(
        words.iter().map(|word| word.as_string().unwrap()).collect::<Vec<_>>(),
        ["-device", "virtio-balloon-pci"]
    );
}

#[test]
fn all_that_utm_would_not_do_as_asked_is_said_at_once() {
    let world = World::new();
    let arguments = ["-a b", "", "x\"y", "-good"].map(str::to_owned).to_vec();
    let error = world.make(&Options { arguments, memory_mib: 0, ..Options::default() }).unwrap_err();
    assert!(matches!(&error, Error::Faults { faults, .. } if faults.len() == 4), "{error}");
    let text = error.to_string();
    for part in ["\"-a b\"", "\"\"", "\"x\\\"y\"", "System.MemorySize: is 0"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(world.beside(), ["image"]);
}

#[test]
fn a_picture_that_is_none_is_refused_and_nothing_is_left() {
    let world = World::new();
    let picture = world.path().join("picture.png");
    fs::write(&picture, "no picture, but long enough to be one").unwrap();
    let error = world.make(&Options { icon: Some(picture), ..Options::default() }).unwrap_err().to_string();
    assert!(error.contains("Data/icon.png: is no picture in PNG"), "{error}");
    assert_eq!(world.beside(), ["image", "picture.png"]);
}

#[test]
fn an_image_that_is_missing_damaged_or_of_another_architecture_makes_nothing() {
    let world = World::new();
    let disk = fs::read(world.image().join("disk.qcow2")).unwrap();
    let refused = || world.make(&Options::default()).unwrap_err().to_string();

    world.manifest("amd64");
    assert!(refused().contains("is for amd64; UTM runs arm64"), "{}", refused());
    world.manifest("arm64");
    let mut flipped = disk.clone();
    flipped[70_000] ^= 1;
    fs::write(world.image().join("disk.qcow2"), flipped).unwrap();
    assert!(refused().contains("disk.qcow2 is damaged"), "{}", refused());
    fs::remove_file(world.image().join("disk.qcow2")).unwrap();
    assert!(refused().contains("disk.qcow2: No such file"), "{}", refused());
    fs::remove_file(world.image().join("manifest.json")).unwrap();
    assert!(refused().contains("manifest.json") && refused().contains("cargo xtask build-image"), "{}", refused());
    assert_eq!(world.beside(), ["image"]);
}

#[test]
fn an_image_whose_disk_is_no_qcow2_is_refused() {
    let world = World::new();
    fs::write(world.image().join("disk.qcow2"), vec![7; 100_000]).unwrap();
    world.manifest("arm64");
    let error = world.make(&Options::default()).unwrap_err().to_string();
    assert!(error.contains("Data/disk.qcow2: is a disk that the guest writes to, and no qcow2 image"), "{error}");
    assert_eq!(world.beside(), ["image"]);
}

#[test]
fn what_is_there_already_is_left_as_it_is() {
    let (world, config) = World::made();
    let error = world.make(&Options { cpus: 8, ..Options::default() }).unwrap_err().to_string();
    assert!(error.contains("helix-linux.utm: exists already"), "{error}");
    assert_eq!(world.config(), config);
    let create = |name: &str| {
        helix_utm_package::create(&world.image(), &world.path().join(name), &Options::default(), &mut |_, _| {})
    };
    for name in ["helix-linux", ".utm", "helix.app"] {
        let error = create(name).unwrap_err().to_string();
        assert!(error.contains("a package of UTM is called NAME.utm"), "{error}");
    }
}

#[test]
fn what_an_interrupted_attempt_left_is_in_nobodys_way() {
    let world = World::new();
    let aside = world.path().join(".helix-linux.new.utm");
    fs::create_dir_all(aside.join("Data")).unwrap();
    fs::write(aside.join("Data/disk.qcow2"), "half").unwrap();
    world.make(&Options::default()).unwrap();
    assert_eq!(world.beside(), ["helix-linux.utm", "image"]);
    assert_eq!(inspect(&world.package()), []);
}

/// The files of a package, sorted.
fn files(package: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for folder in ["", "Data/"] {
        for entry in fs::read_dir(package.join(folder)).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                names.push(format!("{folder}{}", entry.file_name().into_string().unwrap()));
            }
        }
    }
    names.sort();
    names
}
