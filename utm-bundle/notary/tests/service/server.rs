//! A server that speaks as Apple's three do, and believes nothing: it looks at the token, at the signature of the upload, and at
//! what was uploaded.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair, UnparsedPublicKey,
};
use ring::{digest, hmac};
use serde_json::{Value, json};

pub(crate) const KEY_ID: &str = "ABCDE12345";
pub(crate) const ISSUER: &str = "69a6de70-0000-47e3-e053-5b8c7c11a4d1";
const ID: &str = "2efe2717-52ef-43a5-96dc-0797e4ca1041";

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Good,
    /// Uploads fail, for ever or twice.
    Busy,
    BusyTwice,
    /// The connection is cut, twice.
    CutTwice,
    /// The connection is cut in the middle of the second part, twice.
    CutInPart,
    /// Nothing of a part is read.
    Silent,
    /// The parts cannot be put together, which is said with a yes.
    Apart,
    Denied,
    Invalid,
    NoIssues,
    Endless,
    NoTicket,
    OddTicket,
    OtherTicket,
    Garbage,
    Huge,
    OddBucket,
    Elsewhere,
    /// A no without words.
    Wordless,
    /// The service is away for a while when it is asked for the verdict, or for ever.
    Outage,
    Away,
    /// The key is taken back meanwhile.
    KeyTakenBack,
    /// The log is at a place that is not protected.
    OpenLog,
}

fn generate(curve: &'static EcdsaSigningAlgorithm) -> (String, Vec<u8>) {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(curve, der.as_ref(), &random).unwrap();
    let text = STANDARD.encode(der.as_ref());
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    (pem, pair.public_key().as_ref().to_vec())
}

/// The key that the server knows, as PEM, and its public half.
pub(crate) fn key() -> (String, Vec<u8>) {
    static KEY: OnceLock<(String, Vec<u8>)> = OnceLock::new();
    KEY.get_or_init(|| generate(&ECDSA_P256_SHA256_FIXED_SIGNING)).clone()
}

pub(crate) fn another_key() -> String {
    generate(&ECDSA_P256_SHA256_FIXED_SIGNING).0
}

/// A key of a curve that the service does not take.
pub(crate) fn key_of_another_curve() -> String {
    generate(&ECDSA_P384_SHA384_FIXED_SIGNING).0
}

/// A ticket of the program with this hash, in hexadecimal.
fn ticket(program: &str) -> Vec<u8> {
    let bytes = (0..program.len() / 2).map(|at| u8::from_str_radix(&program[2 * at..][..2], 16).unwrap());
    [&b"s8ch, and what Apple signed: "[..], &bytes.collect::<Vec<u8>>(), b", and more"].concat()
}

#[derive(Default)]
struct State {
    /// The sha256 that was announced.
    announced: String,
    /// The parts that are there, and how often each was tried.
    parts: BTreeMap<u16, Vec<u8>>,
    sent: BTreeMap<u16, usize>,
    aborted: usize,
    uploads: usize,
    tries: usize,
    asked: usize,
    accepted: bool,
    /// Of which program a ticket was asked for.
    program: String,
}

pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Server {
    pub(crate) fn start(way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let (own, base) = (state.clone(), url.clone());
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let Some(mut request) = head(&mut reader) else { continue };
                if way == Way::Silent && request.method == "PUT" {
                    silent.push(stream);
                    continue;
                }
                if !body(&mut reader, &mut request, way, &mut own.lock().unwrap()) {
                    continue;
                }
                let (status, body) = answer(way, &base, &request, &mut own.lock().unwrap());
                if status == "cut" {
                    continue;
                }
                let more = match (status, request.method.as_str()) {
                    ("302 Found", _) => "Location: http://10.0.0.1/\r\n".to_owned(),
                    ("200 OK", "PUT") => format!("ETag: {}\r\n", tag_of(&request.body)),
                    _ => String::new(),
                };
                let head =
                    format!("HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(&[head.as_bytes(), &body].concat());
            }
        });
        Self { url, state }
    }

    /// Of which program a ticket was asked for at last, as the hash of its code directory in hexadecimal.
    pub(crate) fn program(&self) -> String {
        self.state.lock().unwrap().program.clone()
    }

    /// How often each part was sent, and how many uploads were given up.
    pub(crate) fn sent(&self) -> (Vec<usize>, usize) {
        let state = self.state.lock().unwrap();
        (state.sent.values().copied().collect(), state.aborted)
    }

    /// The ticket that it gives for the program that was asked for.
    pub(crate) fn ticket(&self) -> Vec<u8> {
        ticket(&self.program())
    }

    pub(crate) fn uploads(&self) -> usize {
        self.state.lock().unwrap().uploads
    }
}

/// A request but for its body.
fn head(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        Some(line)
    };
    let first = line()?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    while let Some((name, value)) = line()?.split_once(':') {
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(Request { method, path, headers, body: Vec::new() })
}

/// Reads the body, and says whether it came.
fn body(reader: &mut impl Read, request: &mut Request, way: Way, state: &mut State) -> bool {
    let length = request.headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let number = part(&request.path).filter(|_| request.method == "PUT");
    let count = number.map_or(0, |number| {
        let count = state.sent.entry(number).or_default();
        *count += 1;
        *count
    });
    let cut = way == Way::CutInPart && number == Some(2) && count <= 2;
    request.body = vec![0; if cut { length / 2 } else { length }];
    reader.read_exact(&mut request.body).is_ok() && !cut
}

/// Which part of an upload a path names.
fn part(path: &str) -> Option<u16> {
    path.split(['?', '&']).find_map(|word| word.strip_prefix("partNumber="))?.parse().ok()
}

type Answer = (&'static str, Vec<u8>);

fn yes(value: &Value) -> Answer {
    ("200 OK", value.to_string().into_bytes())
}

fn answer(way: Way, base: &str, request: &Request, state: &mut State) -> Answer {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    match (request.method.as_str(), path.split('/').skip(1).collect::<Vec<_>>().as_slice()) {
        ("POST", ["database", "1", ..]) => tickets(way, request, state),
        (_, ["bucket", ..]) => upload(way, request, path, query, state),
        ("GET", ["log"]) => yes(&match way {
            Way::NoIssues => json!({ "status": "Rejected", "issues": null }),
            _ => json!({ "issues": [{
                "severity": "error", "code": null, "path": "Helix.zip/Helix.app/Contents/MacOS/qemu-img",
                "message": "The binary is not signed.", "docUrl": null, "architecture": "arm64",
            }] }),
        }),
        (_, ["notary", "v2", rest @ ..]) => {
            if !token_is_good(request.headers.get("authorization").map_or("", String::as_str)) {
                let detail = "Provide a properly configured and signed bearer token";
                return ("401 Unauthorized", json!({ "errors": [{ "detail": detail }] }).to_string().into_bytes());
            }
            notary(way, base, request, rest, state)
        }
        _ => ("404 Not Found", Vec::new()),
    }
}

fn notary(way: Way, base: &str, request: &Request, rest: &[&str], state: &mut State) -> Answer {
    match (request.method.as_str(), rest) {
        ("POST", ["submissions"]) => {
            match way {
                Way::Garbage => return ("200 OK", b"<html>SECRET".to_vec()),
                Way::Huge => return ("200 OK", vec![b' '; 5 << 20]),
                Way::Elsewhere => return ("302 Found", Vec::new()),
                Way::Wordless => return ("400 Bad Request", b"{}".to_vec()),
                _ => {}
            }
            let question: Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(question["submissionName"], "Helix.zip");
            state.announced = question["sha256"].as_str().unwrap().to_owned();
            let bucket = if way == Way::OddBucket { "evil.example/#" } else { "bucket" };
            yes(&json!({ "data": { "type": "newSubmissions", "id": ID, "attributes": {
                "awsAccessKeyId": "AKID", "awsSecretAccessKey": "SECRET", "awsSessionToken": "TOKEN/+=",
                "bucket": bucket, "object": format!("prod/{ID}"),
            } } }))
        }
        ("GET", ["submissions", ID]) => {
            state.asked += 1;
            match (way, state.asked) {
                (Way::KeyTakenBack, 2..) => return ("401 Unauthorized", Vec::new()),
                (Way::Outage | Way::Away, 2..5) | (Way::Away, _) => return ("503 Service Unavailable", Vec::new()),
                (Way::Outage, 5..8) => return ("cut", Vec::new()),
                _ => {}
            }
            let status = match way {
                Way::Invalid | Way::OpenLog => "Invalid",
                Way::NoIssues => "Rejected",
                Way::Endless => "In Progress",
                _ if state.uploads == 0 || state.asked < 2 => "In Progress",
                _ => "Accepted",
            };
            state.accepted |= status == "Accepted";
            yes(&json!({ "data": { "id": ID, "type": "submissions", "attributes": { "status": status } } }))
        }
        ("GET", ["submissions", ID, "logs"]) => {
            let base = if way == Way::OpenLog { "http://10.0.0.1/" } else { base };
            let url = format!("{base}log?secret=SECRET");
            yes(&json!({ "data": { "id": ID, "attributes": { "developerLogUrl": url } } }))
        }
        _ => ("404 Not Found", Vec::new()),
    }
}

fn tickets(way: Way, request: &Request, state: &mut State) -> Answer {
    let question: Value = serde_json::from_slice(&request.body).unwrap();
    let name = question["records"][0]["recordName"].as_str().unwrap().to_owned();
    assert_eq!(question, json!({ "records": [{ "recordName": name }] }));
    state.program = name.strip_prefix("2/2/").unwrap().to_owned();
    if !state.accepted || way == Way::NoTicket {
        return yes(
            &json!({ "records": [{ "recordName": name, "serverErrorCode": "NOT_FOUND", "reason": "Record not found" }] }),
        );
    }
    let ticket = match way {
        Way::OddTicket => b"text".to_vec(),
        Way::OtherTicket => ticket(&"cd".repeat(20)),
        _ => ticket(&state.program),
    };
    let fields = json!({ "signedTicket": { "value": STANDARD.encode(ticket), "type": "BYTES" } });
    yes(&json!({ "records": [{ "recordName": name, "recordType": "DeveloperIDTicket", "fields": fields }] }))
}

/// Uploads in parts, as "Amazon S3 API Reference" has them.
fn upload(way: Way, request: &Request, path: &str, query: &str, state: &mut State) -> Answer {
    let method = request.method.as_str();
    if method == "PUT" {
        state.tries += 1;
        match way {
            Way::Busy => return ("503 Slow Down", Vec::new()),
            Way::BusyTwice if state.tries <= 2 => return ("503 Slow Down", Vec::new()),
            Way::CutTwice if state.tries <= 2 => return ("cut", Vec::new()),
            Way::Denied => return ("403 Forbidden", b"<Error>SECRET</Error>".to_vec()),
            _ => {}
        }
    }
    if !upload_is_signed(request, path, query) {
        return ("403 Forbidden", Vec::new());
    }
    let of_this = query.split('&').any(|word| word == "uploadId=UPLOAD%2F%2B");
    match (method, part(&request.path)) {
        ("POST", None) if query.split('&').any(|word| word == "uploads=1") => {
            ("200 OK", xml("InitiateMultipartUploadResult", "<UploadId>UPLOAD/+</UploadId>"))
        }
        ("PUT", Some(number)) if of_this => {
            state.parts.insert(number, request.body.clone());
            ("200 OK", Vec::new())
        }
        ("POST", None) if of_this => complete(way, request, state),
        ("DELETE", None) if of_this => {
            state.aborted += 1;
            ("204 No Content", Vec::new())
        }
        _ => ("400 Bad Request", Vec::new()),
    }
}

fn complete(way: Way, request: &Request, state: &mut State) -> Answer {
    if way == Way::Apart {
        return ("200 OK", b"<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>".to_vec());
    }
    let tag = |(number, bytes): (&u16, &Vec<u8>)| {
        format!("<Part><ETag>{}</ETag><PartNumber>{number}</PartNumber></Part>", tag_of(bytes).replace('"', "&quot;"))
    };
    let parts: String = state.parts.iter().map(tag).collect();
    let text = String::from_utf8_lossy(&request.body).replace('"', "&quot;");
    let whole: Vec<u8> = state.parts.values().flatten().copied().collect();
    let small = state.parts.values().rev().skip(1).any(|part| part.len() < 5 << 20);
    if small || !text.contains(&parts) || hex(&sha256(&whole)) != state.announced {
        return ("400 Bad Request", Vec::new());
    }
    state.uploads += 1;
    ("200 OK", xml("CompleteMultipartUploadResult", "<ETag>&quot;all&quot;</ETag>"))
}

fn xml(name: &str, content: &str) -> Vec<u8> {
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    format!("{head}<{name} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{content}</{name}>").into_bytes()
}

/// By what a part is known; quotation marks belong to it.
fn tag_of(bytes: &[u8]) -> String {
    format!("\"{}\"", hex(&sha256(bytes)[..16]))
}

/// RFC 7515 and Apple's "Generating Tokens for API Requests".
fn token_is_good(header: &str) -> bool {
    let Some(token) = header.strip_prefix("Bearer ") else { return false };
    let [head, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { return false };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let value = |part: &str| serde_json::from_slice::<Value>(&decoded(part)).unwrap();
    let (header, body) = (value(head), value(claims));
    let span = body["exp"].as_u64().unwrap() - body["iat"].as_u64().unwrap();
    let facts = header["alg"] == "ES256"
        && header["kid"] == KEY_ID
        && header["typ"] == "JWT"
        && body["iss"] == ISSUER
        && body["aud"] == "appstoreconnect-v1"
        && span <= 20 * 60;
    let signed = &token[..head.len() + 1 + claims.len()];
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key().1);
    facts && key.verify(signed.as_bytes(), &decoded(signature)).is_ok()
}

fn sha256(data: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, data).as_ref().to_vec()
}

fn hex(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// AWS, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)".
fn upload_is_signed(request: &Request, path: &str, query: &str) -> bool {
    let mut parts: Vec<&str> = query.split('&').collect();
    parts.sort_unstable();
    let get = |name: &str| parts.iter().find_map(|part| part.strip_prefix(name)).unwrap_or_default();
    let date = get("X-Amz-Date=");
    assert_eq!(get("X-Amz-Security-Token="), "TOKEN%2F%2B%3D");
    assert_eq!(get("X-Amz-SignedHeaders="), "host");
    let day = &date[..8];
    let scope = format!("{day}/us-west-2/s3/aws4_request");
    assert_eq!(get("X-Amz-Credential="), format!("AKID/{scope}").replace('/', "%2F"));
    let canonical: Vec<&str> = parts.iter().copied().filter(|part| !part.starts_with("X-Amz-Signature=")).collect();
    let host = &request.headers["host"];
    let method = &request.method;
    let canonical = format!("{method}\n{path}\n{}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", canonical.join("&"));
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&sha256(canonical.as_bytes())));
    let mac =
        |key: &[u8], data: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data.as_bytes()).as_ref().to_vec();
    let steps = [day, "us-west-2", "s3", "aws4_request"];
    let key = steps.iter().fold(b"AWS4SECRET".to_vec(), |key, step| mac(&key, step));
    get("X-Amz-Signature=") == hex(&mac(&key, &text))
}
