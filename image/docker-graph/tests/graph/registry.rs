//! Images from a registry that the test plays, with everything that a registry can do wrong.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use helix_docker_graph::{BlobCache, Digest, Error, Image, Options, Patience, import, pull};
use serde_json::json;

use crate::common::{Root, platform};
use crate::craft::{Crafted, Format, file, folder, layer};
use crate::layout::{Packing, layout};

/// What is asked for.
struct Request {
    path: String,
    headers: HashMap<String, String>,
    /// How often this path was asked for before.
    before: usize,
}

/// What is answered: the bytes, all or some of them, and then silence or the end.
enum Answer {
    Whole(Vec<u8>),
    /// The connection ends after these bytes.
    Cut(Vec<u8>),
    /// Nothing comes after these bytes, for a while.
    Stall(Vec<u8>),
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    [format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n").as_bytes(), body]
        .concat()
}

fn ok(body: &[u8]) -> Answer {
    Answer::Whole(answer("200 OK", "", body))
}

/// A registry; returns its host and port.
fn serve(respond: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let (respond, counts) = (Arc::new(respond), Arc::new(Mutex::new(BTreeMap::<String, usize>::new())));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (respond, counts) = (respond.clone(), counts.clone());
            std::thread::spawn(move || talk(stream, &*respond, &counts));
        }
    });
    address
}

fn talk(stream: TcpStream, respond: &dyn Fn(&Request) -> Answer, counts: &Mutex<BTreeMap<String, usize>>) {
    let mut first = [0];
    // What begins like TLS is no HTTP; servers say so, or hang up.
    if stream.peek(&mut first).is_ok_and(|n| n == 1) && first[0] != 0x16 {
        converse(stream, respond, counts);
    }
}

fn converse(
    mut stream: impl Read + Write,
    respond: &dyn Fn(&Request) -> Answer,
    counts: &Mutex<BTreeMap<String, usize>>,
) {
    let mut lines = BufReader::new(&mut stream).lines();
    let first = lines.next().and_then(Result::ok).unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let headers = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(": ").map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned())))
        .collect();
    let before = {
        let mut counts = counts.lock().expect("no holder panics");
        let count = counts.entry(path.clone()).or_default();
        *count += 1;
        *count - 1
    };
    // The client may be gone already.
    let _ = match respond(&Request { path, headers, before }) {
        Answer::Whole(bytes) | Answer::Cut(bytes) => stream.write_all(&bytes),
        Answer::Stall(bytes) => stream.write_all(&bytes).map(|()| std::thread::sleep(Duration::from_secs(20))),
    };
    let _ = stream.flush();
}

/// The same registry by TLS, with a certificate that nobody has signed.
fn serve_tls(respond: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> String {
    let pair = rcgen::generate_simple_self_signed([String::from("elsewhere.example")]).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(pair.signing_key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key)
        .expect("a server");
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let address = listener.local_addr().expect("an address").to_string();
    let counts = Mutex::new(BTreeMap::new());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = rustls::ServerConnection::new(config.clone()).expect("a connection");
            converse(rustls::StreamOwned::new(connection, stream), &respond, &counts);
        }
    });
    address
}

/// An image, and what a registry has of it: the manifest, and blobs by the last part of their path.
struct Shelf {
    image: Crafted,
    manifest: Vec<u8>,
    blobs: HashMap<String, Vec<u8>>,
    layers: Vec<Digest>,
}

fn shelf() -> Shelf {
    let items = [folder("d"), file("d/a", (0..200_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>())];
    let image = Crafted::new("unused:1", vec![layer(Format::Pax, &items), layer(Format::Pax, &[file("b", "b")])]);
    let dir = tempfile::tempdir().expect("a folder");
    let layers = layout(dir.path(), &image, Packing::Gzip);
    let read = |path: &Path| std::fs::read(path).expect("a file of the layout");
    let index: serde_json::Value = serde_json::from_slice(&read(&dir.path().join("index.json"))).expect("an index");
    let digest = index["manifests"][0]["digest"].as_str().expect("a digest")["sha256:".len()..].to_owned();
    let folder = dir.path().join("blobs/sha256");
    let manifest = read(&folder.join(digest));
    let blobs = std::fs::read_dir(folder)
        .expect("blobs")
        .map(|e| e.expect("an entry"))
        .map(|e| (format!("sha256:{}", e.file_name().to_string_lossy()), read(&e.path())))
        .collect();
    Shelf { image, manifest, blobs, layers }
}

impl Shelf {
    /// What a registry without faults says.
    fn respond(&self, request: &Request) -> Answer {
        let last = request.path.rsplit('/').next().unwrap_or_default();
        if request.path.contains("/manifests/") {
            let digest = Digest::of(&self.manifest).to_string();
            if last == "1" || last == digest {
                return ok(&self.manifest);
            }
        }
        let Some(blob) = self.blobs.get(last) else { return Answer::Whole(answer("404 Not Found", "", b"")) };
        match request.headers.get("range").and_then(|r| r.strip_prefix("bytes=")?.split('-').next()?.parse().ok()) {
            Some(from) => Answer::Whole(answer("206 Partial Content", "", &blob[from..])),
            None => ok(blob),
        }
    }

    fn is_big(&self, request: &Request) -> bool {
        request.path.ends_with(&self.layers[0].to_string())
    }
}

/// Patience that tests have.
const PATIENCE: Patience = Patience { stall: Duration::from_secs(2), retries: 1 };

fn pulled(root: &Root, host: &str, tag: &str) -> Result<Image, Error> {
    let reference = format!("{host}/some/image{tag}").parse().expect("a reference");
    pull(&reference, None, &platform(), &BlobCache::new(&root.path("blobs"), false), PATIENCE, &|_| ())
}

fn works(shelf: Shelf, respond: impl Fn(&Shelf, &Request) -> Answer + Send + Sync + 'static) -> (Root, String) {
    let image = shelf.image.clone();
    let host = serve(move |request| respond(&shelf, request));
    let root = Root::new();
    let found = pulled(&root, &host, ":1").unwrap_or_else(|e| panic!("{e}"));
    import(&root.data(), &[found], &Options::default()).unwrap_or_else(|e| panic!("{e}"));
    root.assert_layers_come_back(&image);
    (root, host)
}

fn fails(respond: impl Fn(&Shelf, &Request) -> Answer + Send + Sync + 'static) -> String {
    let shelf = shelf();
    let host = serve(move |request| respond(&shelf, request));
    pulled(&Root::new(), &host, ":1").expect_err("this cannot work").to_string()
}

#[test]
fn an_image_is_pulled_once_and_known_by_its_digest() {
    let shelf = shelf();
    let (manifest, image) = (Digest::of(&shelf.manifest), shelf.image.clone());
    let (root, host) = works(shelf, Shelf::respond);
    let names = std::fs::read_to_string(root.data().join("image/vfs/repositories.json")).expect("names");
    let expected = json!({ "Repositories": { format!("{host}/some/image"): {
        format!("{host}/some/image:1"): image.id().to_string(),
        format!("{host}/some/image@{manifest}"): image.id().to_string(),
    } } });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&names).expect("names"), expected);
    let origins =
        root.data().join("image/vfs/distribution/v2metadata-by-diffid/sha256").join(image.diff_ids()[0].hex());
    let origins = std::fs::read_to_string(origins).expect("origins");
    assert!(origins.contains(&format!(r#""SourceRepository":"{host}/some/image""#)), "{origins}");

    // By its digest; the blobs are there, and only the manifest is asked for.
    let shelf = crate::registry::shelf();
    let host = serve(move |request| {
        if request.path.contains("/blobs/") { Answer::Whole(answer("500 No", "", b"")) } else { shelf.respond(request) }
    });
    let found = pulled(&root, &host, &format!("@{manifest}")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(found.id, image.id());

    // And with nobody to ask at all.
    let offline = |digest: &Digest| {
        let reference = format!("{host}/some/image@{digest}").parse().expect("a reference");
        pull(&reference, None, &platform(), &BlobCache::new(&root.path("blobs"), true), PATIENCE, &|_| ())
    };
    assert_eq!(offline(&manifest).unwrap_or_else(|e| panic!("{e}")).id, image.id());
    let message = offline(&Digest::of(b"")).expect_err("another image").to_string();
    assert!(message.contains("is not in the cache, and --offline forbids to fetch it"), "{message}");
}

#[test]
fn a_transfer_that_breaks_off_goes_on_where_it_was() {
    works(shelf(), |shelf, request| match shelf.respond(request) {
        Answer::Whole(bytes) if shelf.is_big(request) && request.before == 0 => {
            Answer::Cut(bytes[..bytes.len() / 2].to_vec())
        }
        other => {
            let resumed = request.headers.get("range").is_some_and(|range| !range.starts_with("bytes=0-"));
            assert!(!shelf.is_big(request) || resumed, "the second request asks for the rest");
            other
        }
    });
}

#[test]
fn a_registry_without_ranges_starts_again() {
    works(shelf(), |shelf, request| match shelf.respond(request) {
        Answer::Whole(bytes) if shelf.is_big(request) && request.before == 0 => {
            Answer::Cut(bytes[..bytes.len() / 2].to_vec())
        }
        _ if shelf.is_big(request) => ok(&shelf.blobs[&shelf.layers[0].to_string()]),
        other => other,
    });
}

#[test]
fn a_registry_that_stalls_is_asked_again() {
    let started = Instant::now();
    works(shelf(), |shelf, request| match shelf.respond(request) {
        Answer::Whole(bytes) if shelf.is_big(request) && request.before == 0 => {
            Answer::Stall(bytes[..bytes.len() / 2].to_vec())
        }
        other => other,
    });
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    let message = fails(|_, _| Answer::Stall(Vec::new()));
    assert!(message.contains("nothing came for 2 s, after 1 more tries"), "{message}");
}

#[test]
fn a_busy_registry_is_asked_again_after_the_pause_that_it_names() {
    let started = Instant::now();
    works(shelf(), |shelf, request| {
        if request.path.contains("/manifests/") && request.before == 0 {
            return Answer::Whole(answer("429 Too Many Requests", "Retry-After: 3\r\n", b""));
        }
        shelf.respond(request)
    });
    assert!(started.elapsed() >= Duration::from_secs(3), "{:?}", started.elapsed());
    let message = fails(|_, _| Answer::Whole(answer("500 Internal Server Error", "", b"")));
    assert!(message.contains("the registry answers 500 Internal Server Error, after 1 more tries"), "{message}");
}

/// A registry that wants a token, asks for it by `challenge` (in which HOST is its own address), and whose token server
/// answers `token`.
fn with_token(challenge: &'static str, token: &'static str) -> (Root, Result<Image, Error>, Digest) {
    let (shelf, address) = (shelf(), Arc::new(Mutex::new(String::new())));
    let (own, id) = (address.clone(), shelf.image.id());
    let host = serve(move |request| {
        if request.path.starts_with("/token?") {
            assert!(
                request.path.contains("service=here")
                    && request.path.contains("scope=repository%3Asome%2Fimage%3Apull"),
                "{}",
                request.path
            );
            return ok(token.as_bytes());
        }
        if request.headers.get("authorization").map(String::as_str) == Some("Bearer secret-token") {
            return shelf.respond(request);
        }
        let challenge = challenge.replace("HOST", &own.lock().expect("no holder panics"));
        Answer::Whole(answer("401 Unauthorized", &challenge, b""))
    });
    *address.lock().expect("no holder panics") = host.clone();
    let root = Root::new();
    let found = pulled(&root, &host, ":1");
    (root, found, id)
}

/// How a registry names its token server.
const BEARER: &str =
    "WWW-Authenticate: Bearer realm=\"http://HOST/token\",service=\"here\",scope=\"repository:some/image:pull\"\r\n";

#[test]
fn a_token_is_fetched_when_the_registry_asks_for_one() {
    let (_root, found, id) = with_token(BEARER, r#"{"token":"secret-token"}"#);
    assert_eq!(found.unwrap_or_else(|e| panic!("{e}")).id, id);
}

#[test]
fn of_several_challenges_the_one_that_is_known_is_answered() {
    for challenges in [
        concat!(
            "WWW-Authenticate: Negotiate\r\nwww-authenticate: Digest realm=\"a, b\", nonce=\"x\"\r\n",
            "WWW-Authenticate: bearer service=here,realm=http://HOST/token\r\n",
        ),
        "WWW-Authenticate: Basic realm=\"r\", Bearer realm=\"http://HOST/token\", service=\"here\", NTLM\r\n",
    ] {
        let (_root, found, id) = with_token(challenges, r#"{"token":"secret-token"}"#);
        assert_eq!(found.unwrap_or_else(|e| panic!("{challenges}: {e}")).id, id);
    }
}

#[test]
fn a_token_has_either_of_two_names() {
    for token in [
        r#"{"token":"","access_token":"secret-token"}"#,
        r#"{"access_token":"secret-token"}"#,
        r#"{"token":null,"access_token":"secret-token"}"#,
        r#"{"token":"secret-token","access_token":""}"#,
    ] {
        let (_root, found, id) = with_token(BEARER, token);
        assert_eq!(found.unwrap_or_else(|e| panic!("{token}: {e}")).id, id);
    }
    let (_root, found, _) = with_token(BEARER, r#"{"token":"","access_token":""}"#);
    assert!(found.expect_err("no token").to_string().contains("holds no token"));
}

#[test]
fn a_token_goes_along_to_the_same_server_and_to_no_other() {
    // Another server on this machine: the same host, another port.
    let shelf = Arc::new(shelf());
    let (blobs, id) = (shelf.clone(), shelf.image.id());
    let other = serve(move |request| {
        assert!(!request.headers.contains_key("authorization"), "the token went to another server");
        blobs.respond(request)
    });
    let host = serve(move |request| {
        if request.path.starts_with("/token?") {
            return ok(br#"{"token":"secret-token"}"#);
        }
        if request.headers.get("authorization").map(String::as_str) != Some("Bearer secret-token") {
            let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{}/token\"\r\n", request.headers["host"]);
            return Answer::Whole(answer("401 Unauthorized", &challenge, b""));
        }
        let to = match &request.path {
            path if path.contains("/moved/") => return shelf.respond(request),
            path if path.contains("/blobs/") => format!("http://{other}{path}"),
            path => format!("/moved{path}/../{}", path.rsplit('/').next().unwrap_or_default()),
        };
        Answer::Whole(answer("307 Temporary Redirect", &format!("Location: {to}\r\n"), b""))
    });
    let root = Root::new();
    assert_eq!(pulled(&root, &host, ":1").unwrap_or_else(|e| panic!("{e}")).id, id);
}

#[test]
fn what_another_server_asks_for_behind_a_redirect_is_not_answered() {
    let other = serve(|request| {
        assert!(!request.path.starts_with("/token"), "its token server was asked");
        let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{}/token\"\r\n", request.headers["host"]);
        Answer::Whole(answer("401 Unauthorized", &challenge, b""))
    });
    let message = fails(move |_, request| {
        let to = format!("Location: http://{other}{}\r\n", request.path);
        Answer::Whole(answer("302 Found", &to, b""))
    });
    assert!(message.contains("the registry answers 401"), "{message}");
}

#[test]
fn a_registry_on_this_machine_may_speak_tls_with_any_certificate() {
    let shelf = shelf();
    let id = shelf.image.id();
    let host = serve_tls(move |request| shelf.respond(request));
    assert_eq!(pulled(&Root::new(), &host, ":1").unwrap_or_else(|e| panic!("{e}")).id, id);
}

#[test]
fn what_a_registry_should_not_send_is_refused() {
    let never =
        |status: &'static str, headers: &'static str| fails(move |_, _| Answer::Whole(answer(status, headers, b"")));
    let message = never("404 Not Found", "");
    assert!(message.contains("there is no such image"), "{message}");
    let message = never("403 Forbidden", "");
    assert!(message.contains("docker login 127.0.0.1"), "{message}");
    let message = never("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n");
    assert!(message.contains("docker login 127.0.0.1"), "{message}");
    let message = never("401 Unauthorized", "WWW-Authenticate: Bearer realm=\"http://elsewhere.example/token\"\r\n");
    assert!(message.contains("is not reached by TLS"), "{message}");
    let message = never("401 Unauthorized", "WWW-Authenticate: Negotiate\r\n");
    assert!(message.contains("not known here"), "{message}");

    let message = fails(|shelf, request| match shelf.respond(request) {
        Answer::Whole(mut bytes) if shelf.is_big(request) => {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            Answer::Whole(bytes)
        }
        other => other,
    });
    assert!(message.contains("the registry sent sha256:") && message.contains("nothing of it was kept"), "{message}");
    let message = fails(|shelf, request| {
        if shelf.is_big(request) {
            return ok(&[&shelf.blobs[&shelf.layers[0].to_string()][..], b"and more"].concat());
        }
        shelf.respond(request)
    });
    assert!(message.contains("has more than the"), "{message}");
    let message = fails(|_, _| ok(&vec![b' '; 5 << 20]));
    assert!(message.contains("the answer has more than 4194304 bytes"), "{message}");

    let manifest = Digest::of(&shelf().manifest);
    let host = serve(|_| ok(b"{}"));
    let message = pulled(&Root::new(), &host, &format!("@{manifest}")).expect_err("another manifest").to_string();
    assert!(message.contains("the registry sent sha256:"), "{message}");
}

#[test]
fn what_is_no_image_is_passed_over_in_an_index_of_a_registry_too() {
    let mut shelf = shelf();
    let descriptor = |bytes: &[u8]| {
        let (kind, digest) = ("application/vnd.oci.image.manifest.v1+json", Digest::of(bytes).to_string());
        json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
    };
    // Their own manifests alone say that these are a signature and an artifact.
    let manifest: serde_json::Value = serde_json::from_slice(&shelf.manifest).expect("a manifest");
    let mut signature = manifest.clone();
    signature["layers"][0]["mediaType"] = json!("application/vnd.dev.cosign.simplesigning.v1+json");
    signature["layers"].as_array_mut().expect("layers").truncate(1);
    let mut artifact = manifest;
    artifact["config"]["mediaType"] = json!("application/vnd.oci.empty.v1+json");
    let mut list = Vec::new();
    for bytes in [signature.to_string().into_bytes(), artifact.to_string().into_bytes(), shelf.manifest.clone()] {
        list.push(descriptor(&bytes));
        shelf.blobs.insert(Digest::of(&bytes).to_string(), bytes);
    }
    let kind = "application/vnd.oci.image.index.v1+json";
    shelf.manifest = json!({ "schemaVersion": 2, "mediaType": kind, "manifests": list }).to_string().into_bytes();
    works(shelf, Shelf::respond);
    // With nothing else there, the first one says what it is.
    let refused = fails(move |_, request| {
        if request.path.ends_with("/1") {
            return ok(json!({ "schemaVersion": 2, "manifests": list[..1] }).to_string().as_bytes());
        }
        ok(signature.to_string().as_bytes())
    });
    assert!(refused.contains("no container image") && refused.contains("simplesigning"), "{refused}");
}
