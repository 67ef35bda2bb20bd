//! Trees of every shape come back from both formats as they were.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::disk_image::on_volume;
use crate::support::{Thing, dmg, make, noise, run, text, things, zip};

/// Names with letters of one to four bytes, short and as long as a name can be.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[a-c]", 4 => "[A-Za-z0-9 ._äß✓𝄞-]{1,40}[a-z]", 1 => "[a-z]{200,255}"]
}

fn size() -> impl Strategy<Value = usize> {
    let sizes = [0, 1, 2047, 2048, 2049, 65_535, 65_536, 262_143, 262_144, 262_145, (1 << 20) - 1, 1 << 20, 2_500_000];
    prop::sample::select(sizes.to_vec())
}

fn thing() -> impl Strategy<Value = Thing> {
    // The owner can read it, also where the owner is not root.
    let mode = || (0..0o1000_u32).prop_map(|mode| mode | 0o600);
    prop_oneof![
        2 => mode().prop_map(|mode| Thing::Folder { mode: mode | 0o700 }),
        4 => (mode(), size()).prop_map(|(mode, size)| Thing::File { mode, content: noise(size) }),
        2 => (mode(), size()).prop_map(|(mode, size)| Thing::File { mode, content: text(size) }),
        2 => vec(name(), 1..8).prop_map(|names| Thing::Link(target(&names))),
        1 => name().prop_map(|name| Thing::Link(format!("/../{name}/./x"))),
    ]
}

/// Where a link leads: as many of the names as a link can hold, so that none is cut and none is empty.
fn target(names: &[String]) -> String {
    let fitting = (1..=names.len()).rev().map(|n| names[..n].join("/")).find(|path| path.len() <= 1000);
    fitting.expect("one name always fits")
}

/// Things at paths, none of which goes through a file or a link, and none of which a Mac takes for another.
fn tree() -> impl Strategy<Value = BTreeMap<String, Thing>> {
    btree_map(vec(name(), 1..12), thing(), 0..25).prop_map(|all| {
        let mut taken = BTreeMap::new();
        let (mut names, mut folders) = (BTreeSet::new(), BTreeSet::new());
        for (path, thing) in all {
            let whole = path.join("/");
            let parents: Vec<_> = (1..path.len()).map(|n| path[..n].join("/")).collect();
            let prefixes: Vec<_> = parents.iter().chain([&whole]).cloned().collect();
            let blocked = parents.iter().any(|p| taken.contains_key(p) && !folders.contains(p));
            let twin = |p: &String| names.contains(&p.to_lowercase()) && !folders.contains(p);
            if whole.len() > 900 || blocked || folders.contains(&whole) || prefixes.iter().any(twin) {
                continue;
            }
            names.extend(prefixes.iter().map(|p| p.to_lowercase()));
            folders.extend(parents);
            if matches!(thing, Thing::Folder { .. }) {
                folders.insert(whole.clone());
            }
            taken.insert(whole, thing);
        }
        taken
    })
}

fn config() -> ProptestConfig {
    // Each case starts programs.
    let failure_persistence = Some(Box::new(FileFailurePersistence::Off) as Box<_>);
    ProptestConfig { cases: 24, failure_persistence, max_shrink_iters: 100, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_tree_comes_back_from_a_zip(tree in tree()) {
        let dir = tempfile::tempdir().unwrap();
        let (folder, place) = (dir.path().join("in/top"), dir.path().join("a.zip"));
        std::fs::create_dir_all(&folder).unwrap();
        make(&folder, &tree);
        zip(&folder, &place).unwrap();
        let out = dir.path().join("out");
        run("unzip", ["-q".as_ref(), place.as_os_str(), "-d".as_ref(), out.as_os_str()]);
        prop_assert!(things(&out) == things(&dir.path().join("in")));
    }

    #[test]
    fn any_tree_comes_back_from_a_disk_image(tree in tree()) {
        let dir = tempfile::tempdir().unwrap();
        let (folder, place) = (dir.path().join("in/top"), dir.path().join("a.dmg"));
        std::fs::create_dir_all(&folder).unwrap();
        make(&folder, &tree);
        dmg(&folder, &place).unwrap();
        let mut found = on_volume(&place, dir.path());
        found.retain(|path, _| path == "top" || path.starts_with("top/"));
        prop_assert!(found == things(&dir.path().join("in")));
    }
}
