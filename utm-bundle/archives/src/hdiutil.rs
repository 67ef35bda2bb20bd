//! The `.dmg` by Apple's own tool. Only this module knows a Mac's programs; no one has run it there yet.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use helix_command::Cmd;

use crate::aside::folder_of;
use crate::tree::{Content, Entry, Kind};
use crate::{Error, Tree, Volume, finder};

/// Makes a compressed image with HFS+, checks it, and gives it its name.
pub(crate) fn create(tree: &Tree, beside: &[Entry], volume: &Volume<'_>, place: &Path) -> Result<(), Error> {
    let folder = folder_of(place);
    let aside =
        tempfile::Builder::new().prefix(".partial-").tempdir_in(folder).map_err(Error::io("writing", folder))?;
    let source = aside.path().join("volume");
    std::fs::create_dir(&source).map_err(Error::io("making", &source))?;
    for entry in beside {
        put(entry, &source.join(&entry.path))?;
    }
    Cmd::new("/usr/bin/ditto").arg(&tree.folder).arg(source.join(tree.name())).run()?;
    if volume.icon.is_some() {
        let info: String = finder::custom_icon().iter().map(|b| format!("{b:02x}")).collect();
        Cmd::new("/usr/bin/xattr").args(["-wx", "com.apple.FinderInfo", &info]).arg(&source).run()?;
    }
    let image = aside.path().join("image.dmg");
    let create =
        Cmd::new("/usr/bin/hdiutil").args(["create", "-fs", "HFS+", "-format", "UDZO", "-volname", volume.name]);
    create.arg("-srcfolder").arg(&source).arg(&image).run()?;
    Cmd::new("/usr/bin/hdiutil").arg("verify").arg(&image).run()?;
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
