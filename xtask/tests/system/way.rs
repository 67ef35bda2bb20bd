//! The main way: what `build-image` left becomes an app and a package for UTM, and each stage takes the real output of the one
//! before it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Run, root_folder};

/// The bundle of the quickstart image, in the folder `place`; returns the image in its app.
pub(crate) fn bundled(image: &Path, place: &Path) -> PathBuf {
    let (sysroot, output) = (place.join("sysroot"), place.join("bundle"));
    helix_test_sysroot::build(&sysroot).expect("a sysroot");
    let xtask = |args: &[&str], paths: &[&Path]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(args).args(paths).current_dir(root_folder());
        Run::of(command).ends_with(0)
    };
    let options = ["bundle", "--no-dmg", "--json", "--image"];
    xtask(&options, &[image, Path::new("--sysroot"), &sysroot, Path::new("--output"), &output]);
    let app = output.join("Helix.app");
    let unpacked = place.join("unpacked");
    let unzip =
        Command::new("unzip").arg("-q").arg(output.join("helix-linux.utm.zip")).arg("-d").arg(&unpacked).status();
    assert!(unzip.expect("unzip").success());
    xtask(&["check-bundle"], &[&app, &unpacked.join("helix-linux.utm")]);
    the_containers_licences_are_in(
        &std::fs::read_to_string(app.join("Contents/Resources/NOTICES.txt")).expect("notices"),
    );
    app.join("Contents/Resources/image")
}

/// The container image of the recipe is in two stores and is named once, with its packages.
fn the_containers_licences_are_in(notices: &str) {
    let head = "The container image docker.io/helix/encode:latest sha256:";
    assert_eq!(notices.matches(head).count(), 1, "{notices}");
    let (_, packages) = notices.split_once(head).expect("it is there");
    assert!(packages.contains("\ngstreamer1.0-tools ") && packages.contains("\ngstreamer1.0-vsockenc "), "{packages}");
}
