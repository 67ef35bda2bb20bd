//! A server that speaks as Apple's three do, and believes nothing: it looks at the token, at the signature of the upload, and at
//! what was uploaded.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
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
    Denied,
    Invalid,
    NoIssues,
    Endless,
    NoTicket,
    OddTicket,
    Garbage,
    Huge,
    OddBucket,
    Elsewhere,
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

pub(crate) fn ticket() -> Vec<u8> {
    b"s8ch and what Apple signed".to_vec()
}

#[derive(Default)]
struct State {
    /// The sha256 that was announced.
    announced: String,
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
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else { continue };
                let (status, body) = answer(way, &base, &request, &mut own.lock().unwrap());
                if status == "cut" {
                    continue;
                }
                let more = if status.starts_with("302") { "Location: http://10.0.0.1/\r\n" } else { "" };
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

    pub(crate) fn uploads(&self) -> usize {
        self.state.lock().unwrap().uploads
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body })
}

type Answer = (&'static str, Vec<u8>);

fn yes(value: &Value) -> Answer {
    ("200 OK", value.to_string().into_bytes())
}

fn answer(way: Way, base: &str, request: &Request, state: &mut State) -> Answer {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    match (request.method.as_str(), path.split('/').skip(1).collect::<Vec<_>>().as_slice()) {
        ("POST", ["database", "1", ..]) => tickets(way, request, state),
        ("PUT", ["bucket", ..]) => upload(way, request, path, query, state),
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
            let status = match way {
                Way::Invalid => "Invalid",
                Way::NoIssues => "Rejected",
                Way::Endless => "In Progress",
                _ if state.uploads == 0 || state.asked < 2 => "In Progress",
                _ => "Accepted",
            };
            state.accepted |= status == "Accepted";
            yes(&json!({ "data": { "id": ID, "type": "submissions", "attributes": { "status": status } } }))
        }
        ("GET", ["submissions", ID, "logs"]) => yes(
            &json!({ "data": { "id": ID, "attributes": { "developerLogUrl": format!("{base}log?secret=SECRET") } } }),
        ),
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
    let ticket = if way == Way::OddTicket { b"text".to_vec() } else { ticket() };
    let fields = json!({ "signedTicket": { "value": STANDARD.encode(ticket), "type": "BYTES" } });
    yes(&json!({ "records": [{ "recordName": name, "recordType": "DeveloperIDTicket", "fields": fields }] }))
}

fn upload(way: Way, request: &Request, path: &str, query: &str, state: &mut State) -> Answer {
    state.tries += 1;
    match way {
        Way::Busy => return ("503 Slow Down", Vec::new()),
        Way::BusyTwice if state.tries <= 2 => return ("503 Slow Down", Vec::new()),
        Way::CutTwice if state.tries <= 2 => return ("cut", Vec::new()),
        Way::Denied => return ("403 Forbidden", b"<Error>SECRET</Error>".to_vec()),
        _ => {}
    }
    if !upload_is_signed(request, path, query) || hex(&sha256(&request.body)) != state.announced {
        return ("403 Forbidden", Vec::new());
    }
    state.uploads += 1;
    ("200 OK", Vec::new())
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
    let canonical = format!("PUT\n{path}\n{}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", canonical.join("&"));
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&sha256(canonical.as_bytes())));
    let mac =
        |key: &[u8], data: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data.as_bytes()).as_ref().to_vec();
    let steps = [day, "us-west-2", "s3", "aws4_request"];
    let key = steps.iter().fold(b"AWS4SECRET".to_vec(), |key, step| mac(&key, step));
    get("X-Amz-Signature=") == hex(&mac(&key, &text))
}
