//! Signatures by certificates, which openssl makes and reads.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use helix_macho::MachO;
use helix_signing::{Authority, CertificateFiles, Identity, Timestamps};
use proptest::prelude::*;

use crate::authority::{Answers, PASSWORD, file, timestamps};
use crate::support::{Copy, copy, files, sign};

fn load(certificate: &str, key: Option<&str>, password: Option<&str>) -> Result<Identity, String> {
    let (certificate, key) = (file(certificate), key.map(file));
    let files = CertificateFiles { certificate: &certificate, key: key.as_deref(), password };
    Identity::load(&files, Timestamps::None).map_err(|error| error.to_string())
}

fn by(name: &str) -> Identity {
    load(&format!("{name}-chain.pem"), Some(&format!("{name}.key")), None).unwrap()
}

fn by_with(name: &str, times: Timestamps<'_>) -> Identity {
    let (certificate, key) = (file(&format!("{name}-chain.pem")), file(&format!("{name}.key")));
    Identity::load(&CertificateFiles { certificate: &certificate, key: Some(&key), password: None }, times).unwrap()
}

fn try_sign(copy: &Copy, identity: &Identity) -> Result<(), String> {
    helix_signing::sign(&copy.app, identity, &Default::default()).map_err(|error| error.to_string())
}

fn signed(identity: &Identity) -> Copy {
    let copy = Copy::unsigned();
    try_sign(&copy, identity).unwrap();
    copy
}

fn authority(copy: &Copy) -> Authority {
    helix_signing::verify(&copy.app).unwrap().authority
}

/// The code directory, the requirements, and the message of the signer of a file.
fn parts(path: &Path) -> [Vec<u8>; 3] {
    let data = fs::read(path).unwrap();
    let signature = &data[MachO::read(&data).unwrap().signature.unwrap().offset as usize..];
    let number = |at: usize| u32::from_be_bytes(signature[at..at + 4].try_into().unwrap()) as usize;
    [0, 2, 0x10000].map(|slot| {
        let at = (0..number(8)).map(|index| 12 + 8 * index).find(|at| number(*at) == slot).expect("the slot");
        let blob = number(at + 4);
        let content = if slot == 0 { blob } else { blob + 8 };
        signature[content..blob + number(blob + 4)].to_vec()
    })
}

/// Another reader of such messages agrees.
fn openssl_agrees(path: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let [directory, _, message] = parts(path);
    let [content, cms] = ["directory", "cms"].map(|name| folder.path().join(name));
    fs::write(&content, directory).unwrap();
    fs::write(&cms, message).unwrap();
    let mut command = Command::new("openssl");
    command.args(["cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any", "-out", "/dev/null"]);
    command.arg("-in").arg(&cms).arg("-content").arg(&content).arg("-CAfile").arg(file("root.pem"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // And it would say so.
    fs::write(&content, "something else").unwrap();
    assert!(!command.output().unwrap().status.success());
}

#[test]
fn an_app_signed_by_a_certificate_is_good() {
    for name in ["code", "curve"] {
        let copy = signed(&by(name));
        assert_eq!(copy.faults(), "");
        let wanted = Authority::Certificate {
            name: format!("Test {name}"),
            root: "Test Root".to_owned(),
            team: None,
            timestamps: Vec::new(),
        };
        assert_eq!(authority(&copy), wanted);
        assert_eq!(helix_app::check(&copy.app), []);
        openssl_agrees(&copy.at("MacOS/Helix"));
        openssl_agrees(&copy.at("Frameworks/EGL.framework/Versions/A/EGL"));
        // And back.
        sign(&copy.app);
        assert_eq!(copy.faults(), "");
        assert_eq!(authority(&copy), Authority::AdHoc);
    }
}

#[test]
fn a_certificate_that_signed_itself_can_sign() {
    let copy = signed(&load("alone.pem", Some("alone.key"), None).unwrap());
    assert_eq!(copy.faults(), "");
    assert_eq!(authority(&copy).to_string(), "by \"Test Alone\" under \"Test Alone\", without timestamps");
}

#[test]
fn every_form_of_key_is_read() {
    load("code-chain.pem", Some("code.encrypted"), Some(PASSWORD)).unwrap();
    for name in ["curve.p12", "old.p12"] {
        let copy = signed(&load(name, None, Some(PASSWORD)).unwrap());
        assert_eq!(copy.faults(), "", "{name}");
    }
    let all = [fs::read(file("code-chain.pem")).unwrap(), fs::read(file("code.key")).unwrap()].concat();
    fs::write(file("all.pem"), all).unwrap();
    load("all.pem", None, None).unwrap();
}

#[test]
fn what_cannot_sign_is_refused_with_its_reason() {
    fs::write(file("text"), "no certificate").unwrap();
    for (certificate, key, password, wanted) in [
        ("expired-chain.pem", "expired.key", None, "the certificate \"Test expired\" expired at 2021-01-01T00:00:00Z"),
        ("early-chain.pem", "early.key", None, "is valid from 2098-01-01T00:00:00Z only"),
        ("web-chain.pem", "web.key", None, "the certificate \"Test web\" is not for signing code"),
        ("odd-chain.pem", "odd.key", None, "has the critical extension 1.2.3.4, which is not known"),
        (
            "below-chain.pem",
            "below.key",
            None,
            "the certificate \"Test other\", which signed \"Test below\", is not one of an authority",
        ),
        (
            "forged-chain.pem",
            "forged.key",
            None,
            "the certificate \"Test Authority\", which signed \"Test forged\", did not sign it",
        ),
        ("large-chain.pem", "large.key", None, "RSA with 2048 to 4096 bits, or of the curve P-256"),
        (
            "code-chain.pem",
            "other.key",
            None,
            "belongs to no certificate that is there (\"Test code\", \"Test Authority\"",
        ),
        ("code.pem", "code.key", None, "the certificate \"Test Authority\", which signed \"Test code\", is missing"),
        ("code-chain.pem", "", None, "there is no key; name its file by --certificate-key"),
        ("code-chain.pem", "code.encrypted", Some("another"), "the password is wrong"),
        ("code-chain.pem", "code.encrypted", None, "--certificate-password-file"),
        ("code-chain.pem", "code.pkcs1", None, "openssl pkcs8 -topk8"),
        ("curve.p12", "", Some("another"), "the password is wrong"),
        ("curve.p12", "", None, "--certificate-password-file"),
        ("code.der", "code.key", None, "openssl x509 -inform der"),
        ("text", "", None, "neither PEM nor PKCS #12"),
        ("missing", "", None, "No such file"),
    ] {
        let loaded = load(certificate, Some(key).filter(|key| !key.is_empty()), password);
        let error = loaded.err().unwrap_or_else(|| panic!("{certificate} {key} can sign"));
        assert!(error.contains(wanted), "{certificate} {key}: {error}");
        assert!(!error.contains("another"), "the password is shown: {error}");
    }
}

/// A certificate like those of Developer ID gets all that Apple asks for, and is told from Apple's by its root.
#[test]
fn a_developer_id_has_its_team_and_must_be_apples() {
    let copy = signed(&by("developer"));
    assert_eq!(
        copy.faults(),
        "Contents/MacOS/Helix: its signer claims a Developer ID, and the root above it is not Apple's\n"
    );
    assert!(matches!(authority(&copy), Authority::Certificate { team: Some(team), .. } if team == "TEAM123456"));
    let seal = fs::read_to_string(copy.at("_CodeSignature/CodeResources")).unwrap().replace("&quot;", "\"");
    let wanted = "and anchor apple generic and certificate 1[field.1.2.840.113635.100.6.2.6] /* exists */ and \
                  certificate leaf[field.1.2.840.113635.100.6.1.13] /* exists */ and certificate leaf[subject.OU] = \
                  \"TEAM123456\"";
    assert!(seal.contains(wanted), "{seal}");
    let [directory, requirements, _] = parts(&copy.at("MacOS/qemu-img"));
    let number = |at: usize| u32::from_be_bytes(directory[at..at + 4].try_into().unwrap());
    assert_eq!((number(8), number(12)), (0x20500, 0x10000), "the hardened runtime");
    let team = &directory[number(48) as usize..];
    assert!(team.starts_with(b"TEAM123456\0"));
    let name = b"org.helix.app.qemu-img";
    let name = if requirements.windows(name.len()).any(|part| part == name) { name.len() } else { 0 };
    // One designated requirement at 20, an expression: and, identifier.
    let head: Vec<u32> =
        requirements.chunks_exact(4).take(10).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect();
    assert_eq!(head[..3], [1, 3, 20]);
    assert_eq!(head[3], 0xfade_0c00);
    assert_eq!(head[5..8], [1, 6, 2]);
    assert!(name == 0 || head[8] as usize == name);
    // …, and, anchor apple generic, and, an extension of certificate 1, and, one of the leaf, and its unit.
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let oid =
        |last: [u8; 2]| [&[0, 0, 0, 10, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x63, 0x64, 6][..], &last, &[0, 0]].concat();
    let end = [
        words(&[6, 15, 6, 14, 1]),
        oid([2, 6]),
        words(&[0, 6, 14, 0]),
        oid([1, 13]),
        words(&[0, 11, 0, 10]),
        b"subject.OU\0\0".to_vec(),
        words(&[1, 10]),
        b"TEAM123456\0\0".to_vec(),
    ];
    assert!(requirements.ends_with(&end.concat()), "{requirements:02x?}");
}

#[test]
fn timestamps_are_asked_for_and_checked() {
    for answers in [Answers::Well, Answers::SecondTime, Answers::OlderName, Answers::WithoutRoot] {
        let copy = signed(&by_with("code", Timestamps::From(&timestamps(answers))));
        assert_eq!(copy.faults(), "");
        let wanted = "by \"Test code\" under \"Test Root\", with timestamps under \"Test Root\"";
        assert_eq!(authority(&copy).to_string(), wanted, "{answers:?}");
        openssl_agrees(&copy.at("MacOS/Helix"));
    }
}

#[test]
fn bad_timestamps_are_refused() {
    for (answers, wanted) in [
        (Answers::Again, "its timestamp"),
        (Answers::Text, "its answer is damaged"),
        (Answers::Much, "the answer has more than 12288 bytes"),
        (Answers::No, "it refuses: Rejection"),
        (Answers::OldHash, "its timestamp was hashed by an algorithm that is not trusted here"),
        (Answers::Late, "its timestamp is not good: the certificate \"Test late\" expired at 2021-01-01T00:00:00Z"),
        (Answers::Unqualified, "its timestamp is not good: the certificate \"Test code\" is not for timestamps"),
        (Answers::Unnamed, "its timestamp is not one by the certificate \"Test time\": it does not name it"),
        (Answers::OtherQuestion, "its timestamp answers another question"),
    ] {
        let copy = Copy::unsigned();
        let url = timestamps(answers);
        let error = try_sign(&copy, &by_with("code", Timestamps::From(&url))).unwrap_err();
        assert!(error.contains(wanted) && error.contains(&url), "{answers:?}: {error}");
        assert!(!copy.faults().is_empty());
    }
    let nowhere = Timestamps::From("http://127.0.0.1:1/");
    let error = try_sign(&Copy::unsigned(), &by_with("code", nowhere)).unwrap_err();
    assert!(error.contains("there is no timestamp from http://127.0.0.1:1/") && error.contains("refused"), "{error}");
}

/// The summer after the certificates of the tests expired.
const LATER: Duration = Duration::from_secs(4_115_664_000);

fn faults_later(copy: &Copy) -> String {
    let report = helix_signing::verify_at(&copy.app, LATER).unwrap();
    report.faults.iter().map(|fault| format!("{fault}\n")).collect()
}

/// A timestamp keeps it good.
#[test]
fn a_signature_of_a_certificate_that_expired_since_is_told() {
    let end = "expired at 2099-12-31T23:59:59Z, and nothing says that it was signed before";
    let wanted = ["Test Authority", "Test Root", "Test code"]
        .map(|name| format!("Contents/MacOS/Helix: the certificate {name:?} {end}\n"));
    assert_eq!(faults_later(&signed(&by("code"))), wanted.concat());
    let stamped = signed(&by_with("code", Timestamps::From(&timestamps(Answers::Well))));
    assert_eq!(faults_later(&stamped), "");
    // A single program without a timestamp is enough.
    fs::copy(signed(&by("code")).at("MacOS/qemu-img"), stamped.at("MacOS/qemu-img")).unwrap();
    assert!(faults_later(&stamped).contains(end));
}

#[test]
fn a_developer_id_needs_timestamps_of_apple() {
    let faults = signed(&by_with("developer", Timestamps::From(&timestamps(Answers::Well)))).faults();
    let wanted = "Contents/MacOS/Helix: its signer claims a Developer ID, and its timestamps are not Apple's, but of an \
                  authority under \"Test Root\"\n";
    assert!(faults.contains(wanted), "{faults}");
}

/// Every part of a timestamp that says something is covered.
#[test]
fn a_changed_timestamp_is_found() {
    let copy = signed(&by_with("curve", Timestamps::From(&timestamps(Answers::Well))));
    let path = copy.at("MacOS/Helix");
    let whole = fs::read(&path).unwrap();
    // The time, in the token: GeneralizedTime of this century.
    let time = |part: &[u8]| part.starts_with(&[0x18, 15, b'2', b'0']) && !part.ends_with(b"99");
    let at = whole.windows(6).position(time).expect("a time that is not the end of a certificate");
    let mut changed = whole.clone();
    changed[at + 4] ^= 1;
    fs::write(&path, &changed).unwrap();
    let faults = copy.faults();
    assert!(faults.contains("Contents/MacOS/Helix: its timestamp is the signature of something else"), "{faults}");
}

#[test]
fn code_for_which_another_vouches_is_found() {
    let copy = signed(&by("code"));
    for (identity, wanted) in [
        (Identity::ad_hoc(), "nobody vouches for it, and \"Test code\" for the app"),
        (by("other"), "\"Test other\" vouches for it, not who signed the app"),
    ] {
        let other = signed(&identity);
        let framework = copy.at("Frameworks/EGL.framework");
        fs::remove_dir_all(&framework).unwrap();
        crate::support::copy(&other.at("Frameworks/EGL.framework"), &framework);
        let faults = copy.faults();
        assert!(faults.contains(wanted), "{faults}");
        assert!(faults.contains("Contents/Frameworks/EGL.framework: is not what was signed"), "{faults}");
    }
    // A program of an app that is signed ad hoc.
    let copy = Copy::signed();
    fs::copy(signed(&by("code")).at("MacOS/qemu-img"), copy.at("MacOS/qemu-img")).unwrap();
    assert!(!copy.faults().is_empty());
}

/// The message of one version of a program is none of another.
#[test]
fn a_message_does_not_fit_another_directory() {
    let (one, other) = (signed(&by("code")), signed(&by("code")));
    let (a, b) = (one.at("MacOS/Helix"), other.at("MacOS/qemu-img"));
    let [_, _, message] = parts(&b);
    let mut data = fs::read(&a).unwrap();
    let [_, _, own] = parts(&a);
    let at = data.windows(own.len()).position(|part| part == own).unwrap();
    assert_eq!(own.len(), message.len(), "RSA's are of one length");
    data[at..at + own.len()].copy_from_slice(&message);
    fs::write(&a, data).unwrap();
    let faults = one.faults();
    assert_eq!(faults, "Contents/MacOS/Helix: is the signature of something else\n");
}

fn shared() -> &'static Copy {
    static COPY: OnceLock<Copy> = OnceLock::new();
    COPY.get_or_init(|| signed(&by("curve")))
}

fn with_flipped<T>(path: &Path, at: usize, bit: u8, look: impl FnOnce() -> T) -> T {
    let mut data = fs::read(path).unwrap();
    data[at] ^= 1 << bit;
    fs::write(path, &data).unwrap();
    let found = look();
    data[at] ^= 1 << bit;
    fs::write(path, &data).unwrap();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// As for ad hoc signatures; half of the changes are in the signature of the app's own program, which no seal lists.
    #[test]
    fn any_changed_bit_is_found(own: bool, which: prop::sample::Index, at: prop::sample::Index, bit in 0_u8..8) {
        let copy = shared();
        let files: Vec<_> = files(&copy.app).into_iter().filter(|f| !f.ends_with("PkgInfo")).collect();
        let main = copy.at("MacOS/Helix");
        let path = if own { &main } else { which.get(&files) };
        let data = fs::read(path).unwrap();
        prop_assume!(!data.is_empty());
        let from = if own { MachO::read(&data).unwrap().signature.unwrap().offset as usize } else { 0 };
        let at = from + at.index(data.len() - from);
        let faults = with_flipped(path, at, bit, || copy.faults());
        prop_assert!(!faults.is_empty(), "bit {bit} of byte {at} of {}", path.display());
    }
}

/// The copy is there to be compared with.
#[test]
fn the_time_of_signing_is_all_that_differs() {
    let folder = tempfile::tempdir().unwrap();
    let one = signed(&by("code"));
    copy(&one.app, &folder.path().join("Helix.app"));
    try_sign(&one, &by("code")).unwrap();
    let [before, after] = [&folder.path().join("Helix.app"), &one.app].map(|app| app.join("Contents/MacOS/Helix"));
    let ([d1, r1, _], [d2, r2, _]) = (parts(&before), parts(&after));
    assert!(d1 == d2 && r1 == r2);
}
