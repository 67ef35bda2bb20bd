//! What a finished tree must not hold, and the times of what it does hold.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use walkdir::WalkDir;

use crate::files::{Writer, set_time};
use crate::{Error, read_dir_sorted};

/// Files that programs of the build leave behind and that differ from build to build, or belong to one machine.
const REMOVED_FILES: [&str; 14] = [
    "etc/.pwd.lock",
    "etc/group-",
    "etc/gshadow-",
    "etc/passwd-",
    "etc/shadow-",
    "etc/subgid-",
    "etc/subuid-",
    "var/cache/debconf/config.dat-old",
    "var/cache/debconf/templates.dat-old",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dbus/machine-id",
    "var/lib/dpkg/available",
    "var/lib/dpkg/lock",
    "var/lib/systemd/random-seed",
];

/// Folders that are emptied.
const EMPTIED: [&str; 6] =
    ["boot/efi", "var/cache/apt", "var/lib/apt/lists", "var/lib/cloud", "var/tmp", "var/cache/man"];

/// Takes away what belongs to the build or to one machine.
///
/// # Errors
/// When something cannot be removed.
pub fn clean(tree: &Path, writer: &Writer<'_>) -> Result<(), Error> {
    for file in REMOVED_FILES {
        remove(&tree.join(file))?;
    }
    for dir in EMPTIED {
        if tree.join(dir).is_dir() {
            for entry in read_dir_sorted(&tree.join(dir))? {
                remove(&entry)?;
            }
        }
    }
    for dir in ["dev", "proc", "run", "sys", "tmp"] {
        for entry in read_dir_sorted(&tree.join(dir))? {
            remove(&entry)?;
        }
    }
    for entry in WalkDir::new(tree.join("var/log")).into_iter().filter_map(Result::ok) {
        if entry.file_type().is_file() {
            remove(entry.path())?;
            continue;
        }
        // systemd-tmpfiles sets the access control lists of its folders at every boot; mkfs.xfs would not keep them.
        for name in ["system.posix_acl_access", "system.posix_acl_default"] {
            if xattr::get(entry.path(), name).is_ok_and(|list| list.is_some()) {
                xattr::remove(entry.path(), name).map_err(|e| Error::io("cleaning", entry.path(), e))?;
            }
        }
    }
    for entry in read_dir_sorted(&tree.join("etc/ssh")).unwrap_or_default() {
        if entry.file_name().is_some_and(|n| n.to_string_lossy().starts_with("ssh_host_")) {
            remove(&entry)?;
        }
    }
    for entry in ["usr", "var/cache/fontconfig"].iter().flat_map(|d| WalkDir::new(tree.join(d))).filter_map(Result::ok)
    {
        // Backups of dpkg's own database files.
        if entry.file_type().is_file() && entry.path().to_string_lossy().ends_with(".dpkg-old") {
            remove(entry.path())?;
        }
    }
    for file in ["status-old", "diversions-old", "statoverride-old"] {
        remove(&tree.join("var/lib/dpkg").join(file))?;
    }
    // Empty, not missing: systemd fills it at the first boot without taking that boot for one that asks questions.
    writer.write("etc/machine-id", "", 0o444)
}

fn remove(path: &Path) -> Result<(), Error> {
    let gone = match path.symlink_metadata() {
        Err(_) => return Ok(()),
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
    };
    gone.map_err(|e| Error::io("removing", path, e))
}

/// Gives every folder, and every file that is newer than `epoch` (seconds since 1970), that time, and every password
/// entry one date.
///
/// All folders, because the time of one that two packages share is that of whichever was unpacked last, and several are
/// unpacked at once.
///
/// # Errors
/// When a time cannot be set.
pub fn normalise(tree: &Path, epoch: u64) -> Result<(), Error> {
    fix_password_dates(tree, epoch)?;
    let limit = i64::try_from(epoch).unwrap_or(i64::MAX);
    // Contents first: setting the time of a file does not touch that of its folder, but keep the order robust.
    for entry in WalkDir::new(tree).contents_first(true) {
        let entry = entry.map_err(|e| Error::io("reading", tree, e.into()))?;
        let meta = entry.metadata().map_err(|e| Error::io("reading", entry.path(), e.into()))?;
        let newer = (meta.mtime(), meta.mtime_nsec()) > (limit, 0);
        let other = (meta.mtime(), meta.mtime_nsec()) != (limit, 0);
        if newer || (meta.is_dir() && other) {
            set_time(entry.path(), epoch)?;
        }
    }
    Ok(())
}

/// The third field of `/etc/shadow` is the day of the last change: the day of the build, on some releases.
fn fix_password_dates(tree: &Path, epoch: u64) -> Result<(), Error> {
    let path = tree.join("etc/shadow");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(()) };
    let day = (epoch / 86_400).to_string();
    let fixed: String = text
        .lines()
        .map(|line| {
            let mut fields: Vec<&str> = line.split(':').collect();
            if fields.len() > 2 && !fields[2].is_empty() {
                fields[2] = &day;
            }
            fields.join(":") + "\n"
        })
        .collect();
    if fixed != text {
        // In place: mode and owner are the packages' business.
        std::fs::write(&path, fixed).map_err(|e| Error::io("writing", &path, e))?;
    }
    Ok(())
}

/// What of packages is for people to read.
const FOR_READING: [&str; 7] = ["doc-base", "gtk-doc", "help", "info", "lintian", "locale", "man"];

/// Leaves out manual pages, other documentation and translations; the packages' licences stay.
///
/// # Errors
/// When something cannot be removed.
pub fn slim(tree: &Path) -> Result<(), Error> {
    let share = tree.join("usr/share");
    for folder in FOR_READING.map(|name| share.join(name)).iter().filter(|folder| folder.is_dir()) {
        for entry in read_dir_sorted(folder)? {
            remove(&entry)?;
        }
    }
    // Folders after what is in them: those that are empty then go too.
    for entry in WalkDir::new(share.join("doc")).min_depth(1).contents_first(true).into_iter().filter_map(Result::ok) {
        let path = entry.path();
        if entry.file_type().is_dir() {
            // Not empty: it has a licence.
            let _ = std::fs::remove_dir(path);
        } else if entry.file_type().is_file() && !entry.file_name().to_string_lossy().starts_with("copyright") {
            remove(path)?;
        }
    }
    Ok(())
}

/// Checks the rules about what an image never holds.
///
/// # Errors
/// [`Error::Unclean`] with every rule that is broken.
pub fn check(tree: &Path) -> Result<(), Error> {
    let mut broken = Vec::new();
    for entry in read_dir_sorted(&tree.join("etc/ssh")).unwrap_or_default() {
        if entry.file_name().is_some_and(|n| n.to_string_lossy().starts_with("ssh_host_")) {
            broken.push(format!("no SSH host key: {}", entry.display()));
        }
    }
    if std::fs::metadata(tree.join("etc/machine-id")).is_ok_and(|m| m.len() > 0) {
        broken.push("no machine-id: /etc/machine-id is not empty".to_owned());
    }
    if read_dir_sorted(&tree.join("var/lib/apt/lists")).is_ok_and(|l| !l.is_empty()) {
        broken.push("no apt lists: /var/lib/apt/lists is not empty".to_owned());
    }
    let shadow = std::fs::read_to_string(tree.join("etc/shadow")).unwrap_or_default();
    for line in shadow.lines() {
        let mut fields = line.split(':');
        let (user, password) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        if !password.starts_with(['!', '*']) {
            broken.push(format!("no password: {user} has one (or none is needed) in /etc/shadow"));
        }
    }
    for entry in WalkDir::new(tree) {
        let entry = entry.map_err(|e| Error::io("reading", tree, e.into()))?;
        broken.extend(unfit(&entry).map_err(|e| Error::io("reading", entry.path(), e))?);
    }
    if broken.is_empty() { Ok(()) } else { Err(Error::Unclean(broken)) }
}

/// What `mkfs.xfs -p` (xfsprogs 7.2) would not keep of a file, or an image may not hold.
fn unfit(entry: &walkdir::DirEntry) -> std::io::Result<Option<String>> {
    let (path, kind) = (entry.path(), entry.file_type());
    if !(kind.is_file() || kind.is_dir() || kind.is_symlink()) {
        return Ok(Some(format!("no device, socket or pipe: {}", path.display())));
    }
    changed(entry)
}

/// Checks that `mkfs.xfs -p` would keep everything below `folder` as it is, also through an overlay.
///
/// # Errors
/// [`Error::Unclean`] with everything that would be changed.
pub fn check_kept(folder: &Path) -> Result<(), Error> {
    let mut broken = Vec::new();
    for entry in WalkDir::new(folder) {
        let entry = entry.map_err(|e| Error::io("reading", folder, e.into()))?;
        broken.extend(changed(&entry).map_err(|e| Error::io("reading", entry.path(), e))?);
    }
    if broken.is_empty() { Ok(()) } else { Err(Error::Unclean(broken)) }
}

/// What of a file would be changed.
fn changed(entry: &walkdir::DirEntry) -> std::io::Result<Option<String>> {
    let (path, kind) = (entry.path(), entry.file_type());
    if kind.is_dir() && entry.depth() > 0 {
        let setgid = |p: &Path| p.symlink_metadata().map(|m| m.mode() & 0o2000 != 0);
        if setgid(path.parent().unwrap_or(path))? && !setgid(path)? {
            return Ok(Some(format!(
                "no folder without setgid in one with it, which XFS would change: {}",
                path.display()
            )));
        }
    }
    for name in xattr::list(path)? {
        let value = xattr::get(path, &name)?;
        if name.to_string_lossy().starts_with("user.overlay.") {
            return Ok(Some(format!("no attribute that an overlay takes for its own: {}", path.display())));
        }
        if name.to_string_lossy().starts_with("system.posix_acl") || value.is_some_and(|v| v.is_empty()) {
            return Ok(Some(format!(
                "no access control list and no empty attribute, which mkfs.xfs would change: {}",
                path.display()
            )));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_broken_rule_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path();
        for sub in ["etc/ssh", "var/lib/apt/lists"] {
            std::fs::create_dir_all(tree.join(sub)).unwrap();
        }
        std::fs::write(tree.join("etc/shadow"), "root:*:1::::::\nuser:!:1::::::\n").unwrap();
        std::fs::write(tree.join("etc/machine-id"), "").unwrap();
        check(tree).unwrap();
        std::fs::write(tree.join("etc/shadow"), "root::1::::::\nuser:$y$x:1::::::\n").unwrap();
        std::fs::write(tree.join("etc/machine-id"), "0123").unwrap();
        std::fs::write(tree.join("etc/ssh/ssh_host_rsa_key"), "k").unwrap();
        std::fs::write(tree.join("var/lib/apt/lists/x"), "").unwrap();
        let Err(Error::Unclean(broken)) = check(tree) else { panic!() };
        assert_eq!(broken.len(), 5, "{broken:?}");
    }

    #[test]
    fn newer_files_and_all_folders_get_one_time() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        std::fs::write(&old, "").unwrap();
        std::fs::write(&new, "").unwrap();
        set_time(&old, 100).unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        set_time(&dir.path().join("folder"), 100).unwrap();
        std::fs::write(dir.path().join("etc/shadow"), "root:*:20000:0\nx:!::\n").unwrap();
        normalise(dir.path(), 86_400 * 50).unwrap();
        assert_eq!(std::fs::metadata(old).unwrap().mtime(), 100);
        assert_eq!(std::fs::metadata(dir.path().join("folder")).unwrap().mtime(), 86_400 * 50);
        assert_eq!(std::fs::metadata(new).unwrap().mtime(), 86_400 * 50);
        assert_eq!(std::fs::read_to_string(dir.path().join("etc/shadow")).unwrap(), "root:*:50:0\nx:!::\n");
    }
}
