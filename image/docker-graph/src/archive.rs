//! Images in a file (`docker save`, or an OCI layout as tar) and in a folder (an OCI layout).
//!
//! Nothing is unpacked: it is noted where in the file each member is, and layers are read from there.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use oci_spec::distribution::Reference;
use oci_spec::image::Descriptor;
use serde::Deserialize;

use crate::digest::Digest;
use crate::error::Error;
use crate::image::{Blob, Image, MAX_DOCUMENT};
use crate::layer::Limits;
use crate::manifest::{Document, MAX_DEPTH, Named, Parts, Platform, named, parse};

/// The most members of an archive: images have a few hundred.
const MAX_MEMBERS: usize = 1_000_000;

/// An image in the manifest of `docker save`.
#[derive(Debug, Deserialize)]
struct Saved {
    #[serde(rename = "Config")]
    config: String,
    #[serde(rename = "RepoTags")]
    tags: Option<Vec<String>>,
    #[serde(rename = "Layers")]
    layers: Vec<String>,
}

/// Reads what `docker save` wrote, or an OCI layout as a tar file; also packed with gzip, xz or zstd, which is unpacked
/// in `scratch` and must stay there as long as the images are used. `name` replaces the names in the archive.
///
/// # Errors
/// When the file is no such archive, or is damaged, or has no image for the platform.
pub fn read_archive(
    path: &Path,
    name: Option<&Reference>,
    platform: &Platform,
    scratch: &Path,
) -> Result<Vec<Image>, Error> {
    let origin = format!("archive:{}", path.display());
    let told = |reason: String| Error::image(&origin, reason);
    let file = plain(path, scratch).map_err(|e| told(e.to_string()))?;
    let members = members(&file).map_err(|e| told(format!("it is no tar archive of images: {e}")))?;
    let place = Place::Archive { file: Arc::new(file), members };
    let images = match place.read("manifest.json") {
        Ok(manifest) => saved(&place, &manifest, &origin),
        Err(_) => layout(&place, &origin, platform),
    };
    images.and_then(|images| finish(images, name, platform)).map_err(told)
}

/// Reads an OCI layout. `name` replaces the names in it.
///
/// # Errors
/// When the folder is none, or is damaged, or has no image for the platform.
pub fn read_layout(path: &Path, name: Option<&Reference>, platform: &Platform) -> Result<Vec<Image>, Error> {
    let origin = format!("layout:{}", path.display());
    let place = Place::Folder(path.to_owned());
    let images = layout(&place, &origin, platform);
    images.and_then(|images| finish(images, name, platform)).map_err(|reason| Error::image(&origin, reason))
}

fn finish(mut images: Vec<Image>, name: Option<&Reference>, platform: &Platform) -> Result<Vec<Image>, String> {
    if images.is_empty() {
        return Err("it holds no image".to_owned());
    }
    for image in &images {
        image.runs_on(platform)?;
    }
    if let Some(name) = name {
        let [image] = &mut images[..] else {
            return Err(format!("it holds {} images, which cannot all be called {name}", images.len()));
        };
        image.names = vec![name.clone()];
    }
    Ok(images)
}

/// Where the files of an archive or a layout are.
enum Place {
    Archive { file: Arc<PathBuf>, members: HashMap<String, (u64, u64)> },
    Folder(PathBuf),
}

impl Place {
    fn blob(&self, name: &str, digest: Option<Digest>) -> Result<Blob, String> {
        match self {
            Self::Archive { file, members } => {
                let (offset, length) = *members.get(name).ok_or_else(|| format!("{name} is not in it"))?;
                Ok(Blob { file: file.clone(), offset, length, digest })
            }
            Self::Folder(folder) => {
                let path = folder.join(name);
                let stat = path.metadata().map_err(|e| format!("{name}: {e}"))?;
                if !stat.is_file() {
                    return Err(format!("{name} is no file"));
                }
                Ok(Blob { file: Arc::new(path), offset: 0, length: stat.len(), digest })
            }
        }
    }

    /// A document.
    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        let blob = self.blob(name, None)?;
        if blob.length > MAX_DOCUMENT {
            return Err(format!("{name} has {} bytes; at most {MAX_DOCUMENT} are read", blob.length));
        }
        let mut bytes = Vec::new();
        blob.open().and_then(|mut source| source.read_to_end(&mut bytes)).map_err(|e| format!("{name}: {e}"))?;
        Ok(bytes)
    }

    /// A document with a digest.
    fn read_verified(&self, digest: &Digest) -> Result<Vec<u8>, String> {
        let name = blob_name(digest);
        let bytes = self.read(&name)?;
        let actual = Digest::of(&bytes);
        if actual == *digest {
            Ok(bytes)
        } else {
            Err(format!("{name} has the digest {actual}; nothing of it was used"))
        }
    }

    fn named_blob(&self, named: &Named) -> Result<Blob, String> {
        let name = blob_name(&named.digest);
        let blob = self.blob(&name, Some(named.digest.clone()))?;
        if blob.length != named.size {
            return Err(format!("{name} has {} bytes, and the manifest says {}", blob.length, named.size));
        }
        Ok(blob)
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The images of `docker save`.
fn saved(place: &Place, manifest: &[u8], origin: &str) -> Result<Vec<Image>, String> {
    let list: Vec<Saved> =
        serde_json::from_slice(manifest).map_err(|e| format!("its manifest.json cannot be read: {e}"))?;
    list.iter()
        .map(|saved| {
            let config = place.read(&saved.config)?;
            // Both old and new engines name the file by its digest.
            if let Some(expected) = stated_digest(&saved.config)
                && Digest::of(&config) != expected
            {
                return Err(format!("{} has the digest {}; nothing of it was used", saved.config, Digest::of(&config)));
            }
            let blobs: Result<Vec<Blob>, String> =
                saved.layers.iter().map(|name| place.blob(name, stated_digest(name))).collect();
            let names: Result<Vec<Reference>, String> = saved
                .tags
                .iter()
                .flatten()
                .map(|tag| tag.parse().map_err(|e| format!("{tag:?} is no name of an image: {e}")))
                .collect();
            Image::new(origin, config, blobs?, names?)
        })
        .collect()
}

/// The digest in `blobs/sha256/DIGEST` and in `DIGEST.json`; other names state none.
fn stated_digest(name: &str) -> Option<Digest> {
    let digits = name.strip_prefix("blobs/sha256/").or_else(|| name.strip_suffix(".json"))?;
    format!("sha256:{digits}").parse().ok()
}

/// The images of an OCI layout for the platform.
fn layout(place: &Place, origin: &str, platform: &Platform) -> Result<Vec<Image>, String> {
    let index = place
        .read("index.json")
        .map_err(|e| format!("it is neither an archive of docker save nor an OCI layout: {e}"))?;
    let Document::Index(list) = parse(&index, platform)? else {
        return Err("its index.json is no index".to_owned());
    };
    list.iter().map(|descriptor| descend(place, descriptor, origin, platform, 0)).collect()
}

fn descend(
    place: &Place,
    descriptor: &Descriptor,
    origin: &str,
    platform: &Platform,
    depth: usize,
) -> Result<Image, String> {
    if depth > MAX_DEPTH {
        return Err(format!("its indexes lie in each other more than {MAX_DEPTH} deep"));
    }
    let bytes = place.read_verified(&named(descriptor)?.digest)?;
    let mut image = match parse(&bytes, platform)? {
        Document::Index(list) => descend(place, &list[0], origin, platform, depth + 1)?,
        Document::Image(Parts { config, layers }) => {
            let blobs: Result<Vec<Blob>, String> = layers.iter().map(|layer| place.named_blob(layer)).collect();
            Image::new(origin, place.read_verified(&config.digest)?, blobs?, Vec::new())?
        }
    };
    if image.names.is_empty() {
        image.names = annotated_name(descriptor)?.into_iter().collect();
    }
    Ok(image)
}

/// The name that a builder wrote beside the image. A tag alone is no name.
fn annotated_name(descriptor: &Descriptor) -> Result<Option<Reference>, String> {
    let Some(annotations) = descriptor.annotations() else { return Ok(None) };
    let whole = annotations.get("io.containerd.image.name");
    let reference = annotations.get("org.opencontainers.image.ref.name").filter(|name| name.contains([':', '/']));
    let Some(text) = whole.or(reference) else { return Ok(None) };
    text.parse().map(Some).map_err(|e| format!("{text:?} is no name of an image: {e}"))
}

/// The file itself, or its content unpacked into a file in `scratch`.
fn plain(path: &Path, scratch: &Path) -> std::io::Result<PathBuf> {
    let mut source = BufReader::with_capacity(1 << 20, File::open(path)?);
    let start = source.fill_buf()?;
    let mut unpacked: Box<dyn Read> = match start {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(source)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(source)?),
        _ => return Ok(path.to_owned()),
    };
    let target = tempfile::Builder::new().prefix("archive-").suffix(".tar").tempfile_in(scratch)?;
    let (mut file, target) = target.keep().map_err(|e| e.error)?;
    let limit = Limits::default().bytes;
    let size = std::io::copy(&mut (&mut unpacked).take(limit + 1), &mut file)?;
    if size > limit {
        return Err(std::io::Error::other(format!("it unpacks to more than {limit} bytes")));
    }
    Ok(target)
}

/// Where each file of an archive is. Links stand for what they lead to: older engines wrote a layer that two images share
/// as a link.
fn members(path: &Path) -> std::io::Result<HashMap<String, (u64, u64)>> {
    let mut file = File::open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    // The library reads extended headers as a whole, whatever size they state.
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries_with_seek()?.raw(true) {
        let entry = entry?;
        let kind = entry.header().entry_type();
        let extended = kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_local_extensions();
        if extended && entry.size() > MAX_DOCUMENT {
            return Err(std::io::Error::other(format!("it has an extended header of {} bytes", entry.size())));
        }
    }
    let mut file = archive.into_inner();
    file.rewind()?;
    let mut found = HashMap::new();
    let mut links = Vec::new();
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        if found.len() + links.len() >= MAX_MEMBERS {
            return Err(std::io::Error::other(format!("it has more than {MAX_MEMBERS} members")));
        }
        let Some(name) = normal(Path::new(""), &entry.path()?) else { continue };
        let kind = entry.header().entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            let Some(to) = entry.link_name()? else { continue };
            let from = if kind.is_symlink() { Path::new(&name).parent().map(Path::to_owned) } else { None };
            if let Some(to) = normal(&from.unwrap_or_default(), &to) {
                links.push((name, to));
            }
        } else if kind.is_file() {
            let (start, size) = (entry.raw_file_position(), entry.size());
            if start.checked_add(size).is_none_or(|end| end > length) {
                return Err(std::io::Error::other(format!("{name} is cut off")));
            }
            found.insert(name, (start, size));
        }
    }
    for (name, to) in links {
        if let Some(place) = found.get(&to).copied() {
            found.insert(name, place);
        }
    }
    Ok(found)
}

/// `path` from the folder `from`, without `.` and `..`; `None` when it leaves the archive.
fn normal(from: &Path, path: &Path) -> Option<String> {
    let mut whole = from.to_owned();
    for component in path.components() {
        match component {
            Component::Normal(name) => whole.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !whole.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    whole.into_os_string().into_string().ok()
}
