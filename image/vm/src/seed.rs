//! The first-boot seed: a FAT volume that cloud-init's NoCloud source reads.
//!
//! cloud-init did not see a seed made as an ISO by macOS' hdiutil, hence FAT. See
//! <https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html>.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use helix_fat::{Content, File, Volume};
use serde_json::{Value, json};

use crate::host_network::{HostNetwork, Settings};

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
    /// Nobody of this name can be logged in at the consoles.
    #[error("the user {0:?} cannot be logged in at the consoles: a name there has letters, digits, _ and -")]
    User(String),
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
    /// Whether the display and the serial console are the user's at once, without a question. For a machine whose windows are
    /// its owner's, who has no key in it yet.
    pub console_login: bool,
    /// cloud-init's network configuration, where the image's own is not to be used.
    pub network_config: Option<Value>,
    /// The proxy and the trusted certificates of the computer, where the guest takes them over.
    pub host_network: Option<HostNetwork>,
}

impl Seed {
    /// The files of the volume, by name.
    fn files(&self) -> Vec<(&'static str, String)> {
        let meta = json!({ "instance-id": self.instance_id, "local-hostname": self.hostname });
        let mut user = json!({
            "hostname": self.hostname,
            "users": [{ "name": self.user, "ssh_authorized_keys": self.authorized_keys }],
        });
        let (mut written, mut commands) = (Vec::new(), Vec::new());
        if let Some(command) = forget_former_keys(&self.user, &self.authorized_keys) {
            commands.push(command);
        }
        if let Some(token) = &self.encoder_token {
            let content = format!("{token}\n");
            // Deferred until the user is there.
            let file = json!({ "path": TOKEN_FILE, "permissions": "0400", "owner": self.user, "content": content, "defer": true });
            written.push(file);
        }
        let network = Settings { network: self.host_network.as_ref(), user: &self.user };
        written.extend(network.files());
        commands.push(network.command());
        if self.console_login {
            written.push(autologin("getty@tty1", "", &self.user));
            written.push(autologin("serial-getty@", "--keep-baud 115200,57600,38400,9600 ", &self.user));
            // The consoles are asking already when cloud-init is done with its files.
            commands.push(json!(["systemctl", "daemon-reload"]));
            commands.push(json!(["systemctl", "try-restart", "getty@tty1.service", "serial-getty@*.service"]));
        }
        user["runcmd"] = commands.into();
        if !written.is_empty() {
            user["write_files"] = written.into();
        }
        // JSON is valid YAML, so no name or key can break out of its place.
        let mut files = vec![("meta-data", format!("{meta:#}\n")), ("user-data", format!("#cloud-config\n{user:#}\n"))];
        files.extend(self.network_config.as_ref().map(|network| ("network-config", format!("{network:#}\n"))));
        files
    }

    /// Writes the seed to `path`, which is replaced.
    ///
    /// # Errors
    /// When the file cannot be created or written, or the user's name does not fit into a unit of systemd.
    pub fn write(&self, path: &Path) -> Result<(), SeedError> {
        if self.console_login && !is_plain(&self.user) {
            return Err(SeedError::User(self.user.clone()));
        }
        // It holds the token for host encoders, and maybe the password of a proxy.
        let create =
            std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path);
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

/// Whether a name means nothing but itself in a unit of systemd.
fn is_plain(user: &str) -> bool {
    !user.starts_with('-') && !user.is_empty() && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

/// A drop-in that logs `user` in where `unit` would ask; its command is systemd's own (`units/getty@.service.in`,
/// `units/serial-getty@.service.in`) but for how it goes on. Debian's package `login` is not in an image, so it is su that opens
/// the session.
fn autologin(unit: &str, options: &str, user: &str) -> Value {
    let login = format!("--autologin {user} --login-program /bin/su --login-options \"-l {user}\"");
    json!({
        "path": format!("/etc/systemd/system/{unit}.service.d/50-helix-login.conf"),
        "content": format!("[Service]\nExecStart=\nExecStart=-/sbin/agetty {login} --noreset --noclear {options}- ${{TERM}}\n"),
    })
}

/// The command that takes keys out of the user's `authorized_keys` that were made by [`crate::SshKey`] and are not among
/// `keys`: cloud-init only adds. Keys of others stay.
fn forget_former_keys(user: &str, keys: &[String]) -> Option<Value> {
    const SCRIPT: &str = r#"exec sed -i "$2" "$(getent passwd "$1" | cut -d: -f6)/.ssh/authorized_keys""#;
    let is_base64 = |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    let bodies = keys.iter().filter_map(|key| key.split_whitespace().nth(1).filter(is_base64));
    let kept: String = bodies.map(|body| format!(r"\|{body}|b;")).collect();
    let expression = format!("/ {}$/{{{kept}d}}", crate::ssh::COMMENT);
    (!kept.is_empty()).then(|| json!(["sh", "-c", SCRIPT, "sh", user, expression]))
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
            console_login: false,
            network_config: Some(json!({ "version": 2 })),
            host_network: None,
        }
    }

    #[test]
    fn the_files_are_yaml_that_nothing_breaks_out_of() {
        let text: String = seed().files().iter().map(|(name, text)| format!("--- {name}\n{text}")).collect();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn consoles_are_the_users_where_that_is_asked_for() {
        let seed = Seed { user: "helix".into(), console_login: true, encoder_token: None, ..seed() };
        insta::assert_snapshot!(seed.files()[1].1);
    }

    #[test]
    fn a_name_that_would_be_more_than_a_name_in_a_unit_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        for user in ["", "a b", "a\nExecStart=x", "%n", "-o"] {
            let seed = Seed { user: user.into(), console_login: true, ..seed() };
            let error = seed.write(&temp.path().join("seed.img")).unwrap_err().to_string();
            assert!(error.contains("cannot be logged in at the consoles"), "{error}");
        }
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_new_key_takes_the_place_of_former_ones_and_of_no_others() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join(".ssh")).unwrap();
        let file = temp.path().join(".ssh/authorized_keys");
        let old = "ssh-ed25519 AAAAold+/ helix-run\n";
        let others = "ssh-ed25519 AAAAmine me@home\nssh-rsa AAAAold+/ not-helix-run\n# helix-run keys\n";
        let new = "ssh-ed25519 AAAA+n/w= helix-run\n";
        std::fs::write(&file, [old, others, new].concat()).unwrap();
        let keys = [new.trim().to_owned(), "ssh-ed25519 AAAAother helix-run".to_owned()];
        let command = forget_former_keys("somebody", &keys).unwrap();
        let words: Vec<&str> = command.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        // Another getent, which knows somebody.
        let getent = format!("getent() {{ echo \"x:x:1:1::{}:\"; }}; ", temp.path().display());
        let script = getent + &words[2].replace("exec ", "");
        let run = helix_command::Cmd::new("sh").args(["-c", &script]).args(&words[3..]);
        run.run().unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), [others, new].concat());
        // Without a key that is one, nothing is taken away.
        assert_eq!(forget_former_keys("somebody", &["no-key".to_owned()]), None);
        assert_eq!(forget_former_keys("somebody", &["ssh-ed25519 $(x)|".to_owned()]), None);
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
