//! Certificates and an authority for timestamps, made by openssl in a folder that goes away.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// The password of all keys that have one.
pub(crate) const PASSWORD: &str = "a long word";

const CONFIG: &str = r#"
[req]
distinguished_name = name
prompt = no
[name]
[ca]
default_ca = authority
[authority]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
copy_extensions = none
[any]
commonName = supplied
organizationalUnitName = optional
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[code]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, codeSigning
[developer]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, codeSigning
1.2.840.113635.100.6.1.13 = critical, DER:0500
[web]
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
[odd]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, codeSigning
1.2.3.4 = critical, DER:0500
[time]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa]
serial = times
crypto_device = builtin
signer_cert = time.pem
certs = chain.pem
signer_key = time.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
"#;

/// The folder with everything; each certificate NAME.pem has its key beside it as NAME.key.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER.get_or_init(make).path()
}

/// A file of it.
pub(crate) fn file(name: &str) -> PathBuf {
    folder().join(name)
}

fn openssl(folder: &Path, line: &str) {
    // Words in braces may have spaces.
    let words = line.split(['{', '}']).enumerate();
    let words: Vec<&str> =
        words.flat_map(|(at, part)| if at % 2 == 1 { vec![part] } else { part.split_whitespace().collect() }).collect();
    let output = Command::new("openssl").args(words).current_dir(folder).output().expect("openssl");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

const ALWAYS: (&str, &str) = ("20200101000000Z", "20991231235959Z");

/// A certificate and its key; `by` is who signs it, itself for a root.
fn certificate(folder: &Path, name: &str, subject: &str, by: &str, kind: &str, key: &str, (from, to): (&str, &str)) {
    openssl(folder, &format!("genpkey -algorithm {key} -out {name}.key"));
    openssl(folder, &format!("req -new -config config -key {name}.key -subj {{{subject}}} -out {name}.csr"));
    let by =
        if by == name { format!("-selfsign -keyfile {name}.key") } else { format!("-cert {by}.pem -keyfile {by}.key") };
    openssl(
        folder,
        &format!(
            "ca -config config -batch -notext -extensions {kind} {by} -in {name}.csr -out {name}.pem -startdate {from} -enddate {to}"
        ),
    );
}

fn make() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let write = |name: &str, text: &str| std::fs::write(at.join(name), text).expect("a file");
    for (name, text) in [("config", CONFIG), ("index", ""), ("serial", "1000"), ("times", "01")] {
        write(name, text);
    }
    let (rsa, curve) = ("RSA -pkeyopt rsa_keygen_bits:2048", "EC -pkeyopt ec_paramgen_curve:P-256");
    let large = "EC -pkeyopt ec_paramgen_curve:P-384";
    certificate(at, "root", "/CN=Test Root", "root", "root", rsa, ALWAYS);
    certificate(at, "middle", "/CN=Test Authority", "root", "root", large, ALWAYS);
    for (name, kind, key, span) in [
        ("code", "code", rsa, ALWAYS),
        ("curve", "code", curve, ALWAYS),
        ("large", "code", large, ALWAYS),
        ("developer", "developer", rsa, ALWAYS),
        ("other", "code", curve, ALWAYS),
        ("web", "web", curve, ALWAYS),
        ("odd", "odd", curve, ALWAYS),
        ("time", "time", rsa, ALWAYS),
        ("expired", "code", curve, ("20200101000000Z", "20210101000000Z")),
        ("early", "code", curve, ("20980101000000Z", "20990101000000Z")),
    ] {
        certificate(at, name, &format!("/CN=Test {name}/OU=TEAM123456"), "middle", kind, key, span);
        let read = |name: &str| std::fs::read_to_string(at.join(name)).expect("a certificate");
        let chain = [read(&format!("{name}.pem")), read("middle.pem"), read("root.pem")].concat();
        write(&format!("{name}-chain.pem"), &chain);
    }
    certificate(at, "alone", "/CN=Test Alone", "alone", "code", curve, ALWAYS);
    let read = |name: &str| std::fs::read_to_string(at.join(name)).expect("a certificate");
    write("chain.pem", &[read("middle.pem"), read("root.pem")].concat());
    openssl(at, &format!("pkcs8 -topk8 -in code.key -passout {{pass:{PASSWORD}}} -out code.encrypted"));
    openssl(at, "rsa -traditional -in code.key -out code.pkcs1");
    openssl(at, "x509 -in code.pem -outform der -out code.der");
    for (name, more) in [("curve.p12", ""), ("old.p12", "-legacy")] {
        openssl(
            at,
            &format!(
                "pkcs12 -export {more} -inkey curve.key -in curve.pem -certfile chain.pem -passout {{pass:{PASSWORD}}} -out {name}"
            ),
        );
    }
    folder
}

/// How an authority for timestamps answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    Well,
    /// With its first answer again and again.
    Again,
    /// With text.
    Text,
    /// With more than any answer has.
    Much,
    /// Not before the second time; the first gets an error of the server.
    SecondTime,
}

/// Starts an authority that answers on this machine as long as the tests run, and gives its URL.
pub(crate) fn timestamps(answers: Answers) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("its address"));
    let folder = folder().to_owned();
    let own = tempfile::tempdir().expect("a folder");
    std::thread::spawn(move || {
        let mut first: Option<Vec<u8>> = None;
        for (count, stream) in listener.incoming().enumerate() {
            let mut stream = stream.expect("a connection");
            let question = question(&stream);
            let answer = match answers {
                Answers::Text => b"not today".to_vec(),
                Answers::Much => vec![0x30; 100_000],
                _ => first.clone().unwrap_or_else(|| answer(&folder, own.path(), &question)),
            };
            if answers == Answers::Again {
                first = Some(answer.clone());
            }
            let status = if answers == Answers::SecondTime && count == 0 { "503 Busy" } else { "200 OK" };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/timestamp-reply\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                answer.len()
            );
            // Who asks may be gone already.
            let _ = stream.write_all(&[head.as_bytes(), &answer].concat());
        }
    });
    url
}

fn question(stream: &TcpStream) -> Vec<u8> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a question");
    body
}

fn answer(folder: &Path, own: &Path, question: &[u8]) -> Vec<u8> {
    let (asked, answer) = (own.join("question"), own.join("answer"));
    std::fs::write(&asked, question).expect("a file");
    // Several authorities share the folder, and openssl counts in it.
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().expect("no holder panics");
    openssl(
        folder,
        &format!("ts -reply -config config -section tsa -queryfile {} -out {}", asked.display(), answer.display()),
    );
    std::fs::read(answer).expect("an answer")
}
