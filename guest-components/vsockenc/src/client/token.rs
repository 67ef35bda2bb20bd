//! The secret that the host may ask for.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use helix_frame_protocol::Token;
use rustix::fs::{Mode, OFlags};

use crate::address::Address;

/// Where the machines of this project have it, as `image/vm` writes it.
const DEFAULT_FILE: &str = "/etc/helix/encoder-token";

/// The most that is read of a file. Behind its first line there may be remarks.
const MOST: u64 = 4096;

/// Where the token is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TokenSource {
    pub(crate) text: Option<String>,
    /// Read at every connection, so that a token can change. It is the first line.
    pub(crate) file: Option<PathBuf>,
}

impl TokenSource {
    /// The token for the host at `address`. That of the machine is for its own host, and goes nowhere else by itself.
    pub(super) fn token(&self, address: &Address) -> Result<Option<Token>, String> {
        self.token_or(address.is_own_host().then_some(Path::new(DEFAULT_FILE)))
    }

    fn token_or(&self, default: Option<&Path>) -> Result<Option<Token>, String> {
        let (path, content) = match (&self.text, &self.file) {
            (Some(text), _) => return Token::new(text.clone()).map(Some).map_err(|e| e.to_string()),
            (None, Some(path)) => (path.as_path(), read(path)),
            (None, None) => match default.map(|default| (default, read(default))) {
                None => return Ok(None),
                // Most hosts ask for none, and that of another user is not for this one.
                Some((_, Err(e))) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
                    return Ok(None);
                }
                Some(content) => content,
            },
        };
        let token =
            content.map_err(|e| e.to_string()).and_then(|content| Token::of_file(&content).map_err(|e| e.to_string()));
        token.map(Some).map_err(|e| format!("reading the token of {}: {e}", path.display()))
    }
}

/// Reads the beginning of a file. A pipe that nobody writes to would be waited for, by a thread that the stop of the pipeline
/// waits for.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file, which it must be"));
    }
    let mut content = Vec::new();
    file.take(MOST).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_that_of_the_property_or_of_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let (own, default) = (folder.path().join("own"), folder.path().join("default"));
        let found = |source: &TokenSource| {
            source
                .token_or(Some(&default))
                .map(|token| token.map(|token| String::from_utf8_lossy(token.bytes()).into_owned()))
        };
        let file = TokenSource { text: None, file: Some(own.clone()) };
        assert_eq!(found(&TokenSource::default()), Ok(None), "there is no default file");
        assert!(found(&file).expect_err("it is missing").contains("own"));
        std::fs::write(&default, "of the image\n").expect("a file");
        std::fs::write(&own, format!("own\n{}", "a remark\n".repeat(1000))).expect("a file");
        assert_eq!(found(&TokenSource::default()), Ok(Some("of the image".to_owned())));
        assert!(TokenSource::default().token_or(None).expect("no token").is_none(), "it is for no other host");
        assert_eq!(found(&file), Ok(Some("own".to_owned())));
        let text = TokenSource { text: Some("text".to_owned()), ..file };
        assert_eq!(found(&text), Ok(Some("text".to_owned())));
        std::fs::write(&default, "\n").expect("a file");
        assert!(found(&TokenSource::default()).expect_err("it is empty").contains("default"));
    }

    #[test]
    fn what_is_no_file_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR, 0).expect("a pipe");
        for path in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
            let source = TokenSource { text: None, file: Some(path.to_owned()) };
            assert!(source.token_or(None).expect_err("no file").contains("no regular file"), "{}", path.display());
        }
    }
}
