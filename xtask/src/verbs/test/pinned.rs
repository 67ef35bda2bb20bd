//! Cargo subcommands at pinned versions, installed below `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A program from crates.io and the version that is used.
pub(crate) struct Pinned {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

/// Checks licences, bans, sources and advisories of dependencies.
pub(crate) const DENY: Pinned = Pinned { name: "cargo-deny", version: "0.20.2" };

impl Pinned {
    /// The program, installed when it is missing or of another version.
    ///
    /// # Errors
    /// When it cannot be installed.
    pub(crate) fn get(&self, root: &Path, cargo: &Path) -> Result<PathBuf, String> {
        let tools = root.join("target/tools");
        let program = tools.join("bin").join(self.name);
        let said =
            Command::new(&program).arg("--version").output().map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
        if said.is_ok_and(|text| text.split_whitespace().any(|word| word == self.version)) {
            return Ok(program);
        }
        eprintln!("installing {} {} below target/tools; this takes some minutes, once", self.name, self.version);
        let mut install = Command::new(cargo);
        install.args(["install", "--quiet", "--locked", "--force", "--version", self.version, self.name]);
        install.arg("--root").arg(&tools).arg("--target-dir").arg(tools.join("build"));
        super::parts::succeed(&mut install)?;
        // Only the program is used again.
        let _ = std::fs::remove_dir_all(tools.join("build"));
        Ok(program)
    }
}
