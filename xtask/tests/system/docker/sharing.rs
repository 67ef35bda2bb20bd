//! The ways in which layers share data, on a file system that knows all of them.

use std::process::Command;

use super::craft::{Crafted, Format, file, layer, saved};
use super::engine::tree;
use super::engines::scratch;
use crate::support::{Run, inside};

/// How large the file is that all layers have, in MiB.
const FILE: usize = 40;

/// Makes an XFS in `$1`, puts the image into it in each way and prints how many MiB each took.
const SCRIPT: &str = r#"
image=$1 folder=$2 mkfs=$3
truncate --size=1G "$folder/xfs.img"
mkdir "$folder/xfs"
chroot "$mkfs" mkfs.xfs -q -m reflink=1 "/sock/$(basename "$folder")/xfs.img"
mount -o loop "$folder/xfs.img" "$folder/xfs"
# XFS gives the blocks of deleted files back in its own time, at the latest when it is unmounted.
used() { umount "$folder/xfs"; mount -o loop "$folder/xfs.img" "$folder/xfs"; df --output=used -B1M "$folder/xfs" | tail -n 1 | tr -dc 0-9; }
for how in hardlinks reflinks copies; do
    before=$(used)
    "$XTASK" docker-graph --data-root "$folder/xfs/$how" --share "$how" "archive:$image" 2>&1
    echo "$how $(($(used) - before)) $(find "$folder/xfs/$how/vfs" -name large -links +1 | wc -l)"
done
umount "$folder/xfs"
"#;

#[test]
fn reflinks_and_hard_links_share_the_data_and_copies_do_not() {
    let dir = scratch();
    let large: Vec<u8> = (0..FILE << 20).map(|at: usize| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let top = |name: &str| layer(Format::Pax, &[file(name, "s")]);
    let image = Crafted::new("share:1", vec![layer(Format::Pax, &[file("large", large)]), top("second"), top("third")]);
    let archive = dir.path().join("image.tar");
    std::fs::write(&archive, saved(&[image])).expect("an archive");
    // mkfs.xfs is in an engine's tree, where it sees what lies in this folder.
    let engine = tree("trixie");
    std::fs::create_dir_all(engine.join("sock")).expect("a folder");
    let folder = tempfile::Builder::new().prefix("x").tempdir_in(engine.join("sock")).expect("a folder");
    let mut script: Command = inside(SCRIPT, true);
    script.env("XTASK", env!("CARGO_BIN_EXE_xtask")).arg(&archive).arg(folder.path()).arg(&engine);
    let run = Run::of(script).ends_with(0);
    let line = |how: &str| -> (usize, usize) {
        let line = run.stdout.lines().find_map(|line| line.strip_prefix(&format!("{how} ")));
        let words = line.unwrap_or_else(|| panic!("nothing about {how} in {}", run.stdout));
        let (used, linked) = words.split_once(' ').expect("two numbers");
        (used.parse().expect("a number"), linked.parse().expect("a number"))
    };
    let within = |used: usize, times: usize| (FILE * times..FILE * times + FILE / 2).contains(&used);
    let (hard, reflinks, copies) = (line("hardlinks"), line("reflinks"), line("copies"));
    assert!(within(hard.0, 1) && hard.1 == 3, "{hard:?}");
    assert!(within(reflinks.0, 1) && reflinks.1 == 0, "{reflinks:?}");
    assert!(within(copies.0, 3) && copies.1 == 0, "{copies:?}");
}
