//! Any bytes are an archive, which is unpacked below its folder, or are refused; nothing appears elsewhere.
#![no_main]

use helix_fuzz::{names, shared_memory};
use helix_rootfs::artifact::{Placement, place};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir_in(shared_memory()).expect("a folder");
    let (file, tree) = (folder.path().join("artifact"), folder.path().join("tree"));
    std::fs::write(&file, bytes).expect("the artifact");
    std::fs::create_dir(&tree).expect("the tree");
    let placement = Placement {
        url: "http://example.org/artifact".into(),
        target: "/opt/artifact".into(),
        unpack: true,
        strip_components: 0,
        mode: 0o644,
    };
    let _ = place(&file, &placement, &tree, 0);
    assert_eq!(names(folder.path()), ["artifact", "tree"]);
    assert_eq!(names(&tree), ["opt"]);
    assert_eq!(names(&tree.join("opt")), ["artifact"]);
});
