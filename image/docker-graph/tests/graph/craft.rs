//! Layers and images made member by member, as archives of `docker save`. The system tests use them too.

use helix_docker_graph::Digest;
use serde_json::{Value, json};
use tar::{EntryType, Header};

/// The time that members have unless they say another.
pub(crate) const TIME: (u64, u32) = (1_700_000_000, 123_456_789);

/// A member of a layer.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    name: Vec<u8>,
    kind: EntryType,
    content: Vec<u8>,
    link: Vec<u8>,
    mode: u32,
    owner: (u64, u64),
    time: (u64, u32),
    /// Records of its extended header.
    records: Vec<(String, Vec<u8>)>,
    device: Option<(u32, u32)>,
}

impl Item {
    pub(crate) fn new(name: impl AsRef<[u8]>, kind: EntryType) -> Self {
        // Tests also run as an ordinary user, who owns nothing else.
        let owner = (rustix::process::geteuid().as_raw().into(), rustix::process::getegid().as_raw().into());
        let (content, link, records) = (Vec::new(), Vec::new(), Vec::new());
        let mode = if kind.is_dir() { 0o755 } else { 0o644 };
        Self { name: name.as_ref().to_vec(), kind, content, link, mode, owner, time: TIME, records, device: None }
    }

    pub(crate) fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub(crate) fn owner(mut self, uid: u64, gid: u64) -> Self {
        self.owner = (uid, gid);
        self
    }

    pub(crate) fn time(mut self, seconds: u64, nanoseconds: u32) -> Self {
        self.time = (seconds, nanoseconds);
        self
    }

    pub(crate) fn xattr(self, name: &str, value: &[u8]) -> Self {
        self.record(&format!("SCHILY.xattr.{name}"), value)
    }

    /// A record of the extended header; it comes after those that the other fields need, and wins.
    pub(crate) fn record(mut self, key: &str, value: &[u8]) -> Self {
        self.records.push((key.to_owned(), value.to_vec()));
        self
    }
}

pub(crate) fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Item {
    Item { content: content.as_ref().to_vec(), ..Item::new(name, EntryType::Regular) }
}

pub(crate) fn folder(name: &str) -> Item {
    Item::new(format!("{name}/"), EntryType::Directory)
}

pub(crate) fn symlink(name: &str, to: &str) -> Item {
    Item { link: to.into(), ..Item::new(name, EntryType::Symlink) }.mode(0o777)
}

pub(crate) fn hard_link(name: &str, to: &str) -> Item {
    Item { link: to.into(), ..Item::new(name, EntryType::Link) }
}

pub(crate) fn device(name: &str, major: u32, minor: u32) -> Item {
    Item { device: Some((major, minor)), ..Item::new(name, EntryType::Char) }
}

pub(crate) fn fifo(name: &str) -> Item {
    Item::new(name, EntryType::Fifo)
}

/// How long names and fractions of seconds are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Pax,
    Gnu,
}

/// The tar stream of a layer.
pub(crate) fn layer(format: Format, items: &[Item]) -> Vec<u8> {
    let mut stream = Vec::new();
    for item in items {
        member(&mut stream, format, item);
    }
    stream.extend_from_slice(&[0; 1024]);
    stream
}

fn member(stream: &mut Vec<u8>, format: Format, item: &Item) {
    let mut header = if format == Format::Pax { Header::new_ustar() } else { Header::new_gnu() };
    header.set_entry_type(item.kind);
    header.set_mode(item.mode);
    header.set_mtime(item.time.0);
    header.set_size(item.content.len() as u64);
    if let Some((major, minor)) = item.device {
        header.set_device_major(major).expect("a device");
        header.set_device_minor(minor).expect("a device");
    }
    let mut records: Vec<(String, Vec<u8>)> = Vec::new();
    // What does not fit is written as Go and Python do: a record, or the GNU way.
    let big = |n: u64| format == Format::Pax && n > 0o7_777_777;
    header.set_uid(if big(item.owner.0) { 0 } else { item.owner.0 });
    header.set_gid(if big(item.owner.1) { 0 } else { item.owner.1 });
    if format == Format::Pax {
        if item.time.1 > 0 {
            records.push(("mtime".into(), format!("{}.{:09}", item.time.0, item.time.1).into_bytes()));
        }
        for (key, id) in [("uid", item.owner.0), ("gid", item.owner.1)] {
            if big(id) {
                records.push((key.into(), id.to_string().into_bytes()));
            }
        }
    }
    for (text, limit, key, kind) in
        [(&item.name, 100, "path", EntryType::GNULongName), (&item.link, 100, "linkpath", EntryType::GNULongLink)]
    {
        if text.len() > limit {
            match format {
                Format::Pax => records.push((key.into(), text.clone())),
                Format::Gnu => extension(stream, kind, &[text.as_slice(), b"\0"].concat()),
            }
        }
        let field = if key == "path" { &mut header.as_old_mut().name } else { &mut header.as_old_mut().linkname };
        let length = text.len().min(limit);
        field[..length].copy_from_slice(&text[..length]);
    }
    records.extend(item.records.clone());
    if !records.is_empty() {
        let body: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
        extension(stream, EntryType::XHeader, &body);
    }
    header.set_cksum();
    stream.extend_from_slice(header.as_bytes());
    padded(stream, &item.content);
}

/// `length key=value`, where the length counts its own digits.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = 1 + key.len() + 1 + value.len() + 1;
    let length = (1..).map(|digits| rest + digits).find(|n| n.to_string().len() == n - rest).expect("a length");
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

fn extension(stream: &mut Vec<u8>, kind: EntryType, body: &[u8]) {
    let mut header = if kind == EntryType::XHeader { Header::new_ustar() } else { Header::new_gnu() };
    header.as_old_mut().name[..9].copy_from_slice(b"extension");
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(body.len() as u64);
    header.set_cksum();
    stream.extend_from_slice(header.as_bytes());
    padded(stream, body);
}

fn padded(stream: &mut Vec<u8>, body: &[u8]) {
    stream.extend_from_slice(body);
    stream.resize(stream.len().next_multiple_of(512), 0);
}

/// An image of layers that are plain tar streams.
#[derive(Debug, Clone)]
pub(crate) struct Crafted {
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<Vec<u8>>,
    pub(crate) name: String,
}

impl Crafted {
    pub(crate) fn new(name: &str, layers: Vec<Vec<u8>>) -> Self {
        Self::with(name, layers, |_| ())
    }

    /// An image whose configuration is changed before it is written.
    pub(crate) fn with(name: &str, layers: Vec<Vec<u8>>, change: impl FnOnce(&mut Value)) -> Self {
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
        let created = "2023-11-14T22:13:20Z";
        let history: Vec<Value> =
            (0..layers.len()).map(|n| json!({ "created": created, "created_by": format!("layer {n}") })).collect();
        let mut config = json!({
            "architecture": architecture, "os": "linux", "created": created,
            "config": { "Cmd": ["/bin/sh"], "Env": ["PATH=/bin"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids }, "history": history,
        });
        change(&mut config);
        Self { config: config.to_string().into_bytes(), layers, name: name.to_owned() }
    }

    pub(crate) fn id(&self) -> Digest {
        Digest::of(&self.config)
    }

    pub(crate) fn diff_ids(&self) -> Vec<Digest> {
        self.layers.iter().map(|layer| Digest::of(layer)).collect()
    }
}

/// What `docker save` of an old engine writes.
pub(crate) fn saved(images: &[Crafted]) -> Vec<u8> {
    let mut files = Vec::new();
    let mut add = |name: &str, bytes: &[u8]| files.push((name.to_owned(), bytes.to_vec()));
    let mut manifest = Vec::new();
    for (n, image) in images.iter().enumerate() {
        let config = format!("{}.json", image.id().hex());
        add(&config, &image.config);
        let names: Vec<String> = (0..image.layers.len()).map(|at| format!("{n}-{at}/layer.tar")).collect();
        for (name, layer) in names.iter().zip(&image.layers) {
            add(name, layer);
        }
        let tags: Vec<&str> = Some(image.name.as_str()).filter(|name| !name.is_empty()).into_iter().collect();
        manifest.push(json!({ "Config": config, "RepoTags": tags, "Layers": names }));
    }
    add("manifest.json", json!(manifest).to_string().as_bytes());
    archive(&files)
}

/// An archive of files.
pub(crate) fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &bytes[..]).expect("an archive in memory");
    }
    builder.into_inner().expect("an archive in memory")
}

/// A folder of an archive from before Docker 1.10.
pub(crate) fn v1(id: &str, parent: &str, layer: &[u8]) -> Vec<(String, Vec<u8>)> {
    let json = json!({
        "id": id, "parent": parent, "created": "2014-05-01T10:00:00.5Z", "docker_version": "1.9.1", "os": "linux",
        "author": "Ann <ann@example.org>", "config": { "Cmd": ["/bin/true"] }, "Size": 5,
        "container_config": { "Cmd": ["/bin/sh", "-c", format!("make {id}")] },
    });
    let member = |name: &str, bytes: &[u8]| (format!("{id}/{name}"), bytes.to_vec());
    vec![member("VERSION", b"1.0"), member("json", json.to_string().as_bytes()), member("layer.tar", layer)]
}
