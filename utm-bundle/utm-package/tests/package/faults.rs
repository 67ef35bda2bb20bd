//! What is found in packages that something is wrong with.

use std::fs;
use std::os::unix::fs::symlink;

use helix_utm_package::{Fault, inspect};
use plist::{Dictionary, Value};

use crate::support::{World, at, table};

/// Whether one of the faults is at the place and says so.
fn says(faults: &[Fault], place: &str, what: &str) -> bool {
    faults.iter().any(|fault| fault.place.ends_with(place) && fault.what.contains(what))
}

/// Asserts that a change of a good configuration is one fault.
fn one(change: impl Fn(&mut Dictionary), place: &str, what: &str) {
    let (world, mut config) = World::made();
    change(&mut config);
    let faults = world.faults_with(&config);
    assert!(says(&faults, place, what), "{place} {what}: {faults:?}");
    let strange = |fault: &&Fault| !fault.place.ends_with(place) && !fault.place.starts_with("Data/");
    assert_eq!(faults.iter().find(strange), None);
}

fn set(path: &'static str, value: impl Into<Value>) -> impl Fn(&mut Dictionary) {
    let value = value.into();
    move |config| *at(config, path) = value.clone()
}

#[test]
fn dictionaries_among_the_arguments_are_found() {
    let word = Dictionary::from_iter([("String", Value::from("-x"))]);
    one(
        set("QEMU.AdditionalArguments", vec![Value::from("-a"), word.into()]),
        "QEMU.AdditionalArguments[1]",
        "is a dictionary",
    );
}

#[test]
fn a_forward_that_is_open_to_the_network_is_found() {
    const PLACE: &str = "Network[0].PortForward[0].HostAddress";
    let remove = |config: &mut Dictionary| drop(table(config, "Network.0.PortForward.0").remove("HostAddress"));
    one(remove, PLACE, "is missing, which opens the port on every interface");
    one(set("Network.0.PortForward.0.HostAddress", ""), PLACE, "every interface");
    one(set("Network.0.PortForward.0.HostAddress", "0.0.0.0"), PLACE, "every interface");
    one(set("Network.0.PortForward.0.HostAddress", "127.0.0.1,hostfwd=tcp::1-:1"), PLACE, "no IPv4 address");
    one(set("Network.0.PortForward.0.HostPort", 65536), "PortForward[0].HostPort", "1 to 65535");
    one(set("Network.0.PortForward.1.HostPort", 2222), "PortForward[1]", "another one leads from");
}

#[test]
fn names_that_lead_out_of_the_package_are_found() {
    for name in ["../x.qcow2", "/etc/passwd", "..", "", "a/b", "a\0b"] {
        // XML cannot say a zero.
        let (world, mut config) = World::made();
        *at(&mut config, "Drive.0.ImageName") = name.into();
        *at(&mut config, "Information.Icon") = name.into();
        Value::from(config).to_file_binary(world.package().join("config.plist")).unwrap();
        let faults = inspect(&world.package());
        assert!(says(&faults, "Drive[0].ImageName", "which is no file name in Data"), "{name}: {faults:?}");
        assert!(says(&faults, "Information.Icon", "which is no file name in Data"), "{name}: {faults:?}");
    }
}

#[test]
fn identities_that_are_malformed_or_there_twice_are_found() {
    one(set("Information.UUID", "1CFEA395047A8FAC8466C4DC7522DEDB"), "Information.UUID", "UTM needs a UUID");
    one(set("Information.UUID", "{CFEA395-047A-8FAC-8466-C4DC7522DED}"), "Information.UUID", "UTM needs a UUID");
    for mac in [
        "",
        "7E:72:D8:B3:93",
        "7E:72:D8:B3:93:CC:00",
        "7E-72-D8-B3-93-CC",
        "+E:72:D8:B3:93:CC",
        "7E:72:D8:B3:93:CC,x=1",
    ] {
        one(set("Network.0.MacAddress", mac), "Network[0].MacAddress", "six pairs");
    }
    one(set("Network.0.MacAddress", "01:00:5E:00:00:01"), "Network[0].MacAddress", "address of a group");
    let twice = |config: &mut Dictionary| {
        let mut network = table(config, "Network.0").clone();
        network.insert("PortForward".into(), Value::Array(Vec::new()));
        at(config, "Network").as_array_mut().unwrap().push(network.into());
    };
    one(twice, "Network[1].MacAddress", "another card's");
    one(set("Drive.1.Identifier", "helix-root"), "Drive[1].Identifier", "another drive's");
    one(set("Drive.1.Identifier", "x,file.filename=/etc/passwd"), "Drive[1].Identifier", "no name that QEMU takes");
    one(set("Drive.1.ImageName", "disk.qcow2"), "Drive[1].ImageName", "another drive's");
}

#[test]
fn numbers_that_utm_ends_at_are_found() {
    one(set("Input.MaximumUsbShare", -1), "Input.MaximumUsbShare", "at least 0");
    one(set("System.CPUCount", -1), "System.CPUCount", "at least 0");
    one(set("System.MemorySize", 0), "System.MemorySize", "at least 1");
}

#[test]
fn another_machine_version_or_backend_is_found() {
    one(set("System.Target", "virtual"), "System.Target", "no virt machine");
    one(set("System.Architecture", "s390x"), "QEMU.UEFIBoot", "no UEFI firmware for s390x");
    one(set("System.Architecture", "arm65"), "System.Architecture", "a name that it knows");
    one(set("ConfigurationVersion", 3), "ConfigurationVersion", "the integer 4");
    one(set("ConfigurationVersion", 5), "ConfigurationVersion", "the integer 4");
    one(set("Backend", "Apple"), "Backend", "\"QEMU\"");
}

#[test]
fn a_console_that_ends_utm_or_is_open_to_the_network_is_found() {
    one(|config| drop(table(config, "Serial.0").remove("Terminal")), "Serial[0].Terminal", "UTM ends");
    let remote = |config: &mut Dictionary| {
        table(config, "Serial.0").insert("RemoteConnectionAllowed".into(), true.into());
        *at(config, "Serial.0.Mode") = "TcpServer".into();
    };
    one(remote, "Serial[0].RemoteConnectionAllowed", "everybody in the network");
    one(set("Serial.0.Target", "Manual"), "Serial[0].Hardware", "is missing");
}

#[test]
fn all_faults_are_told_at_once() {
    let (world, mut config) = World::made();
    *at(&mut config, "System.CPUCount") = "four".into();
    table(&mut config, "QEMU").remove("UEFIBoot");
    table(&mut config, "Network.0.PortForward.1").remove("HostAddress");
    fs::write(world.package().join("Data/seed"), "").unwrap();
    let faults = world.faults_with(&config);
    assert_eq!(faults.len(), 4, "{faults:?}");
}

#[test]
fn files_that_are_missing_or_that_utm_would_delete_are_found() {
    let (world, _) = World::made();
    let data = world.package().join("Data");
    fs::rename(data.join("data.qcow2"), data.join("data.qcow2.old")).unwrap();
    fs::create_dir(data.join("sockets")).unwrap();
    fs::remove_file(data.join("icon.png")).unwrap();
    let faults = inspect(&world.package());
    assert!(says(&faults, "Data/data.qcow2", "cannot be read: No such file"), "{faults:?}");
    assert!(says(&faults, "Data/icon.png", "cannot be read"), "{faults:?}");
    assert!(says(&faults, "Data/data.qcow2.old", "UTM deletes it") && says(&faults, "Data/sockets", "UTM deletes it"));
    assert_eq!(faults.len(), 4, "{faults:?}");
}

#[test]
fn what_utm_itself_puts_there_is_no_fault() {
    let (world, mut config) = World::made();
    *at(&mut config, "QEMU.DebugLog") = true.into();
    for name in ["efi_vars.fd", "debug.log", "tpmdata"] {
        fs::write(world.package().join("Data").join(name), "").unwrap();
    }
    assert_eq!(world.faults_with(&config), []);
    *at(&mut config, "QEMU.DebugLog") = false.into();
    assert!(says(&world.faults_with(&config), "Data/debug.log", "UTM deletes it"));
}

#[test]
fn links_in_the_place_of_files_are_found_and_not_followed() {
    let (world, _) = World::made();
    let (package, outside) = (world.package(), world.path().join("outside"));
    for name in ["Data/disk.qcow2", "Data/icon.png", "screenshot.png"] {
        fs::rename(package.join(name), &outside).unwrap();
        symlink(&outside, package.join(name)).unwrap();
        assert!(says(&inspect(&package), name, "is no ordinary file"), "{name}");
        fs::remove_file(package.join(name)).unwrap();
        fs::rename(&outside, package.join(name)).unwrap();
    }
    for (name, what) in [("config.plist", "is no ordinary file"), ("Data", "is no folder")] {
        fs::rename(package.join(name), &outside).unwrap();
        symlink(&outside, package.join(name)).unwrap();
        assert!(says(&inspect(&package), name, what), "{name}");
        fs::remove_file(package.join(name)).unwrap();
        fs::rename(&outside, package.join(name)).unwrap();
    }
    assert_eq!(inspect(&package), []);
}

#[test]
fn a_disk_that_the_guest_could_make_into_something_else_is_found() {
    let (world, mut config) = World::made();
    let disk = world.package().join("Data/data.qcow2");
    let good = fs::read(&disk).unwrap();
    fs::write(&disk, vec![0; 1 << 20]).unwrap();
    assert!(says(&inspect(&world.package()), "Data/data.qcow2", "no qcow2 image"));
    // A backing file: the place of its name, and its length.
    let mut backed = good.clone();
    backed[8..20].copy_from_slice(&[0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 11]);
    backed[256..267].copy_from_slice(b"/etc/passwd");
    fs::write(&disk, backed).unwrap();
    assert!(says(&inspect(&world.package()), "Data/data.qcow2", "a backing file"));
    fs::write(&disk, &good[..200]).unwrap();
    assert!(says(&inspect(&world.package()), "Data/data.qcow2", "damaged"));
    // What the guest only reads may be raw, as the seed is; what it writes may not.
    fs::write(&disk, good).unwrap();
    assert_eq!(inspect(&world.package()), []);
    *at(&mut config, "Drive.2.ReadOnly") = false.into();
    assert!(says(&world.faults_with(&config), "Data/seed.img", "no qcow2 image"));
}

#[test]
fn binary_configurations_are_read_as_well() {
    let (world, mut config) = World::made();
    let path = world.package().join("config.plist");
    Value::from(config.clone()).to_file_binary(&path).unwrap();
    assert_eq!(inspect(&world.package()), []);
    *at(&mut config, "System.CPU") = 4.into();
    Value::from(config).to_file_binary(&path).unwrap();
    assert!(says(&inspect(&world.package()), "System.CPU", "is 4; UTM needs a string"));
}

#[test]
fn what_is_no_package_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let faults = inspect(&temp.path().join("nothing.utm"));
    assert!(says(&faults, "config.plist", "cannot be read: No such file"), "{faults:?}");
    let faults = inspect(temp.path());
    assert!(says(&faults, "the package", "does not end in .utm"), "{faults:?}");
    let path = temp.path().join("x.utm");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("config.plist"), "<plist>").unwrap();
    assert!(says(&inspect(&path), "config.plist", "is no property list"));
}

/// A read-only drive with the image `name`, beside the disk.
fn with_drive(config: &mut Dictionary, name: &str, kind: &str) {
    let drives = at(config, "Drive").as_array_mut().unwrap();
    let mut drive = drives[0].as_dictionary().unwrap().clone();
    for (key, value) in [("ImageName", name), ("Identifier", "other"), ("ImageType", kind)] {
        drive.insert(key.to_owned(), value.into());
    }
    drive.insert("ReadOnly".to_owned(), true.into());
    drives.push(drive.into());
}

fn qemu_img(folder: &std::path::Path, words: &[&str]) {
    let made = std::process::Command::new("qemu-img").args(words).current_dir(folder).output().expect("qemu-img");
    assert!(made.status.success(), "{words:?}: {}", String::from_utf8_lossy(&made.stderr));
}

/// The faults of a package whose read-only drive, or disc, is what `qemu-img create` with these words makes.
fn with_image(words: &[&str], kind: &str) -> Vec<Fault> {
    let (world, mut config) = World::made();
    let data = world.package().join("Data");
    fs::write(world.path().join("secret"), vec![7; 1 << 20]).unwrap();
    let secret = world.path().join("secret");
    let words: Vec<&str> =
        words.iter().map(|word| if *word == "SECRET" { secret.to_str().unwrap() } else { word }).collect();
    qemu_img(&data, &[&["create", "-q", "-f"], &words[..]].concat());
    with_drive(&mut config, "other.img", kind);
    let extents: Vec<Fault> = world.faults_with(&config);
    extents.into_iter().filter(|fault| fault.place == "Data/other.img").collect()
}

#[test]
fn images_that_lead_out_are_found_where_the_guest_only_reads_them_too() {
    for kind in ["Disk", "CD"] {
        let faults = with_image(&["qcow2", "-F", "raw", "-b", "SECRET", "other.img"], kind);
        assert!(says(&faults, "other.img", "a backing file"), "{kind}: {faults:?}");
        let faults = with_image(&["qcow", "-F", "raw", "-b", "SECRET", "other.img"], kind);
        assert!(says(&faults, "other.img", "QEMU takes it for qcow"), "{kind}: {faults:?}");
        let faults = with_image(&["vmdk", "-o", "subformat=monolithicFlat", "other.img", "1M"], kind);
        assert!(says(&faults, "other.img", "QEMU takes it for vmdk"), "{kind}: {faults:?}");
    }
    let data = ["qcow2", "-o", "data_file=outside,data_file_raw=on", "other.img", "1M"];
    assert!(says(&with_image(&data, "Disk"), "other.img", "incompatible features"));
    for format in ["qed", "vdi", "vhdx", "vpc", "parallels", "vmdk"] {
        let faults = with_image(&[format, "other.img", "8M"], "Disk");
        assert!(says(&faults, "other.img", &format!("QEMU takes it for {format}")), "{format}: {faults:?}");
    }
    let fixed = with_image(&["vpc", "-o", "subformat=fixed", "other.img", "8M"], "CD");
    assert!(says(&fixed, "other.img", "QEMU takes it for vpc"), "{fixed:?}");
}

#[test]
fn images_that_are_whole_by_themselves_are_good() {
    for words in [&["qcow2", "other.img", "8M"][..], &["raw", "other.img", "8M"]] {
        let faults = with_image(words, "CD");
        let other = faults.iter().find(|fault| !fault.what.contains("mode"));
        assert_eq!(other, None, "{words:?}");
    }
}

#[test]
fn modes_that_a_masked_shell_leaves_are_found() {
    use std::os::unix::fs::PermissionsExt;
    let (world, _) = World::made();
    assert_eq!(inspect(&world.package()), []);
    for (path, mode, place) in
        [("", 0o700, "the package"), ("Data", 0o777, "Data"), ("config.plist", 0o600, "config.plist")]
    {
        let (path, before) =
            (world.package().join(path), fs::metadata(world.package().join(path)).unwrap().permissions());
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let faults = inspect(&world.package());
        assert!(says(&faults, place, &format!("has the mode {mode:o}")) && faults.len() == 1, "{faults:?}");
        fs::set_permissions(&path, before).unwrap();
    }
}
