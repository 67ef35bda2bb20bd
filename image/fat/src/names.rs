//! Which paths a FAT volume can hold.

use std::collections::BTreeMap;

/// Why a path cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// The path is empty, starts or ends with a slash, or has two in a row.
    #[error("a component is empty")]
    EmptyComponent,
    /// A component is `.` or `..`.
    #[error("a component is . or ..")]
    DotComponent,
    /// A component is longer than 255 UTF-16 code units.
    #[error("a component is longer than 255 UTF-16 code units")]
    TooLong,
    /// A component holds a control character or one of `"*:<>?\|`.
    #[error("{0:?} is not allowed")]
    Character(char),
    /// A component ends with a dot or a space, which readers strip.
    #[error("a component ends with a dot or a space")]
    Trailing,
    /// A file of the same name is there already; FAT does not tell upper from lower case.
    #[error("the name is taken: FAT does not tell upper from lower case")]
    Duplicate,
    /// A file is needed as a folder by another path.
    #[error("another path needs this file as a folder")]
    FileAsFolder,
}

/// The longest component of a path, in UTF-16 code units (FAT specification, "Long Directory Entries").
const MAX_COMPONENT: usize = 255;

/// Checks every path by itself and against all others; returns the first path at fault, and the fault.
pub(crate) fn check<'a>(paths: impl Iterator<Item = &'a str>) -> Result<(), (&'a str, NameFault)> {
    let mut files = BTreeMap::new();
    for path in paths {
        path.split('/').try_for_each(check_component).map_err(|fault| (path, fault))?;
        if files.insert(fold(path), path).is_some() {
            return Err((path, NameFault::Duplicate));
        }
    }
    let as_folder = files.keys().flat_map(|path| parents(path)).find_map(|folder| files.get(folder));
    as_folder.map_or(Ok(()), |path| Err((*path, NameFault::FileAsFolder)))
}

/// Every folder on the way to `path`, the outermost first.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

/// The form in which names are compared.
pub(crate) fn fold(path: &str) -> String {
    path.chars().flat_map(char::to_uppercase).collect()
}

fn check_component(name: &str) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::EmptyComponent);
    }
    if name == "." || name == ".." {
        return Err(NameFault::DotComponent);
    }
    let allowed = |c: char| !c.is_control() && !"\"*:<>?\\|".contains(c);
    if let Some(c) = name.chars().find(|&c| !allowed(c)) {
        return Err(NameFault::Character(c));
    }
    if name.ends_with(['.', ' ']) {
        return Err(NameFault::Trailing);
    }
    if name.encode_utf16().count() > MAX_COMPONENT {
        return Err(NameFault::TooLong);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(paths: &[&str]) -> Option<NameFault> {
        check(paths.iter().copied()).err().map(|(_, fault)| fault)
    }

    #[test]
    fn ordinary_paths_pass() {
        assert_eq!(fault(&["EFI/BOOT/BOOTAA64.EFI", "EFI/debian/grub.cfg", "user-data", "größe.txt"]), None);
    }

    #[test]
    fn each_fault_is_told_apart() {
        assert_eq!(fault(&["/a"]), Some(NameFault::EmptyComponent));
        assert_eq!(fault(&["a//b"]), Some(NameFault::EmptyComponent));
        assert_eq!(fault(&["a/../b"]), Some(NameFault::DotComponent));
        assert_eq!(fault(&["a:b"]), Some(NameFault::Character(':')));
        assert_eq!(fault(&["a\nb"]), Some(NameFault::Character('\n')));
        assert_eq!(fault(&["a."]), Some(NameFault::Trailing));
        assert_eq!(fault(&[&"x".repeat(256)]), Some(NameFault::TooLong));
        assert_eq!(fault(&["EFI/a", "efi/A"]), Some(NameFault::Duplicate));
        assert_eq!(fault(&["efi", "EFI/a"]), Some(NameFault::FileAsFolder));
    }
}
