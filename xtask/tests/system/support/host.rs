//! What the tests ask of the machine: keys by gpg, mounts in a namespace of their own, a folder on a real disk.

use std::path::{Path, PathBuf};
use std::process::Command;

use helix_command::Cmd;

/// The project that is tested.
pub(crate) fn root_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask/ lies in the project").to_owned()
}

/// A signing key. Its agent ends when its folder is gone.
#[derive(Debug)]
pub(crate) struct Key {
    home: tempfile::TempDir,
}

impl Key {
    /// Makes a key.
    pub(crate) fn create() -> Self {
        // In the short folder for temporary files: gpg's agent listens on a socket inside.
        let home = tempfile::Builder::new().prefix("helix-gpg-").tempdir().expect("a folder for a key");
        let key = Self { home };
        let user = "Test Archive <archive@example.org>";
        key.gpg().args(["--quick-gen-key", user, "ed25519", "sign", "never"]).run().expect("gpg makes a key");
        key
    }

    fn gpg(&self) -> Cmd {
        let options = ["--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""];
        Cmd::new("gpg").env("LC_ALL", "C").arg("--homedir").arg(self.home.path()).args(options)
    }

    /// The public half, as ASCII armour.
    pub(crate) fn public(&self) -> Vec<u8> {
        self.gpg().args(["--armor", "--export"]).output().expect("gpg exports a key").stdout
    }

    /// The text with a signature around it.
    pub(crate) fn clearsign(&self, text: &[u8]) -> Vec<u8> {
        self.gpg().args(["--digest-algo", "SHA512", "--clearsign"]).stdin(text).output().expect("gpg signs").stdout
    }
}

/// A shell script to run in a mount namespace of its own, with the right to mount: as root directly, as an ordinary user
/// by a user namespace with all the ids the user has. `network` says whether the host's network is there.
pub(crate) fn inside(script: &str, network: bool) -> Command {
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !network {
        command.arg("--net");
    }
    let is_root = std::fs::metadata("/proc/self").map(|m| std::os::unix::fs::MetadataExt::uid(&m)).unwrap_or(1) == 0;
    if !is_root {
        command.args(["--user", "--map-root-user", "--map-auto"]);
    }
    command.args(["sh", "-euc", script, "sh"]);
    command
}
