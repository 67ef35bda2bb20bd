//! Artifacts: verified files from elsewhere, put into a tree as they are or unpacked.
//!
//! An archive is data from outside even when its digest is right: entries may not leave the target folder by any way
//! (absolute names, `..`, links), and there are bounds on their number and size.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use helix_tar_sparse::{BLOCK, Extent, Map, Sparse};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use tar::EntryType;

use crate::Error;
use crate::files::{Owner, Writer, set_time};

/// The most bytes that one artifact may unpack to; and the sizes of its files, which holes make larger.
const MAX_BYTES: u64 = 32 << 30;
/// The most entries that one artifact may hold.
const MAX_ENTRIES: u64 = 2_000_000;

/// Where and how an artifact goes into a tree.
#[derive(Debug, Clone)]
pub struct Placement {
    /// Its address, for messages.
    pub url: String,
    /// The file or, when unpacked, the folder inside the tree.
    pub target: PathBuf,
    /// Whether it is an archive to unpack.
    pub unpack: bool,
    /// Leading names to drop from each entry's path.
    pub strip_components: usize,
    /// The mode of a file that is not unpacked.
    pub mode: u32,
}

/// Puts the verified `file` into `tree`.
///
/// # Errors
/// When it cannot be written, or is an archive that is broken, too large, or leads out of its folder.
pub fn place(file: &Path, placement: &Placement, tree: &Path, epoch: u64) -> Result<(), Error> {
    let writer = Writer::new(tree, epoch);
    if !placement.unpack {
        return writer.copy(file, &placement.target, Owner::default(), placement.mode);
    }
    let folder = writer.locate(&placement.target)?;
    std::fs::create_dir_all(&folder).map_err(|e| Error::io("creating", &folder, e))?;
    let source = File::open(file).map_err(|e| Error::io("reading", file, e))?;
    unpack(source, &folder, placement.strip_components, epoch)
        .map_err(|reason| Error::Artifact { url: placement.url.clone(), reason })
}

fn unpack(file: File, folder: &Path, strip: usize, epoch: u64) -> Result<(), String> {
    let root = rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| format!("opening {}: {e}", folder.display()))?;
    let mut archive = tar::Archive::new(decompress(files_of(file)?)?.take(MAX_BYTES));
    let (mut entries, mut bytes) = (0, 0_u64);
    for entry in archive.entries().map_err(|e| format!("is no tar archive: {e}"))? {
        let mut entry =
            entry.map_err(|e| format!("is broken, or unpacks to more than {} GiB: {e}", MAX_BYTES >> 30))?;
        entries += 1;
        if entries > MAX_ENTRIES {
            return Err(format!("has more than {MAX_ENTRIES} entries"));
        }
        let name = entry.path().map_err(|e| format!("entry {entries}: {e}"))?.into_owned();
        let sparse = sparse(&mut entry).map_err(|e| format!("entry {}: {e}", name.display()))?;
        let name = sparse.as_ref().and_then(|sparse| sparse.name.as_deref()).map_or(name, path_of);
        let size = sparse.as_ref().and_then(|sparse| sparse.size).unwrap_or(entry.size());
        bytes = bytes
            .checked_add(size)
            .filter(|bytes| *bytes <= MAX_BYTES)
            .ok_or_else(|| format!("has files of more than {} GiB", MAX_BYTES >> 30))?;
        let Some(inside) = safe_path(&name, strip)? else { continue };
        Unpacker { root: &root, folder, strip, epoch }
            .entry(&mut entry, sparse.as_ref(), &inside)
            .map_err(|e| format!("entry {}: {e}", name.display()))?;
    }
    if entries == 0 {
        return Err("holds no entry".to_owned());
    }
    Ok(())
}

/// What the extended header of an entry says of a sparse file. The library knows those of the old GNU kind alone, which
/// have none.
fn sparse(entry: &mut tar::Entry<'_, impl Read>) -> std::io::Result<Option<Sparse>> {
    if !matches!(entry.header().entry_type(), EntryType::Regular | EntryType::Continuous) {
        return Ok(None);
    }
    let Some(records) = entry.pax_extensions()? else { return Ok(None) };
    // The library ends a record at the first line break. Attributes may hold some; what is wanted here holds none.
    let records: Vec<(Vec<u8>, Vec<u8>)> = records
        .filter_map(Result::ok)
        .map(|record| (record.key_bytes().to_vec(), record.value_bytes().to_vec()))
        .filter(|(key, _)| key.starts_with(b"GNU.sparse."))
        .collect();
    let sparse = helix_tar_sparse::of_records(&records)?;
    if sparse.is_none() && !records.is_empty() {
        return Err(std::io::Error::other("is a sparse file of an unknown format"));
    }
    Ok(sparse)
}

fn path_of(name: &[u8]) -> PathBuf {
    Path::new(std::ffi::OsStr::from_bytes(name)).to_owned()
}

/// The entry's path below the target, `None` when stripping leaves nothing; an error when it would leave the folder.
fn safe_path(name: &Path, strip: usize) -> Result<Option<PathBuf>, String> {
    let mut names = Vec::new();
    for component in name.components() {
        match component {
            Component::Normal(n) => names.push(n),
            Component::CurDir => {}
            _ => {
                return Err(format!(
                    "entry {} leads out of the folder it is unpacked to; nothing like that is unpacked",
                    name.display()
                ));
            }
        }
    }
    let path: PathBuf = names.into_iter().skip(strip).collect();
    Ok((!path.as_os_str().is_empty()).then_some(path))
}

/// The part of a Debian package that has its files, as deb(5) describes it; of another file, the whole.
fn files_of(mut file: File) -> Result<std::io::Take<File>, String> {
    const MAGIC: &[u8] = b"!<arch>\n";
    let broken = |e: std::io::Error| format!("is a Debian package, but broken: {e}");
    let mut magic = Vec::new();
    (&mut file).take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(broken)?;
    if magic != MAGIC {
        file.rewind().map_err(broken)?;
        return Ok(file.take(u64::MAX));
    }
    loop {
        // A name of 16 bytes, numbers that do not matter here, the size in 10 bytes of decimal digits, and an end mark.
        let mut header = [0; 60];
        file.read_exact(&mut header).map_err(broken)?;
        let size = std::str::from_utf8(&header[48..58]).ok().and_then(|text| text.trim_end().parse::<u32>().ok());
        let size = size.ok_or("is a Debian package, but a member of it has no size")?;
        if header.starts_with(b"data.tar") {
            return Ok(file.take(size.into()));
        }
        // Members begin at even places.
        file.seek_relative(i64::from(size) + i64::from(size % 2)).map_err(broken)?;
    }
}

fn decompress(file: impl Read + 'static) -> Result<Box<dyn Read>, String> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let magic = reader.fill_buf().map_err(|e| e.to_string())?;
    Ok(match magic {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(reader)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(reader).map_err(|e| e.to_string())?),
        _ => Box::new(reader),
    })
}

struct Unpacker<'a> {
    root: &'a OwnedFd,
    folder: &'a Path,
    strip: usize,
    epoch: u64,
}

impl Unpacker<'_> {
    fn entry(
        &self,
        entry: &mut tar::Entry<'_, impl Read>,
        sparse: Option<&Sparse>,
        inside: &Path,
    ) -> Result<(), String> {
        let path = self.folder.join(inside);
        let mode = entry.header().mode().map_err(|e| e.to_string())? & 0o755;
        let (parent, name) = self.parent(inside)?;
        match entry.header().entry_type() {
            EntryType::Directory => match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(e) => return Err(e.to_string()),
            },
            kind @ (EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse) => {
                self.remove(&parent, name)?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd =
                    rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o600)).map_err(|e| e.to_string())?;
                let mut file = File::from(fd);
                let written = match sparse {
                    Some(sparse) => write_parts(entry, sparse, &mut file),
                    None if kind == EntryType::GNUSparse => write_with_holes(entry, &mut file),
                    None => std::io::copy(entry, &mut file).map(drop),
                };
                written.map_err(|e| e.to_string())?;
                file.set_permissions(std::fs::Permissions::from_mode(mode | 0o600)).map_err(|e| e.to_string())?;
            }
            EntryType::Symlink => {
                let to = entry.link_name().map_err(|e| e.to_string())?.ok_or("a link without a target")?;
                self.remove(&parent, name)?;
                rustix::fs::symlinkat(to.as_os_str(), &parent, name).map_err(|e| e.to_string())?;
            }
            EntryType::Link => {
                let to = entry.link_name().map_err(|e| e.to_string())?.ok_or("a link without a target")?;
                let to = safe_path(&to, self.strip)?.ok_or("a hard link to nothing")?;
                let (to_parent, to_name) = self.parent(&to)?;
                self.remove(&parent, name)?;
                rustix::fs::linkat(&to_parent, to_name, &parent, name, AtFlags::empty()).map_err(|e| e.to_string())?;
            }
            EntryType::XGlobalHeader => return Ok(()),
            other => return Err(format!("is of a kind that is not unpacked ({other:?})")),
        }
        set_time(&path, self.epoch).map_err(|e| e.to_string())
    }

    /// Opens the folder that `inside` lies in, making what is missing, without ever leaving the target folder.
    fn parent<'p>(&self, inside: &'p Path) -> Result<(OwnedFd, &'p std::ffi::OsStr), String> {
        let name = inside.file_name().ok_or("has no name")?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |path: &Path| rustix::fs::openat2(self.root, path, flags, Mode::empty(), ResolveFlags::BENEATH);
        let mut path = PathBuf::from(".");
        let mut folder = open(&path).map_err(|e| e.to_string())?;
        for component in inside.parent().into_iter().flat_map(Path::components) {
            path.push(component);
            folder = match open(&path) {
                Err(rustix::io::Errno::NOENT) => {
                    rustix::fs::mkdirat(&folder, component.as_os_str(), Mode::from_raw_mode(0o755))
                        .map_err(|e| e.to_string())?;
                    open(&path).map_err(|e| e.to_string())?
                }
                Err(rustix::io::Errno::XDEV) => {
                    return Err("leads out of the folder by a symbolic link; nothing like that is unpacked".to_owned());
                }
                other => other.map_err(|e| format!("{}: {e}", path.display()))?,
            };
        }
        Ok((folder, name))
    }

    fn remove(&self, parent: &OwnedFd, name: &std::ffi::OsStr) -> Result<(), String> {
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(e) => Err(format!("replacing it: {e}")),
        }
    }
}

/// Writes a sparse file of the PAX kind from its parts.
fn write_parts(entry: &mut tar::Entry<'_, impl Read>, sparse: &Sparse, file: &mut File) -> std::io::Result<()> {
    let mut stored = entry.size();
    let size = sparse.size.unwrap_or(stored);
    let listed: Vec<Extent>;
    let extents = match &sparse.map {
        Map::Listed(extents) => extents,
        Map::InContent => {
            listed = helix_tar_sparse::map_of_content(|| {
                let mut block = [0; BLOCK];
                entry.read_exact(&mut block)?;
                stored -= BLOCK as u64;
                Ok(block)
            })?;
            &listed
        }
    };
    helix_tar_sparse::check(extents, size, stored)?;
    for extent in extents {
        file.seek(SeekFrom::Start(extent.offset))?;
        let copied = std::io::copy(&mut entry.take(extent.length), file)?;
        if copied != extent.length {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    file.set_len(size)
}

/// Writes a content that comes whole, and leaves out what is zeros.
fn write_with_holes(source: &mut impl Read, file: &mut File) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match source.read(&mut buffer)? {
            0 => break,
            n if buffer[..n].iter().all(|b| *b == 0) => drop(file.seek_relative(n as i64)?),
            n => file.write_all(&buffer[..n])?,
        }
    }
    let size = file.stream_position()?;
    file.set_len(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o4755);
            // The name is written raw: the library's own setter would refuse what these tests are about.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
            if is_link {
                header.as_gnu_mut().unwrap().linkname[..content.len()].copy_from_slice(content.as_bytes());
            }
            let data = if is_link { &[][..] } else { content.as_bytes() };
            header.set_size(data.len() as u64);
            header.set_cksum();
            builder.append(&header, data).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn try_place(bytes: &[u8], strip: usize) -> (Result<(), Error>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        std::fs::write(&file, bytes).unwrap();
        std::fs::create_dir(dir.path().join("tree")).unwrap();
        let placement = Placement {
            url: "http://x/a".into(),
            target: "/opt/x".into(),
            unpack: true,
            strip_components: strip,
            mode: 0,
        };
        (place(&file, &placement, &dir.path().join("tree"), 5), dir)
    }

    use EntryType::{Link, Regular, Symlink};

    #[test]
    fn a_good_archive_is_unpacked_in_every_packing() {
        use std::io::Write;
        let plain =
            archive(&[("p/bin/tool", Regular, "hi"), ("p/link", Symlink, "bin/tool"), ("p/hard", Link, "p/bin/tool")]);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&plain).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(&plain).unwrap();
        let zst = zstd::encode_all(&plain[..], 1).unwrap();
        for bytes in [plain, gz.finish().unwrap(), xz.finish().unwrap(), zst] {
            let (result, dir) = try_place(&bytes, 1);
            result.unwrap();
            let tool = dir.path().join("tree/opt/x/bin/tool");
            assert_eq!(std::fs::read_to_string(&tool).unwrap(), "hi");
            // The setuid bit of a foreign archive is not taken over.
            assert_eq!(std::fs::metadata(&tool).unwrap().permissions().mode() & 0o7777, 0o755);
            assert_eq!(std::fs::read_to_string(dir.path().join("tree/opt/x/hard")).unwrap(), "hi");
        }
    }

    /// What GNU tar makes of a folder, with the options that it has for sparse files.
    fn tarred(folder: &Path, options: &[&str]) -> Vec<u8> {
        let mut tar = std::process::Command::new("tar");
        tar.args(["--sparse", "--create", "--sort=name"]).args(options).arg("-C").arg(folder).arg(".");
        let output = tar.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    #[test]
    fn sparse_files_of_every_kind_come_out_whole_under_their_own_names() {
        use std::os::unix::fs::{FileExt, MetadataExt};
        let source = tempfile::tempdir().unwrap();
        std::fs::create_dir(source.path().join("d")).unwrap();
        // More parts than a header of the old kind has room for, some at odd places; one file that is a hole alone, one
        // that ends in data, and a long name.
        let long = "n".repeat(120);
        let make = |name: &str, size: u64, parts: u64, step: u64| {
            let file = File::create(source.path().join("d").join(name)).unwrap();
            file.set_len(size).unwrap();
            for part in 0..parts {
                file.write_all_at(&vec![part as u8 + 1; 700], part * step).unwrap();
            }
        };
        make("many", 6 << 20, 30, 200_000);
        make("hole", 3 << 20, 0, 1);
        make("ends-in-data", (1 << 20) + 700, 2, 1 << 20);
        make(&long, 1 << 20, 3, 300_001);
        std::fs::write(source.path().join("d/plain"), "plain").unwrap();
        std::fs::hard_link(source.path().join("d/many"), source.path().join("d/same")).unwrap();
        for options in [
            &["--format=gnu"][..],
            &["--format=posix", "--sparse-version=0.0"],
            &["--format=posix", "--sparse-version=0.1"],
            &["--format=posix", "--sparse-version=1.0"],
        ] {
            let bytes = tarred(source.path(), options);
            assert!(bytes.len() < 1 << 20, "tar wrote no sparse files");
            let (result, dir) = try_place(&bytes, 1);
            result.unwrap_or_else(|e| panic!("{options:?}: {e}"));
            let target = dir.path().join("tree/opt/x");
            let mut names = Vec::new();
            for entry in std::fs::read_dir(&target).unwrap() {
                names.push(entry.unwrap().file_name().into_string().unwrap());
            }
            names.sort();
            assert_eq!(names, ["ends-in-data", "hole", "many", &long, "plain", "same"], "{options:?}");
            for name in names {
                let (found, wanted) = (target.join(&name), source.path().join("d").join(&name));
                assert!(std::fs::read(&found).unwrap() == std::fs::read(wanted).unwrap(), "{options:?}: {name}");
                let stat = found.metadata().unwrap();
                assert!(stat.len() < 1 << 20 || stat.blocks() * 512 < stat.len(), "{options:?}: {name} has no holes");
            }
            let ino = |name: &str| target.join(name).metadata().unwrap().ino();
            assert_eq!(ino("many"), ino("same"));
            // One that is cut is refused.
            assert!(try_place(&bytes[..bytes.len() / 2], 1).0.is_err(), "{options:?}");
        }
    }

    /// A member with an extended header.
    fn with_records(records: &[(&str, &str)], content: &[u8]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_pax_extensions(records.iter().map(|(key, value)| (*key, value.as_bytes()))).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, "GNUSparseFile.7/f", content).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn sparse_files_that_lie_are_refused() {
        let one = |name: &'static str, size: &'static str| {
            [
                ("GNU.sparse.map", "0,1,9,1"),
                ("GNU.sparse.numblocks", "2"),
                ("GNU.sparse.name", name),
                ("GNU.sparse.size", size),
            ]
        };
        let (result, dir) = try_place(&with_records(&one("f", "10"), b"ab"), 0);
        result.unwrap();
        assert_eq!(std::fs::read(dir.path().join("tree/opt/x/f")).unwrap(), b"a\0\0\0\0\0\0\0\0b");
        let content = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "10")];
        for (archive, why) in [
            (with_records(&one("../../f", "10"), b"ab"), "leads out of the folder"),
            (with_records(&one("f", "9"), b"ab"), "contradict"),
            (with_records(&one("f", "10"), b"a"), "contradict"),
            (with_records(&one("f", "99999999999999"), b"ab"), "files of more than 32 GiB"),
            (with_records(&content, b"1\n0\n4\nabcd"), "fill"),
            (with_records(&[("GNU.sparse.major", "2"), ("GNU.sparse.minor", "0")], b""), "unknown format"),
        ] {
            let (result, dir) = try_place(&archive, 0);
            let message = result.unwrap_err().to_string();
            assert!(message.contains(why), "{message}");
            assert!(!dir.path().join("f").exists() && !dir.path().join("tree/f").exists());
        }
        // The old kind states any size too.
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::GNUSparse);
        header.set_path("huge").unwrap();
        header.set_mode(0o644);
        header.set_size(0);
        let gnu = header.as_gnu_mut().unwrap();
        gnu.set_real_size(1 << 60);
        gnu.sparse[0].set_offset(1 << 60);
        gnu.sparse[0].set_length(0);
        header.set_cksum();
        let message = try_place(&[header.as_bytes(), &[0; 1024][..]].concat(), 0).0.unwrap_err().to_string();
        assert!(message.contains("files of more than 32 GiB"), "{message}");
    }

    /// A member of a Debian package.
    fn member(name: &str, size: &str, content: &[u8]) -> Vec<u8> {
        let mut out = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644).into_bytes();
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(2), b'\n');
        out
    }

    #[test]
    fn the_files_of_a_debian_package_are_unpacked() {
        let data = zstd::encode_all(&archive(&[("./usr/bin/tool", Regular, "hi")])[..], 1).unwrap();
        let sizes = ["4", "3", &data.len().to_string()].map(str::to_owned);
        let members = [
            member("debian-binary", &sizes[0], b"2.0\n"),
            member("control.tar.xz", &sizes[1], b"odd"),
            member("data.tar.zst", &sizes[2], &data),
        ];
        let package = [&b"!<arch>\n"[..], &members.concat()].concat();
        let (result, dir) = try_place(&package, 0);
        result.unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("tree/opt/x/usr/bin/tool")).unwrap(), "hi");
        let whole = package.len() - data.len() % 2;
        for cut in [8, 30, 68, 72, 75, 140, whole - data.len(), whole - 1] {
            assert!(try_place(&package[..cut], 0).0.is_err(), "cut at {cut}");
        }
        for size in ["", "-1", "9999999999", "4x"] {
            let package = [&b"!<arch>\n"[..], &member("data.tar", size, b"")].concat();
            assert!(try_place(&package, 0).0.is_err(), "a size of {size:?}");
        }
    }

    #[test]
    fn no_way_leads_out_of_the_folder() {
        for entries in [
            &[("../evil", Regular, "x")][..],
            &[("/evil", Regular, "x")],
            &[("a/../../evil", Regular, "x")],
            &[("l", Symlink, "/"), ("l/evil", Regular, "x")],
            &[("l", Symlink, "../.."), ("l/evil", Regular, "x")],
            &[("h", Link, "../../../etc/passwd")],
            &[("d", EntryType::Char, "")],
        ] {
            let (result, dir) = try_place(&archive(entries), 0);
            let message = result.unwrap_err().to_string();
            assert!(message.starts_with("artifact http://x/a: "), "{message}");
            assert!(!dir.path().join("evil").exists() && !dir.path().join("tree/evil").exists());
        }
    }

    #[test]
    fn broken_and_empty_archives_are_refused() {
        for bytes in [&b""[..], b"not a tar file at all, but longer than nothing", &[0x1f, 0x8b, 8, 0, 1, 2, 3]] {
            assert!(try_place(bytes, 0).0.is_err());
        }
        let mut cut = archive(&[("a", Regular, &"x".repeat(2000))]);
        cut.truncate(1000);
        assert!(try_place(&cut, 0).0.is_err());
    }
}
