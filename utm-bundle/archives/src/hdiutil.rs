//! The `.dmg` by Apple's own tool. Only this module knows a Mac's programs; no one has run it there yet.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use helix_command::Cmd;

use crate::aside::folder_of;
use crate::tree::{Content, Entry, Kind};
use crate::{Error, Tree, Volume, finder};

/// Where a Mac has its programs.
const PROGRAMS: &str = "/usr/bin";

/// Makes a compressed image with HFS+, checks it, and gives it its name.
pub(crate) fn create(tree: &Tree, beside: &[Entry], volume: &Volume<'_>, place: &Path) -> Result<(), Error> {
    create_by(Path::new(PROGRAMS), tree, beside, volume, place)
}

fn create_by(programs: &Path, tree: &Tree, beside: &[Entry], volume: &Volume<'_>, place: &Path) -> Result<(), Error> {
    let program = |name| Cmd::new(programs.join(name));
    let folder = folder_of(place);
    let aside =
        tempfile::Builder::new().prefix(".partial-").tempdir_in(folder).map_err(Error::io("writing", folder))?;
    let source = aside.path().join("volume");
    std::fs::create_dir(&source).map_err(Error::io("making", &source))?;
    for entry in beside {
        put(entry, &source.join(&entry.path))?;
    }
    program("ditto").arg(&tree.folder).arg(source.join(tree.name())).run()?;
    if volume.icon.is_some() {
        let info: String = finder::custom_icon().iter().map(|b| format!("{b:02x}")).collect();
        program("xattr").args(["-wx", "com.apple.FinderInfo", &info]).arg(&source).run()?;
    }
    let image = aside.path().join("image.dmg");
    let create = program("hdiutil").args(["create", "-fs", "HFS+", "-format", "UDZO", "-volname", volume.name]);
    create.arg("-srcfolder").arg(&source).arg(&image).run()?;
    program("hdiutil").arg("verify").arg(&image).run()?;
    std::fs::rename(&image, place).map_err(Error::io("naming", place))
}

/// Writes what is on the volume beside the application. Finder information is an attribute here, not a file.
fn put(entry: &Entry, path: &Path) -> Result<(), Error> {
    match &entry.kind {
        Kind::Folder => std::fs::create_dir(path),
        Kind::Link(target) => symlink(target, path),
        Kind::File(Content::Made(bytes)) if !path.ends_with("._.") => std::fs::write(path, bytes)
            .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(entry.mode))),
        Kind::File(_) => Ok(()),
    }
    .map_err(Error::io("writing", path))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime};

    use tempfile::TempDir;

    use super::*;

    /// Programs that write down how they were called. `ditto` copies; `hdiutil` makes an image of the list of what is on the volume,
    /// and one that verifies nothing where there is a file `damaged`.
    const STAND_INS: [(&str, &str); 3] = [
        ("ditto", r#"cp -R "$1" "$2""#),
        ("xattr", "true"),
        (
            "hdiutil",
            r#"case "$1" in
create) for word; do last=$word; done; (cd "$9" && find . | LC_ALL=C sort) > "$last" ;;
verify) ! test -e "$here/damaged" || { echo "hdiutil: verify failed - corrupt image" >&2; exit 1; } ;;
esac"#,
        ),
    ];

    struct World {
        folder: TempDir,
        tree: Tree,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            for (name, text) in STAND_INS {
                let text =
                    format!("#!/bin/sh\nhere=$(dirname \"$0\")\necho \"{name} $*\" >> \"$here/calls\"\n{text}\n");
                fs::write(at(name), text).unwrap();
                fs::set_permissions(at(name), fs::Permissions::from_mode(0o755)).unwrap();
            }
            fs::create_dir_all(at("Helix.app/Contents")).unwrap();
            fs::write(at("Helix.app/Contents/PkgInfo"), "APPL????").unwrap();
            let tree = Tree::read(&at("Helix.app")).unwrap();
            Self { folder, tree }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn create(&self, icon: Option<&Path>) -> Result<(), Error> {
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
            let volume = Volume { name: "Helix", icon, modified };
            let beside = finder::entries("Helix", "Helix.app", icon.map(|_| b"icns".to_vec()), modified);
            create_by(self.folder.path(), &self.tree, &beside, &volume, &self.at("out/Helix.dmg"))
        }

        /// How the programs were called; folders that have another name each time are left out.
        fn calls(&self) -> Vec<String> {
            let text = fs::read_to_string(self.at("calls")).unwrap();
            let short = |word: &str| match word.split_once("/.partial-") {
                Some((_, rest)) => rest.split_once('/').map_or(String::new(), |(_, below)| below.to_owned()),
                None => word.replace(&self.folder.path().display().to_string(), "IN"),
            };
            text.lines().map(|line| line.split(' ').map(short).collect::<Vec<_>>().join(" ")).collect()
        }
    }

    #[test]
    fn apples_programs_are_called_in_order_and_the_image_gets_its_name() {
        let world = World::new();
        fs::create_dir(world.at("out")).unwrap();
        world.create(Some(Path::new("icon"))).unwrap();
        let flags: String = finder::custom_icon().iter().map(|byte| format!("{byte:02x}")).collect();
        let wanted = [
            "ditto IN/Helix.app volume/Helix.app".to_owned(),
            format!("xattr -wx com.apple.FinderInfo {flags} volume"),
            "hdiutil create -fs HFS+ -format UDZO -volname Helix -srcfolder volume image.dmg".to_owned(),
            "hdiutil verify image.dmg".to_owned(),
        ];
        assert_eq!(world.calls(), wanted);
        let volume = fs::read_to_string(world.at("out/Helix.dmg")).unwrap();
        for path in ["./Applications", "./.DS_Store", "./.VolumeIcon.icns", "./Helix.app/Contents/PkgInfo"] {
            assert!(volume.lines().any(|line| line == path), "{path} is not on the volume:\n{volume}");
        }
        assert!(!volume.contains("/._"), "what is an attribute on a Mac is no file: {volume}");
        assert_eq!(fs::read_dir(world.at("out")).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn an_image_that_does_not_verify_leaves_the_earlier_one() {
        let world = World::new();
        fs::create_dir(world.at("out")).unwrap();
        fs::write(world.at("out/Helix.dmg"), "earlier").unwrap();
        fs::write(world.at("damaged"), "").unwrap();
        let error = world.create(None).unwrap_err().to_string();
        assert!(error.contains("verify failed - corrupt image"), "{error}");
        assert!(!world.calls().iter().any(|call| call.starts_with("xattr")), "there is no icon");
        assert_eq!(fs::read_to_string(world.at("out/Helix.dmg")).unwrap(), "earlier");
        assert_eq!(fs::read_dir(world.at("out")).unwrap().count(), 1);
    }
}
