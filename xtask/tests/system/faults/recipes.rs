//! Recipes and command lines at fault.

use crate::support::Project;

const TWELVE: &str = "\
summary: Twelve different faults
distribution: debain
release: 13
architecture: arm64
archives:
  - name: debian
    mirror: ftp://ftp.debian.org/debian
    suites: [trixie]
    key: keys/test.asc
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
fn twelve_faults_are_all_reported_and_nothing_is_touched() {
    let project = Project::new();
    std::fs::write(project.path("root/recipes/twelve.yaml"), TWELVE).expect("a recipe");
    let run = project.run(&["build-image", "twelve"]).ends_with(3);
    assert_eq!(run.stderr.matches("fault: ").count(), 12, "{}", run.stderr);
    let run = run.says(&["twelve.yaml:2:15", "did you mean `debian`?", "did you mean `packages`?", "12 faults in"]);
    assert_eq!(run.stdout, "");
    assert_eq!(project.server.requests(), Vec::<String>::new());
    let run = project.run(&["build-image", "twelve", "--json"]).ends_with(3);
    let document = run.json();
    assert_eq!(document["error"]["code"], 3);
    assert_eq!(document["error"]["kind"], "recipe");
    let faults = document["error"]["faults"].as_array().expect("a list of faults");
    assert_eq!(faults.len(), 12);
    assert!(faults.iter().all(|f| f["line"].is_u64() && f["message"].is_string()), "{faults:?}");
    project.assert_nothing_half_made();
}

#[test]
fn an_unknown_recipe_is_answered_with_those_there_are() {
    let project = Project::new();
    project.run(&["build-image", "minni"]).ends_with(2).says(&["there is no recipe minni", "in recipes: mini"]);
    project.run(&["plan", "minni"]).ends_with(2).says(&["there is no recipe minni"]);
}

#[test]
fn a_command_line_that_is_not_understood_ends_with_2() {
    let project = Project::new();
    project.run(&["build-image", "--lokced"]).ends_with(2).says(&["--locked"]);
    project.run(&["build-image", "--locked", "--update-lock"]).ends_with(2).says(&["cannot be used with"]);
    project.run(&["inspect", "nowhere"]).ends_with(2).says(&["nowhere: is no image folder"]);
    project.run(&["test-image", "nowhere"]).ends_with(2).says(&["nowhere: is no image folder"]);
    project.run(&["build-image", "mini", "--until", "paint"]).ends_with(2).says(&["possible values: tools, packages"]);
}

#[test]
fn a_file_that_the_recipe_names_and_nobody_has_is_a_fault_of_the_recipe() {
    let project = Project::new();
    project.edit("source: ../layer", "source: ../lawyer");
    let run = project.build().ends_with(3).says(&["lawyer"]);
    assert!(run.stderr.contains("mini.yaml:"), "{}", run.stderr);
    project.assert_nothing_half_made();
}
