//! Helix.app and helix-linux.utm: the real verbs, the project's own programs, a small sysroot, and what can go wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::notary_server::{ISSUER, KEY_ID, Server, Way, key};
use crate::support::{Run, Running, inside, root_folder};

/// What a bundle is made of, and the place for it.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("b").tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let bench = Self { folder };
        helix_test_sysroot::build(&bench.at("sysroot")).expect("a sysroot");
        bench.image("arm64");
        bench
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An image of a small disk, as `build-image` leaves one.
    fn image(&self, architecture: &str) {
        let folder = self.at("image");
        fs::create_dir_all(&folder).expect("a folder");
        let disk = folder.join("disk.qcow2");
        let made = Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(&disk).arg("64M").status();
        assert!(made.expect("qemu-img").success());
        let bill = json!({ "components": [{ "name": "base-files", "version": "13", "licenses": [{ "license": { "name": "GPL-2+" } }] }] });
        fs::write(folder.join("sbom.cdx.json"), bill.to_string()).expect("a bill");
        let manifest = json!({
            "schema_version": 1, "recipe": "quickstart", "architecture": architecture,
            "size": fs::metadata(&disk).expect("a disk").len(),
            "artifacts": { "disk.qcow2": sha256(&disk), "sbom.cdx.json": sha256(&folder.join("sbom.cdx.json")) },
            "lock_digest": "0".repeat(64), "tools": { "xfsprogs": "6.17" },
            "resolved_recipe": { "hostname": "helix", "users": [{ "name": "helix" }] },
        });
        fs::write(folder.join("manifest.json"), manifest.to_string()).expect("a manifest");
    }

    fn make(&self, output: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["bundle", "--json", "--image"]).arg(self.at("image")).arg("--sysroot").arg(self.at("sysroot"));
        command.arg("--output").arg(self.at(output)).args(more).current_dir(root_folder());
        command
    }

    fn refused(&self, code: i32, phrases: &[&str]) {
        let before = names(self.folder.path());
        Run::of(self.make("refused", &[])).ends_with(code).says(phrases);
        let mut after = names(self.folder.path());
        after.retain(|name| name != ".refused.lock");
        assert_eq!(before, after, "something was left");
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != ".refused.lock");
    names.sort();
    names
}

fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().expect("sha256sum");
    String::from_utf8(output.stdout).expect("text").split_whitespace().next().expect("a digest").to_owned()
}

/// The command, run from a shell with such a mask.
fn masked(mask: &str, command: Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("umask {mask}; exec \"$0\" \"$@\"")])
        .arg(command.get_program())
        .args(command.get_args());
    shell.current_dir(root_folder());
    shell
}

/// What `find` says of every file and folder: its path and mode.
fn modes(folder: &Path) -> Vec<String> {
    let output = Command::new("find").args([".", "-printf", "%p %m\\n"]).current_dir(folder).output().expect("find");
    let mut lines: Vec<String> = String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect();
    lines.sort();
    assert!(lines.iter().any(|line| line.ends_with("/_CodeSignature 755")), "{lines:?}");
    lines
}

fn check(paths: &[&Path]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("check-bundle").args(paths);
    Run::of(command)
}

#[test]
fn a_bundle_is_made_the_same_twice_and_others_read_it() {
    let bench = Bench::new();
    // Whatever the callers' shells mask.
    let first = Run::of(masked("000", bench.make("one", &[]))).ends_with(0).json();
    let second = Run::of(masked("077", bench.make("two", &[]))).ends_with(0).json();
    assert_eq!(modes(&bench.at("one")), modes(&bench.at("two")));
    let digests = |made: &Value| -> Vec<(String, String)> {
        let files = made["bundle"]["files"].as_array().expect("files").iter();
        let name = |file: &Value| {
            Path::new(file["file"].as_str().unwrap()).file_name().unwrap().to_string_lossy().into_owned()
        };
        files.map(|file| (name(file), file["sha256"].as_str().unwrap().to_owned())).collect()
    };
    assert_eq!(digests(&first), digests(&second));
    let out = bench.at("one");
    assert_eq!(
        names(&out),
        [
            "Helix.app",
            "Helix.dmg",
            "Helix.dmg.sha256",
            "Helix.zip",
            "Helix.zip.sha256",
            "helix-linux.utm.zip",
            "helix-linux.utm.zip.sha256",
            "provenance.json",
            "provenance.json.sha256",
        ]
    );
    for (name, digest) in digests(&first) {
        assert_eq!(sha256(&out.join(&name)), digest, "{name}");
    }
    check(&[&out.join("Helix.app"), &out.join("Helix.dmg")])
        .ends_with(0)
        .says(&["Helix.app: good, signed ad hoc", "Helix.dmg: good"]);
    others_read_it(&out, &bench.at("unpacked"));
    what_was_spoilt_is_named(&out);
    an_earlier_bundle_gives_way(&bench, &out);
}

/// The archives have the app and the package that were checked, links and modes included.
fn others_read_it(out: &Path, to: &Path) {
    for name in ["Helix.zip", "helix-linux.utm.zip"] {
        let status = Command::new("unzip").arg("-q").arg(out.join(name)).arg("-d").arg(to).status();
        assert!(status.expect("unzip").success(), "{name}");
    }
    check(&[&to.join("Helix.app"), &to.join("helix-linux.utm")]).ends_with(0);
    let test = Command::new("7zz").arg("t").arg(out.join("Helix.dmg")).output().expect("7zz");
    assert!(test.status.success(), "{}", String::from_utf8_lossy(&test.stdout));
    let mut difference = Command::new("diff");
    difference.args(["-r", "--no-dereference"]).args([out, to].map(|folder| folder.join("Helix.app")));
    let difference = difference.output().expect("diff");
    assert!(difference.status.success(), "{}", String::from_utf8_lossy(&difference.stdout));
}

fn what_was_spoilt_is_named(out: &Path) {
    let file = out.join("Helix.app/Contents/Resources/NOTICES.txt");
    let text = fs::read_to_string(&file).expect("notices");
    fs::write(&file, format!("{text} ")).expect("notices");
    check(&[&out.join("Helix.app")]).ends_with(6).says(&["Contents/Resources/NOTICES.txt: is not what was signed"]);
    fs::write(&file, text).expect("notices");
    let image = out.join("Helix.dmg");
    let mut data = fs::read(&image).expect("an image");
    data[1000] ^= 1;
    fs::write(&image, data).expect("an image");
    check(&[&image]).ends_with(6);
    check(&[&out.join("Helix.zip")]).ends_with(2).says(&["unpack archives first"]);
}

fn an_earlier_bundle_gives_way(bench: &Bench, out: &Path) {
    // What a killed run leaves.
    fs::create_dir_all(bench.at(".one.new/Helix.app")).expect("a folder");
    Run::of(bench.make("one", &["--vm", "download", "--disk-url", "https://example.org/disk.qcow2"])).ends_with(0);
    let image = out.join("Helix.app/Contents/Resources/image");
    assert_eq!(names(&image), ["download.json", "manifest.json"]);
    check(&[&out.join("Helix.app"), &out.join("Helix.dmg")]).ends_with(0);
    assert!(!bench.at(".one.new").exists() && !bench.at(".one.old").exists());
}

/// Wherever a run is killed, the earlier bundle stays whole, or the new one is there; and the next run is fine.
#[test]
fn a_killed_run_loses_nothing() {
    let bench = Bench::new();
    Run::of(bench.make("out", &[])).ends_with(0);
    let started = Instant::now();
    Run::of(bench.make("out", &[])).ends_with(0);
    let whole = started.elapsed();
    let out = bench.at("out");
    for part in 1..=8 {
        let run = Running::start(bench.make("out", &["--app-version", &format!("1.{part}")]));
        std::thread::sleep(whole * part / 8);
        run.signal(rustix::process::Signal::KILL);
        run.wait();
        // It may have been between its two steps of taking the name, which the next run mends.
        let there = if out.exists() { out.clone() } else { bench.at(".out.old") };
        check(&[&there.join("Helix.app"), &there.join("Helix.dmg")]).ends_with(0);
    }
    Run::of(bench.make("out", &[])).ends_with(0);
    check(&[&out.join("Helix.app"), &out.join("Helix.dmg")]).ends_with(0);
    assert!(!bench.at(".out.new").exists() && !bench.at(".out.old").exists());
}

#[test]
fn what_is_asked_for_is_made_and_what_cannot_be_is_told_first() {
    let bench = Bench::new();
    let web = ["--vm", "download", "--disk-url", "ftp://example.org/disk.qcow2"];
    Run::of(bench.make("out", &web)).ends_with(3).says(&["its url must begin with https://"]);
    Run::of(bench.make("out", &["--utm-argument", "-device a"])).ends_with(3).says(&["\"-device a\" would not come"]);
    let wanted = ["--no-dmg", "--utm-argument", "-device", "--utm-argument", "usb-tablet"];
    let made = Run::of(bench.make("out", &wanted)).ends_with(0).json();
    assert_eq!(made["bundle"]["files"].as_array().expect("files").len(), 3);
    assert!(!bench.at("out/Helix.dmg").exists() && bench.at("out/Helix.zip").exists());
    let package = bench.at("out/helix-linux.utm.zip");
    let config =
        Command::new("unzip").arg("-p").arg(package).arg("helix-linux.utm/config.plist").output().expect("unzip");
    let config: String = String::from_utf8(config.stdout).expect("text").split_whitespace().collect();
    assert!(config.contains("<string>-device</string><string>usb-tablet</string>"), "{config}");
    let disk = fs::File::options().write(true).open(bench.at("image/disk.qcow2")).expect("a disk");
    disk.set_len(5 << 30).expect("a large disk, of holes");
    Run::of(bench.make("large", &[])).ends_with(2).says(&["has 4 GiB or more", "--no-dmg"]);
    assert!(!bench.at("large").exists());
}

#[test]
fn everything_that_is_wrong_is_told_together_before_anything_is_built() {
    let bench = Bench::new();
    bench.image("amd64");
    fs::remove_file(bench.at("sysroot/share/vulkan/icd.d/MoltenVK_icd.json")).expect("removed");
    fs::create_dir(bench.at("mine")).expect("a folder");
    fs::write(bench.at("mine/letter"), "dear").expect("a letter");
    let nothing = bench.at("no.p12");
    let options =
        ["--certificate", nothing.to_str().expect("UTF-8"), "--utm-argument", "-device a", "--app-version", "one"];
    let run = Run::of(bench.make("mine", &options)).ends_with(2).says(&[
        "is for amd64",
        "MoltenVK_icd.json",
        "no.p12",
        "\"-device a\" would not come",
        "\"one\" is no version",
        "is there and is no bundle",
    ]);
    assert!(!run.stderr.contains("programs"), "something was built:\n{}", run.stderr);
    assert_eq!(run.json()["error"]["code"], 2);
}

#[test]
fn what_is_checked_has_one_document_and_a_code_of_the_table() {
    let bench = Bench::new();
    let app = bench.at("Broken.APP");
    fs::create_dir_all(app.join("Contents")).expect("a folder");
    let run = |args: &[&Path]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["check-bundle", "--json"]).args(args);
        Run::of(command)
    };
    let broken = run(&[&app]).ends_with(6).json();
    assert!(!broken["checked"][0]["faults"].as_array().expect("faults").is_empty(), "{broken}");
    fs::write(bench.at("file.utm"), "x").expect("a file");
    fs::create_dir(bench.at("folder.dmg")).expect("a folder");
    let wrong = run(&[&bench.at("none.app"), &bench.at("file.utm"), &bench.at("folder.dmg"), &app]).ends_with(2);
    let wrong = wrong.says(&["none.app: does not exist", "file.utm: is a file", "folder.dmg: is a folder"]);
    assert_eq!(wrong.json()["error"]["kind"], "usage");
    // What clap refuses is a document too, and help is none.
    let mut unknown = Command::new(env!("CARGO_BIN_EXE_xtask"));
    unknown.args(["check-bundle", "--json", "--colour"]);
    let unknown = Run::of(unknown).ends_with(2);
    assert!(unknown.json()["error"]["message"].as_str().expect("a message").contains("--colour"));
}

#[test]
fn a_key_signs_all_files() {
    let bench = Bench::new();
    let (public, secret) = (bench.at("key.pub"), bench.at("key"));
    let mut generate = Command::new("minisign");
    generate.args(["-G", "-p"]).arg(&public).arg("-s").arg(&secret).stdin(std::process::Stdio::piped());
    let mut child = generate.stdout(std::process::Stdio::null()).spawn().expect("minisign");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), b"word\nword\n").expect("a password");
    assert!(child.wait().expect("minisign").success());
    let key = ["--minisign-key", secret.to_str().expect("text")];
    let mut command = bench.make("out", &key);
    command.env("HELIX_MINISIGN_PASSWORD", "another");
    Run::of(command).ends_with(3).says(&["the password is wrong"]);
    let mut command = bench.make("out", &key);
    command.env("HELIX_MINISIGN_PASSWORD", "word");
    Run::of(command).ends_with(0);
    for name in ["Helix.dmg", "Helix.zip", "helix-linux.utm.zip", "provenance.json"] {
        let verify =
            Command::new("minisign").args(["-V", "-p"]).arg(&public).arg("-m").arg(bench.at("out").join(name)).output();
        let verify = verify.expect("minisign");
        assert!(verify.status.success(), "{name}: {}", String::from_utf8_lossy(&verify.stderr));
    }
}

/// What openssl makes of these words, in the folder.
fn openssl(bench: &Bench, words: &str) {
    let output = Command::new("openssl").args(words.split(' ')).current_dir(bench.folder.path()).output();
    let output = output.expect("openssl");
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_certificate_signs_the_app() {
    let bench = Bench::new();
    let new = "req -x509 -newkey rsa:2048 -days 30 -passout pass:word -subj /CN=Somebody";
    openssl(&bench, &format!("{new} -addext extendedKeyUsage=codeSigning -keyout key -out good"));
    openssl(&bench, &format!("{new} -addext extendedKeyUsage=serverAuth -keyout webkey -out web"));
    fs::write(bench.at("wrong"), "another").expect("a password");
    fs::write(bench.at("right"), "word\n").expect("a password");
    let paths = ["good", "key", "web", "webkey", "right", "wrong"].map(|name| bench.at(name).display().to_string());
    let [good, key, web, webkey, right, wrong] = &paths;
    for (certificate, key, password, phrases) in [
        (good, key, wrong, &["the password is wrong"][..]),
        (web, webkey, right, &["the certificate \"Somebody\" is not for signing code"]),
        (good, webkey, right, &["the key belongs to no certificate"]),
        (right, key, right, &["neither PEM nor PKCS #12"]),
    ] {
        let options = ["--certificate", certificate, "--certificate-key", key, "--certificate-password-file", password];
        Run::of(bench.make("out", &options)).ends_with(3).says(phrases);
        assert!(!bench.at("out").exists() && !bench.at(".out.new").exists());
    }
    let mut command = bench.make("out", &["--certificate", good, "--certificate-key", key]);
    command.env("HELIX_CERTIFICATE_PASSWORD", "word");
    let made = Run::of(command).ends_with(0).json();
    let signature = "by \"Somebody\" under \"Somebody\", without timestamps";
    assert_eq!(made["bundle"]["signature"], signature);
    check(&[&bench.at("out/Helix.app")]).ends_with(0).says(&[&format!("good, signed {signature}")]);
    // Only a Mac has codesign.
    Run::of(bench.make("refused", &["--codesign", "Me"])).ends_with(5).says(&["/usr/bin/codesign"]);
}

#[test]
fn an_app_is_notarised() {
    let bench = Bench::new();
    let new = "req -x509 -newkey rsa:2048 -noenc -days 30 -subj /CN=Somebody";
    openssl(&bench, &format!("{new} -addext extendedKeyUsage=codeSigning -keyout key -out good"));
    let paths = ["good", "key"].map(|name| bench.at(name).display().to_string());
    let options = ["--certificate", &paths[0], "--certificate-key", &paths[1], "--notarize"];
    let run = |server: &Server| {
        let mut command = bench.make("out", &options);
        command.env("HELIX_NOTARY_URL", &server.url).env("APPLE_API_KEY", key().0);
        command.env("APPLE_API_KEY_ID", KEY_ID).env("APPLE_API_ISSUER", ISSUER);
        Run::of(command)
    };
    Run::of(bench.make("out", &["--notarize"])).ends_with(2).says(&["--certificate"]);
    let mut command = bench.make("out", &options);
    command.env_remove("APPLE_API_KEY").env_remove("APPLE_API_KEY_ID").env_remove("APPLE_API_ISSUER");
    Run::of(command).ends_with(2).says(&["APPLE_API_KEY is", "APPLE_API_KEY_ID is", "APPLE_API_ISSUER is"]);
    let refused = run(&Server::start(Way::Invalid)).ends_with(6);
    refused.says(&["Contents/MacOS/qemu-img: error: The binary is not signed."]);
    assert!(!bench.at("out").exists() && !bench.at(".out.new").exists());
    let server = Server::start(Way::Good);
    let made = run(&server).ends_with(0).json();
    let signature = made["bundle"]["signature"].as_str().expect("a signature");
    assert!(signature.ends_with("without timestamps, notarised"), "{signature}");
    assert_eq!((server.uploads(), server.program().len()), (1, 40));
    // Apple knows the same code again: nothing is sent when the ticket is there.
    run(&server).ends_with(0);
    assert_eq!(server.uploads(), 1);
    let unzip = Command::new("unzip").arg("-q").arg(bench.at("out/Helix.zip")).arg("-d").arg(bench.at("to")).status();
    assert!(unzip.expect("unzip").success());
    assert_eq!(fs::read(bench.at("to/Helix.app/Contents/CodeResources")).expect("a ticket"), server.ticket());
    check(&[&bench.at("to/Helix.app")]).ends_with(0).says(&["without timestamps, with a ticket"]);
}

#[test]
fn what_is_missing_or_damaged_is_named_and_nothing_is_left() {
    let bench = Bench::new();
    let disk = bench.at("image/disk.qcow2");
    let good = fs::read(&disk).expect("a disk");
    let mut bad = good.clone();
    bad[100] ^= 1;
    fs::write(&disk, bad).expect("a disk");
    bench.refused(3, &["disk.qcow2", "manifest"]);
    fs::remove_file(&disk).expect("removed");
    bench.refused(3, &["disk.qcow2"]);
    fs::write(&disk, good).expect("a disk");
    bench.image("amd64");
    bench.refused(3, &["amd64"]);
    bench.image("arm64");
    fs::remove_file(bench.at("sysroot/share/qemu/edk2-aarch64-code.fd")).expect("removed");
    fs::remove_file(bench.at("sysroot/share/vulkan/icd.d/MoltenVK_icd.json")).expect("removed");
    bench.refused(3, &["edk2-aarch64-code.fd", "MoltenVK_icd.json"]);
    fs::remove_dir_all(bench.at("sysroot")).expect("removed");
    bench.refused(3, &["sysroot"]);
    fs::remove_dir_all(bench.at("image")).expect("removed");
    bench.refused(3, &["image"]);
}

#[test]
fn too_little_space_is_told_and_nothing_is_left() {
    let bench = Bench::new();
    fs::create_dir(bench.at("small")).expect("a folder");
    let script = r#"
        mount -t tmpfs -o size=64m tmpfs "$1"
        small=$1; shift
        code=0; "$@" || code=$?
        test "$(ls -A "$small")" = .out.lock || { ls -lA "$small" >&2; exit 99; }
        exit $code
    "#;
    let mut command = inside(script, true);
    let make = bench.make("small/out", &[]);
    command.arg(bench.at("small")).arg(make.get_program()).args(make.get_args()).current_dir(root_folder());
    Run::of(command).ends_with(4).says(&["MB are needed"]);
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let bench = Bench::new();
    fs::create_dir(bench.at("mine")).expect("a folder");
    fs::write(bench.at("mine/letter"), "dear").expect("a letter");
    Run::of(bench.make("mine", &[])).ends_with(2).says(&["is there and is no bundle"]);
    assert_eq!(fs::read_to_string(bench.at("mine/letter")).expect("a letter"), "dear");
    let lock = fs::File::create(bench.at(".busy.lock")).expect("a lock");
    lock.lock().expect("a lock");
    Run::of(bench.make("busy", &[])).ends_with(2).says(&["is being made by another process"]);
}
