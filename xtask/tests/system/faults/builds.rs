//! Builds that meet each other or are stopped, and the verbs that look at what there is.

use rustix::process::Signal;

use crate::support::{Project, Run, Running, Synthetic};

#[test]
fn two_builds_of_one_recipe_do_not_harm_each_other() {
    let project = Project::new();
    let runs: Vec<Running> =
        (0..2).map(|_| Running::start(project.xtask(&["build-image", "mini", "--no-test", "--json"]))).collect();
    let digests: Vec<_> = runs
        .into_iter()
        .map(|run| run.wait().ends_with(0).json()["manifest"]["artifacts"]["disk.qcow2"].clone())
        .collect();
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0], project.disk_digest());
    project.run(&["inspect", "root/target/images/mini"]).ends_with(0);
    project.assert_clean_cache();
}

#[test]
fn an_interrupted_build_ends_with_130_and_the_next_goes_on() {
    let project = Project::new();
    for pause in [300, 1500, 3000] {
        let mut run = Running::start(project.xtask(&["build-image", "mini", "--no-test"]));
        std::thread::sleep(std::time::Duration::from_millis(pause));
        if run.is_over() {
            run.wait().ends_with(0);
            break;
        }
        run.signal(Signal::INT);
        run.wait().ends_with(130).says(&["interrupted; the next run goes on"]);
        project.assert_nothing_half_made();
    }
    project.build().ends_with(0);
    project.assert_clean_cache();
}

#[test]
fn nothing_of_the_callers_environment_reaches_programs_of_a_tree() {
    let mut project = Project::new();
    let script = "#!/bin/sh\nset -e\nmkdir -p /var/lib/mini-tool\nenv > /var/lib/mini-tool/environment\n\
        rm \"$(mktemp)\"\n";
    project.publish_package(&Synthetic::new("mini-tool", "2").file("DEBIAN/postinst", 0o755, script));
    // A folder that the caller has and the tree has not, as libpam-tmpdir and CI services make one.
    let folder = project.path("temporary");
    std::fs::create_dir(&folder).expect("a folder");
    let mut command = project.xtask(&["build-image", "mini", "--no-test", "--until", "packages"]);
    for name in ["TMPDIR", "TMP", "TEMP", "TEMPDIR", "XDG_RUNTIME_DIR", "PERL5LIB", "DEBCONF_DB_OVERRIDE", "no_proxy"] {
        command.env(name, &folder);
    }
    Run::of(command).ends_with(0);
    let trees =
        std::fs::read_dir(project.cache().join("trees")).expect("trees").map(|entry| entry.expect("a tree").path());
    let found: Vec<String> = trees
        .filter_map(|tree| std::fs::read_to_string(tree.join("tree/var/lib/mini-tool/environment")).ok())
        .collect();
    assert_eq!(found.len(), 1, "one tree has configured packages");
    let mut names: Vec<&str> = found[0].lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    // What dpkg and the shell add themselves.
    names.retain(|name| !name.starts_with("DPKG_") && !["PWD", "OLDPWD", "_"].contains(name));
    names.sort_unstable();
    let expected = [
        "DEBCONF_NONINTERACTIVE_SEEN",
        "DEBIAN_FRONTEND",
        "HOME",
        "LC_ALL",
        "PATH",
        "PYTHONHASHSEED",
        "SOURCE_DATE_EPOCH",
        "SYSTEMD_OFFLINE",
        "TZ",
    ];
    assert_eq!(names, expected, "{}", found[0]);
}

#[test]
fn standard_output_is_one_json_document_or_nothing() {
    let project = Project::new();
    let run = project.run(&["build-image", "mini", "--no-test", "--json", "--mirror", "http://archive.invalid/none"]);
    let run = run.ends_with(5);
    let error = &run.json()["error"];
    assert_eq!((&error["code"], &error["kind"]), (&5.into(), &"build".into()), "{error}");
    assert!(error["message"].as_str().is_some_and(|m| m.contains("no such suite")), "{error}");
    let run = project.run(&["build-image", "mini", "--no-test", "--json"]).ends_with(0);
    let document = run.json();
    assert_eq!(document["fresh"], true);
    assert_eq!(document["manifest"]["artifacts"]["disk.qcow2"], project.disk_digest());
    let run = project.run(&["build-image", "mini", "--no-test", "--json"]).ends_with(0);
    assert_eq!(run.json()["fresh"], false);
    let run = project.build().ends_with(0);
    assert_eq!(run.stdout, "", "progress belongs to standard error");
    for verb in [&["plan", "mini"][..], &["cache", "ls"], &["schema"]] {
        project.run(&[verb, &["--json"]].concat()).ends_with(0).json();
    }
}

/// The steps that `plan` wants to do, each with its reasons.
fn planned(project: &Project) -> Vec<(String, Vec<String>)> {
    let steps = project.run(&["plan", "mini", "--json"]).ends_with(0).json();
    let steps = steps.as_array().expect("a list of steps").clone();
    let text = |v: &serde_json::Value| v.as_str().expect("text").to_owned();
    let list = |v: &serde_json::Value| v.as_array().map(|l| l.iter().map(text).collect()).unwrap_or_default();
    // The boot test was not run in these builds.
    let wanted = steps.iter().filter(|s| s["cached"] == false && s["step"] != "test");
    wanted.map(|s| (text(&s["step"]), list(&s["changed"]))).collect()
}

#[test]
fn plan_names_the_input_that_changed() {
    let project = Project::new();
    let all = planned(&project);
    assert_eq!(all.len(), 4, "{all:?}");
    assert!(all.iter().all(|(_, why)| why.len() == 1 && why[0].contains("not resolved yet")), "{all:?}");
    project.build().ends_with(0);
    assert_eq!(planned(&project), []);

    std::fs::write(project.path("root/layer/etc/note"), "hello\n").expect("a file of the layer");
    let step = |name: &str, why: &str| (name.to_owned(), vec![why.to_owned()]);
    assert_eq!(planned(&project), [step("files", "files[0] ../layer"), step("disk", "tree")]);
    project.build().ends_with(0);

    project.edit("disk:", "hostname: other\ndisk:");
    assert_eq!(planned(&project), [step("files", "hostname, locale, timezone"), step("disk", "tree")]);
    project.build().ends_with(0);

    project.edit("esp: 64MiB", "esp: 128MiB");
    // The tree between packages and disk is not kept.
    assert_eq!(planned(&project), [step("files", "its result is no longer there"), step("disk", "disk")]);
    project.build().ends_with(0);

    project.edit(", mini-tool]", "]");
    project.run(&["build-image", "mini", "--no-test", "--until", "tools"]).ends_with(0);
    let steps: Vec<String> = planned(&project).into_iter().map(|(name, _)| name).collect();
    assert_eq!(steps, ["packages", "initramfs", "files", "disk"], "another question needs another answer of the lock");
}

#[test]
fn an_edited_check_is_the_one_that_is_run_and_the_disk_stays() {
    let project = Project::new();
    project.edit("disk:", "checks: [{name: first, run: \"true\"}]\ndisk:");
    project.build().ends_with(0);
    let disk = project.output().join("disk.qcow2");
    let written = || std::fs::metadata(&disk).and_then(|m| m.modified()).expect("the disk");
    let before = written();
    project.edit("name: first", "name: second");
    let document = project.run(&["build-image", "mini", "--no-test", "--json"]).ends_with(0).json();
    assert_eq!(document["fresh"], false);
    assert_eq!(document["manifest"]["resolved_recipe"]["checks"][0]["name"], "second");
    assert_eq!(written(), before, "the disk was made again");
    // `test-image` knows nothing but the folder.
    let text = std::fs::read_to_string(project.output().join("manifest.json")).expect("the manifest");
    assert!(text.contains("\"second\"") && !text.contains("\"first\""), "{text}");
}

#[test]
fn inspect_finds_damage_and_diff_finds_differences() {
    let mut project = Project::new();
    project.build().ends_with(0);
    let first = project.path("first");
    std::fs::rename(project.output(), &first).expect("the image can be moved");
    project.publish_tool(Some("2"));
    std::fs::write(project.path("root/layer/etc/note"), "hello\n").expect("a file of the layer");
    project.publish_tools();
    project.run(&["build-image", "mini", "--no-test", "--update-lock"]).ends_with(0);
    let second = project.output();
    let arguments = ["diff", "first", "root/target/images/mini", "--json"];
    let difference = project.run(&arguments).ends_with(0).json();
    assert_eq!(difference["packages_changed"], serde_json::json!(["mini-tool 1 → 2"]));
    assert_eq!(difference["files_added"], serde_json::json!(["etc/note"]));
    let changed = difference["files_changed"].as_array().expect("a list of files");
    assert!(changed.contains(&"usr/bin/mini-tool".into()), "{changed:?}");

    project.run(&["inspect", "first"]).ends_with(0);
    let bill = first.join("sbom.cdx.json");
    let text = std::fs::read_to_string(&bill).expect("the bill of materials");
    std::fs::write(&bill, text.replace("mini-tool", "maxi-tool")).expect("the bill of materials");
    std::fs::remove_file(first.join("files.zst")).expect("the inventory");
    let run = project.run(&["inspect", "first"]).ends_with(6);
    run.says(&["sbom.cdx.json: sha256 is", "files.zst: "]);
    let disk = std::fs::File::options().write(true).open(second.join("disk.qcow2")).expect("the disk");
    std::os::unix::fs::FileExt::write_all_at(&disk, b"damage", 70_000).expect("the disk");
    project.run(&["inspect", "root/target/images/mini"]).ends_with(6).says(&["disk.qcow2: sha256 is"]);
}
