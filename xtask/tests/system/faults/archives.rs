//! Archives that cannot be trusted, cannot be reached, or do not have what the recipe wants.

use std::time::{Duration, SystemTime};

use crate::support::{Fault, Key, Project, Run, Signature, closed_port};

/// The build fails with `code` and these words, leaves nothing, and succeeds once `mend` has been done.
fn fails_until(project: &Project, code: i32, phrases: &[&str], mend: impl FnOnce(&Project)) {
    project.build().ends_with(code).says(phrases);
    project.assert_nothing_half_made();
    mend(project);
    project.build().ends_with(0);
}

#[test]
fn an_expired_archive_is_refused_unless_the_recipe_allows_it() {
    let project = Project::new();
    let mut suite = project.suite();
    suite.valid_until = Some(SystemTime::now() - Duration::from_secs(86_400));
    project.publish(&suite);
    let allow = |p: &Project| p.edit("    key: keys/test.asc", "    key: keys/test.asc\n    allow-expired: true");
    fails_until(&project, 5, &["Release file has expired", "allow-expired: true"], allow);
}

#[test]
fn an_unsigned_archive_is_refused() {
    let project = Project::new();
    project.publish_signed(&project.suite(), Signature::None);
    fails_until(&project, 5, &["the archive is not signed"], |p| p.publish(&p.suite()));
}

#[test]
fn an_archive_signed_by_another_key_is_refused() {
    let project = Project::new();
    project.publish_signed(&project.suite(), Signature::By(&Key::create()));
    fails_until(&project, 5, &["not signed by the key that the recipe pins"], |p| p.publish(&p.suite()));
}

#[test]
fn a_release_file_changed_after_signing_is_refused() {
    let project = Project::new();
    let file = project.site().join("mini/dists/mini/InRelease");
    let text = std::fs::read_to_string(&file).expect("the signed Release file");
    std::fs::write(&file, text.replace("Label: Test", "Label: Toast")).expect("the signed Release file");
    fails_until(&project, 5, &["not signed by the key that the recipe pins"], |p| p.publish(&p.suite()));
}

#[test]
fn an_index_that_is_not_the_signed_one_is_refused() {
    let project = Project::new();
    project.server.misbehave("/Packages", Fault::Corrupt);
    project.server.misbehave("/by-hash/", Fault::Corrupt);
    fails_until(&project, 5, &["not the one that its signed Release file names"], |p| p.server.behave());
}

#[test]
fn every_missing_package_is_named() {
    let project = Project::new();
    project.edit("mini-tool]", "mini-tool, no-such-thing, nor-this-one]");
    let mend = |p: &Project| p.edit(", no-such-thing, nor-this-one", "");
    fails_until(&project, 3, &["no archive of the recipe has no-such-thing, nor-this-one"], mend);
}

#[test]
fn a_missing_suite_is_told_from_a_missing_signature() {
    let project = Project::new();
    project.edit("suites: [mini]", "suites: [maxi]");
    fails_until(&project, 5, &["no such suite or component"], |p| p.edit("suites: [maxi]", "suites: [mini]"));
}

#[test]
fn a_mirror_that_nobody_answers_for_is_named() {
    let project = Project::new();
    let mirror = format!("http://127.0.0.1:{}/mini", closed_port());
    let run = project.run(&["build-image", "mini", "--no-test", "--mirror", &mirror]).ends_with(5);
    run.says(&["the mirror cannot be reached;", "--mirror", "--offline"]);
    project.assert_nothing_half_made();
    project.build().ends_with(0);
}

#[test]
fn an_error_of_the_proxy_is_called_one() {
    let project = Project::new();
    let proxied = |proxy: &str| {
        let mut command = project.xtask(&["build-image", "mini", "--no-test"]);
        // Capitals, which apt itself does not know.
        command.env_remove("http_proxy").env("HTTP_PROXY", proxy);
        let run = Run::of(command).ends_with(5);
        run.says(&["the mirror cannot be reached through the proxy", "no_proxy", proxy]);
        project.assert_nothing_half_made();
    };
    proxied(&format!("http://127.0.0.1:{}", closed_port()));
    project.server.misbehave("Release", Fault::Status(502));
    proxied(&project.server.url());
    project.server.behave();
    project.build().ends_with(0);
}

#[test]
fn a_mirror_that_refuses_is_told_from_one_that_is_not_signed() {
    let project = Project::new();
    project.server.misbehave("Release", Fault::Status(403));
    fails_until(&project, 5, &["the mirror refuses to give its files"], |p| p.server.behave());
}
