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
"#;

/// Authorities for timestamps, by the names of their sections: whose certificate they have, which others they send, the hash of their
/// signatures, those by which they name their certificate, and those of what they sign.
const AUTHORITIES: [(&str, &str, &str, &str, &str, &str); 6] = [
    ("usual", "time", "chain.pem", "sha256", "sha256", "sha256"),
    ("older-name", "time", "chain.pem", "sha256", "sha1", "sha256"),
    ("without-root", "time", "middle.pem", "sha256", "sha256", "sha256"),
    ("strict", "time", "chain.pem", "sha256", "sha256", "sha512"),
    ("old", "time", "chain.pem", "sha1", "sha256", "sha256"),
    ("late", "late", "chain.pem", "sha256", "sha256", "sha256"),
];

fn section((name, certificate, others, hash, named, signed): (&str, &str, &str, &str, &str, &str)) -> String {
    format!(
        "[{name}]\nserial = times\ncrypto_device = builtin\nsigner_cert = {certificate}.pem\nsigner_key = {certificate}.key\n\
         certs = {others}\nsigner_digest = {hash}\ness_cert_id_alg = {named}\ndigests = {signed}\n\
         default_policy = 1.2.3.4.1\naccuracy = secs:1\n"
    )
}

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

/// Several certificates in one file.
fn chain(folder: &Path, to: &str, names: &[&str]) {
    let read = |name: &&str| std::fs::read_to_string(folder.join(format!("{name}.pem"))).expect("a certificate");
    std::fs::write(folder.join(to), names.iter().map(read).collect::<String>()).expect("a file");
}

fn make() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let write = |name: &str, text: &str| std::fs::write(at.join(name), text).expect("a file");
    let sections: String = AUTHORITIES.into_iter().map(section).collect();
    for (name, text) in
        [("config", &[CONFIG, &sections].concat()[..]), ("index", ""), ("serial", "1000"), ("times", "01")]
    {
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
        ("late", "time", rsa, ("20200101000000Z", "20210101000000Z")),
    ] {
        certificate(at, name, &format!("/CN=Test {name}/OU=TEAM123456"), "middle", kind, key, span);
        chain(at, &format!("{name}-chain.pem"), &[name, "middle", "root"]);
    }
    certificate(at, "alone", "/CN=Test Alone", "alone", "code", curve, ALWAYS);
    chain(at, "chain.pem", &["middle", "root"]);
    // One that somebody signed who may not, and one by somebody with the name of an authority.
    certificate(at, "below", "/CN=Test below", "other", "code", curve, ALWAYS);
    chain(at, "below-chain.pem", &["below", "other", "middle", "root"]);
    certificate(at, "false", "/CN=Test Authority", "false", "root", curve, ALWAYS);
    certificate(at, "forged", "/CN=Test forged", "false", "code", curve, ALWAYS);
    chain(at, "forged-chain.pem", &["forged", "middle", "root"]);
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
    /// With the name of its certificate as it was usual once.
    OlderName,
    /// Without the root's certificate.
    WithoutRoot,
    /// With a no: it signs hashes of another kind only.
    No,
    /// With a signature by SHA-1.
    OldHash,
    /// By a certificate that expired.
    Late,
    /// By a certificate that is for signing code.
    Unqualified,
    /// Without the name of its certificate.
    Unnamed,
    /// To another question about the same.
    OtherQuestion,
}

impl Answers {
    /// The section of the authority that answers so.
    fn section(self) -> &'static str {
        match self {
            Self::OlderName => "older-name",
            Self::WithoutRoot => "without-root",
            Self::No => "strict",
            Self::OldHash => "old",
            Self::Late => "late",
            _ => "usual",
        }
    }
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
                _ => first.clone().unwrap_or_else(|| answer(answers, &folder, own.path(), &question)),
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

fn answer(answers: Answers, folder: &Path, own: &Path, question: &[u8]) -> Vec<u8> {
    let at = |name: &str| own.join(name).display().to_string();
    std::fs::write(at("question"), question).expect("a file");
    // Several authorities share the folder, and openssl counts in it.
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().expect("no holder panics");
    if answers == Answers::OtherQuestion {
        let start = question.windows(2).position(|part| part == [4, 32]).expect("a hash") + 2;
        let hash: String = question[start..start + 32].iter().map(|byte| format!("{byte:02x}")).collect();
        openssl(folder, &format!("ts -query -digest {hash} -sha256 -cert -out {}", at("question")));
    }
    let reply = format!("ts -reply -config config -section {} -queryfile {}", answers.section(), at("question"));
    match answers {
        Answers::Unqualified => by_another(folder, &reply, &at, "code", "-cades"),
        Answers::Unnamed => by_another(folder, &reply, &at, "time", ""),
        _ => {
            openssl(folder, &format!("{reply} -out {}", at("answer")));
            std::fs::read(at("answer")).expect("an answer")
        }
    }
}

/// An answer whose time is signed once more; an authority of openssl does so neither by this certificate nor without its name.
fn by_another(folder: &Path, reply: &str, at: &dyn Fn(&str) -> String, name: &str, more: &str) -> Vec<u8> {
    openssl(folder, &format!("{reply} -token_out -out {}", at("token")));
    openssl(folder, &format!("cms -verify -noverify -binary -inform DER -in {} -out {}", at("token"), at("time")));
    openssl(
        folder,
        &format!(
            "cms -sign -binary -nodetach -nosmimecap -outform DER -econtent_type 1.2.840.113549.1.9.16.1.4 -md sha256 {more} \
             -signer {name}.pem -inkey {name}.key -certfile chain.pem -in {} -out {}",
            at("time"),
            at("token")
        ),
    );
    let token = std::fs::read(at("token")).expect("a token");
    // A yes, and the token.
    let content = [&[0x30, 3, 2, 1, 0][..], &token].concat();
    [&[0x30, 0x82][..], &(content.len() as u16).to_be_bytes(), &content].concat()
}
