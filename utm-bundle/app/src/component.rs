//! Components and their licences: what a sysroot says of itself in `share/licenses/components.json`.
//!
//! UTM's build says nothing of licences, and no tool can tell them from a library. So whoever makes a sysroot writes the
//! list, with the texts beside it:
//!
//! ```json
//! [{
//!   "name": "zstd", "version": "1.5.2", "license": "BSD-3-Clause OR GPL-2.0-only",
//!   "source": "https://github.com/facebook/zstd/releases/download/v1.5.2/zstd-1.5.2.tar.gz",
//!   "files": ["lib/libzstd.*"], "texts": ["zstd/LICENSE", "zstd/COPYING"]
//! }]
//! ```
//!
//! `files` are paths from the sysroot, with a `*` at the end for everything that begins so; `texts` are paths from the
//! list's folder.

use std::io::Read;
use std::path::{Component as Step, Path, PathBuf};

use helix_licences::{Component, Text};
use serde::Deserialize;

use crate::fault::{Fault, Wrong};

/// The list, from the sysroot.
pub(crate) const LIST: &str = "share/licenses/components.json";
/// The longest list and the longest text, in bytes.
const LONGEST: u64 = 4 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    version: String,
    license: String,
    source: String,
    files: Vec<String>,
    texts: Vec<PathBuf>,
}

impl Listed {
    fn has(&self, below: &str) -> bool {
        self.files.iter().any(|file| match file.strip_suffix('*') {
            Some(beginning) => below.starts_with(beginning),
            None => below == file,
        })
    }
}

/// The components of the files of a sysroot; a file is its path from the sysroot and its path in the app. All faults are
/// added to `faults`.
pub(crate) fn of_sysroot(root: &Path, files: &[(String, String)], faults: &mut Vec<Fault>) -> Vec<Component> {
    let list = root.join(LIST);
    let listed: Vec<Listed> = match read(&list).and_then(|text| serde_json::from_str(&text).map_err(|e| e.to_string()))
    {
        Ok(listed) => listed,
        Err(why) => {
            let why = format!(
                "does not say the licences of the sysroot's components: {why}; docs/src/helix-app.md has the form"
            );
            faults.push(Fault::new(&list, Wrong::Components(why)));
            return Vec::new();
        }
    };
    let mut components: Vec<(Listed, Vec<String>)> = listed.into_iter().map(|listed| (listed, Vec::new())).collect();
    for (below, to) in files {
        match components.iter_mut().find(|(listed, _)| listed.has(below)) {
            Some((_, files)) => files.push(to.clone()),
            None => faults.push(Fault::new(root.join(below), Wrong::NoComponent)),
        }
    }
    let folder = list.parent().unwrap_or(root);
    components.retain(|(_, files)| !files.is_empty());
    components.into_iter().map(|(listed, files)| with_texts(listed, files, folder, faults)).collect()
}

fn with_texts(listed: Listed, files: Vec<String>, folder: &Path, faults: &mut Vec<Fault>) -> Component {
    let mut texts = Vec::new();
    for path in &listed.texts {
        // A list of others does not make this program read the files of this machine.
        let inside = path.components().all(|step| matches!(step, Step::Normal(_)));
        let real = folder.join(path).canonicalize().map_err(|e| e.to_string());
        let inside = inside && real.as_ref().is_ok_and(|real| folder.canonicalize().is_ok_and(|f| real.starts_with(f)));
        let text = match (real, inside) {
            (Ok(real), true) => read(&real),
            (Ok(_), false) => Err("it is not in the list's folder".to_owned()),
            (Err(why), _) => Err(why),
        };
        match text {
            Ok(text) => texts.push(Text { title: path.display().to_string(), text }),
            Err(why) => faults.push(Fault::new(folder.join(path), Wrong::Unreadable(why))),
        }
    }
    let Listed { name, version, license, source, .. } = listed;
    Component { name, version, license, source, files, texts }
}

/// A text; bytes that are none are replaced, since old licences are not always in UTF-8.
fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The components that have no licence or no text of it.
pub(crate) fn without_licence(components: &[Component]) -> impl Iterator<Item = Fault> + '_ {
    let bare = |c: &&Component| c.license.trim().is_empty() || c.texts.iter().all(|text| text.text.trim().is_empty());
    components.iter().filter(bare).map(|c| Fault::new(LIST, Wrong::NoLicence(format!("{} {}", c.name, c.version))))
}
