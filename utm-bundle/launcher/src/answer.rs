//! What a server answers, as curl hands it on: one on each Mac, with its TLS and its certificates, and a package of each Linux.
//!
//! TLS in this program would be C, which is not compiled for a Mac on Linux, or a second TLS library.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use helix_command::Cmd;
use helix_http::{PROXY_VARIABLES, Proxies, Url};

use crate::error::Error;

/// What is read at once, in bytes.
const CHUNK: usize = 256 << 10;
/// The longest heads that are read, in bytes, all redirections together.
const HEADS: u64 = 1 << 20;
/// The most that is read of what curl says, in bytes.
const WORDS: u64 = 4096;

/// A part of an answer.
pub(crate) enum Item {
    /// What comes first.
    Head(Head),
    /// Some of its bytes.
    Bytes(Vec<u8>),
}

/// The head of an answer, as far as it matters.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The status.
    pub(crate) status: u16,
    /// `Content-Length`.
    pub(crate) length: Option<u64>,
    /// `Content-Range`: the first byte, and the length of the whole where it is told.
    pub(crate) range: Option<(u64, Option<u64>)>,
}

/// Why a file is not given.
pub(crate) enum Refusal {
    /// It may be given later.
    Later(String),
    /// Another try is of no use.
    Never(String),
}

/// An answer under way; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Answer {
    child: Child,
    words: Option<ChildStderr>,
    proxy: Option<String>,
    pub(crate) items: Receiver<Item>,
}

impl Answer {
    /// Asks for what `url` has from the byte `at` on. Nothing is waited for.
    pub(crate) fn ask(url: &str, at: u64) -> Result<Self, Error> {
        let told = |reason: String| Error::Transfer { url: url.to_owned(), reason };
        let proxies = Proxies::from_environment().map_err(|e| told(e.to_string()))?;
        let address = Url::parse(url).map_err(|e| told(e.to_string()))?;
        // The first option leaves the user's own options out.
        let command =
            Cmd::new("curl").args(["--disable", "--no-buffer", "--silent", "--show-error", "--include", "--location"]);
        let command = command.args(["--suppress-connect-headers", "--globoff", "--proto", "=http,https"]);
        let command = if at > 0 { command.arg("--range").arg(format!("{at}-")) } else { command };
        let mut command = command.arg("--url").arg(url).to_std();
        // curl reads other variables than we do, and asks a proxy for this machine itself.
        for name in PROXY_VARIABLES {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command.envs(proxies.variables([&address])).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| Error::Missing {
            what: "curl".to_owned(),
            help: format!("{error}; on Debian and Ubuntu install it by\n  sudo apt-get install curl"),
        })?;
        let (send, items) = sync_channel(4);
        if let Some(out) = child.stdout.take() {
            std::thread::spawn(move || read(out, &send));
        }
        Ok(Self { words: child.stderr.take(), child, proxy: proxies.name_of(&address), items })
    }

    /// What an answer means that has no part of the file.
    pub(crate) fn refusal(&self, status: u16) -> Refusal {
        match (status, &self.proxy) {
            (407 | 502 | 504, Some(proxy)) => Refusal::Later(format!("the proxy {proxy} answers {status}")),
            (401 | 403, _) => Refusal::Never(format!("the server refuses it ({status})")),
            (404 | 410, _) => Refusal::Never(format!("the server has no such file ({status})")),
            _ => Refusal::Later(format!("the server answers {status}")),
        }
    }

    /// Why it ended after `at` of `size` bytes, in words.
    pub(crate) fn reason(&mut self, at: u64, size: u64) -> String {
        let mut said = String::new();
        if let Some(words) = self.words.take() {
            // Without words there is the number of bytes.
            let _ = words.take(WORDS).read_to_string(&mut said);
        }
        let through = self.proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
        let ended = format!("it ended{through} after {at} of {size} bytes");
        if said.trim().is_empty() { ended } else { format!("{ended}: {}", said.trim()) }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // One that has ended is none to kill; that ends the thread that reads too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Hands an answer on until it ends or nobody listens.
fn read(out: ChildStdout, send: &SyncSender<Item>) {
    let mut out = BufReader::with_capacity(CHUNK, out);
    let Some(head) = last_head(&mut out) else { return };
    if send.send(Item::Head(head)).is_err() {
        return;
    }
    loop {
        let mut bytes = vec![0; CHUNK];
        match out.read(&mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(count) => bytes.truncate(count),
        }
        if send.send(Item::Bytes(bytes)).is_err() {
            return;
        }
    }
}

/// The head that the body follows. Those of redirections and of preliminary answers come before.
fn last_head(out: &mut impl BufRead) -> Option<Head> {
    let mut out = out.take(HEADS);
    loop {
        let head = head(&mut out)?;
        if !(100..200).contains(&head.status) && !(300..400).contains(&head.status) {
            return Some(head);
        }
    }
}

fn head(out: &mut impl BufRead) -> Option<Head> {
    let mut lines = out.split(b'\n').map_while(Result::ok).map(|line| String::from_utf8_lossy(&line).trim().to_owned());
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut head = Head { status, ..Head::default() };
    for line in lines {
        if line.is_empty() {
            return Some(head);
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => head.length = value.trim().parse().ok(),
            "content-range" => head.range = range(value.trim()),
            _ => {}
        }
    }
    None
}

/// From `bytes FIRST-LAST/ALL` (RFC 9110, 14.4).
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, all) = text.strip_prefix("bytes ")?.split_once('/')?;
    let first = range.split_once('-')?.0.parse().ok()?;
    Some((first, all.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_the_last_answer_counts() {
        let mut text: &[u8] = b"HTTP/1.1 302 Found\r\nContent-Length: 5\r\nLocation: /x\r\n\r\nHTTP/2 206 \r\n\
            content-length: 7\r\nCONTENT-RANGE: bytes 3-9/10\r\nodd line\r\n\r\nbody: 1\r\n";
        let head = last_head(&mut text).unwrap();
        assert_eq!(head, Head { status: 206, length: Some(7), range: Some((3, Some(10))) });
        assert_eq!(text, b"body: 1\r\n");
    }

    #[test]
    fn what_is_no_head_is_none() {
        for text in ["", "HTTP/1.1", "HTTP/1.1 two\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b", "\r\n\r\n"] {
            assert_eq!(last_head(&mut text.as_bytes()), None, "{text:?}");
        }
        let endless = [b"HTTP/1.1 100 Continue\r\n\r\n".as_slice(); 50_000].concat();
        assert_eq!(last_head(&mut endless.as_slice()), None);
    }

    #[test]
    fn numbers_that_are_none_are_not_told() {
        for bad in ["bytes */10", "bytes 3/10", "3-9/10", "bytes 99999999999999999999-1/2", "bytes -1-2/3"] {
            assert_eq!(range(bad), None, "{bad}");
        }
        assert_eq!(range("bytes 0-1/*"), Some((0, None)));
    }
}
