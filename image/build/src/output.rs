//! Results appear whole or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

use crate::Error;
use crate::store::{flush, remove_tree};

/// Writes a file beside its place and renames it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = |e: std::io::Error| Error::io("writing", path, e);
    let mut aside = tempfile::Builder::new()
        .prefix(".partial-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(write)?;
    aside.write_all(bytes).map_err(write)?;
    aside.as_file().sync_all().map_err(write)?;
    aside.persist(path).map_err(|e| write(e.error))?;
    Ok(())
}

/// As [`write_whole`], with a value as JSON.
pub(crate) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).expect("what is written is plain data") + "\n";
    write_whole(path, text.as_bytes())
}

/// A folder in the making; it takes its final place by [`Folder::publish`], or vanishes.
#[derive(Debug)]
pub(crate) struct Folder {
    aside: PathBuf,
    place: PathBuf,
}

impl Folder {
    /// Starts a folder that is to become `place`. What a killed build left behind is removed; the caller holds the
    /// lock of `place`.
    pub(crate) fn start(place: &Path) -> Result<Self, Error> {
        let parent = place.parent().ok_or_else(|| Error::Usage("the output cannot be the root folder".into()))?;
        std::fs::create_dir_all(parent).map_err(|e| Error::io("making the output folder", parent, e))?;
        let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let aside = parent.join(format!(".partial-{name}"));
        remove_tree(&aside)?;
        std::fs::create_dir(&aside).map_err(|e| Error::io("making the output folder", &aside, e))?;
        Ok(Self { aside, place: place.to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.aside
    }

    /// Puts the folder in its place, at once and with everything on the disk; the earlier one is removed.
    pub(crate) fn publish(self) -> Result<(), Error> {
        flush(&self.aside)?;
        let rename = |flags| rustix::fs::renameat_with(CWD, &self.aside, CWD, &self.place, flags);
        let moved = match rename(RenameFlags::EXCHANGE) {
            Err(rustix::io::Errno::NOENT) => rename(RenameFlags::NOREPLACE),
            other => other,
        };
        moved.map_err(|e| Error::io("finishing the output", &self.place, e.into()))
        // After an exchange, what is dropped now is the earlier result.
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(e) = remove_tree(&self.aside) {
            tracing::warn!("{e}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_replaces_the_earlier_one_or_vanishes() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("image");
        for content in ["first", "second"] {
            let folder = Folder::start(&place).unwrap();
            std::fs::write(folder.path().join("disk"), content).unwrap();
            folder.publish().unwrap();
            assert_eq!(std::fs::read_to_string(place.join("disk")).unwrap(), content);
        }
        drop(Folder::start(&place).unwrap());
        assert_eq!(std::fs::read_to_string(place.join("disk")).unwrap(), "second");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
