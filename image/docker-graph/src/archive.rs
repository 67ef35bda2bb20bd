//! Images in a file (`docker save` of any age, or an OCI layout as tar) and in a folder (an OCI layout).
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
use crate::manifest::{Document, Entry, Finder, Named, NotThis, Parts, Platform, parse};
use crate::packing::{Packing, unpacked};
use crate::v1;

/// The most members of an archive: images have a few hundred.
const MAX_MEMBERS: usize = 1_000_000;

/// An image in the manifest of `docker save`. Programs in Go write a list of nothing as null.
#[derive(Debug, Deserialize)]
struct Saved {
    #[serde(rename = "Config")]
    config: String,
    #[serde(rename = "RepoTags")]
    tags: Option<Vec<String>>,
    #[serde(rename = "Layers")]
    layers: Option<Vec<String>>,
}

/// Reads what `docker save` wrote, or an OCI layout as a tar file; also packed with gzip, bzip2, xz or zstd, which is
/// unpacked in `scratch` and must stay there as long as the images are used. `path` is `FILE`, or for one of its images
/// `FILE:NAME` or `FILE@DIGEST`. `name` replaces the names in the archive.
///
/// # Errors
/// When the file is no such archive, or is damaged, or has no image for the platform.
pub fn read_archive(
    path: &Path,
    name: Option<&Reference>,
    platform: &Platform,
    scratch: &Path,
) -> Result<Vec<Image>, Error> {
    let (path, which) = split(path);
    let origin = format!("archive:{}", path.display());
    let told = |reason: String| Error::image(&origin, reason);
    let file = plain(&path, scratch).map_err(|e| told(e.to_string()))?;
    let members = members(&file).map_err(|e| told(format!("it is no tar archive of images: {e}")))?;
    let place = Place::Archive { file: Arc::new(file), members };
    let asked = Asked { origin: &origin, which: which.as_deref(), name, platform };
    let images = if place.has("manifest.json") {
        saved(&place, &asked)
    } else if place.has("index.json") {
        layout(&place, &asked)
    } else {
        v1::images(&place, &asked)
    };
    images.and_then(|images| finish(images, &asked)).map_err(told)
}

/// Reads an OCI layout. `path` is `FOLDER`, or for one of its images `FOLDER:NAME` or `FOLDER@DIGEST`. `name` replaces
/// the names in it.
///
/// # Errors
/// When the folder is none, or is damaged, or has no image for the platform.
pub fn read_layout(path: &Path, name: Option<&Reference>, platform: &Platform) -> Result<Vec<Image>, Error> {
    let (path, which) = split(path);
    let origin = format!("layout:{}", path.display());
    let asked = Asked { origin: &origin, which: which.as_deref(), name, platform };
    let images = layout(&Place::Folder(path), &asked);
    images.and_then(|images| finish(images, &asked)).map_err(|reason| Error::image(&origin, reason))
}

/// The path of an archive or layout, and which of its images is meant. Paths may hold colons too: the longest part that
/// is there is the path.
fn split(path: &Path) -> (PathBuf, Option<String>) {
    let whole = || (path.to_owned(), None);
    let Some(text) = path.to_str().filter(|_| !path.exists()) else { return whole() };
    let parts = text.rmatch_indices([':', '@']).map(|(at, _)| (Path::new(&text[..at]), &text[at + 1..]));
    let found = parts.into_iter().find(|(path, which)| path.exists() && !which.is_empty());
    found.map_or_else(whole, |(path, which)| (path.to_owned(), Some(which.to_owned())))
}

/// What is asked of an archive or a layout.
pub(crate) struct Asked<'a> {
    /// As errors name it.
    pub(crate) origin: &'a str,
    /// A name or a digest of the image that is meant; all are, where there is none.
    which: Option<&'a str>,
    /// What the image is called instead of its own names, which need not be names for Docker then.
    name: Option<&'a Reference>,
    platform: &'a Platform,
}

impl Asked<'_> {
    /// Whether an image with these names and this digest is meant.
    pub(crate) fn means<'n>(&self, names: impl IntoIterator<Item = &'n str>, digest: &str) -> bool {
        let Some(which) = self.which else { return true };
        let whole: Option<Reference> = which.parse().ok();
        let same = |name: &str| name == which || (whole.is_some() && name.parse().ok() == whole);
        digest == which || names.into_iter().any(same)
    }

    /// The names of an image, of those that it has in the archive.
    pub(crate) fn names<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<Vec<Reference>, String> {
        if self.name.is_some() {
            return Ok(Vec::new());
        }
        let parse = |name: &str| {
            name.parse().map_err(|e| {
                format!("{name:?} is no name of an image for Docker: {e}; give it one with =NAME:TAG after the path")
            })
        };
        names.into_iter().map(parse).collect()
    }
}

fn finish(mut images: Vec<Image>, asked: &Asked<'_>) -> Result<Vec<Image>, String> {
    if images.is_empty() {
        return Err(match asked.which {
            Some(which) => format!("it holds no image {which}"),
            None => "it holds no image".to_owned(),
        });
    }
    for image in &images {
        image.runs_on(asked.platform)?;
    }
    if let Some(name) = asked.name {
        let [image] = &mut images[..] else {
            return Err(format!(
                "it holds {} images, which cannot all be called {name}; name one of them: PATH:ITS-NAME={name}",
                images.len()
            ));
        };
        image.names = vec![name.clone()];
    }
    Ok(images)
}

/// Where the files of an archive or a layout are.
pub(crate) enum Place {
    Archive { file: Arc<PathBuf>, members: HashMap<String, (u64, u64)> },
    Folder(PathBuf),
}

impl Place {
    fn has(&self, name: &str) -> bool {
        self.blob(name, None).is_ok()
    }

    /// The names of all files of an archive.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        let members = match self {
            Self::Archive { members, .. } => Some(members),
            Self::Folder(_) => None,
        };
        members.into_iter().flat_map(|members| members.keys().map(String::as_str))
    }

    pub(crate) fn blob(&self, name: &str, digest: Option<Digest>) -> Result<Blob, String> {
        match self {
            Self::Archive { file, members } => {
                let member = normal(Path::new(""), Path::new(name)).and_then(|name| members.get(&name));
                let (offset, length) = *member.ok_or_else(|| format!("{name} is not in it"))?;
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
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, String> {
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
fn saved(place: &Place, asked: &Asked<'_>) -> Result<Vec<Image>, String> {
    let list: Vec<Saved> = serde_json::from_slice(&place.read("manifest.json")?)
        .map_err(|e| format!("its manifest.json cannot be read: {e}"))?;
    let mut images = Vec::new();
    for saved in list {
        let config = place.read(&saved.config)?;
        let (digest, stated) = (Digest::of(&config), stated_digest(&saved.config));
        // Both old and new engines name the file by its digest.
        if stated.is_some_and(|stated| stated != digest) {
            return Err(format!("{} has the digest {digest}; nothing of it was used", saved.config));
        }
        let tags = saved.tags.unwrap_or_default();
        if !asked.means(tags.iter().map(String::as_str), &digest.to_string()) {
            continue;
        }
        // Layers may be left out that the data root has.
        let layers = saved.layers.unwrap_or_default();
        let blobs = layers.iter().map(|name| place.blob(name, stated_digest(name)).ok()).collect();
        images.push(Image::new(asked.origin, config, blobs, asked.names(tags.iter().map(String::as_str))?)?);
    }
    Ok(images)
}

/// The digest in `blobs/sha256/DIGEST` and in `DIGEST.json`; other names state none.
fn stated_digest(name: &str) -> Option<Digest> {
    let digits = name.strip_prefix("blobs/sha256/").or_else(|| name.strip_suffix(".json"))?;
    format!("sha256:{digits}").parse().ok()
}

/// The images of an OCI layout for the platform.
fn layout(place: &Place, asked: &Asked<'_>) -> Result<Vec<Image>, String> {
    let index = place.read("index.json").map_err(|e| format!("it is no OCI layout: {e}"))?;
    let list = match parse(&index, asked.platform)? {
        Document::Index(list) => list,
        Document::Other(NotThis(why)) => return Err(why),
        Document::Image(_) => return Err("its index.json is no index".to_owned()),
    };
    let mut fetch = |digest: &Digest| place.read_verified(digest);
    let mut accept = |parts: Parts, descriptor: Option<&Descriptor>| {
        let config = place.read_verified(&parts.config.digest)?;
        let blobs: Result<Vec<Option<Blob>>, String> =
            parts.layers.iter().map(|layer| place.named_blob(layer).map(Some)).collect();
        let names = asked.names(descriptor.and_then(annotated_name))?;
        let image = Image::new(asked.origin, config, blobs?, names)?;
        Ok(match image.runs_on(asked.platform) {
            Ok(()) => Ok(image),
            Err(why) => Err(NotThis(why)),
        })
    };
    let mut finder = Finder { platform: asked.platform, fetch: &mut fetch, accept: &mut accept, looked_at: 0 };
    // A digest may be that of a manifest inside an index: one for other processors, for instance.
    if let Some(digest) = asked.which.and_then(|which| which.parse().ok()) {
        let mut image = finder.document(&place.read_verified(&digest)?)?.map_err(|NotThis(why)| why)?;
        let entry = list.iter().find(|entry| entry.descriptor.digest().to_string() == digest.to_string());
        image.names = asked.names(entry.and_then(|entry| annotated_name(&entry.descriptor)))?;
        return Ok(vec![image]);
    }
    let (mut images, mut passed_over) = (Vec::new(), None);
    for Entry { descriptor, .. } in meant(&list, asked) {
        finder.looked_at = 0;
        match finder.entry(descriptor)? {
            Ok(mut image) => {
                if image.names.is_empty() {
                    image.names = asked.names(annotated_name(descriptor))?;
                }
                images.push(image);
            }
            Err(why) => passed_over = passed_over.or(Some(why)),
        }
    }
    match passed_over.filter(|_| images.is_empty()) {
        Some(NotThis(why)) => Err(why),
        None => Ok(images),
    }
}

/// The entries of a layout that are asked for. Of those with the same name, the ones that ask least of a processor.
fn meant<'a>(list: &'a [Entry], asked: &Asked<'_>) -> Vec<&'a Entry> {
    let meant = list.iter().filter(|entry| asked.means(stated_names(&entry.descriptor), ""));
    let meant: Vec<&Entry> = meant.collect();
    let name = |entry: &Entry| stated_names(&entry.descriptor).next().map(str::to_owned);
    let outdone =
        |entry: &Entry| meant.iter().any(|other| name(other) == name(entry) && entry.demands_more_than(other));
    meant.iter().copied().filter(|entry| !outdone(entry)).collect()
}

/// What a builder calls an image of a layout.
fn stated_names(descriptor: &Descriptor) -> impl Iterator<Item = &str> {
    let annotations = descriptor.annotations().as_ref();
    ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
        .into_iter()
        .filter_map(move |key| annotations?.get(key).map(String::as_str))
}

/// The name that an image of a layout gets. A tag alone is no name.
fn annotated_name(descriptor: &Descriptor) -> Option<&str> {
    stated_names(descriptor).find(|name| name.contains([':', '/']))
}

/// The file itself, or its content unpacked into a file in `scratch`.
fn plain(path: &Path, scratch: &Path) -> std::io::Result<PathBuf> {
    let mut source = BufReader::with_capacity(1 << 20, File::open(path)?);
    if Packing::of(source.fill_buf()?) == Packing::Plain {
        return Ok(path.to_owned());
    }
    let target = tempfile::Builder::new().prefix("archive-").suffix(".tar").tempfile_in(scratch)?;
    let (mut file, target) = target.keep().map_err(|e| e.error)?;
    let limit = Limits::default().bytes;
    let size = std::io::copy(&mut unpacked(source)?.take(limit + 1), &mut file)?;
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
