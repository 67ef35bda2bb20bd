//! The lock: what it pins, what refuses to leave it, and work without a network.

use crate::support::{Fault, Project};

/// The lock's text.
fn lock(project: &Project) -> String {
    std::fs::read_to_string(project.path("root/recipes/mini.lock")).expect("the lock")
}

/// Makes the cache forget a package of the archive, so that it must be fetched again.
fn forget(project: &Project, name: &str) {
    let deb = project.mini.debs.iter().find(|d| d.name() == name).expect("a package of the archive");
    let digest = helix_rootfs::fetch::sha256_of(&deb.file).expect("a package file");
    std::fs::remove_file(project.cache().join("packages").join(&digest[..2]).join(digest)).expect("a cached package");
}

#[test]
fn locked_refuses_a_missing_lock_and_one_that_does_not_answer() {
    let project = Project::new();
    let locked = ["build-image", "mini", "--no-test", "--locked"];
    project.run(&locked).ends_with(3).says(&["has no answer to what the recipe asks for", "--update-lock"]);
    project.assert_nothing_half_made();
    project.build().ends_with(0);
    project.run(&locked).ends_with(0);
    let before = lock(&project);
    project.edit(", mini-tool]", "]");
    project.run(&locked).ends_with(3).says(&["does not answer what the recipe asks for", "--update-lock"]);
    assert_eq!(lock(&project), before);
    project.publish_tools();
    project.run(&["build-image", "mini", "--no-test", "--update-lock"]).ends_with(0);
    assert!(!lock(&project).contains("mini-tool"));
    project.run(&locked).ends_with(0);
}

#[test]
fn a_broken_lock_is_named_with_the_command_that_mends_it() {
    let project = Project::new();
    std::fs::write(project.path("root/recipes/mini.lock"), "{\"schema\": 1, \"resolutions\"").expect("a lock");
    project.build().ends_with(3).says(&["mini.lock: is no lock file", "--update-lock"]);
    project.assert_nothing_half_made();
}

#[test]
fn where_the_archive_has_moved_on_a_plain_build_follows_and_a_locked_one_refuses() {
    let mut project = Project::new();
    project.build().ends_with(0);
    let (before, first) = (lock(&project), project.disk_digest());
    forget(&project, "mini-tool");
    project.publish_tool(Some("2"));
    project.run(&["cache", "rm", "trees"]).ends_with(0);
    std::fs::remove_dir_all(project.output()).expect("the image");

    let run = project.run(&["build-image", "mini", "--no-test", "--locked"]).ends_with(5);
    run.says(&["mini-tool_1_all.deb: the server has no such file"]);
    project.assert_nothing_half_made();

    let run = project.run(&["build-image", "mini", "--no-test", "--json"]).ends_with(0);
    let document = run.json();
    assert_eq!(document["manifest"]["lock_differences"], serde_json::json!(["mini-tool 1 → 2"]));
    run.says(&[
        "the archive no longer has 1 packages of the lock",
        "differs from its lock",
        "mini-tool 1 → 2",
        "--update-lock",
    ]);
    assert_eq!(lock(&project), before, "a plain build leaves the lock as it is");
    assert_ne!(project.disk_digest(), first);

    project.publish_tools();
    project.run(&["build-image", "mini", "--no-test", "--update-lock"]).ends_with(0);
    assert_ne!(lock(&project), before);
    let run = project.run(&["build-image", "mini", "--no-test", "--locked", "--json"]).ends_with(0);
    assert_eq!(run.json()["manifest"]["lock_differences"], serde_json::json!([]));
}

#[test]
fn a_package_that_is_refused_or_wrong_has_not_vanished() {
    let mut project = Project::new();
    project.build().ends_with(0);
    let before = lock(&project);
    forget(&project, "mini-tool");
    project.run(&["cache", "rm", "trees"]).ends_with(0);
    std::fs::remove_dir_all(project.output()).expect("the image");
    // A new version is there too: a build that resolved anew would take it.
    let old = project.mini.debs.clone();
    project.publish_tool(Some("2"));
    let mut suite = project.suite();
    suite.components.values_mut().for_each(|debs| debs.extend(old.iter().filter(|d| d.name() == "mini-tool").cloned()));
    project.publish(&suite);
    for (fault, words) in [
        (Fault::Status(403), "mini-tool_1_all.deb: the server refuses it (403"),
        (Fault::Corrupt, "nothing of it was kept"),
    ] {
        project.server.misbehave("mini-tool_1", fault);
        let run = project.build().ends_with(5).says(&[words]);
        assert!(!run.stderr.contains("resolving anew"), "{}", run.stderr);
        project.assert_nothing_half_made();
        project.server.behave();
    }
    project.build().ends_with(0);
    assert_eq!(lock(&project), before);
}

#[test]
fn a_plain_build_keeps_to_its_lock_while_the_archive_still_has_its_packages() {
    let mut project = Project::new();
    project.build().ends_with(0);
    let first = project.disk_digest();
    // The new version is there, and so is the old one.
    let old = project.mini.debs.clone();
    project.publish_tool(Some("2"));
    let mut suite = project.suite();
    suite.components.values_mut().for_each(|debs| debs.extend(old.iter().filter(|d| d.name() == "mini-tool").cloned()));
    project.publish(&suite);
    project.run(&["cache", "rm", "trees"]).ends_with(0);
    std::fs::remove_dir_all(project.output()).expect("the image");
    project.build().ends_with(0);
    assert_eq!(project.disk_digest(), first);
}

#[test]
fn offline_names_what_a_cold_cache_lacks() {
    let project = Project::new();
    let offline = ["build-image", "mini", "--no-test", "--offline"];
    project.run(&offline).ends_with(2).says(&["--offline", "has no usable answer for arm64"]);
    project.build().ends_with(0);
    forget(&project, "mini-tool");
    std::fs::remove_dir_all(project.output()).expect("the image");
    let run = project.run(&offline).ends_with(5);
    run.says(&["mini-tool_1_all.deb is not in the cache, and --offline forbids to fetch it"]);
    project.assert_nothing_half_made();
    assert!(!project.output().exists());
}

#[test]
fn offline_builds_everything_from_a_warm_cache_without_a_network() {
    let project = Project::new();
    project.build().ends_with(0);
    let first = project.disk_digest();
    project.run(&["cache", "rm", "trees"]).ends_with(0);
    std::fs::remove_dir_all(project.output()).expect("the image");
    let asked = project.server.requests().len();
    // A network namespace of its own has no route, not even a loopback that is up.
    let script = "! ip route get 192.0.2.1 2>/dev/null; exec \"$XTASK\" build-image mini --no-test --offline";
    project.run_inside(script, false).ends_with(0);
    assert_eq!(project.disk_digest(), first);
    assert_eq!(project.server.requests().len(), asked);
}
