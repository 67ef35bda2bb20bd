//! Who links, and with what: the one place that knows how the machines differ that build for a Mac.
//!
//! On a Mac that is Apple's linker with Apple's SDK. Elsewhere it is the linker that comes with Rust, and in the SDK's
//! place a folder of text stubs, made from the list of what may be imported: names that Apple documents, and nothing of
//! the SDK.

use std::path::{Path, PathBuf};

use helix_command::Cmd;
use helix_macho::AllowList;

use crate::error::Error;
use crate::target::Target;

/// The oldest macOS that is supported, for the linker and for the inspection.
pub const MINIMUM_MACOS: helix_macho::Version = helix_macho::Version { major: 14, minor: 0 };
/// Room for load commands that a bundle makes longer, in bytes.
pub const HEADER_ROOM: u32 = 0x1000;

/// The compiler that cargo runs.
pub struct Toolchain {
    sysroot: PathBuf,
    /// Its version, as `1.95.0`.
    release: String,
    /// The commit of the compiler's source, by which it names files of the standard library.
    commit: String,
}

impl Toolchain {
    /// Asks the compiler where its parts are.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn find() -> Result<Self, Error> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let sysroot = Cmd::new(&rustc).args(["--print", "sysroot"]).output()?.text();
        let version = Cmd::new(&rustc).args(["--version", "--verbose"]).output()?.text();
        let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: ")).unwrap_or("unknown");
        let release = version.lines().find_map(|line| line.strip_prefix("release: ")).unwrap_or("unknown");
        Ok(Self { sysroot: sysroot.trim_end().into(), release: release.to_owned(), commit: commit.to_owned() })
    }

    /// The compiler's version.
    pub(crate) fn release(&self) -> &str {
        &self.release
    }

    /// Installs the standard library for the target if it is missing, and says so.
    ///
    /// # Errors
    /// When it is missing still, with the command that installs it.
    pub fn ensure(&self, target: Target, say: &dyn Fn(&str)) -> Result<(), Error> {
        if self.library(target).is_dir() {
            return Ok(());
        }
        say(&format!("installing Rust's standard library for {target}"));
        let tried = Cmd::new("rustup").args(["target", "add", target.triple()]).run();
        if self.library(target).is_dir() {
            return Ok(());
        }
        let why = tried.err().map_or_else(String::new, |e| format!("\n{e}"));
        Err(Error::NotReady(format!(
            "Rust's standard library for {target} is missing in {}; with Rust from rustup.rs install it by\n  \
             rustup target add {target}{why}",
            self.sysroot.display()
        )))
    }

    fn library(&self, target: Target) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(target.triple()).join("lib")
    }

    /// Names of folders that must not be in what is built, with what stands there instead: where it was built says
    /// nothing about it.
    pub(crate) fn renamed_folders(&self, root: &Path, build: &Path) -> Vec<(PathBuf, String)> {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let cargo = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
        let library = self.sysroot.join("lib/rustlib/src/rust");
        // The last that fits is taken, so that the longer of two paths comes last.
        vec![
            (root.to_owned(), "/helix-image".to_owned()),
            (build.to_owned(), "/build".to_owned()),
            (cargo, "/cargo".to_owned()),
            (library, format!("/rustc/{}", self.commit)),
        ]
    }

    /// Rust's own linker for Macs.
    ///
    /// # Errors
    /// When Rust is a distribution's, without that linker.
    pub fn linker(&self) -> Result<PathBuf, Error> {
        let host = Target::host().map_or("", Target::triple);
        let linker = self.sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
        if linker.is_file() {
            return Ok(linker);
        }
        Err(Error::NotReady(format!(
            "{} is missing; it comes with Rust from rustup.rs, not with a distribution's:\n  rustup toolchain install stable",
            linker.display()
        )))
    }
}

/// How programs for a target are linked.
#[derive(Default)]
pub(crate) struct Linking {
    /// The environment of cargo.
    pub(crate) environment: Vec<(&'static str, PathBuf)>,
    /// Flags for every compilation.
    pub(crate) flags: Vec<&'static str>,
    /// Whether a C compiler stands between, which passes on what begins with `-Wl,`.
    through_compiler: bool,
}

impl Linking {
    /// Prepares for linking; what stands for the SDK is put into `output`, since each product has a list of its own.
    pub(crate) fn prepare(
        target: Target,
        toolchain: &Toolchain,
        allowed: &AllowList,
        output: &Path,
    ) -> Result<Self, Error> {
        if target != Target::Mac {
            return Ok(Self { through_compiler: true, ..Self::default() });
        }
        let mut environment = vec![("MACOSX_DEPLOYMENT_TARGET", MINIMUM_MACOS.to_string().into())];
        if Target::host() == Some(Target::Mac) {
            return Ok(Self { environment, flags: Vec::new(), through_compiler: true });
        }
        let sdk = output.join("sdk");
        write_stubs(allowed, &sdk)?;
        environment.push(("SDKROOT", sdk));
        environment.push(("CARGO_TARGET_AARCH64_APPLE_DARWIN_LINKER", toolchain.linker()?));
        Ok(Self { environment, flags: vec!["-Clinker-flavor=ld64.lld"], through_compiler: false })
    }

    /// What the compiler is told so that the linker gets `words`.
    pub(crate) fn pass(&self, words: &[&str]) -> Vec<String> {
        if self.through_compiler {
            return vec![format!("-Clink-arg=-Wl,{}", words.join(","))];
        }
        words.iter().map(|word| format!("-Clink-arg={word}")).collect()
    }
}

fn write_stubs(allowed: &AllowList, sdk: &Path) -> Result<(), Error> {
    if sdk.exists() {
        std::fs::remove_dir_all(sdk).map_err(Error::file("removing", sdk))?;
    }
    for stub in allowed.stubs() {
        let path = sdk.join(&stub.path);
        let folder = path.parent().unwrap_or(sdk);
        std::fs::create_dir_all(folder).map_err(Error::file("making", folder))?;
        std::fs::write(&path, stub.text).map_err(Error::file("writing", &path))?;
    }
    Ok(())
}
