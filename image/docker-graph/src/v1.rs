//! Archives of `docker save` before Docker 1.10: every layer was an image, in a folder of its name with a configuration
//! (`json`) and a layer (`layer.tar`), and the file `repositories` says which ones have names.
//!
//! The configuration that an image gets here is that which an engine makes of it
//! (<https://github.com/moby/moby/blob/v20.10.27/image/v1/imagev1.go>), byte for byte, so that it gets the same id.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufReader, Read};

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::archive::{Asked, Place};
use crate::digest::Digest;
use crate::image::{Blob, Image, MAX_LAYERS};
use crate::layer::Limits;
use crate::packing::unpacked;

/// The most that the configurations of one archive may have together, in bytes; each has some thousand.
const MAX_CONFIGS: usize = 64 << 20;

/// Names of images: repository, then tag, then the name of a folder.
type Repositories = BTreeMap<String, BTreeMap<String, String>>;

/// What engines leave out of the old configuration.
const DROPPED: [&str; 6] = ["id", "parent", "Size", "parent_id", "layer_id", "throwaway"];

/// The parts of an old configuration that matter here.
#[derive(Debug, Deserialize)]
struct Config {
    parent: Option<String>,
    created: Option<String>,
    author: Option<String>,
    comment: Option<String>,
    container_config: Option<ContainerConfig>,
}

#[derive(Debug, Deserialize)]
struct ContainerConfig {
    #[serde(rename = "Cmd")]
    command: Option<Vec<String>>,
}

/// A step of an image's history, in the order in which Go writes it.
#[derive(Debug, Serialize)]
struct History {
    created: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    author: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    created_by: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    comment: String,
}

/// The images that have names, and those that no other one is made of.
pub(crate) fn images(place: &Place, asked: &Asked<'_>) -> Result<Vec<Image>, String> {
    let folders = place.files().filter_map(|file| file.strip_suffix("/json"));
    let folders: BTreeSet<&str> = folders.filter(|folder| !folder.contains('/')).collect();
    if folders.is_empty() {
        return Err(
            "it is neither an archive of docker save nor an OCI layout: it has no manifest.json, index.json or \
                    repositories"
                .to_owned(),
        );
    }
    let (mut layers, mut size) = (BTreeMap::new(), 0);
    for folder in &folders {
        let layer = Layer::read(place, folder)?;
        size += layer.json.len();
        if size > MAX_CONFIGS {
            return Err(format!("its configurations have more than {MAX_CONFIGS} bytes"));
        }
        layers.insert(*folder, layer);
    }
    let mut names = names(place)?;
    let parents: BTreeSet<&str> = layers.values().filter_map(|layer| layer.parent()).collect();
    for folder in folders.iter().filter(|folder| !parents.contains(**folder)) {
        names.entry((*folder).to_owned()).or_default();
    }
    let mut diff_ids = HashMap::new();
    let mut images = Vec::new();
    for (folder, names) in &names {
        if asked.means(names.iter().map(String::as_str), folder) {
            let chain = chain(&layers, folder)?;
            images.push(image(&chain, names, asked, &mut diff_ids)?);
        }
    }
    Ok(images)
}

/// The names of each image.
fn names(place: &Place) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // Without a name on the command line there was no such file.
    let Ok(text) = place.read("repositories") else { return Ok(names) };
    let repositories: Repositories =
        serde_json::from_slice(&text).map_err(|e| format!("its file repositories cannot be read: {e}"))?;
    for (repository, tags) in repositories {
        for (tag, folder) in tags {
            names.entry(folder).or_default().push(format!("{repository}:{tag}"));
        }
    }
    Ok(names)
}

/// A folder of the archive.
struct Layer {
    json: Vec<u8>,
    config: Config,
    blob: Blob,
}

impl Layer {
    fn read(place: &Place, folder: &str) -> Result<Self, String> {
        let json = place.read(&format!("{folder}/json"))?;
        let config = serde_json::from_slice(&json).map_err(|e| format!("{folder}/json cannot be read: {e}"))?;
        Ok(Self { json, config, blob: place.blob(&format!("{folder}/layer.tar"), None)? })
    }

    fn parent(&self) -> Option<&str> {
        self.config.parent.as_deref().filter(|parent| !parent.is_empty())
    }

    /// The digest of the unpacked layer, which nothing states.
    fn diff_id(&self) -> std::io::Result<Digest> {
        let limit = Limits::default().bytes;
        let mut source = unpacked(BufReader::with_capacity(256 << 10, self.blob.open()?))?.take(limit);
        let digest = Digest::of_reader(&mut source)?;
        if source.limit() == 0 {
            return Err(std::io::Error::other(format!("it unpacks to {limit} bytes or more")));
        }
        Ok(digest)
    }

    fn history(&self) -> History {
        let config = &self.config;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let command = config.container_config.as_ref().and_then(|config| config.command.as_deref());
        History {
            created: config.created.clone().unwrap_or_else(|| "0001-01-01T00:00:00Z".to_owned()),
            author: text(&config.author),
            created_by: command.unwrap_or_default().join(" "),
            comment: text(&config.comment),
        }
    }
}

/// An image and all that it is made of, from the lowest to the highest, with their folders.
fn chain<'a>(layers: &'a BTreeMap<&str, Layer>, folder: &'a str) -> Result<Vec<(&'a str, &'a Layer)>, String> {
    let mut chain = Vec::new();
    let mut next = Some(folder);
    while let Some(folder) = next {
        let layer = layers.get(folder).ok_or_else(|| format!("{folder}/json is not in it"))?;
        chain.push((folder, layer));
        if chain.len() > MAX_LAYERS {
            return Err(format!("the image {} has more than {MAX_LAYERS} layers", chain[0].0));
        }
        next = layer.parent();
    }
    chain.reverse();
    Ok(chain)
}

fn image<'a>(
    chain: &[(&'a str, &'a Layer)],
    names: &[String],
    asked: &Asked<'_>,
    diff_ids: &mut HashMap<&'a str, Digest>,
) -> Result<Image, String> {
    let mut layers = Vec::new();
    for (folder, layer) in chain {
        if !diff_ids.contains_key(folder) {
            let diff_id = layer.diff_id().map_err(|e| format!("{folder}/layer.tar: {e}"))?;
            diff_ids.insert(folder, diff_id);
        }
        layers.push(diff_ids[folder].to_string());
    }
    let (folder, top) = chain.last().ok_or("an image of nothing")?;
    let history: Vec<History> = chain.iter().map(|(_, layer)| layer.history()).collect();
    let config = config(&top.json, &layers, &history).map_err(|e| format!("{folder}/json cannot be read: {e}"))?;
    let blobs = chain.iter().map(|(_, layer)| Some(layer.blob.clone())).collect();
    Image::new(asked.origin, config, blobs, asked.names(names.iter().map(String::as_str))?)
}

/// The configuration as engines have it since 1.10.
fn config(old: &[u8], diff_ids: &[String], history: &[History]) -> serde_json::Result<Vec<u8>> {
    let mut config: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(old)?;
    config.retain(|key, _| !DROPPED.contains(&&**key));
    // The two keys of the rootfs in the order of the engine's.
    let diff_ids = json!(diff_ids);
    let rootfs = format!(r#"{{"type":"layers","diff_ids":{diff_ids}}}"#);
    config.insert("rootfs".to_owned(), RawValue::from_string(rootfs)?);
    config.insert("history".to_owned(), RawValue::from_string(serde_json::to_string(history)?)?);
    let text = serde_json::to_string(&config)?;
    // As Go writes these characters, which stand in texts alone.
    let escapes =
        [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")];
    Ok(escapes.iter().fold(text, |text, (character, escape)| text.replace(*character, escape)).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_keeps_its_parts_as_they_are_and_loses_what_is_of_the_old_kind() {
        let old =
            br#"{"id":"a","parent":"b","os":"linux","config":{"Z":1,"A":"\u003cx\u003e"},"Size":7,"author":"A <a@b>"}"#;
        let history = History {
            created: "2015-01-01T00:00:00Z".into(),
            author: "A <a@b>".into(),
            created_by: "/bin/sh -c a && b".into(),
            comment: String::new(),
        };
        let new = String::from_utf8(config(old, &["sha256:0".to_owned()], &[history]).unwrap()).unwrap();
        assert_eq!(
            new,
            r#"{"author":"A \u003ca@b\u003e","config":{"Z":1,"A":"\u003cx\u003e"},"#.to_owned()
                + r#""history":[{"created":"2015-01-01T00:00:00Z","author":"A \u003ca@b\u003e","#
                + r#""created_by":"/bin/sh -c a \u0026\u0026 b"}],"os":"linux","#
                + r#""rootfs":{"type":"layers","diff_ids":["sha256:0"]}}"#
        );
    }
}
