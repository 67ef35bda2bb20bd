//! The secret key of minisign, as its program writes it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use minisign::{PublicKey, SecretKey, SecretKeyBox, SignatureBox};

use crate::error::Error;

/// The variable of the environment that has the password of minisign's secret key where no file is named.
pub const PASSWORD_VARIABLE: &str = "HELIX_MINISIGN_PASSWORD";

/// A secret key that is ready to sign.
pub struct Key {
    secret: SecretKey,
    public: PublicKey,
}

impl std::fmt::Debug for Key {
    /// The identifier; nothing of the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.public())
    }
}

impl Key {
    /// Opens the key in `path`, as `minisign -G` writes it; `password` unlocks it, which takes a second and 1 GiB of memory, as
    /// minisign wants it. A key without a password (`-W`) is refused: it lies open on the disk, and has no checksum.
    ///
    /// # Errors
    /// When the file cannot be read, is no key or has no password, and when the password is missing or wrong.
    pub fn open(path: &Path, password: Option<&str>) -> Result<Self, Error> {
        let refuse = |why: String| Error::Key { path: path.to_owned(), why };
        let text = fs::read_to_string(path).map_err(Error::io("reading the secret key", path))?;
        // Without a password the crate would ask somebody for one.
        let missing = || refuse(format!("needs its password; set {PASSWORD_VARIABLE}, or name a file with it"));
        let secret = SecretKeyBox::from(text).into_secret_key(Some(password.ok_or_else(missing)?.to_owned()));
        let secret = secret.map_err(|error| refuse(explained(&error.to_string())))?;
        let public = PublicKey::from_secret_key(&secret).map_err(|error| refuse(error.to_string()))?;
        Ok(Self { secret, public })
    }

    /// The public key, as it stands in the second line of a `.pub` file and behind `minisign -P`.
    pub fn public(&self) -> String {
        self.public.to_base64()
    }

    /// The signature of what `content` reads, for a file of this name.
    pub(crate) fn sign(&self, name: &str, content: impl Read) -> minisign::Result<SignatureBox> {
        // The comment is signed too: a signature is one of this name.
        let comment = format!("file:{name}");
        minisign::sign(Some(&self.public), &self.secret, content, Some(&comment), Some("signature of a file of Helix"))
    }
}

/// What the words of the crate mean for whoever named the key.
fn explained(error: &str) -> String {
    let help = if error.contains("is not encrypted") {
        "has no password; make one that has with `minisign -G`, or give this one a password with `minisign -C`"
    } else if error.contains("Wrong password") {
        "does not open: the password is wrong, or the file is damaged"
    } else {
        "is not what `minisign -G` writes"
    };
    format!("{help} (minisign: {error})")
}

/// The password of a key: the first line of `file`, or what is in `variable` of the environment; none where there is neither.
///
/// # Errors
/// When the file cannot be read.
pub fn password(variable: &str, file: Option<&PathBuf>) -> Result<Option<String>, Error> {
    let Some(path) = file else { return Ok(std::env::var(variable).ok().filter(|word| !word.is_empty())) };
    let text = fs::read_to_string(path).map_err(Error::io("reading the password", path))?;
    Ok(text.lines().next().map(str::to_owned))
}
