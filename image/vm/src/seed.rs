//! The first-boot seed: a FAT volume that cloud-init's NoCloud source reads.
//!
//! cloud-init did not see a seed made as an ISO by macOS' hdiutil, hence FAT. See
//! <https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html>.

use std::path::{Path, PathBuf};

use helix_fat::{Content, File, Volume};
use serde_json::{Value, json};

/// The size of the seed in bytes: the smallest that every FAT driver takes, and far more than the three files need.
const SIZE: u64 = 1 << 20;

/// The file in the guest that holds the token for host encoders.
pub const TOKEN_FILE: &str = "/etc/helix/encoder-token";

/// A seed was not written.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The file could not be created.
    #[error("cannot create the seed {}: {source}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The volume could not be written.
    #[error("cannot write the seed {}: {source}", path.display())]
    Volume {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: helix_fat::Error,
    },
}

/// What the guest is told at its first boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// Names this instance; a new value makes cloud-init run again.
    pub instance_id: String,
    /// The guest's host name.
    pub hostname: String,
    /// The user who gets the keys; it is created where it does not exist.
    pub user: String,
    /// Public keys as in `authorized_keys`, one a string.
    pub authorized_keys: Vec<String>,
    /// What the guest shows a host encoder that asks for a token; it is kept in [`TOKEN_FILE`], which is the user's.
    pub encoder_token: Option<String>,
    /// cloud-init's network configuration, where the image's own is not to be used.
    pub network_config: Option<Value>,
}

impl Seed {
    /// The files of the volume, by name.
    fn files(&self) -> Vec<(&'static str, String)> {
        let meta = json!({ "instance-id": self.instance_id, "local-hostname": self.hostname });
        let mut user = json!({
            "hostname": self.hostname,
            "users": [{ "name": self.user, "ssh_authorized_keys": self.authorized_keys }],
        });
        if let Some(token) = &self.encoder_token {
            let content = format!("{token}\n");
            // Deferred until the user is there.
            let file = json!({ "path": TOKEN_FILE, "permissions": "0400", "owner": self.user, "content": content, "defer": true });
            user["write_files"] = json!([file]);
        }
        // JSON is valid YAML, so no name or key can break out of its place.
        let mut files = vec![("meta-data", format!("{meta:#}\n")), ("user-data", format!("#cloud-config\n{user:#}\n"))];
        files.extend(self.network_config.as_ref().map(|network| ("network-config", format!("{network:#}\n"))));
        files
    }

    /// Writes the seed to `path`, which is replaced.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn write(&self, path: &Path) -> Result<(), SeedError> {
        let create = std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
        let mut out = create.map_err(|source| SeedError::Create { path: path.to_owned(), source })?;
        // The label is what cloud-init searches for. The time does not matter to it, a fixed one makes equal seeds equal.
        let volume = Volume { label: "CIDATA".into(), volume_id: 0xC1DA_7A00, size: SIZE, timestamp: 315_532_800 };
        let files = self.files().into_iter();
        let files: Vec<File> =
            files.map(|(name, text)| File { path: name.into(), content: Content::Bytes(text.into_bytes()) }).collect();
        let written = volume.write(&mut out, &files).map(drop);
        written.map_err(|source| SeedError::Volume { path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed() -> Seed {
        Seed {
            instance_id: "run-1".into(),
            hostname: "helix".into(),
            user: "no: [yaml\" #tricks".into(),
            authorized_keys: vec!["ssh-ed25519 AAAA me@example: key".into()],
            encoder_token: Some("0123".into()),
            network_config: Some(json!({ "version": 2 })),
        }
    }

    #[test]
    fn the_files_are_yaml_that_nothing_breaks_out_of() {
        let text: String = seed().files().iter().map(|(name, text)| format!("--- {name}\n{text}")).collect();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_volume_carries_the_label_and_the_files() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("seed.img");
        seed().write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len() as u64, SIZE);
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(holds(b"CIDATA     ") && holds(b"#cloud-config\n") && holds(b"\"instance-id\": \"run-1\""));
    }
}
