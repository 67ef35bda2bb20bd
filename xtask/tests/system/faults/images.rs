//! Images that do not boot, checks that fail, and checks that cannot be run: these start a real machine.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Project, root_folder};

#[test]
fn an_image_that_does_not_boot_is_reported_with_how_far_it_came() {
    let project = Project::new();
    let run = project.run(&["build-image", "mini", "--boot-timeout", "40", "--json"]).ends_with(6);
    let run =
        run.says(&["the image does not boot: the guest was not up after 40 s", "stage reached: firmware", "BdsDxe"]);
    let error = &run.json()["error"];
    assert_eq!(error["kind"], "check-failed");
    let (guest, console) = (&error["guest"], error["guest"]["serial_tail"].to_string());
    assert_eq!((&guest["stage"], &guest["reason"]["kind"]), (&json!("firmware"), &json!("deadline")));
    assert!(console.contains("BdsDxe") && guest["slowdown"].is_number(), "{guest:#}");
    // The image itself is whole, and says that its test failed.
    let shown = project.run(&["inspect", "root/target/images/mini"]).ends_with(0);
    assert!(shown.stdout.contains("boot test     FAILED"), "{}", shown.stdout);
    assert!(project.output().join("boot-report.json").exists() && project.output().join("junit.xml").exists());
    project.build().ends_with(0);
}

/// A copy of the quickstart image with other checks.
fn quickstart_with(project: &Project, checks: &Value) -> PathBuf {
    let image = root_folder().join("target/images/quickstart");
    assert!(image.join("disk.qcow2").exists(), "there is no quickstart image; make it with\n  cargo xtask build-image");
    let copy = project.path("quickstart");
    std::fs::create_dir_all(&copy).expect("a folder for the copy");
    std::fs::hard_link(image.join("disk.qcow2"), copy.join("disk.qcow2"))
        .or_else(|_| std::fs::copy(image.join("disk.qcow2"), copy.join("disk.qcow2")).map(drop))
        .expect("a copy of the disk");
    let text = std::fs::read_to_string(image.join("manifest.json")).expect("the manifest");
    let mut manifest: Value = serde_json::from_str(&text).expect("the manifest is JSON");
    manifest["resolved_recipe"]["checks"] = checks.clone();
    std::fs::write(copy.join("manifest.json"), manifest.to_string()).expect("the manifest");
    copy
}

fn check(name: &str, run: &str, timeout: &str) -> Value {
    json!({ "name": name, "run": run, "expect": null, "timeout": timeout })
}

fn outcomes(image: &Path) -> Value {
    let text = std::fs::read_to_string(image.join("manifest.json")).expect("the manifest");
    serde_json::from_str::<Value>(&text).expect("the manifest is JSON")["verification"]["checks"].clone()
}

#[test]
fn a_check_that_fails_and_one_that_cannot_be_run_are_told_apart() {
    let project = Project::new();
    let good = check("good", "true", "60s");
    let bad = check("bad", "echo so and so; echo aside >&2; exit 3", "60s");
    let slow = check("slow", "sleep 600", "2s");
    let image = quickstart_with(&project, &json!([good, bad, slow]));
    let run = project.run(&["test-image", "quickstart"]).ends_with(6);
    run.says(&["checks failed:", "bad: ended with exit code 3", "so and so", "aside", "could not be run", "slow: "]);
    let found = outcomes(&image);
    assert_eq!((&found["good"], &found["bad"]), (&json!("passed"), &json!("failed")), "{found}");
    assert_eq!(found["slow"], json!("could-not-run"));

    quickstart_with_only(&image, &json!([good, slow]));
    project.run(&["test-image", "quickstart"]).ends_with(7).says(&["checks could not be run:", "slow: "]);
}

fn quickstart_with_only(image: &Path, checks: &Value) {
    let file = image.join("manifest.json");
    let text = std::fs::read_to_string(&file).expect("the manifest");
    let mut manifest: Value = serde_json::from_str(&text).expect("the manifest is JSON");
    manifest["resolved_recipe"]["checks"] = checks.clone();
    std::fs::write(file, manifest.to_string()).expect("the manifest");
}
