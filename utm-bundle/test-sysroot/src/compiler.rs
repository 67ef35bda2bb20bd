//! Compiles and links parts: each is a handful of functions without a standard library, so that one takes a tenth of a
//! second.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use helix_command::Cmd;
use helix_products::{Target, Toolchain};

use crate::BUILT_IN;
use crate::Error;
use crate::parts::Part;

/// Stands for an SDK: the one library of macOS that everything loads, with one function.
const LIB_SYSTEM: &str = "--- !tapi-tbd
tbd-version: 4
targets: [ arm64-macos ]
install-name: '/usr/lib/libSystem.B.dylib'
exports:
  - targets: [ arm64-macos ]
    symbols: [ _getpid, dyld_stub_binder ]
...
";

/// The compiler for arm64 Macs.
pub(crate) struct Compiler {
    linker: PathBuf,
}

impl Compiler {
    /// Finds the linker that comes with Rust; the core library for a Mac is installed if it is missing.
    pub(crate) fn find() -> Result<Self, Error> {
        let toolchain = Toolchain::find()?;
        toolchain.ensure(Target::Mac, &|line| eprintln!("{line}"))?;
        Ok(Self { linker: toolchain.linker()? })
    }

    /// Builds parts in the folder `to`, in their order.
    pub(crate) fn build(&self, parts: &[Part], to: &Path) -> Result<(), Error> {
        let folder = tempfile::tempdir().map_err(file_error(&std::env::temp_dir()))?;
        let to = &std::path::absolute(to).map_err(file_error(to))?;
        for stub in ["libSystem.tbd", "libc.tbd", "libm.tbd"] {
            crate::files::put(&folder.path().join("usr/lib").join(stub), LIB_SYSTEM.as_bytes())?;
        }
        // What a library re-exports is looked for by its install name, below the SDK.
        let built_in = folder.path().join(BUILT_IN.trim_start_matches('/'));
        let above = built_in.parent().unwrap_or(folder.path());
        std::fs::create_dir_all(above).map_err(file_error(above))?;
        std::os::unix::fs::symlink(to, &built_in).map_err(file_error(&built_in))?;
        parts.iter().try_for_each(|part| self.part(part, to, folder.path()))
    }

    fn part(&self, part: &Part, to: &Path, sdk: &Path) -> Result<(), Error> {
        let source = sdk.join("part.rs");
        crate::files::put(&source, text(part).as_bytes())?;
        let output = to.join(&part.path);
        let folder = output.parent().unwrap_or(to);
        std::fs::create_dir_all(folder).map_err(file_error(folder))?;
        let kind = if part.install_name.is_some() { "cdylib" } else { "bin" };
        Cmd::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args(["--target=aarch64-apple-darwin", "--edition=2024", "--crate-name=part", "--crate-type", kind])
            .args(["-Cpanic=abort", "-Copt-level=1", "-Cstrip=none", "-Clinker-flavor=ld64.lld"])
            .arg(format!("-Clinker={}", self.linker.display()))
            .args(link_words(part, to).iter().map(|word| format!("-Clink-arg={word}")))
            .arg("-o")
            .args([&output, &source])
            .env("SDKROOT", sdk)
            .env("MACOSX_DEPLOYMENT_TARGET", &part.minimum_macos)
            .run()?;
        for link in &part.links {
            let link = folder.join(link);
            let name = output.file_name().unwrap_or_default();
            std::os::unix::fs::symlink(name, &link).map_err(file_error(&link))?;
        }
        Ok(())
    }
}

fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    |source| Error::File { path, source }
}

/// What the linker is told.
fn link_words(part: &Part, to: &Path) -> Vec<String> {
    let path = |path: &String| to.join(path).display().to_string();
    let mut words = vec!["-lSystem".to_owned(), "-headerpad".to_owned(), format!("{:#x}", part.header_room)];
    if let Some(name) = &part.install_name {
        words.extend(["-install_name".to_owned(), name.clone()]);
    }
    words.extend(part.loads.iter().map(path));
    for (option, libraries) in [("-weak_library", &part.loads_weakly), ("-reexport_library", &part.reexports)] {
        words.extend(libraries.iter().flat_map(|library| [option.to_owned(), path(library)]));
    }
    words.extend(part.rpaths.iter().flat_map(|rpath| ["-rpath".to_owned(), rpath.clone()]));
    words.push(if part.chained_fixups { "-fixup_chains" } else { "-no_fixup_chains" }.to_owned());
    words
}

/// The function that a library offers.
fn function(path: &str) -> String {
    path.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

/// The source: one function that takes one of each library that is loaded.
fn text(part: &Part) -> String {
    let taken: Vec<String> = part.loads.iter().chain(&part.loads_weakly).map(|path| function(path)).collect();
    let (attribute, own) = match part.install_name {
        Some(_) => ("#![crate_type = \"cdylib\"]", function(&part.path)),
        None => ("#![no_main]", "main".to_owned()),
    };
    let mut text = format!("#![no_std]\n{attribute}\nunsafe extern \"C\" {{\n    fn getpid() -> i32;\n");
    for name in &taken {
        let _ = writeln!(text, "    fn {name}() -> i32;");
    }
    let sum = taken.iter().fold("getpid()".to_owned(), |sum, name| format!("{sum}.wrapping_add({name}())"));
    let _ =
        write!(text, "}}\n#[unsafe(no_mangle)]\npub extern \"C\" fn {own}() -> i32 {{\n    unsafe {{ {sum} }}\n}}\n");
    // A pointer to be bound, so that there is a fixup in the data too.
    text.push_str("#[used]\nstatic POINTER: unsafe extern \"C\" fn() -> i32 = getpid;\n");
    text.push_str("#[panic_handler]\nfn panic(_: &core::panic::PanicInfo) -> ! {\n    loop {}\n}\n");
    text
}
