//! Guest components: the project's own programs for the image, built for its architecture and packed as Debian packages.
//!
//! Rust compiles and links them, against a sysroot of the oldest distribution that is supported: what is built there runs
//! on all later ones. Nothing of the host's own libraries takes part, and the same source gives the same package.

use std::path::{Path, PathBuf};

use helix_command::Cmd;
use helix_licences::Linked;
use helix_recipe::{Architecture, GuestComponent};
use helix_rootfs::apt::Package;
use helix_rootfs::bootstrap::PackageFile;
use helix_rootfs::{Arch, bootstrap, clean, files};

use crate::elf::Needs;
use crate::error::{Doing, Error};
use crate::key::Inputs;
use crate::lock::{Lock, Resolution};
use crate::progress::Progress;
use crate::resolve::{Question, resolve};
use crate::store::Kind;
use crate::tools::debian;
use crate::workshop::Workshop;
use crate::workspace::Workspace;

/// Raised when the way a component is built or packed changes.
const REVISION: u32 = 3;
/// The packages that the sysroot is made of: C's and the compiler's own parts, and the libraries that are linked to.
const SYSROOT: [&str; 4] = ["libc6-dev", "libgcc-12-dev", "libgstreamer1.0-0", "libgstreamer-plugins-base1.0-0"];
/// The libraries that are linked to: how their crates ask for them, and their names.
const LINKED: [(&str, &str); 7] = [
    ("GLIB_2_0", "glib-2.0"),
    ("GOBJECT_2_0", "gobject-2.0"),
    ("GIO_2_0", "gio-2.0"),
    ("GSTREAMER_1_0", "gstreamer-1.0"),
    ("GSTREAMER_BASE_1_0", "gstbase-1.0"),
    ("GSTREAMER_VIDEO_1_0", "gstvideo-1.0"),
    ("GSTREAMER_ALLOCATORS_1_0", "gstallocators-1.0"),
];
/// What all components are built from: what is linked in, and under which licence.
const COMMON: [&str; 5] = ["Cargo.toml", "Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT", "image/licences/src"];
/// The package file in a component's entry of the cache.
const FILE: &str = "component.deb";
/// What stands for an archive in lists of packages: components come from none.
pub(crate) const ARCHIVE: &str = "helix";

/// The licence of a package's own files, in its copyright file.
const OWN: &str = "Files: *\nCopyright: the authors of Helix\nLicense: MIT or Apache-2.0\n";

/// What of a component is the same on every machine and in every build.
struct Recipe {
    /// The name of its package.
    package: &'static str,
    summary: &'static str,
    /// Its crate, and the folders whose contents it is built from, in the source of this toolkit.
    krate: &'static str,
    source: &'static [&'static str],
    /// Packages whose elements one of its elements uses.
    recommends: &'static str,
    /// The library that cargo makes, and where it belongs below the folder of libraries.
    library: &'static str,
    folder: &'static str,
}

fn recipe(component: GuestComponent) -> Recipe {
    match component {
        GuestComponent::Vsockenc => Recipe {
            package: "gstreamer1.0-vsockenc",
            summary: "GStreamer elements whose H.264 encoder is the host",
            krate: "helix-vsockenc",
            source: &["guest-components/vsockenc", "host-encoder/frame-protocol"],
            recommends: "gstreamer1.0-plugins-base, gstreamer1.0-plugins-bad",
            library: "libgstvsockenc.so",
            folder: "gstreamer-1.0",
        },
    }
}

/// The packages that have the libraries a component may need, and the least version of each; the same in every
/// distribution that is supported.
const DEPENDS: [(&str, &str); 9] = [
    ("libc.so.6", "libc6 (>= 2.34)"),
    ("ld-linux-aarch64.so.1", "libc6 (>= 2.34)"),
    ("ld-linux-x86-64.so.2", "libc6 (>= 2.34)"),
    ("libgcc_s.so.1", "libgcc-s1"),
    ("libglib-2.0.so.0", "libglib2.0-0 (>= 2.72)"),
    ("libgobject-2.0.so.0", "libglib2.0-0 (>= 2.72)"),
    ("libgio-2.0.so.0", "libglib2.0-0 (>= 2.72)"),
    ("libgstreamer-1.0.so.0", "libgstreamer1.0-0 (>= 1.22)"),
    ("libgst*.so.0", "libgstreamer-plugins-base1.0-0 (>= 1.22)"),
];
/// The version of the C library that [`DEPENDS`] has.
const GLIBC: (u32, u32) = (2, 34);

/// Packages that are asked for, and those that components need besides; the others of [`DEPENDS`] come with these.
pub(crate) fn with_needs(packages: &[String], components: &[GuestComponent]) -> Vec<String> {
    let needs = ["libgstreamer1.0-0", "libgstreamer-plugins-base1.0-0"].map(str::to_owned);
    let missing = needs.into_iter().filter(|name| !components.is_empty() && !packages.contains(name));
    packages.iter().cloned().chain(missing).collect()
}

/// The keys of components by the lock alone; `None` when it has no answer.
pub(crate) fn locked_keys(
    workspace: &Workspace,
    architecture: Architecture,
    components: &[GuestComponent],
) -> Result<Option<Vec<String>>, Error> {
    if components.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let lock = Lock::read(&workspace.guest_lock())?;
    let question = question(workspace, architecture, &|program| Cmd::new(program));
    let sysroot = lock.as_ref().and_then(|l| l.get(architecture.as_str())).filter(|r| r.request == question.request());
    sysroot.map(|sysroot| keys(components, architecture, sysroot)).transpose()
}

fn keys(components: &[GuestComponent], architecture: Architecture, sysroot: &Resolution) -> Result<Vec<String>, Error> {
    Ok(inputs(components, architecture, sysroot)?.iter().map(Inputs::key).collect())
}

/// A component that was built.
pub(crate) struct GuestPackage {
    /// Its package file.
    pub(crate) file: PackageFile,
    /// The package, as a bill of materials has it.
    pub(crate) package: Package,
}

/// What is packed.
struct Built {
    library: PathBuf,
    /// The copyright file.
    copyright: String,
}

/// The inputs of components, which are known without building them.
fn inputs(
    components: &[GuestComponent],
    architecture: Architecture,
    sysroot: &Resolution,
) -> Result<Vec<Inputs>, Error> {
    let compiler = Cmd::new("rustc").arg("-vV").output()?.text();
    let root = helix_project::sources()?;
    let digest = |name: &&str| files::digest(&root.join(name)).doing("reading the source of a component");
    components
        .iter()
        .map(|component| {
            let mut inputs = Inputs::of("guest component", REVISION)
                .with("component", component.as_str())
                .with("architecture", architecture.as_str())
                .with("compiler", &compiler)
                .with("sysroot", &sysroot.digest());
            for name in recipe(*component).source.iter().chain(&COMMON) {
                inputs = inputs.with(&format!("source {name}"), &digest(name)?);
            }
            Ok(inputs)
        })
        .collect()
}

/// What is asked of the lock of the sysroot.
fn question<'q>(workspace: &Workspace, architecture: Architecture, run: &'q dyn Fn(&str) -> Cmd) -> Question<'q> {
    let target = crate::steps::arch(architecture);
    Question {
        lock: workspace.guest_lock(),
        name: target.debian_name().to_owned(),
        // It is linked to and goes nowhere: updates would change nothing.
        archives: vec![debian(workspace, "bookworm")],
        debian: true,
        mirror: None,
        packages: SYSROOT.map(str::to_owned).to_vec(),
        layers: Vec::new(),
        essential: false,
        arch: target,
        twins_for: None,
        twin_archives: Vec::new(),
        forgive_expiry: true,
        run,
    }
}

impl Workshop<'_> {
    /// The sysroot's packages, all in the cache.
    fn sysroot(&self) -> Result<Resolution, Error> {
        let run = |program: &str| self.tools.toolbox().cmd(program);
        let question = question(&self.conduct.workspace, self.architecture, &run);
        Ok(resolve(&question, self.store, self.conduct.lock, self.conduct.offline, self.progress)?.resolution)
    }

    /// The keys of components, which stand for their contents.
    pub(crate) fn guest_keys(&self, components: &[GuestComponent]) -> Result<Vec<String>, Error> {
        if components.is_empty() {
            return Ok(Vec::new());
        }
        keys(components, self.architecture, &self.sysroot()?)
    }

    /// Builds components, but for those that are in the cache.
    pub(crate) fn guest_packages(&self, components: &[GuestComponent]) -> Result<Vec<GuestPackage>, Error> {
        if components.is_empty() {
            return Ok(Vec::new());
        }
        let sysroot = self.sysroot()?;
        let all = inputs(components, self.architecture, &sysroot)?;
        components.iter().zip(&all).map(|(c, inputs)| self.guest_package(*c, inputs, &sysroot)).collect()
    }

    fn guest_package(
        &self,
        component: GuestComponent,
        inputs: &Inputs,
        sysroot: &Resolution,
    ) -> Result<GuestPackage, Error> {
        let recipe = recipe(component);
        let entry = self.store.get_or_make(Kind::Trees, inputs, |dir| {
            let scratch = dir.join("scratch");
            let (tree, links) = (scratch.join("sysroot"), scratch.join("links"));
            let target = Target { arch: crate::steps::arch(self.architecture), sysroot: &tree, links: &links };
            target.ensure_standard_library(self.progress)?;
            self.progress.begin(&format!("Building {} for {}", recipe.package, self.architecture), None);
            let blobs = self.store.blobs(Kind::Packages, self.conduct.offline);
            let files: Vec<PathBuf> = sysroot.packages.iter().map(|p| blobs.path(&p.sha256)).collect();
            bootstrap::extract(&files, &tree, &|p| self.tools.toolbox().cmd(p)).doing("unpacking the sysroot")?;
            target.link_libraries()?;
            let library = target.compile(&recipe, self.conduct.offline)?;
            let built = Built { library, copyright: target.copyright(&recipe, self.conduct.offline)? };
            self.pack(&recipe, &target, &built, sysroot.epoch, &scratch.join("package"), &dir.join(FILE))?;
            crate::store::remove_tree(&scratch)?;
            self.progress.end("");
            Ok(())
        })?;
        let file = entry.join(FILE);
        let sha256 = helix_rootfs::fetch::sha256_of(&file).map_err(|e| Error::io("reading", &file, e))?;
        let size = file.metadata().map_err(|e| Error::io("reading", &file, e))?.len();
        let package = Package {
            name: recipe.package.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            architecture: self.architecture.as_str().to_owned(),
            archive: ARCHIVE.to_owned(),
            path: format!("{}.deb", recipe.package),
            size,
            sha256,
        };
        Ok(GuestPackage { file: PackageFile { name: package.name.clone(), file, essential: false }, package })
    }

    /// Makes the package file of a library.
    fn pack(
        &self,
        recipe: &Recipe,
        target: &Target<'_>,
        built: &Built,
        epoch: u64,
        folder: &Path,
        file: &Path,
    ) -> Result<(), Error> {
        let bytes = std::fs::read(&built.library).map_err(|e| Error::io("reading", &built.library, e))?;
        let depends = depends(&bytes).map_err(|why| Error::Component { name: recipe.package, why })?;
        let write = |name: &str, bytes: &[u8]| -> Result<(), Error> {
            let path = folder.join(name);
            let parent = path.parent().expect("a file lies in a folder");
            std::fs::create_dir_all(parent).map_err(|e| Error::io("making", parent, e))?;
            std::fs::write(&path, bytes).map_err(|e| Error::io("writing", &path, e))
        };
        let Recipe { package, summary, recommends, library: name, folder: below, .. } = recipe;
        write(&format!("usr/lib/{}/{below}/{name}", target.multiarch()), &bytes)?;
        write(&format!("usr/share/doc/{package}/copyright"), built.copyright.as_bytes())?;
        let size = bytes.len().div_ceil(1024);
        let (version, architecture) = (env!("CARGO_PKG_VERSION"), self.architecture);
        let control = format!(
            "Package: {package}\nVersion: {version}\nArchitecture: {architecture}\nMulti-Arch: same\n\
             Section: libs\nPriority: optional\nMaintainer: Helix <helix@localhost>\nInstalled-Size: {size}\n\
             Depends: {depends}\nRecommends: {recommends}\nDescription: {summary}\n"
        );
        write("DEBIAN/control", control.as_bytes())?;
        clean::normalise(folder, epoch).doing("packing a component")?;
        // With several threads xz makes other bytes.
        let cmd = self.tools.toolbox().cmd("dpkg-deb").env("SOURCE_DATE_EPOCH", epoch.to_string());
        Ok(cmd.args(["--root-owner-group", "--threads-max=1", "--build"]).arg(folder).arg(file).run()?)
    }
}

/// The packages that a library needs. Whatever is not in [`DEPENDS`] would be missing in some image.
fn depends(library: &[u8]) -> Result<String, String> {
    let needs = Needs::of(library)?;
    let mut packages = Vec::new();
    let mut faults = Vec::new();
    for name in &needs.libraries {
        let matches = |pattern: &str| match pattern.split_once('*') {
            Some((start, end)) => name.starts_with(start) && name.ends_with(end),
            None => name == pattern,
        };
        match DEPENDS.iter().find(|(pattern, _)| matches(pattern)) {
            Some((_, package)) => packages.push(*package),
            None => faults.push(format!("it needs {name}, and no package is known to have it")),
        }
    }
    if needs.glibc > GLIBC {
        let ((major, minor), (had_major, had_minor)) = (needs.glibc, GLIBC);
        faults.push(format!("it needs glibc {major}.{minor}, and its package says {had_major}.{had_minor}"));
    }
    if !faults.is_empty() {
        return Err(faults.join("\n"));
    }
    packages.sort_unstable();
    packages.dedup();
    Ok(packages.join(", "))
}

/// What a component is built for, and what it is linked to.
struct Target<'a> {
    arch: Arch,
    sysroot: &'a Path,
    links: &'a Path,
}

impl Target<'_> {
    fn triple(&self) -> String {
        format!("{}-unknown-linux-gnu", self.arch.kernel_name())
    }

    fn multiarch(&self) -> String {
        format!("{}-linux-gnu", self.arch.kernel_name())
    }

    /// Gives libraries the names that a linker looks for; those come with development packages, which bring much else.
    fn link_libraries(&self) -> Result<(), Error> {
        std::fs::create_dir_all(self.links).map_err(|e| Error::io("making", self.links, e))?;
        for (_, name) in LINKED {
            let library = self.sysroot.join("usr/lib").join(self.multiarch()).join(format!("lib{name}.so.0"));
            let link = self.links.join(format!("lib{name}.so"));
            let found = library.canonicalize().map_err(|e| Error::io("looking up", &library, e))?;
            std::os::unix::fs::symlink(found, &link).map_err(|e| Error::io("making", &link, e))?;
        }
        Ok(())
    }

    /// Compiles and links; returns the library.
    fn compile(&self, recipe: &Recipe, offline: bool) -> Result<PathBuf, Error> {
        let (root, triple) = (helix_project::sources()?, self.triple());
        let build = root.join("target/guest");
        let mut cargo = Cmd::new("cargo")
            .dir(&root)
            .env("CARGO_TARGET_DIR", &build)
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags(&root)?)
            .args(["build", "--locked", "--profile", "dist", "--lib", "--package", recipe.krate, "--target", &triple]);
        for (key, name) in LINKED {
            cargo = cargo
                .env(format!("SYSTEM_DEPS_{key}_NO_PKG_CONFIG"), "1")
                .env(format!("SYSTEM_DEPS_{key}_LIB"), name)
                .env(format!("SYSTEM_DEPS_{key}_SEARCH_NATIVE"), self.links);
        }
        if offline {
            cargo = cargo.arg("--offline");
        }
        cargo.run()?;
        Ok(build.join(triple).join("dist").join(recipe.library))
    }

    /// The copyright file, from which bills of materials are made too: whoever has the library has the licences of all
    /// that is linked into it.
    fn copyright(&self, recipe: &Recipe, offline: bool) -> Result<String, Error> {
        let (root, triple) = (helix_project::sources()?, self.triple());
        let version = Cmd::new("rustc").arg("--version").output()?.text();
        let linked = Linked {
            root: &root,
            packages: &[recipe.krate],
            options: &[],
            target: &triple,
            compiler: version.split_whitespace().nth(1).unwrap_or_default(),
            offline,
        };
        let components = linked.components();
        let components = components.map_err(|e| Error::Component { name: recipe.package, why: e.to_string() })?;
        Ok(helix_licences::copyright("helix-image", OWN, &components))
    }

    /// What rustc is told: to link with its own linker, against the sysroot alone; no path of this machine stays in what
    /// it makes.
    fn flags(&self, root: &Path) -> Result<String, Error> {
        let sysroot = self.sysroot.display();
        let multiarch = self.multiarch();
        let gcc = self.gcc()?;
        let mut flags = vec!["-Clinker=rust-lld".to_owned(), "-Clinker-flavor=ld.lld".to_owned()];
        let mut link = |argument: String| flags.push(format!("-Clink-arg={argument}"));
        link(format!("--sysroot={sysroot}"));
        link(format!("-L{sysroot}/usr/lib/{multiarch}"));
        link(format!("-L{sysroot}/lib/{multiarch}"));
        link(format!("-L{}", gcc.display()));
        // What a C compiler adds to every library.
        for object in ["crtbeginS.o", "crtendS.o"] {
            link(gcc.join(object).display().to_string());
        }
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
        flags.push(format!("--remap-path-prefix={}=/helix", root.display()));
        flags.extend(home.map(|home| format!("--remap-path-prefix={}=/cargo", home.display())));
        Ok(flags.join("\u{1f}"))
    }

    /// The folder of the compiler's own parts, which has its version as name.
    fn gcc(&self) -> Result<PathBuf, Error> {
        let folder = self.sysroot.join("usr/lib/gcc").join(self.multiarch());
        let mut entries = std::fs::read_dir(&folder).map_err(|e| Error::io("reading", &folder, e))?;
        let first = entries.next().ok_or_else(|| Error::Host(format!("{} is empty", folder.display())))?;
        Ok(first.map_err(|e| Error::io("reading", &folder, e))?.path())
    }

    fn ensure_standard_library(&self, progress: &dyn Progress) -> Result<(), Error> {
        let triple = self.triple();
        let there = || -> Result<bool, Error> {
            let folder = Cmd::new("rustc").args(["--print", "target-libdir", "--target", &triple]).output()?.text();
            Ok(Path::new(folder.trim_end()).is_dir())
        };
        if there()? {
            return Ok(());
        }
        progress.begin(&format!("Installing Rust's standard library for {triple}"), None);
        let tried = Cmd::new("rustup").args(["target", "add", &triple]).run();
        if there()? {
            progress.end("");
            return Ok(());
        }
        let why = tried.err().map_or_else(String::new, |e| format!("\n{e}"));
        Err(Error::Host(format!(
            "Rust's standard library for {triple} is missing; with Rust from rustup.rs install it by\n  \
             rustup target add {triple}{why}"
        )))
    }
}
