//! From source to the daemon and the library for C, the same bytes wherever they are built.

use std::io::Write;
use std::path::{Path, PathBuf};

use helix_command::Cmd;
use helix_macho::{AllowList, MachO, Rules};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::linker::{HEADER_ROOM, Linking, MINIMUM_MACOS, Toolchain};
use crate::target::Target;

/// What is built, and where.
#[derive(Debug, clap::Args)]
pub struct BuildArgs {
    /// What it is built for [default: this machine]
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// The folder; the files are in a folder of the target's name in it
    #[arg(long, value_name = "DIR", default_value = "target/host-encoder")]
    pub output: PathBuf,
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

/// One of the two.
struct Product {
    package: &'static str,
    /// What cargo is told to build of the package.
    selection: &'static [&'static str],
    /// What the compiler calls it.
    made: String,
    /// What it is called when it is shipped.
    name: String,
    library: bool,
}

fn products(target: Target) -> [Product; 2] {
    let library = format!("libhelix_host_encoder_capi.{}", target.library_extension());
    [
        Product {
            package: "helix-host-encoder",
            selection: &["--bin", "helix-host-encoder"],
            made: "helix_host_encoder".to_owned(),
            name: "helix-host-encoder".to_owned(),
            library: false,
        },
        Product {
            package: "helix-host-encoder-capi",
            selection: &["--lib", "--crate-type", "cdylib"],
            made: library.clone(),
            name: library,
            library: true,
        },
    ]
}

/// Builds, inspects and puts in place.
///
/// # Errors
/// When this machine lacks something, when it does not compile, and when the inspection finds a fault: then nothing new
/// is in the folder.
pub fn build(args: &BuildArgs, root: &Path, say: &dyn Fn(&str)) -> Result<Vec<Artifact>, Error> {
    let host = Target::host();
    let target = args.target.or(host).ok_or_else(|| Error::NotReady("name a platform with --target".to_owned()))?;
    if target != Target::Mac && Some(target) != host {
        return Err(Error::NotReady(format!(
            "OpenH264 is C++, which is not compiled for another machine: build for {target} on such a machine, with\n  \
             cargo xtask build-host-encoder"
        )));
    }
    let output = root.join(&args.output);
    let build = output.join("build");
    let allowed = allow_list(root)?;
    let toolchain = Toolchain::find()?;
    toolchain.ensure(target, say)?;
    let linking = Linking::prepare(target, &toolchain, &allowed, &build)?;
    let folder = output.join(target.triple());
    std::fs::create_dir_all(&folder).map_err(Error::file("making", &folder))?;
    let mut made = Vec::new();
    for product in products(target) {
        say(&format!("building {} for {target}", product.name));
        let compiled = cargo(&product, target, &toolchain, &linking, root, &build).run();
        compiled.map_err(|source| Error::Compile { source, hint: hint(target) })?;
        let path = build.join(target.triple()).join("dist/deps").join(&product.made);
        let data = std::fs::read(&path).map_err(Error::file("reading", &path))?;
        let macos = if target == Target::Mac { Some(inspect(&product.name, &data, &allowed)?) } else { None };
        made.push((folder.join(product.name), data, macos));
    }
    made.into_iter().map(|(file, data, macos)| put(file, &data, macos)).collect()
}

fn hint(target: Target) -> &'static str {
    match target {
        Target::Mac => "a symbol that is undefined here is not in host-encoder/dist/macos-imports.txt",
        _ => "OpenH264 needs a C++ compiler and an assembler:\n  sudo apt-get install g++ nasm",
    }
}

/// The list of what may be taken from macOS.
fn allow_list(root: &Path) -> Result<AllowList, Error> {
    let path = root.join("host-encoder/dist/macos-imports.txt");
    let text = std::fs::read_to_string(&path).map_err(Error::file("reading", &path))?;
    let what = path.display().to_string();
    AllowList::parse(&text).map_err(|e| Error::Faults { what, faults: vec![e.to_string()] })
}

fn cargo(
    product: &Product,
    target: Target,
    toolchain: &Toolchain,
    linking: &Linking,
    root: &Path,
    build: &Path,
) -> Cmd {
    let mut command = Cmd::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())).dir(root);
    command = command.args(["rustc", "--locked", "--profile", "dist", "--target", target.triple()]);
    if target == Target::Mac {
        // VideoToolbox encodes; OpenH264 is C++.
        command = command.arg("--no-default-features");
    }
    command = command.args(["--package", product.package]).args(product.selection).arg("--target-dir").arg(build);
    let renamed = toolchain.renamed_folders(root, build).into_iter();
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
        install_name: file.install_name,
        libraries: file.libraries,
        imports: file.imports.len(),
        header_room: file.header_room,
        identifier: file.signature.map(|signature| signature.identifier).unwrap_or_default(),
    })
}

/// Writes a file aside and gives it its name when it is whole.
fn put(file: PathBuf, data: &[u8], macos: Option<MacFacts>) -> Result<Artifact, Error> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let write = || {
        let mut aside = tempfile::NamedTempFile::new_in(folder)?;
        aside.write_all(data)?;
        aside.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        aside.as_file().sync_all()?;
        aside.persist(&file).map_err(|e| e.error)
    };
    write().map_err(Error::file("writing", &file))?;
    let sha256 = Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Artifact { size: data.len(), sha256, macos, file })
}
