//! What values become: defaults, architectures, paths, and what goes into the manifest.

use crate::common::{SMALLEST, one, places, read, with};
use helix_recipe::{Architecture, Location, Options, parse_str};
use std::path::Path;

const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn on(architecture: Architecture) -> Options {
    Options { architecture: Some(architecture), mirror: None }
}

#[test]
fn what_is_left_out_has_its_default() {
    let recipe = with("users: [{name: helix}]\nchecks: [{name: up, run: uptime}]\n").unwrap();
    assert_eq!((recipe.hostname.as_str(), recipe.locale.as_str()), ("helix", "C.UTF-8"));
    assert_eq!(recipe.timezone, "Etc/UTC");
    assert_eq!(recipe.disk.esp.bytes(), 512 << 20);
    assert_eq!(recipe.disk.compression_level, 3);
    assert_eq!(recipe.archives[0].components, ["main"]);
    assert_eq!(recipe.users[0].shell, "/bin/bash");
    assert_eq!((recipe.users[0].uid, recipe.users[0].home_folder()), (None, "/home/helix".into()));
    assert_eq!(recipe.checks[0].timeout.duration().as_secs(), 60);
    assert!(recipe.docker.is_none() && recipe.units.enable.is_empty());
}

#[test]
fn the_architecture_is_chosen_and_replaced() {
    let text = SMALLEST
        .replace("http://ftp.debian.org/debian", "{arm64: 'http://ports/${architecture}', amd64: http://main/debian}")
        .replace("[systemd]", "['linux-image-${architecture}', grub-efi-arm64]")
        + "kernel-command-line: ['arch=${architecture}']\n\
           artifacts: [{url: 'https://x/t-${architecture}.gz', sha256: {arm64: DIGEST, amd64: OTHER}, target: /t}]\n"
            .replace("DIGEST", DIGEST)
            .replace("OTHER", &DIGEST.replace('9', "0"))
            .as_str();
    let arm = one(&text).unwrap();
    assert_eq!(arm.archives[0].mirror, "http://ports/arm64");
    assert_eq!(arm.packages, ["linux-image-arm64", "grub-efi-arm64"]);
    assert_eq!(arm.kernel_command_line, ["arch=arm64"]);
    assert_eq!(arm.artifacts[0].url, Location::Remote("https://x/t-arm64.gz".into()));
    assert_eq!(arm.artifacts[0].sha256, DIGEST);
    let amd = parse_str("x.yaml", &text, &on(Architecture::Amd64)).unwrap();
    assert_eq!(amd.architecture, Architecture::Amd64);
    assert_eq!(amd.archives[0].mirror, "http://main/debian");
    assert_eq!(amd.packages, ["linux-image-amd64", "grub-efi-arm64"]);
    assert_eq!(amd.artifacts[0].sha256, DIGEST.replace('9', "0"));
}

#[test]
fn a_mapping_per_architecture_is_checked_as_a_whole() {
    let text = SMALLEST.replace("http://ftp.debian.org/debian", "{amd64: ftp://x/, amr64: http://y/}");
    let faults = one(&text).unwrap_err();
    let messages: Vec<_> = faults.iter().map(|fault| fault.message()).collect();
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert_eq!(messages[0], "there is no value for `arm64` here");
    assert!(messages[1].starts_with("`ftp://x/` is not a mirror"));
    assert!(messages[2].starts_with("`amr64` is not an architecture"));
}

#[test]
fn the_command_lines_mirror_replaces_the_main_archives() {
    let two = SMALLEST.replace("packages:", "  - {name: b, mirror: http://b/, suites: [s], key: k}\npackages:");
    let options = |mirror: &str| Options { architecture: None, mirror: Some(mirror.into()) };
    let recipe = parse_str("x.yaml", &two, &options("http://near/debian")).unwrap();
    assert_eq!(
        (recipe.archives[0].url().as_str(), recipe.archives[1].url().as_str()),
        ("http://near/debian", "http://b/")
    );
    let faults = places(parse_str("x.yaml", &two, &options("near")));
    assert!(faults[0].starts_with("--mirror:1:1 `near` is not a mirror"), "{faults:?}");
}

#[test]
fn a_snapshot_replaces_the_mirror() {
    let text = SMALLEST.replace("key:", "snapshot: 20261101T000000Z, snapshot-mirror: https://snap/debian/, key:");
    let recipe = one(&text).unwrap();
    assert_eq!(recipe.archives[0].url(), "https://snap/debian/20261101T000000Z");
}

#[test]
fn paths_are_resolved_against_the_file_that_says_them_and_serialised_without_the_machine() {
    let child = format!(
        "extends: common/base.yaml\nfiles: [{{source: ../overlay}}]\n\
         artifacts: [{{url: 'file:./local/t', sha256: {DIGEST}, target: /t}}]\n"
    );
    let recipe =
        read(&[("/srv/r/x.yaml", &child), ("/srv/r/common/base.yaml", SMALLEST)], &Options::default()).unwrap();
    let paths: Vec<_> = recipe.source_paths().map(|path| (path.path(), path.relative())).collect();
    assert_eq!(
        paths,
        [
            (Path::new("/srv/r/common/keys/debian.asc"), "common/keys/debian.asc"),
            (Path::new("/srv/overlay"), "../overlay"),
            (Path::new("/srv/r/local/t"), "local/t"),
        ]
    );
    let json = serde_json::to_string(&recipe).unwrap();
    assert!(!json.contains("/srv"), "{json}");
    assert!(json.contains(r#""url":"file:local/t""#) && json.contains(r#""key":"common/keys/debian.asc""#));
}

#[test]
fn a_serialised_recipe_is_a_recipe_again() {
    let text = SMALLEST.replace("[systemd]", "[systemd, docker-ce]")
        + "docker: {settings: {log-driver: journald, n: 1}}\npermissions: [{path: /x, mode: '4755', owner: 0:staff}]\n\
           checks: [{name: a, run: b, timeout: 2m}]\nusers: [{name: helix, sudo: true}]\n";
    let first = one(&text).unwrap();
    let again = one(&serde_json::to_string(&first).unwrap()).unwrap();
    assert_eq!(first, again);
    let value = serde_json::to_value(&first).unwrap();
    assert_eq!(value["permissions"][0]["mode"], "4755");
    assert_eq!(value["disk"], serde_json::json!({"size": "8GiB", "esp": "512MiB", "compression-level": 3}));
}

#[test]
fn text_stays_text_and_booleans_are_only_true_and_false() {
    let recipe = with("hostname: no\nchecks: [{name: on, run: yes, expect: off}]\n").unwrap();
    assert_eq!((recipe.hostname.as_str(), recipe.checks[0].run.as_str()), ("no", "yes"));
    let hint = |lines: &str| {
        let faults = with(lines).unwrap_err();
        let fault = faults.iter().next().unwrap();
        (fault.message().to_owned(), fault.hint().unwrap_or_default().to_owned())
    };
    let (message, advice) = hint("users: [{name: a, sudo: yes}]\n");
    assert_eq!(message, "expected `true` or `false`, found the text `yes`");
    assert_eq!(advice, "write `true`, without quotes");
    let (message, advice) = hint("hostname: 12\n");
    assert_eq!(
        message,
        "expected a host name (lower-case letters, digits and `-` in labels of 63 characters at most), found the number `12`"
    );
    assert_eq!(advice, "put it in quotes: `\"12\"`");
    let (message, _) = hint("units:\n");
    assert_eq!(message, "expected units (a mapping), found nothing");
    assert_eq!(hint("users: [{name: a, uid: '12'}]\n").1, "write it without quotes");
}

#[test]
fn missing_files_are_faults_beside_the_others() {
    let folder = std::env::temp_dir().join(format!("helix-recipe-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("keys")).unwrap();
    let path = folder.join("x.yaml");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        helix_recipe::load(&path, &Options::default())
    };
    let broken = format!("{SMALLEST}hostname: Bad!\nfiles: [{{source: keys}}, {{source: x.yaml}}]\n");
    let faults = read(&broken).unwrap_err();
    let found: Vec<_> = faults.iter().map(|fault| (fault.line(), fault.message())).collect();
    assert_eq!(found[0], (6, "the file `keys/debian.asc` does not exist"));
    assert!(found[1].1.starts_with("`Bad!`"));
    assert_eq!(found[2], (10, "`x.yaml` is not a folder"));
    assert_eq!(found.len(), 3);

    std::fs::write(folder.join("keys/debian.asc"), "key").unwrap();
    let recipe = read(SMALLEST).unwrap();
    assert_eq!(recipe.archives[0].key.path(), folder.join("keys/debian.asc"));
    std::fs::remove_file(folder.join("keys/debian.asc")).unwrap();
    assert_eq!(recipe.check_files().unwrap_err().len(), 1);

    std::fs::write(&path, "abstract: true\nhostname: a\n").unwrap();
    assert!(helix_recipe::check(&path, &Options::default()).is_ok());
    std::fs::write(&path, b"hostname: a\nlocale: \xff\n").unwrap();
    let faults = helix_recipe::check(&path, &Options::default()).unwrap_err().to_string();
    assert!(faults.contains("not UTF-8 (first seen on line 2)"), "{faults}");
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(helix_recipe::check(&path, &Options::default()).unwrap_err().to_string().contains("larger than 1 MiB"));
    std::fs::remove_dir_all(&folder).unwrap();
}
