//! A recipe with twelve different faults reports all twelve, each at its place.

const TWELVE: &str = "\
summary: Twelve different faults
distribution: debain
release: 13
architecture: arm64
archives:
  - name: debian
    mirror: ftp://ftp.debian.org/debian
    suites: [trixie]
    key: keys/debian.asc
    snapshot: 20261101T000000Z
pakages: [docker.io]
packages: [systemd, Docker, vim-]
artifacts:
  - url: https://example.org/tool.tar.gz
    sha256: cafe
    target: usr/local/../tool
permissions:
  - {path: /etc/sudoers.d/helix, mode: 0440}
units:
  enable: [docker.service]
  mask: [docker.service]
disk:
  size: 64GB
";

#[test]
fn all_are_reported_at_once() {
    let faults = crate::common::one(TWELVE).unwrap_err();
    assert_eq!(faults.len(), 12, "{faults}");
    insta::assert_snapshot!("report", faults.to_string());
}

#[test]
fn tools_get_the_same_as_json() {
    let faults = serde_json::to_value(crate::common::one(TWELVE).unwrap_err()).unwrap();
    assert_eq!(faults.as_array().unwrap().len(), 12);
    assert_eq!(
        faults[0],
        serde_json::json!({
            "file": "x.yaml",
            "line": 2,
            "column": 15,
            "message": "`debain` is not a distribution: expected `debian` or `ubuntu`",
            "hint": "did you mean `debian`?",
        })
    );
}
