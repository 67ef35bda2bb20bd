//! The image in the app: whole, or where it can be had; and what is in it, for the notices.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::fault::{Fault, Wrong};

pub(crate) const DISK: &str = "disk.qcow2";
pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const DOWNLOAD: &str = "download.json";
const BILL: &str = "sbom.cdx.json";

/// Where the disk can be had; the launcher reads it.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Download {
    pub(crate) url: String,
    /// In hexadecimal.
    pub(crate) sha256: String,
    /// In bytes.
    pub(crate) size: u64,
}

impl Download {
    /// What is wrong with an address; the launcher asks servers of the web only.
    pub(crate) fn wrong_url(url: &str) -> Option<String> {
        let good =
            ["https://", "http://"].iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
        (!good).then(|| format!("its url must begin with https:// or http:// and is {url:?}"))
    }
}

/// What the manifest says, in as far as it matters here.
#[derive(Deserialize)]
pub(crate) struct Manifest {
    pub(crate) recipe: String,
    pub(crate) architecture: String,
    pub(crate) size: u64,
    pub(crate) artifacts: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Bill {
    components: Vec<Component>,
}

/// A package, or a container image with its packages.
#[derive(Deserialize)]
struct Component {
    #[serde(rename = "type", default)]
    kind: String,
    name: String,
    version: String,
    #[serde(default)]
    purl: String,
    #[serde(default)]
    licenses: Vec<Choice>,
    #[serde(default)]
    components: Vec<Component>,
}

#[derive(Deserialize)]
struct Choice {
    license: Option<Licence>,
    expression: Option<String>,
}

#[derive(Deserialize)]
struct Licence {
    id: Option<String>,
    name: Option<String>,
}

impl Choice {
    fn name(&self) -> Option<&str> {
        let named = self.license.as_ref().and_then(|licence| licence.id.as_deref().or(licence.name.as_deref()));
        self.expression.as_deref().or(named)
    }
}

/// What of an image goes into the app besides the disk.
pub(crate) struct Facts {
    pub(crate) manifest: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) sha256: String,
    /// What the notices say of the disk.
    pub(crate) notices: String,
}

/// Reads an image folder, its disk excepted.
pub(crate) fn read(folder: &Path) -> Result<Facts, Vec<Fault>> {
    let path = folder.join(MANIFEST);
    let refuse = |why: String| vec![Fault::new(&path, Wrong::Image(why))];
    let bytes = helix_vm::life::read_document(&path)
        .map_err(|e| refuse(format!("cannot be read: {e}; build an image with\n    cargo xtask build-image")))?;
    let manifest: Manifest =
        serde_json::from_slice(&bytes).map_err(|e| refuse(format!("is not as a build writes it: {e}")))?;
    if manifest.architecture != "arm64" {
        let is = &manifest.architecture;
        return Err(refuse(format!(
            "is for {is}; a Mac runs arm64, so build the image with\n    cargo xtask build-image --arch arm64"
        )));
    }
    let digest = |name: &str| {
        let digest = manifest.artifacts.get(name).filter(|digest| is_sha256(digest));
        digest.cloned().ok_or_else(|| refuse(format!("has no sha256 of {name}")))
    };
    let bill = bill(&folder.join(BILL), &digest(BILL)?).map_err(|fault| vec![fault])?;
    let notices = notices(&manifest, &bill, &folder.join(BILL))?;
    Ok(Facts { sha256: digest(DISK)?, size: manifest.size, notices, manifest: bytes })
}

pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn bill(path: &Path, digest: &str) -> Result<Bill, Fault> {
    let bytes = helix_vm::life::read_document(path).map_err(Fault::unreadable(path))?;
    let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let refuse = |why: String| Fault::new(path, Wrong::Image(why));
    if found != digest {
        return Err(refuse("is not the file of the manifest; build the image anew".to_owned()));
    }
    serde_json::from_slice(&bytes).map_err(|e| refuse(format!("is no bill of materials: {e}")))
}

impl Component {
    fn licences(&self) -> Vec<&str> {
        self.licenses.iter().filter_map(Choice::name).collect()
    }

    /// A package of Debian has its licence in the disk, whether or not the bill names it.
    fn is_of_debian(&self) -> bool {
        self.purl.starts_with("pkg:deb/")
    }

    /// Whether its licence can be found: its own, or that of all its parts.
    fn is_licensed(&self) -> bool {
        let of_parts = !self.components.is_empty() && self.components.iter().all(Self::is_licensed);
        self.is_of_debian() || of_parts || !self.licences().is_empty()
    }

    fn unlicensed(&self) -> Wrong {
        let what = format!("{} {}", self.name, self.version);
        if self.kind == "container" { Wrong::NoLicenceOfContainer(what) } else { Wrong::NoLicence(what) }
    }

    fn line(&self) -> String {
        let names = self.licences();
        let names = if names.is_empty() { "see its copyright file".to_owned() } else { names.join(", ") };
        format!("{} {}: {names}\n", self.name, self.version)
    }
}

/// What the disk holds. Anything without a licence is a fault; what is there several times is named once.
fn notices(manifest: &Manifest, bill: &Bill, path: &Path) -> Result<String, Vec<Fault>> {
    let unlicensed = bill.components.iter().filter(|component| !component.is_licensed());
    let mut faults: Vec<Fault> = Vec::new();
    for fault in unlicensed.map(|component| Fault::new(path, component.unlicensed())) {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut text = format!(
        "The VM's disk ({}) holds these packages. The text of each licence is in the disk, for a Debian package in\n\
         /usr/share/doc/PACKAGE/copyright.\n\n",
        manifest.recipe
    );
    let (containers, packages): (Vec<_>, Vec<_>) = bill.components.iter().partition(|c| c.kind == "container");
    packages.iter().for_each(|package| text.push_str(&package.line()));
    let mut named = BTreeSet::new();
    for container in containers.iter().filter(|container| named.insert((&container.name, &container.version))) {
        let head = "holds these packages. The text of each licence is in it:";
        text.push_str(&match container.components.is_empty() {
            true => format!("\nThe container image {}", container.line()),
            false => format!("\nThe container image {} {} {head}\n\n", container.name, container.version),
        });
        container.components.iter().for_each(|package| text.push_str(&package.line()));
    }
    Ok(text)
}
