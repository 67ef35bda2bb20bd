//! An HTTP server for one folder, which can be told to misbehave.
//!
//! It is named as `http_proxy` to the program under test and looks at the path only, so that recipes keep the public
//! addresses they have.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What the server does instead of answering well.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Answers with this status and nothing else.
    Status(u16),
    /// Ends the connection in the middle of the body.
    BreakOff,
    /// Sends other bytes of the same length.
    Corrupt,
}

#[derive(Debug, Default)]
struct State {
    /// What happens to requests whose path holds the text.
    faults: Vec<(String, Fault)>,
    requests: Vec<String>,
}

/// A running server; it ends with the test's process.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// Serves the files below `site`.
    pub(crate) fn start(site: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on 127.0.0.1");
        let port = listener.local_addr().expect("the listener has an address").port();
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, site) = (state.clone(), site.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, site) = (shared.clone(), site.clone());
                // A client that goes away early is its own affair.
                std::thread::spawn(move || drop(answer(stream, &site, &shared)));
            }
        });
        Self { port, state }
    }

    /// The address of the server itself.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on, requests whose path holds `text` meet `fault`.
    pub(crate) fn misbehave(&self, text: &str, fault: Fault) {
        self.state.lock().expect("no holder panics").faults.push((text.to_owned(), fault));
    }

    /// From now on, everything is answered well.
    pub(crate) fn behave(&self) {
        self.state.lock().expect("no holder panics").faults.clear();
    }

    /// The paths that were asked for so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.lock().expect("no holder panics").requests.clone()
    }
}

fn answer(mut stream: TcpStream, site: &Path, state: &Mutex<State>) -> std::io::Result<()> {
    let Some(path) = requested_path(&mut stream)? else { return Ok(()) };
    let fault = {
        let mut state = state.lock().expect("no holder panics");
        state.requests.push(path.clone());
        state.faults.iter().find(|(text, _)| path.contains(text)).map(|(_, fault)| fault.clone())
    };
    match (fault, std::fs::read(find(site, &path))) {
        (Some(Fault::Status(code)), _) => head(&mut stream, code, 0),
        (Some(Fault::BreakOff), Ok(body)) => {
            head(&mut stream, 200, body.len())?;
            stream.write_all(&body[..body.len() / 2])
        }
        (Some(Fault::Corrupt), Ok(mut body)) => {
            body.iter_mut().for_each(|byte| *byte ^= 1);
            head(&mut stream, 200, body.len())?;
            stream.write_all(&body)
        }
        (None, Ok(body)) => {
            head(&mut stream, 200, body.len())?;
            stream.write_all(&body)
        }
        (_, Err(_)) => head(&mut stream, 404, 0),
    }
}

/// The file for a path. A machine's own mirror may have its archive deeper than others: leading folders may be missing.
fn find(site: &Path, path: &str) -> PathBuf {
    let path = path.trim_start_matches('/');
    let starts = std::iter::once(0).chain(path.match_indices('/').map(|(at, _)| at + 1));
    let mut places = starts.map(|at| site.join(&path[at..]));
    places.find(|place| place.is_file()).unwrap_or_else(|| site.join(path))
}

fn head(stream: &mut TcpStream, status: u16, length: usize) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status} As-Told\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
}

/// The path of a request, whether it names a host (as requests to a proxy do) or not. No tunnel is opened: nothing here is
/// by TLS, and a proxy opens none for anything else.
fn requested_path(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let target = first.split(' ').nth(1).unwrap_or_default();
    let path = match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => target,
    };
    Ok((!path.is_empty()).then(|| decode(path)))
}

/// Undoes percent-encoding, which is all that names of packages need.
fn decode(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let code = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(code.map_or('%', char::from));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    out + rest
}

/// A port on 127.0.0.1 where nobody listens.
pub(crate) fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on 127.0.0.1");
    listener.local_addr().expect("the listener has an address").port()
}
