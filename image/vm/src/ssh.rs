//! A key pair for one run, and the command line that uses it.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, LineEnding, PrivateKey};

/// The comment of all keys that are made here.
pub(crate) const COMMENT: &str = "helix-run";

/// A key pair was not made.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// The key could not be made or encoded.
    #[error("cannot make an SSH key: {0}")]
    Key(#[from] ssh_key::Error),
    /// The private key could not be written.
    #[error("cannot write the SSH key {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// An ed25519 key pair that lives as long as the run folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKey {
    /// The file of the private key, in OpenSSH's format, readable by this user alone.
    pub private: PathBuf,
    /// The public key, as a line of `authorized_keys`.
    pub public: String,
}

impl SshKey {
    /// Makes a new pair and writes the private key to `id_ed25519` in `folder`, replacing an earlier one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(folder: &Path) -> Result<Self, SshError> {
        let mut key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519)?;
        key.set_comment(COMMENT);
        let private = folder.join("id_ed25519");
        write_private(&private, key.to_openssh(LineEnding::LF)?.as_bytes())
            .map_err(|source| SshError::Write { path: private.clone(), source })?;
        Ok(Self { private, public: key.public_key().to_openssh()? })
    }

    /// The pair whose private half is in `folder`, if there is a readable one.
    pub(crate) fn open(folder: &Path) -> Option<Self> {
        let private = folder.join("id_ed25519");
        let public = PrivateKey::read_openssh_file(&private).ok()?.public_key().to_openssh().ok()?;
        Some(Self { private, public })
    }

    /// The command line that logs in as `user` through the forwarded `port`.
    pub fn command_line(&self, user: &str, port: u16) -> String {
        // The guest's host key is new at every run: remembering it would make the next login fail.
        let known = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR";
        let key = self.private.display();
        format!("ssh -i '{key}' -o IdentitiesOnly=yes {known} -p {port} {user}@127.0.0.1")
    }
}

/// A file created with its final mode is never readable by others; an old file would keep its own mode.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_private_key_is_private_and_matches_the_public_one() {
        let temp = tempfile::tempdir().unwrap();
        let first = SshKey::create(temp.path()).unwrap();
        let key = SshKey::create(temp.path()).unwrap();
        assert_ne!(first.public, key.public);
        assert_eq!(std::fs::metadata(&key.private).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SshKey::open(temp.path()), Some(key.clone()));
        assert!(key.public.starts_with("ssh-ed25519 ") && key.public.ends_with(" helix-run"));
    }

    #[test]
    fn half_a_key_is_none() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(SshKey::open(temp.path()), None);
        let key = SshKey::create(temp.path()).unwrap();
        let text = std::fs::read(&key.private).unwrap();
        std::fs::write(&key.private, &text[..text.len() / 2]).unwrap();
        assert_eq!(SshKey::open(temp.path()), None);
    }

    #[test]
    fn the_command_line_is_ready_to_paste() {
        let key = SshKey { private: "/run/id_ed25519".into(), public: String::new() };
        let line = key.command_line("helix", 2222);
        assert!(line.starts_with("ssh -i '/run/id_ed25519'") && line.ends_with("-p 2222 helix@127.0.0.1"), "{line}");
    }
}
