//! Where a copied program works, and machines on which a build cannot: told before the work, with what helps.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Run, inside};

/// A folder with a copy of the program and data beside it, and another project.
struct Places {
    dir: tempfile::TempDir,
}

impl Places {
    fn new() -> Self {
        // Outside of the checkout that the tests are part of.
        let dir = tempfile::tempdir().expect("a folder");
        let places = Self { dir };
        for (project, recipe) in [("tool", "beside"), ("other", "elsewhere")] {
            let folder = places.at(project);
            for part in ["recipes", "guest-components/overlay/etc"] {
                std::fs::create_dir_all(folder.join(part)).expect("folders of a project");
            }
            std::fs::write(folder.join(format!("recipes/{recipe}.yaml")), "\n").expect("a recipe");
        }
        std::fs::copy(env!("CARGO_BIN_EXE_xtask"), places.at("tool/xtask")).expect("a copy of the program");
        places
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The copy, in a folder.
    fn run(&self, folder: &Path, args: &[&str], root: Option<&str>) -> Run {
        let mut command = Command::new(self.at("tool/xtask"));
        command.args(args).current_dir(folder).env_remove("HELIX_ROOT").env("HELIX_CACHE", self.at("cache"));
        root.map(|root| command.env("HELIX_ROOT", root));
        Run::of(command)
    }
}

#[test]
fn a_copied_program_works_where_its_user_is() {
    let places = Places::new();
    let plan = |folder: &Path, root| places.run(folder, &["plan", "none"], root);
    let (inside, nowhere) = (places.at("other/guest-components/overlay/etc"), Path::new("/"));
    plan(&inside, None).ends_with(2).says(&["in recipes: elsewhere"]);
    let tool = places.at("tool");
    let line = format!("project: {} (the nearest above the program)", tool.display());
    plan(nowhere, None).ends_with(2).says(&[&line, "in recipes: beside"]);
    let line = format!("project: {} (HELIX_ROOT names it)", inside.join("../../..").display());
    plan(&inside, Some("../../..")).ends_with(2).says(&[&line, "in recipes: elsewhere"]);
    plan(nowhere, Some("/proc")).ends_with(2).says(&["HELIX_ROOT is /proc, which has no folder recipes"]);
    // What is made from sources says that there are none.
    let run = places.run(nowhere, &["build-host-encoder", "--target", "aarch64-apple-darwin"], None);
    run.ends_with(2).says(&["the sources of this project's programs are not here", "HELIX_ROOT=FOLDER"]);
}

#[test]
fn a_machine_that_forbids_namespaces_is_told_with_the_setting() {
    // The setting holds for namespaces made from inside, root's too.
    let script = "unshare --user --map-root-user sh -euc \
        'echo 0 > /proc/sys/user/max_user_namespaces; cd /; exec \"$@\"' sh \"$@\"";
    let places = Places::new();
    let output = places.at("image");
    // An image that is there already needs nothing of the machine.
    for verb in [&["doctor"][..], &["build-image", "--output", output.to_str().expect("a path in UTF-8")]] {
        let mut command = inside(script, true);
        command.arg(env!("CARGO_BIN_EXE_xtask")).args(verb).env("HELIX_CACHE", places.at("cache"));
        Run::of(command).ends_with(4).says(&["sudo sysctl -w user.max_user_namespaces=63000"]);
    }
}

#[test]
fn a_cache_where_no_program_runs_is_told_before_the_work() {
    let places = Places::new();
    std::fs::create_dir(places.at("small")).expect("a folder");
    let output = places.at("image");
    for verb in [&["doctor"][..], &["build-image", "--output", output.to_str().expect("a path in UTF-8")]] {
        let mut command = inside("mount -t tmpfs -o noexec none \"$1\"; shift; exec \"$@\"", true);
        command.arg(places.at("small")).arg(env!("CARGO_BIN_EXE_xtask")).args(verb);
        command.env("HELIX_CACHE", places.at("small/cache"));
        Run::of(command).ends_with(4).says(&["is mounted noexec", "HELIX_CACHE"]);
    }
}
