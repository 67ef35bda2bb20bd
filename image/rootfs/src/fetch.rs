//! Downloads into a content-addressed folder: a file has its name only once its digest is proven.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use helix_http::{Answer, Client, Fault, Retries, Settings};
use sha2::{Digest, Sha256};

/// Downloads that run at the same time: enough to hide a mirror's latency without being a burden to it.
const PARALLEL: usize = 8;
/// How often a transfer is tried again, after pauses of half a second, one and two.
const RETRIES: Retries = Retries { times: 3, pause: Duration::from_millis(500) };
/// The most that is read of a file whose size nobody has stated, in bytes.
const MAX_UNSTATED: u64 = 16 << 30;

/// What to fetch and how to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `http:`, `https:` or `file:`.
    pub url: String,
    /// The expected sha256, hexadecimal.
    pub sha256: String,
    /// The expected size in bytes, where it is known.
    pub size: Option<u64>,
}

/// Why one file could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server did not give it: it refuses, has no such file, is silent, or its proxy is at fault.
    #[error(transparent)]
    Http(#[from] helix_http::Error),
    /// The local file does not exist, or cannot be read.
    #[error("{url}: {source}")]
    Local {
        /// The address.
        url: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are not the expected ones.
    #[error("{url}: {what} is {actual}, but {expected} was expected; nothing of it was kept")]
    Mismatch {
        /// The address.
        url: String,
        /// `sha256` or `size`.
        what: &'static str,
        /// What was stated.
        expected: String,
        /// What came.
        actual: String,
    },
    /// The cache could not be written.
    #[error("writing {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The network is off limits and the file is not in the cache.
    #[error("{url} is not in the cache, and --offline forbids to fetch it")]
    Offline {
        /// The address.
        url: String,
    },
}

impl FetchError {
    /// Whether the file has vanished from where it was: then another one may stand in for it. A refusal, a broken
    /// connection and wrong bytes say nothing of the kind.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Http(error) => matches!(error.fault, Fault::Gone(_)),
            Self::Local { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Whether other files would fail alike, slowly: there is no network, or no room on the disk.
    fn is_hopeless(&self) -> bool {
        match self {
            Self::Http(error) => !matches!(error.fault, Fault::Gone(_) | Fault::Refused(_)),
            Self::Write { .. } => true,
            _ => false,
        }
    }
}

/// A folder of files named by their sha256.
#[derive(Debug, Clone)]
pub struct Blobs {
    dir: PathBuf,
    offline: bool,
}

impl Blobs {
    /// Uses `dir`, which is made when the first file comes. With `offline`, only what is there can be had.
    pub fn new(dir: &Path, offline: bool) -> Self {
        Self { dir: dir.to_owned(), offline }
    }

    /// Where the file with this digest is, or will be.
    pub fn path(&self, sha256: &str) -> PathBuf {
        self.dir.join(&sha256[..2.min(sha256.len())]).join(sha256)
    }

    /// Whether the file is there.
    pub fn has(&self, sha256: &str) -> bool {
        self.path(sha256).exists()
    }

    /// Fetches what is missing of `requests`; `done` is called with the size of each file as it becomes available.
    ///
    /// # Errors
    /// All failures together, in the order of the requests. What did arrive stays in the cache.
    pub fn fetch(&self, requests: &[Request], done: &(dyn Fn(u64) + Sync)) -> Result<(), Vec<FetchError>> {
        let queue: VecDeque<(usize, &Request)> =
            requests.iter().enumerate().filter(|(_, r)| !self.has(&r.sha256)).collect();
        if queue.is_empty() {
            return Ok(());
        }
        if self.offline {
            return Err(queue.iter().map(|(_, r)| FetchError::Offline { url: r.url.clone() }).collect());
        }
        let client = client().map_err(|fault| {
            let url = queue[0].1.url.clone();
            vec![FetchError::Http(helix_http::Error { url, fault })]
        })?;
        let (queue, failures, give_up) = (Mutex::new(queue), Mutex::new(Vec::new()), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..PARALLEL {
                scope.spawn(|| {
                    while !give_up.load(Ordering::Relaxed) {
                        let Some((at, request)) = queue.lock().expect("no holder panics").pop_front() else { break };
                        match self.fetch_one(&client, request) {
                            Ok(size) => done(size),
                            Err(e) => {
                                give_up.fetch_or(e.is_hopeless(), Ordering::Relaxed);
                                failures.lock().expect("no holder panics").push((at, e));
                            }
                        }
                    }
                });
            }
        });
        let mut failures = failures.into_inner().expect("no holder panics");
        failures.sort_by_key(|(at, _)| *at);
        if failures.is_empty() { Ok(()) } else { Err(failures.into_iter().map(|(_, e)| e).collect()) }
    }

    fn fetch_one(&self, client: &Client, request: &Request) -> Result<u64, FetchError> {
        let again = |error: &FetchError| match error {
            FetchError::Http(error) if error.fault.is_temporary() => Some(error.fault.pause()),
            _ => None,
        };
        RETRIES.run(|| self.try_fetch(client, request), again)
    }

    fn try_fetch(&self, client: &Client, request: &Request) -> Result<u64, FetchError> {
        match request.url.strip_prefix("file:") {
            Some(path) => {
                let local = |source| FetchError::Local { url: request.url.clone(), source };
                let file = File::open(path.strip_prefix("//").unwrap_or(path)).map_err(local)?;
                self.store(request, file, local)
            }
            None => {
                let answer = client.get(&request.url).send().and_then(Answer::accepted)?;
                let broken = |error| {
                    let fault = Fault::of_body(error);
                    FetchError::Http(helix_http::Error { url: request.url.clone(), fault })
                };
                self.store(request, answer, broken)
            }
        }
    }

    /// Copies `source` aside, checks it, and gives it its name. `unread` says what an error of reading it means.
    fn store(
        &self,
        request: &Request,
        source: impl Read,
        unread: impl FnOnce(std::io::Error) -> FetchError,
    ) -> Result<u64, FetchError> {
        let path = self.path(&request.sha256);
        let folder = path.parent().expect("a blob lies in a folder");
        let write = |source| FetchError::Write { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(write)?;
        let mut aside = tempfile::Builder::new().prefix(".partial-").tempfile_in(folder).map_err(write)?;
        // One byte more than allowed is read, to tell a file of the right size from a longer one.
        let limit = request.size.unwrap_or(MAX_UNSTATED);
        let copied = copy(source.take(limit + 1), aside.as_file_mut());
        let (size, digest) = copied.map_err(|e| match e {
            CopyError::Read(e) => unread(e),
            CopyError::Write(e) => write(e),
        })?;
        if request.size.is_some_and(|expected| expected != size) || size > limit {
            return Err(mismatch(request, "size", limit.to_string(), size.to_string()));
        }
        if digest != request.sha256.to_ascii_lowercase() {
            return Err(mismatch(request, "sha256", request.sha256.clone(), digest));
        }
        aside.as_file().sync_data().map_err(write)?;
        aside.persist(&path).map_err(|e| write(e.error))?;
        Ok(size)
    }
}

fn mismatch(request: &Request, what: &'static str, expected: String, actual: String) -> FetchError {
    FetchError::Mismatch { url: request.url.clone(), what, expected, actual }
}

enum CopyError {
    Read(std::io::Error),
    Write(std::io::Error),
}

fn copy(mut source: impl Read, target: &mut File) -> Result<(u64, String), CopyError> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut size = 0;
    loop {
        let n = source.read(&mut buffer).map_err(CopyError::Read)?;
        if n == 0 {
            return Ok((size, hex::encode(hash.finalize())));
        }
        hash.update(&buffer[..n]);
        target.write_all(&buffer[..n]).map_err(CopyError::Write)?;
        size += n as u64;
    }
}

fn client() -> Result<Client, Fault> {
    Client::new(Settings::of_machine(concat!("helix-image/", env!("CARGO_PKG_VERSION")))?)
}

/// The sha256 of a file, in hexadecimal.
///
/// # Errors
/// When the file cannot be read.
pub fn sha256_of(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    /// A server that gives each connection the next of `answers`, whatever is asked.
    fn serve(answers: Vec<String>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                while request.read_line(&mut line).unwrap() > 2 {
                    line.clear();
                }
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        format!("http://{address}/file")
    }

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    }

    fn fetch(url: String, size: Option<u64>) -> (Result<(), Vec<FetchError>>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(dir.path(), false);
        let result = blobs.fetch(&[Request { url, sha256: HELLO.into(), size }], &|_| ());
        assert_eq!(result.is_ok(), blobs.has(HELLO));
        // Nothing half-made stays behind, whatever happened.
        let partial = walkdir::WalkDir::new(dir.path()).into_iter().filter_map(Result::ok);
        assert_eq!(partial.filter(|e| e.file_name().to_string_lossy().starts_with(".partial")).count(), 0);
        (result, dir)
    }

    #[test]
    fn a_server_that_fails_once_is_asked_again() {
        let (result, _dir) = fetch(serve(vec![answer("503 Busy", ""), answer("200 OK", "hello")]), Some(5));
        result.unwrap();
    }

    #[test]
    fn a_transfer_that_breaks_off_is_tried_again() {
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhel".to_owned();
        let (result, _dir) = fetch(serve(vec![cut, answer("200 OK", "hello")]), Some(5));
        result.unwrap();
    }

    fn fault_of(answers: Vec<String>, size: Option<u64>) -> FetchError {
        fetch(serve(answers), size).0.unwrap_err().remove(0)
    }

    #[test]
    fn wrong_bytes_wrong_size_refusal_and_absence_are_told_apart() {
        let wrong = fault_of(vec![answer("200 OK", "jello")], Some(5));
        assert!(matches!(wrong, FetchError::Mismatch { what: "sha256", .. }) && !wrong.is_gone(), "{wrong}");
        let wrong = fault_of(vec![answer("200 OK", "hello, and more")], Some(5));
        assert!(matches!(wrong, FetchError::Mismatch { what: "size", .. }) && !wrong.is_gone(), "{wrong}");
        for status in ["404 Not Found", "410 Gone"] {
            let gone = fault_of(vec![answer(status, "")], None);
            assert!(gone.is_gone() && gone.to_string().contains("the server has no such file"), "{gone}");
        }
        for status in ["401 Unauthorized", "403 Forbidden"] {
            let refused = fault_of(vec![answer(status, "")], None);
            assert!(!refused.is_gone() && refused.to_string().contains("the server refuses it"), "{refused}");
        }
    }

    #[test]
    fn a_local_file_is_verified_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "hello").unwrap();
        let (result, _dir) = fetch(format!("file:{}", path.display()), None);
        result.unwrap();
        let (result, _dir) = fetch(format!("file:{}.none", path.display()), None);
        assert!(result.unwrap_err()[0].is_gone());
    }

    #[test]
    fn offline_names_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let request = Request { url: "http://x/y".into(), sha256: HELLO.into(), size: None };
        let errors = Blobs::new(dir.path(), true).fetch(&[request], &|_| ()).unwrap_err();
        assert!(errors[0].to_string().contains("http://x/y is not in the cache"));
    }
}
