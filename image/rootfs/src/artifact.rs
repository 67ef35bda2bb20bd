//! Artifacts: verified files from elsewhere, put into a tree as they are or unpacked.
//!
//! An archive is data from outside even when its digest is right: entries may not leave the target folder by any way
//! (absolute names, `..`, links), and there are bounds on their number and size.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use tar::EntryType;

use crate::Error;
use crate::files::{Owner, Writer, set_time};

/// The most bytes that one artifact may unpack to.
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
    let mut entries = 0;
    for entry in archive.entries().map_err(|e| format!("is no tar archive: {e}"))? {
        let mut entry =
            entry.map_err(|e| format!("is broken, or unpacks to more than {} GiB: {e}", MAX_BYTES >> 30))?;
        entries += 1;
        if entries > MAX_ENTRIES {
            return Err(format!("has more than {MAX_ENTRIES} entries"));
        }
        let name = entry.path().map_err(|e| format!("entry {entries}: {e}"))?.into_owned();
        let Some(inside) = safe_path(&name, strip)? else { continue };
        Unpacker { root: &root, folder, strip, epoch }
            .entry(&mut entry, &inside)
            .map_err(|e| format!("entry {}: {e}", name.display()))?;
    }
    if entries == 0 {
        return Err("holds no entry".to_owned());
    }
    Ok(())
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
    fn entry(&self, entry: &mut tar::Entry<'_, impl Read>, inside: &Path) -> Result<(), String> {
        let path = self.folder.join(inside);
        let mode = entry.header().mode().map_err(|e| e.to_string())? & 0o755;
        let (parent, name) = self.parent(inside)?;
        match entry.header().entry_type() {
            EntryType::Directory => match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(e) => return Err(e.to_string()),
            },
            EntryType::Regular | EntryType::Continuous => {
                self.remove(&parent, name)?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd =
                    rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o600)).map_err(|e| e.to_string())?;
                let mut file = File::from(fd);
                std::io::copy(entry, &mut file).map_err(|e| e.to_string())?;
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
