//! `validate` with stand-ins for the programs of a Mac: what is asked of them, and what is made of their answers.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What the stand-ins answer when all is good. Each notes its arguments.
const PROGRAMS: [(&str, &str); 9] = [
    ("sw_vers", "case $1 in -productVersion) echo 15.5;; *) echo 24F74;; esac"),
    ("uname", "echo arm64"),
    ("sysctl", "echo Apple M9"),
    ("shasum", "shift 2; exec sha256sum \"$@\""),
    ("spctl", "echo rejected >&2; exit 3"),
    ("xcrun", ""),
    (
        "codesign",
        "case \"$*\" in
            *--verbose=2*) echo Signature=adhoc >&2;;
            *--display*/Helix) echo '<plist version=\"1.0\"><dict><key>com.apple.security.cs.disable-library-validation</key><true/></dict></plist>';;
        esac",
    ),
    (
        "otool",
        "echo \"$2:\"
        echo '\t@rpath/EGL.framework/Versions/A/EGL (compatibility version 0.0.0, current version 0.0.0)'
        echo '\t/usr/lib/libSystem.B.dylib (compatibility version 1.0.0, current version 1351.0.0)'",
    ),
    (
        "hdiutil",
        "case $1 in
            attach) cd \"$6\"; ln -s /Applications Applications; mkdir .background Helix.app
                touch .DS_Store .VolumeIcon.icns .background/background.png;;
            detach) rm -rf \"$2\"/Applications \"$2\"/.[a-zA-Z]*;;
        esac",
    ),
];

const INFO: &str = "<plist version=\"1.0\"><dict><key>CFBundleIdentifier</key><string>a.b</string>\
    <key>CFBundleExecutable</key><string>NAME</string></dict></plist>";

struct Mac {
    folder: tempfile::TempDir,
}

impl Mac {
    /// A bundle of the right shape, whose programs are none.
    fn new() -> Self {
        let mac = Self { folder: tempfile::tempdir().unwrap() };
        for (name, text) in PROGRAMS {
            mac.program(name, text);
        }
        let framework = mac.app().join("Contents/Frameworks/EGL.framework/Versions/A");
        for (path, text) in [
            (mac.app().join("Contents/Info.plist"), INFO.replace("NAME", "Helix")),
            (mac.app().join("Contents/MacOS/Helix"), String::new()),
            (framework.join("EGL"), String::new()),
            (framework.join("Resources/Info.plist"), INFO.replace("NAME", "EGL")),
            (mac.bundle().join("Helix.dmg"), "image".to_owned()),
            (mac.bundle().join("Helix.dmg.sha256"), format!("{}  Helix.dmg\n", OF_IMAGE)),
        ] {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        mac
    }

    fn bundle(&self) -> PathBuf {
        self.folder.path().join("bundle")
    }

    fn app(&self) -> PathBuf {
        self.bundle().join("Helix.app")
    }

    fn programs(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    fn program(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.programs()).unwrap();
        let path = self.programs().join(name);
        let log = self.folder.path().join("log");
        std::fs::write(&path, format!("#!/bin/sh\nprintf '%s\\n' \"{name} $*\" >> '{}'\n{text}\n", log.display()))
            .unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// The exit code, the steps, and what was told.
    fn validate(&self, without: &str) -> (i32, Value, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_helix-bundle"));
        command.arg("validate").arg(self.bundle()).args(["--json", "--without", without]);
        let path = format!("{}:/usr/bin:/bin", self.programs().display());
        let output = command.env("PATH", path).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
        (output.status.code().unwrap(), json, told)
    }

    fn asked(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// The SHA-256 of the five bytes that stand for a disk image.
const OF_IMAGE: &str = "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d";
/// What needs more than stand-ins.
const REAL: &str = "check,encoder,vm,utm";

fn outcome<'a>(json: &'a Value, name: &str) -> (&'a str, &'a str) {
    let step = json["steps"].as_array().unwrap().iter().find(|step| step["name"] == name).unwrap();
    (step["outcome"].as_str().unwrap(), step["said"].as_str().unwrap())
}

#[test]
fn a_good_bundle_is_asked_about_in_all_ways_and_nothing_stays_mounted() {
    let mac = Mac::new();
    let (code, json, told) = mac.validate(REAL);
    assert_eq!(code, 0, "{told}");
    for name in ["system", "digests", "codesign", "entitlements", "gatekeeper", "libraries", "disk-image"] {
        assert_eq!(outcome(&json, name).0, "passed", "{told}");
    }
    for name in REAL.split(',') {
        assert_eq!(outcome(&json, name).0, "left-out");
    }
    assert_eq!(outcome(&json, "system").1, "macOS 15.5 (24F74), Apple M9, arm64");
    assert_eq!(outcome(&json, "libraries").1, "4 load commands");
    assert!(told.contains("refused, as every ad hoc signature is"), "{told}");
    let (asked, app) = (mac.asked(), mac.app().display().to_string());
    assert!(asked.contains(&format!("codesign --verify --deep --strict --verbose=4 {app}\n")), "{asked}");
    assert!(asked.contains(&format!("spctl --assess --type execute --verbose=4 {app}\n")), "{asked}");
    assert!(
        asked.contains("hdiutil verify") && asked.trim().lines().last().unwrap().starts_with("hdiutil detach"),
        "{asked}"
    );
}

#[test]
fn each_thing_that_is_wrong_is_told_by_its_step() {
    let cases = [
        ("system", "sw_vers", "echo 13.6", "needs macOS 14"),
        ("digests", "shasum", "echo 'Helix.dmg: FAILED' >&2; exit 1", "FAILED"),
        (
            "codesign",
            "codesign",
            "case \"$*\" in *verify*) echo 'a sealed resource is missing' >&2; exit 1;; esac",
            "sealed resource",
        ),
        ("entitlements", "codesign", "", "Contents/MacOS/Helix has {}"),
        (
            "libraries",
            "otool",
            "echo x; echo '\t/opt/homebrew/lib/libz.1.dylib (compatibility version 1)'",
            "/opt/homebrew/lib/libz.1.dylib",
        ),
        (
            "libraries",
            "otool",
            "echo x; echo '\t@rpath/Gone.framework/Versions/A/Gone (compatibility version 1)'",
            "loads @rpath/Gone",
        ),
        (
            "disk-image",
            "hdiutil",
            "case $1 in verify) echo 'checksum is invalid' >&2; exit 1;; esac",
            "checksum is invalid",
        ),
        ("disk-image", "hdiutil", "", "no link to Applications"),
        ("vm", "open", "", "the app has ended; it noted nothing"),
        ("vm", "open", "echo 'LSOpenURLs failed' >&2; exit 1", "LSOpenURLs failed"),
    ];
    for (step, program, text, why) in cases {
        let mac = Mac::new();
        mac.program(program, text);
        let without: Vec<&str> = REAL.split(',').filter(|name| *name != step).collect();
        let (code, json, told) = mac.validate(&without.join(","));
        let (outcome, said) = outcome(&json, step);
        assert_eq!((code, outcome), (6, "failed"), "{step}: {told}");
        assert!(said.contains(why) && told.contains(&format!("{step}: ")), "{step}: {said}\n{told}");
    }
}

#[test]
fn a_volume_with_the_wrong_things_is_unmounted_all_the_same() {
    let mac = Mac::new();
    mac.program("hdiutil", "");
    mac.validate(REAL);
    assert!(mac.asked().lines().any(|line| line.starts_with("hdiutil detach")), "{}", mac.asked());
}

#[test]
fn what_cannot_be_run_is_no_failure_and_no_success() {
    let mac = Mac::new();
    std::fs::remove_file(mac.programs().join("spctl")).unwrap();
    let (code, json, told) = mac.validate("check,encoder,vm");
    assert_eq!(code, 7, "{told}");
    assert_eq!(outcome(&json, "gatekeeper").0, "not-run");
    let (outcome, said) = outcome(&json, "utm");
    assert!(outcome == "not-run" && said.contains("there is no UTM"), "{said}");
    assert!(told.contains("nothing failed, and this could not be run:\n  gatekeeper: "), "{told}");
}

#[test]
fn a_bundle_that_this_projects_own_check_refuses_is_told() {
    let mac = Mac::new();
    let (code, json, told) = mac.validate("encoder,vm,utm");
    assert_eq!((code, outcome(&json, "check").0), (6, "failed"), "{told}");
    assert!(outcome(&json, "check").1.contains("Contents/PkgInfo"), "{told}");
}

#[test]
fn gatekeeper_is_believed_in_what_it_says_of_the_app_and_in_nothing_else() {
    let vouched = "echo 'Authority=Developer ID Application: Somebody'";
    for (spctl, codesign, code, wanted, why) in [
        ("", None, 7, "not-run", "Gatekeeper is switched off"),
        ("echo 'internal error' >&2; exit 1", None, 7, "not-run", "internal error"),
        ("echo 'source=Unnotarized Developer ID' >&2; exit 3", Some(vouched), 6, "failed", "Unnotarized"),
        ("", Some(vouched), 0, "passed", "accepted, with its ticket"),
    ] {
        let mac = Mac::new();
        mac.program("spctl", spctl);
        codesign.into_iter().for_each(|text| mac.program("codesign", text));
        let (found, json, told) = mac.validate(&format!("{REAL},entitlements"));
        let (outcome, said) = outcome(&json, "gatekeeper");
        assert!((found, outcome) == (code, wanted) && said.contains(why), "{spctl}: {said}\n{told}");
    }
}

/// What `utmctl` answers for a VM whose state is in a file.
const UTMCTL: &str = "cd \"$(dirname \"$0\")\"
    case $1 in
        list) echo 'UUID Status Name'; test ! -e opened || echo '0F1E2D3C-0000-4000-8000-000000000001 stopped helix-validation';;
        start) echo started > state;;
        status) cat state;;
        exec) echo running;;
        stop) echo stopped > state;;
        delete) touch deleted;;
    esac";

#[test]
fn a_package_is_tried_in_utm_as_another_vm_than_the_users() {
    let mac = Mac::new();
    let (image, made) = (mac.folder.path().join("image"), mac.folder.path().join("helix-linux.utm"));
    std::fs::create_dir(&image).unwrap();
    let disk = image.join("disk.qcow2");
    let create = Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(&disk).arg("64M").status();
    assert!(create.unwrap().success());
    let digest = Command::new("sha256sum").arg(&disk).output().unwrap().stdout;
    let digest = String::from_utf8(digest).unwrap().split_whitespace().next().unwrap().to_owned();
    let manifest = serde_json::json!({
        "schema_version": 1, "recipe": "test", "architecture": "arm64", "artifacts": { "disk.qcow2": digest },
        "resolved_recipe": { "hostname": "host", "users": [{ "name": "user" }] },
    });
    std::fs::write(image.join("manifest.json"), manifest.to_string()).unwrap();
    let options = helix_utm_package::Options::default();
    let of_image = helix_utm_package::create(&image, &made, &options, &mut |_, _| {}).unwrap().uuid;
    let archive = mac.bundle().join("helix-linux.utm.zip");
    std::fs::write(&archive, "image").unwrap();
    std::fs::write(archive.with_extension("zip.sha256"), format!("{OF_IMAGE}  helix-linux.utm.zip\n")).unwrap();
    mac.program("ditto", &format!("cp -r '{}' \"$4\"", made.display()));
    mac.program("uuidgen", "echo 0F1E2D3C-0000-4000-8000-000000000001");
    mac.program("open", "cp \"$3/config.plist\" \"$(dirname \"$0\")/opened\"");
    mac.program("utmctl", UTMCTL);
    let (code, json, told) = mac.validate("check,encoder,vm");
    assert_eq!((code, outcome(&json, "utm")), (0, ("passed", "opened, started, up, and shut down")), "{told}");
    let opened = std::fs::read_to_string(mac.programs().join("opened")).unwrap();
    assert!(opened.contains("0F1E2D3C-0000-4000-8000-000000000001") && !opened.contains(&of_image), "{opened}");
    assert!(!mac.asked().contains(&of_image) && mac.programs().join("deleted").exists(), "{}", mac.asked());
    // A guest that never comes up is told, and does not stay in UTM.
    std::fs::remove_file(mac.programs().join("deleted")).unwrap();
    mac.program("utmctl", &UTMCTL.replace("start)", "start) exit 1;; never)"));
    let (code, json, _) = mac.validate("check,encoder,vm");
    assert_eq!((code, outcome(&json, "utm").0), (6, "failed"));
    assert!(mac.programs().join("deleted").exists());
}

#[test]
fn a_folder_without_an_app_is_refused() {
    let mac = Mac::new();
    let elsewhere = mac.folder.path().join("elsewhere");
    symlink(Path::new("/nowhere"), &elsewhere).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_helix-bundle")).arg("validate").arg(&elsewhere).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && told.contains("cargo xtask bundle"), "{told}");
}
