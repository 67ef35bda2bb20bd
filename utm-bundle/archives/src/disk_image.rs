//! The `.dmg`: on Linux written here, on a Mac by `hdiutil`.

use std::path::Path;
use std::time::SystemTime;

use crate::aside::Aside;
use crate::tree::Entry;
use crate::{Error, Tree, Udif, finder, hdiutil, iso, udif};

/// The longest name, in bytes: the field of an alias has 28 with the length.
const NAME_BYTES: usize = 27;

/// The volume that opening the file shows.
#[derive(Debug, Clone, Copy)]
pub struct Volume<'a> {
    /// Its name: 1 to 27 letters, digits, spaces, `.`, `-` or `_`.
    pub name: &'a str,
    /// Its icon, an `.icns`.
    pub icon: Option<&'a Path>,
    /// The date of everything in it.
    pub modified: SystemTime,
}

/// The largest file that [`write_disk_image`] can pack on this machine, in bytes; on a Mac there is no limit.
pub fn largest_in_disk_image() -> u64 {
    if cfg!(target_os = "macos") { u64::MAX } else { iso::LARGEST }
}

/// Packs a folder, an application, as a volume with a link to Applications beside it.
///
/// On a Mac `hdiutil` makes it, with HFS+; elsewhere it is ISO 9660 with Rock Ridge, which macOS mounts as well. `progress` is
/// told the bytes that are packed, and those in all; `hdiutil` tells nothing.
///
/// # Errors
/// When the volume's name or the tree does not fit, a file cannot be read or changed since the tree was read, the image
/// cannot be written, or does not read back as what was put in. There is no new file then, and the earlier one stays.
pub fn write_disk_image(
    tree: &Tree,
    volume: &Volume<'_>,
    place: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), Error> {
    let beside = beside(tree, volume)?;
    if cfg!(target_os = "macos") {
        return hdiutil::create(tree, &beside, volume, place);
    }
    let entries: Vec<Entry> = beside.into_iter().chain(tree.entries.iter().cloned()).collect();
    let faults = iso::faults(&entries);
    if !faults.is_empty() {
        return Err(Error::Folder { folder: tree.folder.clone(), faults });
    }
    let aside = Aside::start(place)?;
    let mut source = iso::Volume::new(&entries, volume.name, volume.modified);
    let all = source.bytes;
    let packed = udif::write(&aside, |to, most| source.append(to, most), &mut |done| progress(done, all))?;
    if Udif::open(aside.path())?.check()? != packed {
        return Err(Error::damaged(place, "reading it back gives another volume"));
    }
    aside.finish()
}

/// What is on the volume beside the tree.
fn beside(tree: &Tree, volume: &Volume<'_>) -> Result<Vec<Entry>, Error> {
    let fault = |why| Error::Volume { name: volume.name.to_owned(), why };
    let possible = |c: char| c.is_ascii_alphanumeric() || " .-_".contains(c);
    let name = volume.name;
    if name.is_empty() || name.len() > NAME_BYTES || !name.chars().all(possible) || name.trim() != name {
        return Err(fault("the name must be 1 to 27 letters, digits, spaces inside, `.`, `-` or `_`"));
    }
    if tree.name().starts_with('.') || tree.name().eq_ignore_ascii_case("applications") {
        return Err(fault("what is packed has a name that the volume needs for itself"));
    }
    let read = |icon| std::fs::read(icon).map_err(Error::io("reading", icon));
    let icon = volume.icon.map(read).transpose()?;
    Ok(finder::entries(name, tree.name(), icon, volume.modified))
}
