//! From source to files that are shipped.

use std::io::Write;
use std::path::{Path, PathBuf};

use helix_command::Cmd;
use helix_macho::{AllowList, MachO, Rules};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::linker::{HEADER_ROOM, Linking, MINIMUM_MACOS, Toolchain};
use crate::target::Target;

/// A program or library of a package of the workspace.
#[derive(Debug, Clone)]
pub struct Product {
    /// The package.
    pub package: &'static str,
    /// What cargo is told to build of the package.
    pub selection: &'static [&'static str],
    /// Options for cargo, such as features.
    pub options: &'static [&'static str],
    /// What the compiler calls the file.
    pub made: String,
    /// What the file is called when it is shipped.
    pub name: String,
    /// Whether programs load it.
    pub library: bool,
}

/// What is built together.
#[derive(Debug)]
pub struct Order<'a> {
    /// What it is built for.
    pub target: Target,
    /// The folder of the workspace.
    pub root: &'a Path,
    /// Where the files go, in a folder of the target's name.
    pub output: &'a Path,
    /// The list of what may be taken from macOS, relative to the root.
    pub imports: &'a str,
    /// What may help when it does not compile for another target than a Mac.
    pub hint: &'a str,
}

impl Order<'_> {
    /// The folder of what is shipped.
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.join(self.output).join(self.target.triple())
    }
}

/// A file that was built.
#[derive(Debug, Clone, Serialize)]
pub struct Artifact {
    /// Where it is.
    pub file: PathBuf,
    /// How long it is, in bytes.
    pub size: usize,
    /// Its digest, in hexadecimal digits.
    pub sha256: String,
    /// What the inspection found in a file for a Mac.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macos: Option<MacFacts>,
}

/// What is worth telling of a file for a Mac.
#[derive(Debug, Clone, Serialize)]
pub struct MacFacts {
    /// The oldest macOS that it runs on.
    pub minimum: String,
    /// The name by which programs load the library.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install_name: Option<String>,
    /// The libraries that it loads.
    pub libraries: Vec<String>,
    /// How many symbols it takes from them.
    pub imports: usize,
    /// How many bytes its load commands can grow by.
    pub header_room: u32,
    /// The identifier of its signature.
    pub identifier: String,
}

/// Builds, inspects and puts in place.
///
/// # Errors
/// When this machine lacks something, when it does not compile, and when the inspection finds a fault: then nothing new
/// is in the folder.
pub fn build(products: &[Product], order: &Order<'_>, say: &dyn Fn(&str)) -> Result<Vec<Artifact>, Error> {
    let target = order.target;
    // One folder for all products: what several of them need is compiled once.
    let build = order.root.join("target/products");
    let allowed = allow_list(order)?;
    let toolchain = Toolchain::find()?;
    toolchain.ensure(target, say)?;
    let linking = Linking::prepare(target, &toolchain, &allowed, &order.root.join(order.output))?;
    let folder = order.folder();
    std::fs::create_dir_all(&folder).map_err(Error::file("making", &folder))?;
    let mut made = Vec::new();
    for product in products {
        say(&format!("building {} for {target}", product.name));
        let compiled = cargo(product, order, &toolchain, &linking, &build).run();
        compiled.map_err(|source| Error::Compile { source, hint: hint(order) })?;
        let path = build.join(target.triple()).join("dist/deps").join(&product.made);
        let data = std::fs::read(&path).map_err(Error::file("reading", &path))?;
        let macos = if target == Target::Mac { Some(inspect(&product.name, &data, &allowed)?) } else { None };
        made.push((folder.join(&product.name), data, macos));
    }
    made.into_iter().map(|(file, data, macos)| put(file, &data, 0o755, macos)).collect()
}

fn hint(order: &Order<'_>) -> String {
    match order.target {
        Target::Mac => format!("a symbol that is undefined here is not in {}", order.imports),
        _ => order.hint.to_owned(),
    }
}

fn allow_list(order: &Order<'_>) -> Result<AllowList, Error> {
    let path = order.root.join(order.imports);
    let text = std::fs::read_to_string(&path).map_err(Error::file("reading", &path))?;
    let what = path.display().to_string();
    AllowList::parse(&text).map_err(|e| Error::Faults { what, faults: vec![e.to_string()] })
}

fn cargo(product: &Product, order: &Order<'_>, toolchain: &Toolchain, linking: &Linking, build: &Path) -> Cmd {
    let target = order.target;
    let mut command = Cmd::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())).dir(order.root);
    command = command.args(["rustc", "--locked", "--profile", "dist", "--target", target.triple()]);
    command = command.args(product.options);
    command = command.args(["--package", product.package]).args(product.selection).arg("--target-dir").arg(build);
    let renamed = toolchain.renamed_folders(order.root, build).into_iter();
    let renamed = renamed.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    let flags: Vec<String> = linking.flags.iter().map(|flag| (*flag).to_owned()).chain(renamed).collect();
    command = command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    for (name, value) in &linking.environment {
        command = command.env(name, value);
    }
    // Else the name of the file has a hash of these flags, and so of the folder, in it; and the signature the name.
    command = command.args(["--", "-Cextra-filename="]);
    if target != Target::Mac {
        return command;
    }
    command = command.args(linking.pass(&["-headerpad", &format!("{HEADER_ROOM:x}")]));
    // Crates name frameworks of which nothing is used.
    command = command.args(linking.pass(&["-dead_strip_dylibs"]));
    if product.library {
        command = command.args(linking.pass(&["-install_name", &format!("@rpath/{}", product.name)]));
    }
    command
}

/// Looks at a file for a Mac as if somebody else had built it.
fn inspect(name: &str, data: &[u8], allowed: &AllowList) -> Result<MacFacts, Error> {
    let refused = |faults| Error::Faults { what: format!("{name} must not be shipped"), faults };
    let file = MachO::read(data).map_err(|e| refused(vec![e.to_string()]))?;
    let rules = Rules { minimum_macos: MINIMUM_MACOS, allowed, header_room: HEADER_ROOM };
    let faults = rules.faults(&file);
    if !faults.is_empty() {
        return Err(refused(faults.iter().map(ToString::to_string).collect()));
    }
    Ok(MacFacts {
        minimum: MINIMUM_MACOS.to_string(),
        install_name: file.head.install_name,
        libraries: file.head.libraries,
        imports: file.imports.as_ref().map_or(0, Vec::len),
        header_room: file.head.header_room,
        identifier: file.signature.map(|signature| signature.identifier).unwrap_or_default(),
    })
}

/// Writes a file aside and gives it its name when it is whole.
pub(crate) fn put(file: PathBuf, data: &[u8], mode: u32, macos: Option<MacFacts>) -> Result<Artifact, Error> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let write = || {
        let mut aside = tempfile::NamedTempFile::new_in(folder)?;
        aside.write_all(data)?;
        aside.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        aside.as_file().sync_all()?;
        aside.persist(&file).map_err(|e| e.error)
    };
    write().map_err(Error::file("writing", &file))?;
    let sha256 = Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Artifact { size: data.len(), sha256, macos, file })
}
