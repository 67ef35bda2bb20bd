//! Disks that are full or cannot be written.

use crate::support::Project;

#[test]
fn an_output_that_is_full_leaves_nothing() {
    let project = Project::new();
    std::fs::create_dir_all(project.path("root/target/images")).expect("the folder of images");
    let script = "\
        mount -t tmpfs -o size=4m none root/target/images
        code=0; \"$XTASK\" build-image mini --no-test || code=$?
        ls -A root/target/images
        exit $code";
    let run = project.run_inside(script, true).ends_with(5);
    assert_eq!(run.stdout, "", "the full disk holds something");
    run.says(&["No space left on device"]);
    project.assert_nothing_half_made();
    project.build().ends_with(0);
}

#[test]
fn a_cache_that_is_full_is_not_taken_for_whole_afterwards() {
    let project = Project::new();
    // A file system with room for data and none for names: doctor finds enough space, and then there is none. With
    // more room for names, the same cache serves.
    let script = "\
        mkdir small
        mount -t tmpfs -o size=16g,nr_inodes=1200,mode=755 none small
        cp -a cache/. small/
        export HELIX_CACHE=$PWD/small
        code=0; \"$XTASK\" build-image mini --no-test || code=$?
        [ ! -e root/target/images/mini ]
        mount -o remount,nr_inodes=0 small
        \"$XTASK\" build-image mini --no-test >&2
        exit $code";
    project.run_inside(script, true).ends_with(5).says(&["No space left on device"]);
    project.run(&["inspect", "root/target/images/mini"]).ends_with(0);
}

#[test]
fn a_cache_without_room_is_seen_before_anything_is_done() {
    let project = Project::new();
    let script = "\
        mkdir small
        mount -t tmpfs -o size=1g,mode=755 none small
        export HELIX_CACHE=$PWD/small
        exec \"$XTASK\" build-image mini --no-test";
    project.run_inside(script, true).ends_with(4).says(&["this machine is not ready", "free space", "GiB are needed"]);
    project.assert_nothing_half_made();
}

#[test]
fn an_output_that_is_read_only_is_named() {
    let project = Project::new();
    std::fs::create_dir_all(project.path("root/target/images")).expect("the folder of images");
    let script = "\
        mount --bind root/target/images root/target/images
        mount -o remount,bind,ro root/target/images
        exec \"$XTASK\" build-image mini --no-test";
    let run = project.run_inside(script, true).ends_with(5);
    run.says(&["making the output folder", "target/images", "Read-only file system"]);
    project.assert_nothing_half_made();
    project.build().ends_with(0);
}
