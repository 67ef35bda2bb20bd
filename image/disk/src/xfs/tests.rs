use std::cell::RefCell;
use std::fs;

use super::*;

/// Runs a shell script in place of any tool, and keeps what it was asked for.
struct Fake(&'static str, RefCell<Vec<String>>);

impl Tools for Fake {
    fn cmd(&self, program: &str) -> Cmd {
        self.1.borrow_mut().push(program.into());
        Cmd::new("sh").args(["-c", self.0, program])
    }
}

fn fs<'a>(tree: &'a Path, image: &'a Path, label: &'a str) -> RootFs<'a> {
    RootFs { tree, image, size: 64 << 30, uuid: Uuid::from_u128(7), label, timestamp: 1_700_000_000 }
}

#[test]
fn the_command_line_names_every_choice() {
    let fs = fs(Path::new("/w/tree"), Path::new("/w/root.xfs"), "root");
    let line = arguments(&fs, fs.tree, fs.image).into_iter().map(|word| word.into_string().unwrap());
    assert_eq!(
        line.collect::<Vec<_>>().join(" "),
        "-q -f -b size=4096 -s size=512 -i size=512,sparse=1,nrext64=0,exchange=0 -n parent=0 -l size=64m \
         -m crc=1,finobt=1,inobtcount=1,bigtime=1,reflink=1,rmapbt=0,uuid=00000000-0000-0000-0000-000000000007 \
         -L root -p /w/tree,atime=0 -d name=/w/root.xfs,size=68719476736,file,agcount=4,noalign"
    );
}

#[test]
fn allocation_groups_stay_within_their_limit() {
    let large = RootFs { size: 9 << 40, ..fs(Path::new("/t"), Path::new("/i"), "root") };
    let line = arguments(&large, large.tree, large.image);
    assert!(line.last().unwrap().to_str().unwrap().contains("agcount=9,"));
}

#[test]
fn the_tool_gets_times_a_seed_and_the_library() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let script = r#"set -e; unset IFS; library=$LD_PRELOAD; unset LD_PRELOAD
        test "$SOURCE_DATE_EPOCH $DETERMINISTIC_SEED" = "1700000000 1"; test -s "$library"
        echo "sorted-listing: loaded""#;
    let tools = Fake(script, RefCell::default());
    make_xfs(&tools, &fs(folder.path(), &image, "root")).unwrap();
    assert_eq!(*tools.1.borrow(), ["mkfs.xfs"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the library is gone");
}

#[test]
fn a_run_without_the_library_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = make_xfs(&Fake("true", RefCell::default()), &fs(folder.path(), &folder.path().join("i"), "root"));
    assert!(matches!(error, Err(Error::NotPreloaded(_))));
}

#[test]
fn labels_and_paths_that_are_not_possible_are_refused() {
    let tools = Fake("exit 1", RefCell::default());
    for label in ["", "thirteen char", "a b", "0123456789abc"] {
        let error = make_xfs(&tools, &fs(Path::new("/t"), Path::new("/i"), label)).unwrap_err();
        assert!(matches!(error, Error::Label(_)), "{label:?}");
    }
    for path in ["/a,b", "/a b", "/a:b"] {
        let error = make_xfs(&tools, &fs(Path::new(path), Path::new("/i"), "root")).unwrap_err();
        assert!(matches!(error, Error::Path(_)), "{path}");
    }
}

/// `ls -U` lists folders as readdir(3) returns them, which is what the library is there for.
#[cfg(target_os = "linux")]
#[test]
fn the_library_sorts_folders_by_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let mut names = (0..2000).map(|n| format!("file-{}", n * 7919 % 2000)).collect::<Vec<_>>();
    names.iter().for_each(|name| fs::write(tree.join(name), "").unwrap());
    let library = preload::Library::beside(&tree).unwrap();
    let ls = || Cmd::new("ls").arg("-U").arg(&tree).arg(&tree).env("LD_PRELOAD", library.path()).output().unwrap();
    let listed = String::from_utf8(ls().stdout).unwrap();

    names.sort();
    let once = format!("{}:\n{}\n", tree.display(), names.join("\n"));
    let loaded = std::str::from_utf8(preload::LOADED).unwrap();
    let text = listed.replace(loaded, "");
    assert!(listed.contains(loaded) && text == format!("{once}\n{once}"), "{listed}");
}
