//! The rules of an app, for one that is there: nothing is known of who made it.
//!
//! What is asked is what [`crate::assemble`] makes: everything has its place, and what has none does not belong there.
//! Signatures are judged elsewhere: they add `_CodeSignature` and `CodeResources`, which are passed over here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use helix_macho::{Head, Kind};

use crate::closure::{beginning, suitable};
use crate::fault::{Fault, Wrong};
use crate::image::{self, Download};
use crate::write::{EXECUTABLE, PLAIN};
use crate::{icd, info, layout, notices};

/// The longest text that is read, in bytes: more than the notices of all there is.
const LARGEST_TEXT: u64 = 64 << 20;

/// Everything that is wrong with the app in the folder `app`, each fault with its file; nothing if it may be signed and
/// shipped. Its signatures are not judged.
pub fn check(app: &Path) -> Vec<Fault> {
    let contents = app.join("Contents");
    let mut check = Check { entries: BTreeMap::new(), faults: Vec::new(), contents };
    check.walk("");
    if check.entries.is_empty() && !check.faults.is_empty() {
        // There is no app, which says it all.
        return vec![Fault::new("Contents", check.faults.remove(0).wrong)];
    }
    let frameworks = check.frameworks();
    check.places(&frameworks);
    check.programs(&frameworks);
    check.resources();
    check.information();
    check.licences(&frameworks);
    for fault in &mut check.faults {
        fault.file = Path::new("Contents").join(&fault.file);
    }
    check.faults.sort_by(|a, b| a.file.cmp(&b.file));
    check.faults
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    File,
    Folder,
    Link(PathBuf),
}

struct Check {
    contents: PathBuf,
    /// Everything below `Contents`.
    entries: BTreeMap<String, Found>,
    faults: Vec<Fault>,
}

impl Check {
    fn fault(&mut self, file: impl AsRef<Path>, wrong: Wrong) {
        self.faults.push(Fault::new(file, wrong));
    }

    fn walk(&mut self, folder: &str) {
        let entries = match std::fs::read_dir(self.contents.join(folder)) {
            Ok(entries) => entries,
            Err(error) => return self.fault(folder, Wrong::Unreadable(error.to_string())),
        };
        for entry in entries {
            let Ok(entry) = entry else { continue };
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == "_CodeSignature" {
                self.seal(folder, &entry.path());
                continue;
            }
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let Ok(metadata) = entry.metadata() else {
                self.fault(&path, Wrong::Unreadable("it cannot be looked at".to_owned()));
                continue;
            };
            let kind = metadata.file_type();
            let found = if kind.is_symlink() {
                Found::Link(std::fs::read_link(entry.path()).unwrap_or_default())
            } else if kind.is_dir() {
                Found::Folder
            } else if kind.is_file() {
                Found::File
            } else {
                self.fault(&path, Wrong::Special);
                continue;
            };
            if !kind.is_symlink() {
                self.mode(&path, metadata.permissions().mode() & 0o7777, kind.is_dir());
            }
            self.entries.insert(path.clone(), found);
            if kind.is_dir() {
                self.walk(&path);
            }
        }
    }

    /// The modes of a signature's folder and of what is in it; the rest of it is judged elsewhere.
    fn seal(&mut self, folder: &str, seal: &Path) {
        let inside = std::fs::read_dir(seal).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        for path in std::iter::once(seal.to_owned()).chain(inside) {
            let Ok(metadata) = path.symlink_metadata() else { continue };
            let below = path.strip_prefix(&self.contents).unwrap_or(Path::new(folder)).display().to_string();
            if !metadata.is_symlink() {
                self.mode(&below, metadata.permissions().mode() & 0o7777, metadata.is_dir());
            }
        }
    }

    fn mode(&mut self, path: &str, found: u32, folder: bool) {
        let wanted = if folder || is_binary(path) { EXECUTABLE } else { PLAIN };
        if found != wanted {
            self.fault(path, Wrong::Mode { found, wanted });
        }
    }

    /// The names of the frameworks, each of which is looked at as a whole.
    fn frameworks(&mut self) -> BTreeSet<String> {
        let framework = |path: &str| {
            let folder = path.strip_prefix(layout::FRAMEWORKS)?.strip_prefix('/')?;
            folder.strip_suffix(".framework").filter(|name| !name.contains('/')).map(str::to_owned)
        };
        let names: BTreeSet<String> = self.entries.keys().filter_map(|path| framework(path)).collect();
        for name in &names {
            for (link, wanted) in layout::links(name) {
                match self.entries.get(&link).cloned() {
                    // By its bytes: two paths are equal with `/.` at the end of one, where a Mac wants a folder.
                    Some(Found::Link(found)) if found.as_os_str() == wanted.as_str() => {}
                    Some(Found::Link(found)) => self.fault(link, Wrong::Link { found, wanted }),
                    Some(_) => self.fault(link, Wrong::Stray("a link of the framework belongs here")),
                    None => self.fault(link, Wrong::Missing("a framework has this link")),
                }
            }
            self.content(&layout::framework_info(name), &info::of_framework(name));
        }
        names
    }

    /// Whether everything is in a place that the app has.
    fn places(&mut self, frameworks: &BTreeSet<String>) {
        let mut known: BTreeSet<String> = frameworks.iter().flat_map(|name| layout::links(name)).map(|l| l.0).collect();
        known.extend(frameworks.iter().flat_map(|name| [layout::library(name), layout::framework_info(name)]));
        known.extend([layout::LAUNCHER, layout::HOST_ENCODER, layout::INFO, layout::PKG_INFO].map(str::to_owned));
        known.extend([layout::ICON, layout::NOTICES, layout::ICD].map(str::to_owned));
        known.extend(layout::OF_SYSROOT.map(|name| format!("MacOS/{name}")));
        known.extend([image::MANIFEST, image::DISK, image::DOWNLOAD].map(|name| format!("{}/{name}", layout::IMAGE)));
        // What stapling adds to a notarised app.
        known.insert("CodeResources".to_owned());
        let folders: BTreeSet<String> = known.iter().flat_map(|path| above(path)).collect();
        let of_qemu = |path: &str| path == layout::QEMU_DATA || path.starts_with(&format!("{}/", layout::QEMU_DATA));
        let stray: Vec<(String, Found)> = self
            .entries
            .iter()
            .filter(|(path, found)| match found {
                Found::Folder => !folders.contains(*path) && !of_qemu(path),
                Found::File => !known.contains(*path) && !of_qemu(path),
                Found::Link(_) => !known.contains(*path),
            })
            .map(|(path, found)| (path.clone(), found.clone()))
            .collect();
        for (path, found) in stray {
            let loose = path.starts_with(layout::FRAMEWORKS) && found == Found::File;
            self.fault(
                path,
                Wrong::Stray(if loose {
                    "a library is loaded from Name.framework/Versions/A/Name only"
                } else {
                    "the app has no such file, folder or link"
                }),
            );
        }
    }

    /// Programs and libraries: their kinds, names, and what they load.
    fn programs(&mut self, frameworks: &BTreeSet<String>) {
        let programs = layout::OF_SYSROOT.map(|name| format!("MacOS/{name}"));
        let programs = programs.into_iter().chain([layout::LAUNCHER, layout::HOST_ENCODER].map(str::to_owned));
        for path in programs {
            let rpaths = vec![layout::RPATH.to_owned()];
            self.binary(&path, Kind::Executable, None, rpaths, frameworks);
        }
        for name in frameworks {
            self.binary(
                &layout::library(name),
                Kind::Library,
                Some(layout::install_name(name)),
                Vec::new(),
                frameworks,
            );
        }
        for name in layout::LOADED_BY_NAME.into_iter().chain([layout::MOLTENVK]) {
            if !frameworks.contains(name) {
                self.fault(layout::library(name), Wrong::Missing("it is loaded by its name when QEMU runs"));
            }
        }
    }

    fn binary(
        &mut self,
        path: &str,
        kind: Kind,
        name: Option<String>,
        rpaths: Vec<String>,
        frameworks: &BTreeSet<String>,
    ) {
        if self.entries.get(path) != Some(&Found::File) {
            return self.fault(path, Wrong::Missing("the app has this program or library"));
        }
        let head = beginning(&self.contents.join(path)).map_err(|e| Wrong::Unreadable(e.to_string()));
        let head = match head.and_then(|data| Head::read(&data).map_err(Wrong::from)) {
            Ok(head) => head,
            Err(wrong) => return self.fault(path, wrong),
        };
        let mut wrong = suitable(&head, kind);
        if !wrong.is_empty() {
            // What it loads from where is a question for the file that belongs there.
            return self.faults.extend(wrong.into_iter().map(|wrong| Fault::new(path, wrong)));
        }
        if let Some(wanted) = name.filter(|wanted| head.install_name.as_ref() != Some(wanted)) {
            wrong.push(Wrong::InstallName { found: head.install_name.clone(), wanted });
        }
        if head.rpaths != rpaths {
            wrong.push(Wrong::Rpaths { found: head.rpaths.clone(), wanted: rpaths });
        }
        let inside: BTreeSet<String> = frameworks.iter().map(|name| layout::install_name(name)).collect();
        let outside = head.libraries.iter().filter(|name| !layout::is_of_system(name) && !inside.contains(*name));
        wrong.extend(outside.cloned().map(Wrong::Outside));
        self.faults.extend(wrong.into_iter().map(|wrong| Fault::new(path, wrong)));
    }

    /// Firmware, Vulkan's description, the image.
    fn resources(&mut self) {
        for name in layout::FIRMWARE {
            let path = format!("{}/{name}", layout::QEMU_DATA);
            if self.entries.get(&path) != Some(&Found::File) {
                self.fault(path, Wrong::Missing("firmware without which no VM starts"));
            }
        }
        if let Some(text) = self.read(layout::ICD) {
            match icd::library_path(&text) {
                Ok(path) if path == icd::path_in_app() => {}
                Ok(path) => self.fault(layout::ICD, Wrong::Icd(format!("it names {path}, not {}", icd::path_in_app()))),
                Err(why) => self.fault(layout::ICD, Wrong::Icd(why)),
            }
        }
        self.vm();
    }

    fn vm(&mut self) {
        let path = |name: &str| format!("{}/{name}", layout::IMAGE);
        let manifest = self.read(&path(image::MANIFEST));
        if let Some(Err(why)) = manifest.map(|text| serde_json::from_slice::<image::Manifest>(&text)) {
            self.fault(path(image::MANIFEST), Wrong::Content(why.to_string()));
        }
        let [disk, download] = [image::DISK, image::DOWNLOAD].map(|name| self.entries.contains_key(&path(name)));
        match (disk, download) {
            (true, false) => {}
            (true, true) => self.fault(path(image::DOWNLOAD), Wrong::Stray("the disk is in the app")),
            (false, false) => self.fault(path(image::DISK), Wrong::Missing("there is no download.json either")),
            (false, true) => {
                let text = self.read(&path(image::DOWNLOAD)).unwrap_or_default();
                let wrong = match serde_json::from_slice::<Download>(&text) {
                    Ok(Download { sha256, size, .. }) if !image::is_sha256(&sha256) || size == 0 => {
                        "it needs a sha256 of 64 digits and a size".to_owned()
                    }
                    Ok(download) => match Download::wrong_url(&download.url) {
                        None => return,
                        Some(why) => why,
                    },
                    Err(why) => why.to_string(),
                };
                self.fault(path(image::DOWNLOAD), Wrong::Content(wrong));
            }
        }
    }

    /// What the app says of itself.
    fn information(&mut self) {
        self.content(layout::PKG_INFO, info::PKG_INFO);
        if self.entries.get(layout::ICON) != Some(&Found::File) {
            self.fault(layout::ICON, Wrong::Missing("Info.plist names this icon"));
        }
        let Some(text) = self.read(layout::INFO) else { return };
        let text = String::from_utf8_lossy(&text).into_owned();
        match info::version(&text).filter(|version| info::is_version(version)) {
            Some(version) if info::of_app(version) == text.as_bytes() => {}
            Some(_) => self.fault(layout::INFO, Wrong::Content("it is not as an app's of that version".to_owned())),
            None => self.fault(layout::INFO, Wrong::Content("it has no CFBundleShortVersionString".to_owned())),
        }
    }

    /// Whether the notices name each program and library.
    fn licences(&mut self, frameworks: &BTreeSet<String>) {
        let Some(text) = self.read(layout::NOTICES) else { return };
        let text = String::from_utf8_lossy(&text).into_owned();
        let programs = layout::OF_SYSROOT.map(|name| format!("MacOS/{name}"));
        let own = [layout::LAUNCHER, layout::HOST_ENCODER].map(str::to_owned);
        let libraries = frameworks.iter().map(|name| layout::library(name));
        for path in programs.into_iter().chain(own).chain(libraries) {
            if !notices::names(&text, &format!("Contents/{path}")) {
                let why = format!("it does not say under which licence {path} is");
                self.fault(layout::NOTICES, Wrong::Content(why));
            }
        }
    }

    /// A file that must be there.
    fn read(&mut self, path: &str) -> Option<Vec<u8>> {
        if self.entries.get(path) != Some(&Found::File) {
            self.fault(path, Wrong::Missing("the app has this file"));
            return None;
        }
        let read = File::open(self.contents.join(path)).and_then(|file| {
            let mut content = Vec::new();
            file.take(LARGEST_TEXT + 1).read_to_end(&mut content)?;
            Ok(content)
        });
        if read.as_ref().is_ok_and(|content| content.len() as u64 > LARGEST_TEXT) {
            self.fault(path, Wrong::Content(format!("it has more than {LARGEST_TEXT} bytes")));
            return None;
        }
        read.map_err(|error| self.fault(path, Wrong::Unreadable(error.to_string()))).ok()
    }

    /// A file that must have just this content.
    fn content(&mut self, path: &str, wanted: &[u8]) {
        if self.read(path).is_some_and(|found| found != wanted) {
            self.fault(path, Wrong::Content("it is not what an app has there".to_owned()));
        }
    }
}

/// The folders above a path.
fn above(path: &str) -> Vec<String> {
    let folders = Path::new(path).ancestors().skip(1).map(|folder| folder.display().to_string());
    folders.filter(|folder| !folder.is_empty()).collect()
}

/// Whether a program or library is at this path.
fn is_binary(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["MacOS", _] => true,
        [layout::FRAMEWORKS, _, "Versions", "A", name] => name != "CodeResources",
        _ => false,
    }
}
