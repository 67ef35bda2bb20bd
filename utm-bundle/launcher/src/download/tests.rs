use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;

/// How the server behaves at one request; `bytes` is the whole file, and the number where the client wants to begin.
type Way = fn(bytes: &[u8], from: usize, TcpStream);

fn head(stream: &mut TcpStream, status: &str, headers: &str) {
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n").unwrap();
}

/// The rest of the file, of which at most `most` bytes are sent.
fn rest(bytes: &[u8], from: usize, most: usize, stream: &mut TcpStream) {
    let (all, left) = (bytes.len(), &bytes[from..]);
    let range = format!("Content-Range: bytes {from}-{}/{all}\r\nContent-Length: {}\r\n", all - 1, left.len());
    let (status, headers) =
        if from == 0 { ("200 OK", format!("Content-Length: {all}\r\n")) } else { ("206 Partial Content", range) };
    head(stream, status, &headers);
    // A client that has what it wants hangs up.
    let _ = stream.write_all(&left[..most.min(left.len())]);
}

fn whole(bytes: &[u8], from: usize, mut stream: TcpStream) {
    rest(bytes, from, usize::MAX, &mut stream);
}

fn cut(bytes: &[u8], from: usize, mut stream: TcpStream) {
    rest(bytes, from, 100_000, &mut stream);
}

fn silent(bytes: &[u8], from: usize, mut stream: TcpStream) {
    rest(bytes, from, 100_000, &mut stream);
    // Until the client gives up.
    let _ = stream.read(&mut [0]);
}

fn knows_no_ranges(bytes: &[u8], _: usize, mut stream: TcpStream) {
    rest(bytes, 0, usize::MAX, &mut stream);
}

fn refuses(_: &[u8], _: usize, mut stream: TcpStream) {
    head(&mut stream, "503 Service Unavailable", "Content-Length: 0\r\n");
}

fn forbids(_: &[u8], _: usize, mut stream: TcpStream) {
    head(&mut stream, "403 Forbidden", "Content-Length: 0\r\n");
}

fn lacks(_: &[u8], _: usize, mut stream: TcpStream) {
    head(&mut stream, "410 Gone", "Content-Length: 0\r\n");
}

fn without_length(bytes: &[u8], from: usize, mut stream: TcpStream) {
    head(&mut stream, "200 OK", "");
    let _ = stream.write_all(&bytes[from..]);
}

/// A server of `bytes` that behaves in these ways, the last one for ever. Returns its address and where clients wanted to
/// begin.
fn server(bytes: Vec<u8>, ways: Vec<Way>) -> (String, Arc<Mutex<Vec<usize>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/disk.qcow2", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (stream, bytes, log) = (stream.unwrap(), bytes.clone(), log.clone());
            let way = ways[number.min(ways.len() - 1)];
            // A silent one does not keep others waiting.
            std::thread::spawn(move || {
                let from = wanted(&stream);
                log.lock().unwrap().push(from);
                way(&bytes, from, stream);
            });
        }
    });
    (url, asked)
}

/// Where the client wants to begin.
fn wanted(stream: &TcpStream) -> usize {
    let lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let from =
        lines.filter_map(|line| line.to_lowercase().strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok());
    from.last().unwrap_or(0)
}

fn disk() -> Vec<u8> {
    (0..700_000_u32).map(|n| (n % 251) as u8).collect()
}

fn download(url: &str, disk: &[u8]) -> Download {
    let sha256 = Sha256::digest(disk).iter().map(|byte| format!("{byte:02x}")).collect();
    Download { url: url.to_owned(), sha256, size: disk.len() as u64 }
}

/// Fetches from a server with these ways; returns what came of it, the file, and where requests began.
fn fetched(served: Vec<u8>, ways: Vec<Way>, there: usize) -> (Result<(), Error>, tempfile::TempDir, Vec<usize>) {
    let temp = tempfile::tempdir().unwrap();
    let (url, asked) = server(served, ways);
    if there > 0 {
        std::fs::write(temp.path().join("disk.part"), &disk()[..there]).unwrap();
    }
    let to = temp.path().join("disk.qcow2");
    let result = download(&url, &disk()).fetch(&to, &AtomicBool::new(false), &mut |_| {});
    let asked = asked.lock().unwrap().clone();
    (result, temp, asked)
}

fn content(temp: &tempfile::TempDir) -> Vec<u8> {
    assert!(!temp.path().join("disk.part").exists());
    std::fs::read(temp.path().join("disk.qcow2")).unwrap()
}

fn names(temp: &tempfile::TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(temp.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn it_goes_on_where_it_broke_off_as_long_as_it_gets_on() {
    let (result, temp, asked) = fetched(disk(), vec![cut], 0);
    result.unwrap();
    assert_eq!(content(&temp), disk());
    assert_eq!(asked, (0..7).map(|n| n * 100_000).collect::<Vec<_>>());
}

#[test]
fn it_goes_on_with_what_an_earlier_run_left() {
    let (result, temp, asked) = fetched(disk(), vec![whole], 300_000);
    result.unwrap();
    assert_eq!((content(&temp), asked), (disk(), vec![300_000]));
    // What is whole needs no server.
    download("http://127.0.0.1:1/", &disk())
        .fetch(&temp.path().join("disk.qcow2"), &AtomicBool::new(false), &mut |_| {})
        .unwrap();
}

#[test]
fn a_server_that_knows_no_ranges_sends_all_of_it() {
    let (result, temp, asked) = fetched(disk(), vec![knows_no_ranges], 300_000);
    result.unwrap();
    assert_eq!((content(&temp), asked), (disk(), vec![300_000]));
}

#[test]
fn a_server_that_falls_silent_is_asked_again() {
    let (result, temp, asked) = fetched(disk(), vec![silent, whole], 0);
    result.unwrap();
    assert_eq!((content(&temp), asked), (disk(), vec![0, 100_000]));
}

#[test]
fn a_server_that_refuses_is_told_and_what_came_is_kept() {
    let (result, temp, asked) = fetched(disk(), vec![cut, refuses], 0);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Transfer { .. }) && error.to_string().contains("503"), "{error}");
    assert_eq!(asked, [0, 100_000, 100_000, 100_000]);
    assert_eq!(std::fs::read(temp.path().join("disk.part")).unwrap(), disk()[..100_000]);
}

#[test]
fn a_refusal_and_a_vanished_file_are_told_at_once() {
    for (way, words) in [(forbids as Way, "the server refuses it (403)"), (lacks, "the server has no such file (410)")]
    {
        let (result, _temp, asked) = fetched(disk(), vec![way], 0);
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Transfer { .. }) && error.to_string().contains(words), "{error}");
        assert_eq!(asked, [0]);
    }
}

#[test]
fn what_has_another_digest_or_length_is_not_kept() {
    let mut other = disk();
    other[5] ^= 1;
    let longer: Vec<u8> = disk().into_iter().chain([0]).collect();
    let shorter = disk()[..600_000].to_vec();
    let cases: [(Vec<u8>, Way, usize, &str); 5] = [
        (other, whole, 0, "its sha256 is"),
        (longer.clone(), whole, 0, "it has 700001 bytes, and 700000 were expected"),
        (longer.clone(), whole, 300_000, "it has 700001 bytes"),
        (longer, without_length, 0, "more than the 700000 bytes"),
        (shorter, whole, 0, "it has 600000 bytes"),
    ];
    for (served, way, there, words) in cases {
        let (result, temp, _) = fetched(served, vec![way], there);
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Mismatch { .. }) && error.to_string().contains(words), "{words}: {error}");
        assert_eq!(names(&temp), Vec::<String>::new(), "{words}");
    }
}

#[test]
fn a_part_that_is_longer_than_the_whole_is_given_up() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("disk.part"), vec![0; 700_001]).unwrap();
    let (url, _) = server(disk(), vec![whole]);
    let to = temp.path().join("disk.qcow2");
    let fetch = || download(&url, &disk()).fetch(&to, &AtomicBool::new(false), &mut |_| {});
    assert!(matches!(fetch().unwrap_err(), Error::Mismatch { .. }));
    fetch().unwrap();
}

#[test]
fn an_interrupted_download_is_kept_for_the_next_time() {
    let temp = tempfile::tempdir().unwrap();
    let (url, asked) = server(disk(), vec![silent, whole]);
    let (to, interrupted) = (temp.path().join("disk.qcow2"), AtomicBool::new(false));
    let download = download(&url, &disk());
    let error = download.fetch(&to, &interrupted, &mut |_| interrupted.store(true, Ordering::Relaxed)).unwrap_err();
    assert!(matches!(error, Error::Interrupted));
    let kept = std::fs::metadata(temp.path().join("disk.part")).unwrap().len();
    assert!(kept > 0 && !to.exists());
    download.fetch(&to, &AtomicBool::new(false), &mut |_| {}).unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), disk());
    assert_eq!(*asked.lock().unwrap(), [0, usize::try_from(kept).unwrap()]);
}

#[test]
fn what_does_not_fit_is_refused_before_a_byte_is_fetched() {
    let temp = tempfile::tempdir().unwrap();
    let (url, asked) = server(disk(), vec![whole]);
    let large = Download { size: u64::MAX / 4, ..download(&url, &disk()) };
    let error = large.fetch(&temp.path().join("disk.qcow2"), &AtomicBool::new(false), &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::Space { .. }) && error.to_string().contains("the image needs"), "{error}");
    assert!(asked.lock().unwrap().is_empty() && names(&temp).is_empty());
}

#[test]
fn a_download_json_that_cannot_be_used_says_why() {
    let temp = tempfile::tempdir().unwrap();
    let read = |text: &str| {
        let path = temp.path().join("download.json");
        std::fs::write(&path, text).unwrap();
        Download::read(&path)
    };
    let digest = "0".repeat(64);
    let good = format!(r#"{{"url":"https://example.org/d","sha256":"{digest}","size":1}}"#);
    assert_eq!(read(&good).unwrap().size, 1);
    for (from, to, words) in [
        ("https", "file", "url must begin with"),
        (digest.as_str(), "../../x", "64 hexadecimal digits"),
        ("\"size\":1", "\"size\":-1", "invalid value"),
        ("\"size\":1", "\"more\":1", "unknown field"),
        ("}", "", "EOF"),
    ] {
        let error = read(&good.replace(from, to)).unwrap_err();
        assert!(error.starts_with("download.json: ") && error.contains(words), "{words}: {error}");
    }
}
