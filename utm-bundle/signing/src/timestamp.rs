//! Timestamps (RFC 3161): an authority's word for when a signature existed. They keep it good when the certificate expires, and
//! Apple notarises nothing without one.

use std::time::Duration;

use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use der::asn1::{Int, ObjectIdentifier, OctetString};
use der::{Any, Decode, Encode, Sequence};
use helix_http::{Answer, Client, Retries, Settings};
use ring::rand::{SecureRandom, SystemRandom};
use x509_cert::attr::Attributes;
use x509_cert::spki::{AlgorithmIdentifier, AlgorithmIdentifierOwned};
use x509_tsp::{MessageImprint, TimeStampReq, TimeStampResp, TspVersion, TstInfo};

use crate::certificate::{self, Certificate, SHA1, SHA256, TIME_STAMPING};
use crate::directory::sha256;
use crate::error::Error;
use crate::message;

/// The room that is kept for a timestamp, in bytes. Those of public authorities have 3 to 7 KB.
pub(crate) const ROOM: usize = 12 << 10;
/// How long an authority may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked again.
const RETRIES: Retries = Retries { times: 2, pause: Duration::from_secs(1) };
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// The attributes that name the certificate of an authority, and by which hash where they do not say so (RFC 2634 and 5035).
const CERTIFICATE_NAMED: [(ObjectIdentifier, &str); 2] = [
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12"), SHA1),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47"), SHA256),
];

/// The value of both: the authority's certificate comes first.
#[derive(Sequence)]
struct Named {
    certificates: Vec<CertificateId>,
    #[asn1(optional = "true")]
    policies: Option<Any>,
}

#[derive(Sequence)]
struct CertificateId {
    /// The older attribute has none.
    #[asn1(optional = "true")]
    algorithm: Option<AlgorithmIdentifierOwned>,
    hash: OctetString,
    #[asn1(optional = "true")]
    issuer_and_serial: Option<Any>,
}

/// An authority's word.
pub(crate) struct Timestamp {
    /// When it saw the signature, in time since 1970.
    pub(crate) time: Duration,
    /// The number of the question that it answers.
    nonce: Option<Int>,
    /// Its certificate, and those that vouch for it as far as they are there.
    path: Vec<Certificate>,
}

impl Timestamp {
    /// The name of the root above the authority.
    pub(crate) fn root(&self) -> String {
        self.path.last().map(|last| certificate::common_name(last.issuer())).unwrap_or_default()
    }

    /// Whether the authority is one of Apple's.
    pub(crate) fn is_apples(&self) -> bool {
        self.path.last().is_some_and(Certificate::is_apples_root)
    }
}

fn imprint(signature: &[u8]) -> der::Result<MessageImprint> {
    let null = Some(Any::null());
    let hash_algorithm = AlgorithmIdentifier { oid: ObjectIdentifier::new_unwrap(SHA256), parameters: null };
    Ok(MessageImprint { hash_algorithm, hashed_message: OctetString::new(sha256(signature))? })
}

/// The token of the authority at `url` about a signature. `others` are certificates that it may take for known.
///
/// # Errors
/// When there is no answer, or one that is no good.
pub(crate) fn ask(url: &str, signature: &[u8], others: &[Certificate]) -> Result<Any, Error> {
    let refuse = |why: String| Error::Timestamp { url: url.to_owned(), why };
    let mut nonce = [0; 8];
    SystemRandom::new().fill(&mut nonce).map_err(|_| refuse("there are no random numbers".to_owned()))?;
    // Neither negative, nor with a zero that DER would leave out.
    nonce[0] = nonce[0] & 0x7f | 0x40;
    let request = |nonce: &Int| {
        let message_imprint = imprint(signature)?;
        let request = TimeStampReq {
            version: TspVersion::V1,
            message_imprint,
            req_policy: None,
            nonce: Some(nonce.clone()),
            cert_req: true,
            extensions: None,
        };
        request.to_der()
    };
    let nonce = Int::new(&nonce).map_err(|error| refuse(error.to_string()))?;
    let request = request(&nonce).map_err(|error| refuse(error.to_string()))?;
    let answer = post(url, &request).map_err(refuse)?;
    let (token, timestamp) = of_answer(&answer, signature, others).map_err(refuse)?;
    if timestamp.nonce != Some(nonce) {
        return Err(refuse("its timestamp answers another question".to_owned()));
    }
    Ok(token)
}

/// When an authority saw a signature, in time since 1970, and the name of the root above it, as its answer says.
///
/// # Errors
/// When the answer is a no, damaged, or no good timestamp of the signature.
pub fn read_timestamp(answer: &[u8], signature: &[u8]) -> Result<(Duration, String), String> {
    of_answer(answer, signature, &[]).map(|(_, timestamp)| (timestamp.time, timestamp.root()))
}

/// The token in an answer, and what it says.
fn of_answer(answer: &[u8], signature: &[u8], others: &[Certificate]) -> Result<(Any, Timestamp), String> {
    let damaged = |error: der::Error| format!("its answer is damaged: {error}");
    let answer = TimeStampResp::from_der(answer).map_err(damaged)?;
    // 0 and 1 are the two forms of yes.
    if answer.status.status as u8 > 1 {
        return Err(format!("it refuses: {:?}", answer.status.status));
    }
    let token = answer.time_stamp_token.ok_or("its answer has no timestamp")?;
    let token = Any::encode_from(&token).map_err(damaged)?;
    let timestamp = read(&token, signature, others)?;
    Ok((token, timestamp))
}

fn post(url: &str, request: &[u8]) -> Result<Vec<u8>, String> {
    let settings = Settings::of_machine(concat!("helix-signing/", env!("CARGO_PKG_VERSION")));
    let settings = settings.map_err(|fault| fault.to_string())?;
    let client = Client::new(Settings { stall: PATIENCE, ..settings }).map_err(|fault| fault.to_string())?;
    let send = || {
        let request = client.post(url).header("content-type", "application/timestamp-query").body(request);
        request.send().and_then(Answer::accepted)?.bytes(ROOM as u64)
    };
    RETRIES
        .run(send, |error| error.fault.is_temporary().then(|| error.fault.pause()))
        .map_err(|error| error.fault.to_string())
}

/// Looks at a token about a signature. `others` are certificates that an authority may leave out: it is often under the same root
/// as the signer.
pub(crate) fn read(token: &Any, signature: &[u8], others: &[Certificate]) -> Result<Timestamp, String> {
    open(token, signature, others).map_err(|why| format!("its timestamp {why}"))
}

fn open(token: &Any, signature: &[u8], others: &[Certificate]) -> Result<Timestamp, String> {
    let damaged = |error: der::Error| format!("is damaged: {error}");
    let token: ContentInfo = token.decode_as().map_err(damaged)?;
    let data: SignedData = token.content.decode_as().map_err(damaged)?;
    let content =
        data.encap_content_info.econtent.as_ref().filter(|_| data.encap_content_info.econtent_type == TST_INFO);
    let content = content.ok_or("is about no time")?.value();
    let info = TstInfo::from_der(content).map_err(damaged)?;
    let opened = message::open(&data, content)?;
    let ours = imprint(signature).map_err(damaged)?;
    let theirs = &info.message_imprint;
    if theirs.hash_algorithm.oid != ours.hash_algorithm.oid || theirs.hashed_message != ours.hashed_message {
        return Err("is of another signature".to_owned());
    }
    if !names(opened.info.signed_attrs.as_ref(), &opened.path[0]) {
        return Err(format!("is not one by the certificate {:?}: it does not name it", opened.path[0].name()));
    }
    let path = certificate::path(&opened.path[0], &[&opened.path, others].concat());
    let time = info.gen_time.to_unix_duration();
    let mut faults = certificate::faults(&path, TIME_STAMPING, time);
    // Authorities may leave out their root.
    if path.last().is_some_and(|last| !last.is_self_signed()) && path.len() > 1 {
        faults.pop();
    }
    let timestamp = Timestamp { time, nonce: info.nonce, path };
    if faults.is_empty() { Ok(timestamp) } else { Err(format!("is not good: {}", faults.join("; "))) }
}

/// Whether the attributes name this certificate, so that no other one of the same key or number can stand in its place.
fn names(attributes: Option<&Attributes>, certificate: &Certificate) -> bool {
    let named = |(attribute, usual)| {
        let value = message::attribute_of(attributes, attribute)?;
        Some(value.decode_as::<Named>().is_ok_and(|named| is_first(&named, usual, certificate)))
    };
    let mut found = CERTIFICATE_NAMED.into_iter().filter_map(named).peekable();
    found.peek().is_some() && found.all(|is_it| is_it)
}

fn is_first(named: &Named, usual: &str, certificate: &Certificate) -> bool {
    let Some(first) = named.certificates.first() else { return false };
    let algorithm = first.algorithm.as_ref().map(|algorithm| algorithm.oid.to_string());
    let hash = certificate.hash(algorithm.as_deref().unwrap_or(usual));
    hash.is_some_and(|hash| hash == first.hash.as_bytes())
}

#[cfg(test)]
mod tests {
    use der::asn1::SetOfVec;
    use x509_cert::attr::Attribute;

    use super::*;

    /// A certificate that is only hashed here.
    const SOME: &[u8] = include_bytes!("../tests/signing/some-certificate.der");

    fn attributes(kind: usize, algorithm: Option<&str>, hash: Vec<u8>) -> Attributes {
        let algorithm =
            algorithm.map(|oid| AlgorithmIdentifierOwned { oid: ObjectIdentifier::new_unwrap(oid), parameters: None });
        let id = CertificateId { algorithm, hash: OctetString::new(hash).unwrap(), issuer_and_serial: None };
        let named = Named { certificates: vec![id], policies: None };
        let values = SetOfVec::try_from(vec![Any::encode_from(&named).unwrap()]).unwrap();
        SetOfVec::try_from(vec![Attribute { oid: CERTIFICATE_NAMED[kind].0, values }]).unwrap()
    }

    #[test]
    fn an_authority_names_its_certificate_by_one_of_two_attributes() {
        let certificate = Certificate::from_der(SOME).unwrap();
        let hash = |oid| certificate.hash(oid).unwrap();
        for (kind, algorithm, hash, wanted) in [
            (0, None, hash(SHA1), true),
            (1, None, hash(SHA256), true),
            (1, Some(certificate::SHA512), hash(certificate::SHA512), true),
            (0, None, hash(SHA256), false),
            (1, None, hash(SHA1), false),
            (1, Some(certificate::SHA512), hash(SHA256), false),
            (1, Some("1.2.3.4"), hash(SHA256), false),
            (1, None, sha256(b"another certificate").to_vec(), false),
        ] {
            assert_eq!(names(Some(&attributes(kind, algorithm, hash)), &certificate), wanted, "{kind} {algorithm:?}");
        }
        assert!(!names(None, &certificate));
    }
}
