//! What is signed is as it must be, for this project's eyes and for others.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, SystemTime};

use helix_macho::MachO;

use crate::support::{Copy, EPOCH, files, sign};

#[test]
fn a_signed_app_is_good_and_still_an_app() {
    let copy = Copy::signed();
    let report = helix_signing::verify(&copy.app).unwrap();
    assert_eq!(report.faults, []);
    assert!(report.codes >= 10 && report.sealed > report.codes, "{report:?}");
    assert_eq!(helix_app::check(&copy.app), []);
}

#[test]
fn an_app_that_was_assembled_only_is_not_good() {
    let faults = Copy::unsigned().faults();
    assert!(faults.contains("Contents/_CodeSignature/CodeResources: is missing"), "{faults}");
    assert!(faults.contains("Contents/MacOS/qemu-img: was changed after it was signed"), "{faults}");
}

#[test]
fn signing_again_gives_the_same_bytes() {
    let copy = Copy::signed();
    let read = || files(&copy.app).into_iter().map(|f| (f.clone(), std::fs::read(f).unwrap())).collect::<Vec<_>>();
    let before = read();
    let sealed = sign(&copy.app);
    assert!(before == read(), "another signature");
    let disk = std::fs::metadata(copy.at("Resources/image/disk.qcow2")).unwrap().len();
    assert!(sealed > disk, "{sealed} bytes were sealed");
}

#[test]
fn times_and_modes_stay_those_of_the_app() {
    let copy = Copy::signed();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(EPOCH);
    for path in files(&copy.app) {
        let data = std::fs::metadata(&path).unwrap();
        assert_eq!(data.modified().unwrap(), time, "{}", path.display());
        let folder = std::fs::metadata(path.parent().unwrap()).unwrap();
        assert_eq!(folder.modified().unwrap(), time, "the folder of {}", path.display());
    }
    let mode = std::fs::metadata(copy.at("MacOS/Helix")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn entitlements_are_those_of_each_program() {
    let copy = Copy::signed();
    for (name, wanted) in [
        (
            "qemu-system-aarch64",
            &[
                "com.apple.security.cs.allow-dyld-environment-variables",
                "com.apple.security.cs.allow-jit",
                "com.apple.security.cs.allow-unsigned-executable-memory",
                "com.apple.security.cs.disable-library-validation",
                "com.apple.security.hypervisor",
            ][..],
        ),
        ("Helix", &["com.apple.security.cs.disable-library-validation"]),
        ("qemu-img", &["com.apple.security.cs.disable-library-validation"]),
        ("helix-host-encoder", &[]),
    ] {
        let data = std::fs::read(copy.at("MacOS").join(name)).unwrap();
        let text = String::from_utf8_lossy(&data);
        let list = text.rsplit_once("<plist").map_or("", |(_, rest)| rest.split("</plist>").next().unwrap());
        let found: Vec<&str> = list.split("<key>").skip(1).map(|rest| rest.split("</key>").next().unwrap()).collect();
        let found: Vec<&str> = found.into_iter().filter(|key| key.starts_with("com.apple.security")).collect();
        assert_eq!(found, wanted, "{name}");
    }
}

/// LLVM reads the load commands that were changed, and the file ends where they say.
#[test]
fn llvm_reads_what_was_signed() {
    let copy = Copy::signed();
    for file in ["MacOS/qemu-system-aarch64", "Frameworks/MoltenVK.framework/Versions/A/MoltenVK"] {
        let path = copy.at(file);
        let output = Command::new("llvm-objdump").args(["--macho", "--private-headers"]).arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let command = text.split("cmd LC_CODE_SIGNATURE").nth(1).expect("a signature");
        let field = |name: &str| -> u64 {
            let value = command.split(name).nth(1).unwrap().split_whitespace().next().unwrap();
            value.parse().unwrap()
        };
        assert_eq!(field("dataoff") + field("datasize"), std::fs::metadata(&path).unwrap().len());
        let signature = MachO::read(&std::fs::read(&path).unwrap()).unwrap().signature.unwrap();
        assert!(signature.ad_hoc && signature.changed_pages.is_empty(), "{signature:?}");
    }
}

/// What macOS itself says; no one has run it there yet.
#[cfg(target_os = "macos")]
#[test]
fn codesign_agrees() {
    let copy = Copy::signed();
    let output =
        Command::new("/usr/bin/codesign").args(["--verify", "--deep", "--strict"]).arg(&copy.app).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Another reader of property lists and another maker of hashes agree with the seal.
#[test]
fn python_finds_every_sealed_file() {
    let copy = Copy::signed();
    let program = r#"
import hashlib, os, plistlib, sys
contents = sys.argv[1]
seal = plistlib.load(open(contents + "/_CodeSignature/CodeResources", "rb"))
assert sorted(seal) == ["files", "files2", "rules", "rules2"], sorted(seal)
for name, sha1 in seal["files"].items():
    assert hashlib.sha1(open(os.path.join(contents, name), "rb").read()).digest() == sha1, name
code = 0
for name, entry in seal["files2"].items():
    if "cdhash" in entry:
        assert entry["requirement"] == 'cdhash H"%s"' % entry["cdhash"].hex(), name
        code += 1
    else:
        assert hashlib.sha256(open(os.path.join(contents, name), "rb").read()).digest() == entry["hash2"], name
assert "Resources/image/disk.qcow2" in seal["files2"]
assert "MacOS/qemu-img" in seal["files2"] and "MacOS/Helix" not in seal["files2"]
assert "Frameworks/MoltenVK.framework" in seal["files2"]
print(code)
"#;
    let output = Command::new("python3").args(["-c", program]).arg(copy.app.join("Contents")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let codes: usize = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    assert_eq!(codes + 1, helix_signing::verify(&copy.app).unwrap().codes);
}
