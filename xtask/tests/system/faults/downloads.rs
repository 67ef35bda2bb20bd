//! Downloads that go wrong, and downloads that must not be trusted.

use std::process::Command;

use crate::support::{Fault, MIRROR, Project, root_folder};

/// Adds an artifact to the recipe.
fn add_artifact(project: &Project, name: &str, sha256: &str, more: &str) {
    let entry =
        format!("artifacts:\n  - url: {MIRROR}/{name}\n    sha256: {sha256}\n    target: /opt/{name}\n{more}files:");
    project.edit("files:", &entry);
}

/// Puts a file into the archive's folder and returns its digest.
fn offer(project: &Project, name: &str, bytes: &[u8]) -> String {
    let file = project.site().join("mini").join(name);
    std::fs::write(&file, bytes).expect("a file of the site");
    helix_rootfs::fetch::sha256_of(&file).expect("a readable file")
}

#[test]
fn a_package_with_other_bytes_is_refused() {
    let project = Project::new();
    project.server.misbehave("/mini-tool_", Fault::Corrupt);
    project.build().ends_with(5).says(&["mini-tool_1_all.deb: sha256 is", "was expected; nothing of it was kept"]);
    project.assert_nothing_half_made();
    project.server.behave();
    project.build().ends_with(0);
    // What had arrived well was kept: the second run asked for nothing else.
    let again = project.server.requests().iter().filter(|p| p.contains("/pool/main/libc6_")).count();
    assert!(again <= 2, "libc6 (image and twin) was fetched {again} times");
}

#[test]
fn a_server_that_answers_500_is_asked_again_and_then_named() {
    let project = Project::new();
    project.server.misbehave("/mini-tool_", Fault::Status(500));
    project.build().ends_with(5).says(&["mini-tool_1_all.deb: the server answers 500"]);
    assert_eq!(project.server.requests().iter().filter(|p| p.contains("/mini-tool_")).count(), 4);
    project.assert_nothing_half_made();
    project.server.behave();
    project.build().ends_with(0);
}

#[test]
fn a_server_that_breaks_off_is_asked_again_and_then_named() {
    let project = Project::new();
    project.server.misbehave("/mini-tool_", Fault::BreakOff);
    project.build().ends_with(5).says(&["mini-tool_1_all.deb: "]);
    project.assert_nothing_half_made();
    project.server.behave();
    project.build().ends_with(0);
}

#[test]
fn an_artifact_with_another_checksum_is_refused() {
    let project = Project::new();
    let wrong = "ab".repeat(32);
    let right = offer(&project, "tool", b"a tool");
    add_artifact(&project, "tool", &wrong, "");
    project.build().ends_with(5).says(&[&right, &wrong, "nothing of it was kept"]);
    project.assert_nothing_half_made();
    project.edit(&wrong, &right);
    project.build().ends_with(0);
}

#[test]
fn an_artifact_that_is_not_there_is_named() {
    let project = Project::new();
    add_artifact(&project, "gone", &"ab".repeat(32), "");
    project.build().ends_with(5).says(&["/mini/gone: the server has no such file (404"]);
    project.assert_nothing_half_made();
}

#[test]
fn an_artifact_that_leads_out_of_its_folder_is_refused() {
    let project = Project::new();
    let inner = project.path("inner");
    std::fs::create_dir(&inner).expect("a folder");
    std::fs::write(project.path("evil"), "x").expect("a file");
    // GNU tar keeps the way out only when told so.
    let tar = |name: &str, option: &str| {
        let file = project.path(name);
        let mut command = Command::new("tar");
        command.current_dir(&inner).arg(option).arg(&file).args(["-P", "../evil"]);
        if name == "good.tar" {
            command.arg("--transform=s,.*,tool,");
        }
        assert!(command.status().expect("tar runs").success());
        std::fs::read(file).expect("an archive")
    };
    let bad = offer(&project, "bad.tar", &tar("bad.tar", "-cf"));
    let good = offer(&project, "good.tar", &tar("good.tar", "-cf"));
    add_artifact(&project, "bad.tar", &bad, "    unpack: true\n");
    project.build().ends_with(5).says(&["../evil leads out of the folder", "nothing like that is unpacked"]);
    project.assert_nothing_half_made();
    project.edit("bad.tar", "good.tar");
    project.edit(&bad, &good);
    project.build().ends_with(0);
    assert!(!root_folder().join("evil").exists());
}
