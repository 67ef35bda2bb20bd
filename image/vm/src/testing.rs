//! A scripted server on a Unix socket, in the place of QEMU.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

/// Makes the answer to a request.
pub(crate) type Reply = Box<dyn Fn(&Value) -> Vec<u8> + Send>;

/// What the server does next.
pub(crate) enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Reads a line, parses it (after any 0xFF bytes) and sends what the function makes of it.
    Answer(Reply),
    /// As [`Self::Answer`], for every line until the client leaves.
    AnswerAll(Reply),
    /// Waits so many milliseconds.
    Pause(u64),
}

impl Act {
    pub(crate) fn send(text: &str) -> Self {
        Self::Send(text.into())
    }

    pub(crate) fn answer(reply: impl Fn(&Value) -> String + Send + 'static) -> Self {
        Self::Answer(Box::new(move |request| reply(request).into_bytes()))
    }
}

/// A server that follows its script for one connection and then closes it.
pub(crate) struct Server {
    pub(crate) path: PathBuf,
    _folder: tempfile::TempDir,
    thread: JoinHandle<()>,
}

impl Server {
    /// Waits for the end of the script; what failed in it fails here.
    pub(crate) fn finish(self) {
        self.thread.join().expect("the script went as planned");
    }
}

/// Starts a server; connections queue up from the moment this returns.
pub(crate) fn serve(script: Vec<Act>) -> Server {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("s");
    let thread = serve_at(&path, script);
    Server { path, _folder: folder, thread }
}

/// Starts a server at `path`.
pub(crate) fn serve_at(path: &Path, script: Vec<Act>) -> JoinHandle<()> {
    let listener = UnixListener::bind(path).expect("a socket");
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        // A client that went away is what some of the tests are about.
        let _ = follow(&stream, script);
    })
}

fn follow(mut stream: &UnixStream, script: Vec<Act>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    for act in script {
        match act {
            Act::Send(bytes) => stream.write_all(&bytes)?,
            Act::Pause(millis) => std::thread::sleep(Duration::from_millis(millis)),
            Act::Answer(reply) => {
                if let Some(request) = next_request(&mut reader)? {
                    stream.write_all(&reply(&request))?;
                }
            }
            Act::AnswerAll(reply) => {
                while let Some(request) = next_request(&mut reader)? {
                    stream.write_all(&reply(&request))?;
                }
            }
        }
    }
    Ok(())
}

/// The next line as JSON, after any 0xFF bytes; nothing once the client has left.
fn next_request(reader: &mut impl BufRead) -> std::io::Result<Option<Value>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let start = line.iter().position(|&byte| byte != 0xFF).unwrap_or(0);
    Ok(Some(serde_json::from_slice(&line[start..]).unwrap_or(Value::Null)))
}
