//! Where a release is: one mirror for both architectures, ports as another choice, and old-releases after its life; and
//! recipes that are solved without being built.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{of_architecture, project_with_archives, publish};
use crate::support::{Project, Publication, Signature};

/// What `resolve --json` says: how many packages of each recipe.
fn solved(document: &Value) -> BTreeMap<String, u64> {
    let written = document.as_array().expect("a list").iter();
    written
        .map(|w| (w["recipe"].as_str().expect("a name").to_owned(), w["packages"].as_u64().expect("a number")))
        .collect()
}

/// The steps of `plan` with the recipes that have no lock.
fn unverified(project: &Project, recipe: &str) -> Value {
    let steps = project.run(&["plan", recipe, "--json"]).ends_with(0).json();
    let of = |step: &Value| {
        step.get("unverified").map(|recipes| (step["step"].as_str().unwrap_or("").to_owned(), recipes.clone()))
    };
    steps.as_array().expect("steps").iter().filter_map(of).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn the_ubuntu_recipes_are_solved_at_any_place_of_their_archive_and_are_unverified_until_then() {
    let (project, debs) = project_with_archives();
    assert_eq!(
        unverified(&project, "ubuntu-26.04"),
        json!({"packages": ["ubuntu-26.04"], "containers": ["helix-ubuntu"]})
    );
    let text = project.run(&["plan", "ubuntu-26.04"]).ends_with(0).stdout;
    assert!(text.contains("cargo xtask resolve ubuntu-26.04"), "{text}");

    // The regular archive still has the release that has ended, and old-releases does not have it yet.
    let recipe = project.path("root/recipes/ubuntu-25.10.yaml");
    let text = std::fs::read_to_string(&recipe).expect("the recipe");
    // The test's server knows paths only.
    let old = text.replace("http://old-releases.ubuntu.com/ubuntu", "http://old-releases.ubuntu.com/old-releases");
    assert_ne!(old, text);
    std::fs::write(&recipe, old).expect("the recipe");
    publish(&project, "ubuntu", "questing", &debs);
    let run = project.run(&["resolve", "ubuntu-25.10", "--json"]).ends_with(0);
    let run =
        run.says(&["http://old-releases.ubuntu.com/old-releases does not have", "at http://archive.ubuntu.com/ubuntu"]);
    let first = solved(&run.json());
    assert_eq!(first.keys().collect::<Vec<_>>(), ["helix-ubuntu", "ubuntu-25.10"]);
    assert_eq!(unverified(&project, "ubuntu-25.10"), json!({}));

    // Then it moves.
    let [regular, old] = ["ubuntu", "old-releases"].map(|archive| project.site().join(archive).join("dists"));
    std::fs::create_dir_all(&old).expect("an archive");
    for suite in ["questing", "questing-updates", "questing-security"] {
        std::fs::rename(regular.join(suite), old.join(suite)).expect("the release moves");
    }
    let run = project.run(&["resolve", "ubuntu-25.10", "--json"]).ends_with(0);
    assert!(!run.stderr.contains("does not have"), "{}", run.stderr);
    assert_eq!(solved(&run.json()), first);

    // Ports has arm64 alone; what this machine runs itself comes from the recipe's own mirror.
    publish(&project, "ubuntu-ports", "resolute", &of_architecture(&debs, "arm64"));
    std::fs::remove_dir_all(project.site().join("ubuntu")).expect("the archive");
    publish(&project, "ubuntu", "resolute", &of_architecture(&debs, "amd64"));
    let ports = ["resolve", "ubuntu-26.04", "--mirror", "http://ports.ubuntu.com/ubuntu-ports", "--json"];
    let run = project.run(&ports).ends_with(0);
    let counts = solved(&run.json());
    assert!(counts["ubuntu-26.04"] > 100 && counts["helix-ubuntu"] == first["helix-ubuntu"], "{counts:?}");
    let trees = std::fs::read_dir(project.cache().join("trees")).expect("trees").count();
    assert_eq!(trees, 0, "something was built");
}

#[test]
fn packages_of_a_lock_follow_their_release_to_its_other_place() {
    let project = Project::new();
    let at = "mirror: http://archive.invalid/mini";
    project.edit(at, &format!("{at}\n    also-at: [http://archive.invalid/old]"));
    let build = ["build-image", "mini", "--until", "packages"];
    project.run(&build).ends_with(0);
    std::fs::rename(project.site().join("mini"), project.site().join("old")).expect("the release moves");
    std::fs::remove_dir_all(project.cache().join("trees")).expect("the trees");
    // Links are the tools' packages, which no archive of this test has.
    for folder in std::fs::read_dir(project.cache().join("packages")).expect("packages") {
        for file in std::fs::read_dir(folder.expect("a folder").path()).expect("packages") {
            let file = file.expect("a package").path();
            if !file.is_symlink() {
                std::fs::remove_file(file).expect("a package");
            }
        }
    }
    let told = ["http://archive.invalid/mini does not have", "archive mini (mini)", "at http://archive.invalid/old"];
    project.run(&[&build[..], &["--locked"]].concat()).ends_with(0).says(&told);

    // An ended release may have a Valid-Until that has passed: the recipe has to allow it wherever it is found.
    let mut suite = project.suite();
    suite.valid_until = Some(SystemTime::now() - Duration::from_secs(86_400));
    Publication::at(&project.site().join("old")).publish(&suite, Signature::By(&project.key));
    let update = ["resolve", "mini"];
    project.run(&update).ends_with(5).says(&[told[0], "Release file has expired"]);
    project.edit("key: keys/test.asc", "key: keys/test.asc\n    allow-expired: true");
    project.run(&update).ends_with(0).says(&told);

    // Whoever names a mirror means that one. Without any place the last one is told.
    let elsewhere = [&update[..], &["--mirror", "http://archive.invalid/none"]].concat();
    let run = project.run(&elsewhere).ends_with(5).says(&["http://archive.invalid/none mini"]);
    assert!(!run.stderr.contains("looked for"), "{}", run.stderr);
    std::fs::remove_dir_all(project.site().join("old")).expect("the release");
    project
        .run(&update)
        .ends_with(5)
        .says(&["http://archive.invalid/mini does not have", "http://archive.invalid/old mini"]);
}
