//! Assembles the app: everything is looked at first, all faults are told together, then the files are written aside. The parts that
//! are given can be judged before those that are built.

use std::collections::BTreeMap;
use std::path::Path;

use helix_licences::{Component, Text};

use crate::closure::Closure;
use crate::component;
use crate::fault::{Error, Fault, Wrong};
use crate::image::{self, Download};
use crate::sysroot::Sysroot;
use crate::write::{self, Content, Entry};
use crate::{check, icd, icon, info, layout, notices};

/// What an app is made of.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The folder that UTM's build leaves (`sysroot-macOS-arm64`), with its licences.
    pub sysroot: &'a Path,
    /// The components of the project's own three files, as [`crate::of_crates`] gives them.
    pub own: &'a [Component],
    /// The VM.
    pub vm: Vm<'a>,
    /// The version of the app: up to three numbers with dots between them.
    pub version: &'a str,
    /// The time that all files claim to be of, in seconds since 1970.
    pub epoch: u32,
}

/// The project's own programs.
#[derive(Debug, Clone, Copy)]
pub struct Programs<'a> {
    /// The program that macOS starts.
    pub launcher: &'a Path,
    /// The daemon that encodes for the guest.
    pub host_encoder: &'a Path,
    /// The same as a library.
    pub host_encoder_library: &'a Path,
}

/// How the app comes to its VM.
#[derive(Debug, Clone, Copy)]
pub enum Vm<'a> {
    /// The image of this folder is in the app.
    Embed(&'a Path),
    /// The app loads the disk at its first start.
    Download {
        /// The folder of the image.
        image: &'a Path,
        /// Where its disk can be had.
        url: &'a str,
    },
}

impl<'a> Vm<'a> {
    fn folder(self) -> &'a Path {
        match self {
            Self::Embed(folder) | Self::Download { image: folder, .. } => folder,
        }
    }
}

/// Everything that is wrong with the parts, so that it is told before the programs are built.
pub fn judge(parts: &Parts<'_>) -> Vec<Fault> {
    plan(parts, None).err().unwrap_or_default()
}

/// Makes the app of `parts` and `programs` at the path `to`; a Helix.app that is there gives way when the new one is whole and checked.
///
/// # Errors
/// With all faults of the parts, or when a file cannot be written. `to` is as it was then.
pub fn assemble(parts: &Parts<'_>, programs: &Programs<'_>, to: &Path) -> Result<(), Error> {
    if to.symlink_metadata().is_ok() && !is_ours(to) {
        return Err(Error::Taken(to.to_owned()));
    }
    let entries = plan(parts, Some(programs)).map_err(Error::Faults)?;
    let parent = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(Error::file("making", parent))?;
    let aside = tempfile::Builder::new().prefix(".Helix.app.").tempdir_in(parent);
    let aside = aside.map_err(Error::file("making a folder in", parent))?;
    let app = aside.path().join("Helix.app");
    write::tree(&entries, &app.join("Contents"), parts.epoch)?;
    if let Vm::Embed(folder) = parts.vm {
        let disk = app.join("Contents").join(layout::IMAGE).join(image::DISK);
        helix_vm::life::Image::read(folder)?.copy_disk(&disk, &mut |_, _| {})?;
    }
    write::finish(&app, parts.epoch)?;
    let faults = check(&app);
    if !faults.is_empty() {
        return Err(Error::Faults(faults));
    }
    if to.exists() {
        std::fs::rename(to, aside.path().join("old")).map_err(Error::file("moving away", to))?;
    }
    std::fs::rename(&app, to).map_err(Error::file("giving its name to", to))
}

/// Whether a folder is an app that this program made.
fn is_ours(app: &Path) -> bool {
    let info = helix_vm::life::read_document(&app.join("Contents").join(layout::INFO));
    let identifier = format!("<string>{}</string>", info::IDENTIFIER);
    info.is_ok_and(|info| String::from_utf8_lossy(&info).contains(&identifier))
}

/// All files and links of the app by their paths below `Contents`, the disk excepted; without `programs`, what is known without
/// them.
fn plan(parts: &Parts<'_>, programs: Option<&Programs<'_>>) -> Result<BTreeMap<String, Entry>, Vec<Fault>> {
    let mut sysroot = Sysroot::open(parts.sysroot).map_err(|fault| {
        let of_image = image::read(parts.vm.folder()).err().unwrap_or_default();
        [vec![fault], of_image].concat()
    })?;
    if let Some(programs) = programs {
        sysroot.add(programs.host_encoder_library);
    }
    let mut plan = Plan::new(&sysroot);
    plan.binaries(programs);
    plan.description();
    plan.qemu_data();
    plan.vm(parts);
    plan.words(parts, programs);
    if plan.faults.is_empty() { Ok(plan.entries) } else { Err(plan.faults) }
}

struct Plan<'a> {
    sysroot: &'a Sysroot,
    entries: BTreeMap<String, Entry>,
    faults: Vec<Fault>,
    /// What of the sysroot goes where.
    taken: Vec<(String, String)>,
    /// What the notices say of the disk.
    disk: String,
}

impl<'a> Plan<'a> {
    fn new(sysroot: &'a Sysroot) -> Self {
        let (entries, faults, taken) = Default::default();
        Self { sysroot, entries, faults, taken, disk: String::new() }
    }

    fn bytes(&mut self, to: &str, bytes: Vec<u8>) {
        self.entries.insert(to.to_owned(), Entry { executable: false, content: Content::Bytes(bytes) });
    }

    /// Notes that a file of the sysroot goes to `to`.
    fn take(&mut self, from: &Path, to: &str) {
        if let Some(below) = self.sysroot.below(from) {
            self.taken.push((below.display().to_string(), format!("Contents/{to}")));
        }
    }

    /// Programs, and frameworks of everything that they load.
    fn binaries(&mut self, programs: Option<&Programs<'_>>) {
        let mut closure = Closure::new(self.sysroot);
        if let Some(programs) = programs {
            closure.program(programs.launcher, layout::LAUNCHER);
            closure.program(programs.host_encoder, layout::HOST_ENCODER);
            let library = programs.host_encoder_library.file_name().unwrap_or_default().to_string_lossy().into_owned();
            closure.root(&library, "the library of the host encoder is built by\n    cargo xtask build-host-encoder --target aarch64-apple-darwin");
        }
        for name in layout::OF_SYSROOT {
            let from = self.sysroot.path(&format!("bin/{name}"));
            match self.sysroot.real(&from) {
                Ok(from) => closure.program(&from, &format!("MacOS/{name}")),
                Err(fault) => closure.faults.push(fault),
            }
        }
        closure.root(layout::MOLTENVK, "Vulkan's driver; it is built by UTM's scripts/build_dependencies.sh");
        for name in layout::LOADED_BY_NAME {
            closure.root(name, "libepoxy loads it when QEMU runs; it is built by UTM's scripts/build_dependencies.sh");
        }
        let frameworks = closure.finish();
        self.faults.append(&mut closure.faults);
        for binary in closure.binaries {
            self.take(&binary.from, &binary.to);
            let content = Content::Changed { from: binary.from, head: binary.head };
            self.entries.insert(binary.to, Entry { executable: true, content });
        }
        for name in &frameworks {
            self.bytes(&layout::framework_info(name), info::of_framework(name));
            for (link, target) in layout::links(name) {
                self.entries.insert(link, Entry { executable: false, content: Content::Link(target) });
            }
        }
    }

    /// Vulkan's description of MoltenVK.
    fn description(&mut self) {
        let from = self.sysroot.path("share/vulkan/icd.d/MoltenVK_icd.json");
        let text = helix_vm::life::read_document(&from).map_err(|e| Wrong::Unreadable(e.to_string()));
        match text.and_then(|text| icd::rewritten(&text).map_err(Wrong::Icd)) {
            Ok(text) => {
                self.take(&from, layout::ICD);
                self.bytes(layout::ICD, text);
            }
            Err(wrong) => self.faults.push(Fault::new(from, wrong)),
        }
    }

    /// Firmware for arm64, and what QEMU reads for any processor: ROMs of devices and keyboard layouts.
    fn qemu_data(&mut self) {
        let data = self.sysroot.path("share/qemu");
        for name in names(&data).iter().filter(|name| is_for_arm(name)) {
            self.copy(&data.join(name), &format!("{}/{name}", layout::QEMU_DATA));
        }
        for name in names(&data.join("keymaps")) {
            self.copy(&data.join("keymaps").join(&name), &format!("{}/keymaps/{name}", layout::QEMU_DATA));
        }
        for name in layout::FIRMWARE {
            if !self.entries.contains_key(&format!("{}/{name}", layout::QEMU_DATA)) {
                let from = self.sysroot.path(&format!("share/qemu/{name}"));
                self.faults
                    .push(Fault::new(from, Wrong::Missing("firmware without which no VM starts; QEMU installs it")));
            }
        }
    }

    fn copy(&mut self, from: &Path, to: &str) {
        match self.sysroot.real(from) {
            Ok(real) if real.is_file() => {
                self.take(&real, to);
                self.entries.insert(to.to_owned(), Entry { executable: false, content: Content::Copy(real) });
            }
            Ok(_) => {}
            Err(fault) => self.faults.push(fault),
        }
    }

    /// The manifest, and where the disk can be had.
    fn vm(&mut self, parts: &Parts<'_>) {
        let facts = match image::read(parts.vm.folder()) {
            Ok(facts) => facts,
            Err(faults) => return self.faults.extend(faults),
        };
        if let Vm::Download { url, .. } = parts.vm {
            let path = format!("{}/{}", layout::IMAGE, image::DOWNLOAD);
            self.faults.extend(Download::wrong_url(url).map(|why| Fault::new(path, Wrong::Content(why))));
            let download = Download { url: url.to_owned(), sha256: facts.sha256, size: facts.size };
            let text = serde_json::to_string_pretty(&download).expect("strings and a number become JSON");
            self.bytes(&format!("{}/{}", layout::IMAGE, image::DOWNLOAD), format!("{text}\n").into_bytes());
        }
        self.bytes(&format!("{}/{}", layout::IMAGE, image::MANIFEST), facts.manifest);
        self.disk = facts.notices;
    }

    /// What is written for macOS and for people: information, icon, licences.
    fn words(&mut self, parts: &Parts<'_>, programs: Option<&Programs<'_>>) {
        if !info::is_version(parts.version) {
            self.faults.push(Fault::new("Info.plist", Wrong::Version(parts.version.to_owned())));
        }
        self.bytes(layout::INFO, info::of_app(parts.version));
        self.bytes(layout::PKG_INFO, info::PKG_INFO.to_vec());
        self.bytes(layout::ICON, icon::file());
        let mut components = vec![self.own(parts, programs)];
        components.extend(component::of_sysroot(&self.sysroot.path(""), &self.taken, &mut self.faults));
        components.extend(parts.own.iter().cloned());
        components.sort();
        self.faults.extend(component::without_licence(&components));
        self.bytes(layout::NOTICES, notices::text(&components, &self.disk).into_bytes());
    }

    /// The project's own files.
    fn own(&self, parts: &Parts<'_>, programs: Option<&Programs<'_>>) -> Component {
        let library =
            programs.and_then(|p| self.sysroot.library(&p.host_encoder_library.display().to_string()).ok()?);
        let library = library.map(|library| layout::library(&library.name));
        let files = [Some(layout::LAUNCHER.to_owned()), Some(layout::HOST_ENCODER.to_owned()), library];
        let text = |title: &str, text: &str| Text { title: title.to_owned(), text: text.to_owned() };
        Component {
            name: "Helix".to_owned(),
            version: parts.version.to_owned(),
            license: "MIT OR Apache-2.0".to_owned(),
            source: String::new(),
            files: files.into_iter().flatten().map(|file| format!("Contents/{file}")).collect(),
            texts: vec![
                text("LICENSE-MIT", include_str!("../../../LICENSE-MIT")),
                text("LICENSE-APACHE", include_str!("../../../LICENSE-APACHE")),
            ],
        }
    }
}

/// Whether a file of QEMU's data serves a VM of arm64.
fn is_for_arm(name: &str) -> bool {
    layout::FIRMWARE.contains(&name) || (name.starts_with("efi-") && name.ends_with(".rom"))
}

/// The names in a folder, in order; none if it cannot be read.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}
