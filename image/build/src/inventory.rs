//! The list of an image's files, kept beside it for `diff`.
//!
//! One line per file: kind, mode, owner, size, digest or link target, path; sorted by path, compressed with zstd.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use walkdir::WalkDir;

use crate::Error;

/// The inventory's file name.
pub const FILE: &str = "files.zst";
/// The largest inventory that is read, in bytes of plain text.
const LARGEST: u64 = 2 << 30;

/// Lists `tree` into `dir`.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn write(tree: &Path, dir: &Path) -> Result<(), Error> {
    let path = dir.join(FILE);
    let failed = |e: std::io::Error| Error::io("writing", &path, e);
    let file = File::create(&path).map_err(failed)?;
    let mut out = zstd::Encoder::new(file, 3).map_err(failed)?;
    for entry in WalkDir::new(tree).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(|e| Error::io("reading", tree, e.into()))?;
        let line = describe(&entry, tree).map_err(|e| Error::io("reading", entry.path(), e))?;
        out.write_all(&line).map_err(failed)?;
    }
    out.finish().and_then(|f| f.sync_all()).map_err(failed)
}

fn describe(entry: &walkdir::DirEntry, tree: &Path) -> std::io::Result<Vec<u8>> {
    let meta = entry.path().symlink_metadata()?;
    let kind = entry.file_type();
    let (letter, size, content) = if kind.is_dir() {
        ('d', 0, "-".to_owned())
    } else if kind.is_symlink() {
        let target = std::fs::read_link(entry.path())?;
        ('l', 0, blake3::hash(target.as_os_str().as_bytes()).to_hex().as_str()[..32].to_owned())
    } else {
        let mut hash = blake3::Hasher::new();
        hash.update_reader(File::open(entry.path())?)?;
        ('f', meta.len(), hash.finalize().to_hex().as_str()[..32].to_owned())
    };
    let mut line =
        format!("{letter} {:o} {}:{} {size} {content} ", meta.mode() & 0o7777, meta.uid(), meta.gid()).into_bytes();
    let inside = entry.path().strip_prefix(tree).expect("the walk stays below its start").as_os_str().as_bytes();
    // A name may hold anything but NUL and slash; a line break would break the form.
    line.extend(inside.iter().flat_map(|b| if *b == b'\n' { b"\\n".to_vec() } else { vec![*b] }));
    line.push(b'\n');
    Ok(line)
}

/// Path to description, for every file of the image in `dir`.
///
/// # Errors
/// When there is no inventory, or it is broken.
pub fn read(dir: &Path) -> Result<BTreeMap<String, String>, Error> {
    let path = dir.join(FILE);
    let failed = |e: std::io::Error| Error::io("reading", &path, e);
    let decoder = zstd::Decoder::new(File::open(&path).map_err(failed)?).map_err(failed)?;
    let mut reader = BufReader::new(decoder.take(LARGEST));
    let mut all = BTreeMap::new();
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\n');
        let at = text.match_indices(' ').nth(4).map(|(at, _)| at);
        let (description, name) = at
            .map(|at| text.split_at(at))
            .ok_or_else(|| Error::NotAnImage { path: path.clone(), reason: "is no inventory of files".to_owned() })?;
        all.insert(name[1..].to_owned(), description.to_owned());
        line.clear();
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_written_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("t");
        std::fs::create_dir_all(tree.join("a b")).unwrap();
        std::fs::write(tree.join("a b/two\nlines"), "x").unwrap();
        std::os::unix::fs::symlink("a b", tree.join("link")).unwrap();
        super::write(&tree, dir.path()).unwrap();
        let all = super::read(dir.path()).unwrap();
        assert_eq!(all.keys().collect::<Vec<_>>(), ["a b", "a b/two\\nlines", "link"]);
        assert!(all["a b/two\\nlines"].starts_with("f 644 ") && all["link"].starts_with("l "), "{all:?}");
    }
}
