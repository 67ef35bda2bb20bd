//! Values that are each allowed but not together.

use crate::common::{SMALLEST, one, places, with};

fn digest() -> String {
    "a".repeat(64)
}

#[test]
fn names_and_targets_are_taken_once() {
    let artifact = format!("{{url: https://x/, sha256: {}, target: /t}}", digest());
    let lines = format!(
        "users:\n  - {{name: a, uid: 1000}}\n  - {{name: a, uid: 1000}}\n  - {{name: root}}\n\
         checks:\n  - {{name: c, run: a}}\n  - {{name: c, run: b}}\nartifacts:\n  - {artifact}\n  - {artifact}\n"
    );
    let faults = places(with(&lines));
    assert_eq!(
        faults,
        [
            "x.yaml:11:12 the name `a` is taken by the user on line 10",
            "x.yaml:11:20 the uid `1000` is taken by the user on line 10",
            "x.yaml:12:12 the user `root` exists already and cannot be created",
            "x.yaml:15:12 the name `c` is taken by the check on line 14",
            "x.yaml:18:105 the target `/t` is taken by the artifact on line 17",
        ]
    );
}

#[test]
fn docker_needs_its_package_and_its_settings_repeat_no_key() {
    let faults = places(with("docker: {settings: {data-root: /x}}\n"));
    assert_eq!(
        faults,
        [
            "x.yaml:9:1 docker is configured, but the packages on line 7 do not bring it",
            "x.yaml:9:21 `data-root` cannot be among the free settings",
        ]
    );
    for package in ["docker.io", "docker-ce", "moby-engine"] {
        let text = SMALLEST.replace("[systemd]", &format!("[systemd, {package}]")) + "docker: {}\n";
        assert!(one(&text).is_ok(), "{package}");
    }
    let before = places(one(&format!("docker: {{}}\n{SMALLEST}")));
    assert_eq!(before, ["x.yaml:8:1 these packages do not bring docker, which is configured on line 1"]);
}

#[test]
fn a_unit_is_not_enabled_and_masked_or_disabled() {
    let faults =
        places(with("units:\n  mask: [a.service]\n  enable: [a.service, b.service]\n  disable: [b.service]\n"));
    assert_eq!(
        faults,
        [
            "x.yaml:11:12 `a.service` is enabled here but masked on line 10",
            "x.yaml:12:13 `b.service` is disabled here but enabled on line 11",
        ]
    );
}

#[test]
fn the_disk_has_room_beside_the_esp() {
    let disk = |disk: &str| one(&SMALLEST.replace("{size: 8GiB}", disk));
    assert!(disk("{size: 1536MiB}").is_ok());
    let message = "a disk of 1535MiB has no room for an ESP of 512MiB and a root file system of at least 1GiB";
    assert_eq!(places(disk("{size: 1535MiB}")), [format!("x.yaml:8:14 {message}")]);
    let explicit = places(disk("\n  esp: 8GiB\n  size: 8GiB"));
    assert!(explicit[0].starts_with("x.yaml:10:9 ") && explicit[0].ends_with("(`esp` is on line 9)"), "{explicit:?}");
    let overflow = places(disk("{size: 8GiB, esp: 16777215TiB}"));
    assert!(overflow[0].contains("no room") && overflow.len() == 1, "{overflow:?}");
    let absurd = places(disk("{size: 8GiB, esp: 16777216TiB}"));
    assert_eq!(absurd, ["x.yaml:8:25 `16777216TiB` is not a size: the size is larger than 2⁶⁴ bytes"]);
}

#[test]
fn strip_components_needs_unpack() {
    let artifact =
        |more: &str| with(&format!("artifacts:\n  - {{url: https://x/, sha256: {}, target: /t{more}}}\n", digest()));
    assert!(artifact(", strip-components: 0").is_ok());
    assert!(artifact(", strip-components: 1, unpack: true").is_ok());
    let alone = places(artifact(", strip-components: 1"));
    assert_eq!(alone, ["x.yaml:10:109 `strip-components` needs `unpack: true`"]);
    let denied = places(artifact(", strip-components: 1, unpack: false"));
    assert_eq!(denied.len(), 1);
    assert!(
        denied[0].starts_with("x.yaml:10:130 ") && denied[0].contains("`strip-components` is on line 10"),
        "{denied:?}"
    );
}

#[test]
fn a_snapshot_needs_its_mirror() {
    let faults = places(one(&SMALLEST.replace("key:", "snapshot: 20261101T000000Z, key:")));
    assert_eq!(faults, ["x.yaml:6:76 `snapshot` needs `snapshot-mirror`, which is missing here"]);
}
