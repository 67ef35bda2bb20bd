//! Folders to layers: the same bytes for the same folder.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use oci_spec::distribution::Reference;
use serde_json::{Value, json};
use tar::{EntryType, Header};

use crate::digest::{Digest, Hasher};
use crate::error::Error;
use crate::image::{Blob, Image};
use crate::{Options, import};

/// A layer that was written, and what its image's history says of it.
#[derive(Debug, Clone)]
pub struct Packed {
    /// The plain tar stream.
    pub file: PathBuf,
    /// Its digest.
    pub diff_id: Digest,
    /// How it was made.
    pub created_by: String,
}

/// Writes what is in `folder` as a layer to `target`. Where the folder is the upper one of an overlay, what it hides
/// becomes whiteouts.
///
/// # Errors
/// When something cannot be read or written.
pub fn pack(folder: &Path, target: &Path, created_by: &str) -> Result<Packed, Error> {
    let file = File::create(target).map_err(Error::io("writing", target))?;
    let out = Digested { out: BufWriter::with_capacity(1 << 20, file), hash: Hasher::default() };
    let mut packer = Packer { out, links: HashMap::new() };
    packer.folder(folder, b"").map_err(Error::io("packing", folder))?;
    let finish = || -> std::io::Result<Digest> {
        packer.out.write_all(&[0; 1024])?;
        packer.out.out.into_inner()?.sync_data()?;
        Ok(packer.out.hash.finish())
    };
    let diff_id = finish().map_err(Error::io("writing", target))?;
    Ok(Packed { file: target.to_owned(), diff_id, created_by: created_by.to_owned() })
}

/// An image of layers, from the lowest to the highest. `config` is the part of the configuration that says what an engine
/// does with it, `created` a time as RFC 3339 has it.
///
/// # Errors
/// When there are too many layers, or one of them cannot be read.
pub fn compose(
    origin: &str,
    architecture: &str,
    created: &str,
    config: &Value,
    layers: &[Packed],
    names: Vec<Reference>,
) -> Result<Image, Error> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
    let history: Vec<Value> =
        layers.iter().map(|layer| json!({ "created": created, "created_by": layer.created_by })).collect();
    let document = json!({
        "architecture": architecture, "os": "linux", "created": created, "config": config,
        "rootfs": { "type": "layers", "diff_ids": diff_ids }, "history": history,
    });
    assemble_image(origin, &document, layers, names)
}

fn assemble_image(origin: &str, document: &Value, layers: &[Packed], names: Vec<Reference>) -> Result<Image, Error> {
    let mut blobs = Vec::new();
    for layer in layers {
        let length = layer.file.metadata().map_err(Error::io("reading", &layer.file))?.len();
        blobs.push(Some(Blob { file: layer.file.clone().into(), offset: 0, length, digest: None }));
    }
    Image::new(origin, document.to_string().into_bytes(), blobs, names).map_err(|why| Error::image(origin, why))
}

/// The image with all its layers as one, which makes it another image. The layer is written into the folder `scratch`,
/// where it must stay as long as the image is used. Devices that cannot be made are not in it. An image without layers
/// stays as it is.
///
/// # Errors
/// Those of [`import`] and [`pack`].
pub fn flatten(image: &Image, scratch: &Path, options: &Options) -> Result<Image, Error> {
    let Some(top) = image.chain().pop() else { return Ok(image.clone()) };
    let work = tempfile::Builder::new().prefix("flat").tempdir_in(scratch).map_err(Error::io("making", scratch))?;
    import(work.path(), std::slice::from_ref(image), options)?;
    let tree = work.path().join("vfs/dir").join(crate::store::cache_id(&top));
    let layer = pack(&tree, &scratch.join(format!("{}.tar", image.id.hex())), &format!("all layers of {}", image.id))?;
    let told = |e: serde_json::Error| Error::image(&image.origin, format!("its configuration cannot be read: {e}"));
    let mut document: Value = serde_json::from_slice(&image.config).map_err(told)?;
    document["rootfs"] = json!({ "type": "layers", "diff_ids": [layer.diff_id.to_string()] });
    document["history"] = json!([{ "created": document["created"], "created_by": layer.created_by }]);
    assemble_image(&image.origin, &document, &[layer], image.names.clone())
}

struct Digested<W> {
    out: W,
    hash: Hasher,
}

impl<W: Write> Write for Digested<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

struct Packer<W: Write> {
    out: Digested<W>,
    /// The first name of each file that has several.
    links: HashMap<(u64, u64), Vec<u8>>,
}

impl<W: Write> Packer<W> {
    fn folder(&mut self, path: &Path, name: &[u8]) -> std::io::Result<()> {
        let mut entries: Vec<_> = std::fs::read_dir(path)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let mut inside = name.to_vec();
            inside.extend_from_slice(entry.file_name().as_bytes());
            self.member(&entry.path(), inside)
                .map_err(|e| std::io::Error::new(e.kind(), format!("{}: {e}", entry.path().display())))?;
        }
        Ok(())
    }

    fn member(&mut self, path: &Path, mut name: Vec<u8>) -> std::io::Result<()> {
        let stat = path.symlink_metadata()?;
        let kind = stat.file_type();
        if kind.is_char_device() && stat.rdev() == 0 {
            // What an overlay hides.
            let base = name.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
            name.splice(base..base, *b".wh.");
            return self.header(EntryType::Regular, &name, b"", 0, None, &[]);
        }
        let mut xattrs = Vec::new();
        let mut opaque = false;
        for key in xattr::list(path)? {
            let key = key.as_bytes().to_vec();
            let overlays = key.starts_with(b"user.overlay.") || key.starts_with(b"trusted.overlay.");
            opaque |= overlays && key.ends_with(b".opaque");
            // The label of the building machine's own policy is no part of an image.
            if !overlays && key != b"security.selinux" {
                let value = xattr::get(path, OsStr::from_bytes(&key))?.unwrap_or_default();
                xattrs.push((key, value));
            }
        }
        xattrs.sort();
        if kind.is_dir() {
            name.push(b'/');
            self.header(EntryType::Directory, &name, b"", 0, Some(&stat), &xattrs)?;
            if opaque {
                self.header(EntryType::Regular, &[&name[..], b".wh..wh..opq"].concat(), b"", 0, None, &[])?;
            }
            return self.folder(path, &name);
        }
        if stat.nlink() > 1 {
            if let Some(first) = self.links.get(&(stat.dev(), stat.ino())) {
                let first = first.clone();
                return self.header(EntryType::Link, &name, &first, 0, Some(&stat), &[]);
            }
            self.links.insert((stat.dev(), stat.ino()), name.clone());
        }
        if kind.is_symlink() {
            let to = std::fs::read_link(path)?;
            return self.header(EntryType::Symlink, &name, to.as_os_str().as_bytes(), 0, Some(&stat), &xattrs);
        }
        let entry_type = match kind {
            k if k.is_fifo() => EntryType::Fifo,
            k if k.is_char_device() => EntryType::Char,
            k if k.is_block_device() => EntryType::Block,
            // A socket is of a program that runs; there is none in an image.
            k if k.is_socket() => return Ok(()),
            _ => EntryType::Regular,
        };
        let size = if entry_type == EntryType::Regular { stat.len() } else { 0 };
        self.header(entry_type, &name, b"", size, Some(&stat), &xattrs)?;
        if size > 0 {
            let copied = std::io::copy(&mut File::open(path)?.take(size), &mut self.out)?;
            if copied != size {
                return Err(std::io::Error::other("it became shorter while it was read"));
            }
            self.pad(size)?;
        }
        Ok(())
    }

    fn pad(&mut self, size: u64) -> std::io::Result<()> {
        let padding = (512 - size % 512) % 512;
        self.out.write_all(&[0; 512][..padding as usize])
    }

    /// A header, with an extended one before it for what does not fit. Without `stat` it is root's, of 1970.
    fn header(
        &mut self,
        kind: EntryType,
        name: &[u8],
        link: &[u8],
        size: u64,
        stat: Option<&std::fs::Metadata>,
        xattrs: &[(Vec<u8>, Vec<u8>)],
    ) -> std::io::Result<()> {
        let mut header = Header::new_ustar();
        let mut records: Vec<(Vec<u8>, Vec<u8>)> =
            xattrs.iter().map(|(key, value)| ([b"SCHILY.xattr.", &key[..]].concat(), value.clone())).collect();
        let (uid, gid, mode) = stat.map_or((0, 0, 0o644), |s| (s.uid(), s.gid(), s.mode() & 0o7777));
        let (seconds, nanoseconds) = stat.map_or((0, 0), |s| (s.mtime().max(0), s.mtime_nsec()));
        if nanoseconds > 0 {
            records.push((b"mtime".to_vec(), format!("{seconds}.{nanoseconds:09}").into_bytes()));
        }
        let mut number = |key: &[u8], n: u64, most: u64| {
            if n > most {
                records.push((key.to_vec(), n.to_string().into_bytes()));
            }
            if n > most { 0 } else { n }
        };
        header.set_uid(number(b"uid", uid.into(), 0o7_777_777));
        header.set_gid(number(b"gid", gid.into(), 0o7_777_777));
        header.set_size(number(b"size", size, 0o77_777_777_777));
        header.set_mtime(u64::try_from(seconds).unwrap_or(0).min(0o77_777_777_777));
        header.set_mode(mode);
        header.set_entry_type(kind);
        if let Some(stat) = stat.filter(|_| matches!(kind, EntryType::Char | EntryType::Block)) {
            header.set_device_major(rustix::fs::major(stat.rdev()))?;
            header.set_device_minor(rustix::fs::minor(stat.rdev()))?;
        }
        let fields = header.as_old_mut();
        for (text, field, key) in
            [(name, &mut fields.name, &b"path"[..]), (link, &mut fields.linkname, &b"linkpath"[..])]
        {
            let length = text.len().min(field.len());
            field[..length].copy_from_slice(&text[..length]);
            if text.len() > length {
                records.push((key.to_vec(), text.to_vec()));
            }
        }
        header.set_cksum();
        if !records.is_empty() {
            records.sort();
            let body: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
            let mut extended = Header::new_ustar();
            extended.set_entry_type(EntryType::XHeader);
            extended.as_old_mut().name[..9].copy_from_slice(b"PaxHeader");
            extended.set_mode(0o644);
            extended.set_uid(0);
            extended.set_gid(0);
            extended.set_mtime(0);
            extended.set_size(body.len() as u64);
            extended.set_cksum();
            self.out.write_all(extended.as_bytes())?;
            self.out.write_all(&body)?;
            self.pad(body.len() as u64)?;
        }
        self.out.write_all(header.as_bytes())
    }
}

/// `length key=value`, where the length counts its own digits.
fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let digits = (1..20).find(|digits| (rest + digits).to_string().len() == *digits).expect("a length has digits");
    [format!("{} ", rest + digits).as_bytes(), key, b"=", value, b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        assert_eq!(record(b"a", b"b"), b"6 a=b\n");
        // One digit more than the rest alone would need.
        let long = record(b"key", &[b'x'; 92]);
        assert!(long.starts_with(b"101 key=") && long.len() == 101, "{}", long.len());
    }
}
