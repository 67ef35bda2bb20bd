//! The message (CMS, RFC 5652) by which a certificate vouches for a code directory.

use std::time::Duration;

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use der::asn1::{ObjectIdentifier, OctetString, OctetStringRef, SetOfVec, UtcTime};
use der::{Any, Decode, Encode, Sequence};
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::certificate::{self, CODE_SIGNING, Certificate, SHA256};
use crate::directory::{cd_hash, sha256};
use crate::error::Error;
use crate::identity::Identity;
use crate::requirement::Signer;
use crate::timestamp::{self, Timestamp};

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
const TIMESTAMP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.14");
/// The hashes of the code directory, as a property list.
const CD_HASHES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113635.100.9.1");
/// The same, each whole and with its algorithm.
const CD_HASHES_2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113635.100.9.2");
const HASH: ObjectIdentifier = ObjectIdentifier::new_unwrap(SHA256);

/// A hash with its algorithm.
#[derive(Sequence)]
struct CdHash {
    algorithm: ObjectIdentifier,
    hash: OctetString,
}

/// A message that was looked at.
pub(crate) struct Message {
    pub(crate) signer: Signer,
    pub(crate) timestamp: Option<Timestamp>,
}

fn attribute(oid: ObjectIdentifier, value: Any) -> der::Result<Attribute> {
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? })
}

/// What is signed: the directory's hashes, and when.
fn attributes(directory: &[u8], time: UtcTime) -> der::Result<Attributes> {
    let hashes = plist::Value::Array(vec![plist::Value::Data(cd_hash(directory).to_vec())]);
    let list = plist::Dictionary::from_iter([("cdhashes", hashes)]);
    let mut text = Vec::new();
    plist::Value::Dictionary(list).to_writer_xml(&mut text).expect("strings are written to memory");
    text.push(b'\n');
    let whole = CdHash { algorithm: HASH, hash: OctetString::new(sha256(directory))? };
    SetOfVec::try_from(vec![
        attribute(CONTENT_TYPE, Any::encode_from(&DATA)?)?,
        attribute(SIGNING_TIME, Any::encode_from(&time)?)?,
        attribute(MESSAGE_DIGEST, Any::encode_from(&OctetStringRef::new(&sha256(directory))?)?)?,
        attribute(CD_HASHES, Any::encode_from(&OctetStringRef::new(&text)?)?)?,
        attribute(CD_HASHES_2, Any::encode_from(&whole)?)?,
    ])
}

/// The message about a code directory, as DER.
///
/// # Errors
/// When the key does not sign, or the authority for timestamps does not answer.
pub(crate) fn make(directory: &[u8], identity: &Identity, time: Duration) -> Result<Vec<u8>, Error> {
    let refuse = |error: der::Error| Error::Key { why: format!("its signature cannot be written: {error}") };
    let time = UtcTime::from_unix_duration(Duration::from_secs(time.as_secs())).map_err(refuse)?;
    let attributes = attributes(directory, time).map_err(refuse)?;
    let signature = identity.sign(&attributes.to_der().map_err(refuse)?)?;
    let token = identity.timestamp_url().map(|url| timestamp::ask(url, &signature, &identity.signer().path));
    let token = token.transpose()?;
    data(identity, attributes, signature, token).and_then(|message| message.to_der()).map_err(refuse)
}

fn data(
    identity: &Identity,
    attributes: Attributes,
    signature: Vec<u8>,
    token: Option<Any>,
) -> der::Result<ContentInfo> {
    let signer = identity.signer();
    let leaf = &signer.leaf().x509.tbs_certificate;
    let digest = AlgorithmIdentifierOwned { oid: HASH, parameters: None };
    let token = token.map(|token| SetOfVec::try_from(vec![attribute(TIMESTAMP, token)?])).transpose()?;
    let info = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: leaf.issuer.clone(),
            serial_number: leaf.serial_number.clone(),
        }),
        digest_alg: digest.clone(),
        signed_attrs: Some(attributes),
        signature_algorithm: identity.algorithm(),
        signature: OctetString::new(signature)?,
        unsigned_attrs: token,
    };
    let certificates = signer.path.iter().map(|one| CertificateChoices::Certificate(one.x509.clone()));
    let certificates = SetOfVec::try_from(certificates.collect::<Vec<_>>())?;
    let data = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::try_from(vec![digest])?,
        encap_content_info: EncapsulatedContentInfo { econtent_type: DATA, econtent: None },
        certificates: Some(CertificateSet(certificates)),
        crls: None,
        signer_infos: SignerInfos(SetOfVec::try_from(vec![info])?),
    };
    Ok(ContentInfo { content_type: SIGNED_DATA, content: Any::encode_from(&data)? })
}

/// Looks at the message about a code directory: that it is one of those that [`make`] makes, and that the signature, the
/// certificates and the timestamp are good.
pub(crate) fn read(der: &[u8], directory: &[u8]) -> Result<Message, String> {
    let damaged = |error: der::Error| format!("the message of its signer is damaged: {error}");
    let content = ContentInfo::from_der(der).map_err(damaged)?;
    let data = content.content.decode_as::<SignedData>().map_err(damaged)?;
    let again =
        Any::encode_from(&data).and_then(|again| ContentInfo { content_type: SIGNED_DATA, content: again }.to_der());
    if again.map_err(damaged)? != der {
        return Err("the message of its signer is not as DER has it".to_owned());
    }
    let opened = open(&data, directory)?;
    let detached = EncapsulatedContentInfo { econtent_type: DATA, econtent: None };
    let digest = AlgorithmIdentifierOwned { oid: HASH, parameters: None };
    let info = opened.info;
    let time = attribute_of(info.signed_attrs.as_ref(), SIGNING_TIME).and_then(|time| time.decode_as::<UtcTime>().ok());
    let time = time.ok_or("the message of its signer says no time")?;
    let own = data.version == CmsVersion::V1
        && info.version == CmsVersion::V1
        && data.crls.is_none()
        && data.encap_content_info == detached
        && data.digest_algorithms.as_slice() == [digest.clone()]
        && info.digest_alg == digest
        && opened.path.len() == opened.certificates
        && info.signed_attrs == attributes(directory, time).ok();
    if !own {
        return Err("the message of its signer is about something else, or of another form".to_owned());
    }
    let others = info.unsigned_attrs.iter().flat_map(|all| all.iter()).any(|one| one.oid != TIMESTAMP);
    let token = attribute_of(info.unsigned_attrs.as_ref(), TIMESTAMP);
    if others || token.is_some() != info.unsigned_attrs.is_some() {
        return Err("the message of its signer has a part that is no timestamp".to_owned());
    }
    let timestamp = token.map(|token| timestamp::read(token, info.signature.as_bytes(), &opened.path)).transpose()?;
    // Without a timestamp there is only the signer's word for it.
    let signed = timestamp.as_ref().map_or(time.to_unix_duration(), |timestamp| timestamp.time);
    let faults = certificate::faults(&opened.path, CODE_SIGNING, signed);
    if faults.is_empty() {
        Ok(Message { signer: Signer { path: opened.path }, timestamp })
    } else {
        Err(faults.join("; "))
    }
}

/// The only value of an attribute.
pub(crate) fn attribute_of(attributes: Option<&Attributes>, oid: ObjectIdentifier) -> Option<&Any> {
    let mut found = attributes?.iter().filter(|one| one.oid == oid);
    let (one, None) = (found.next()?, found.next()) else { return None };
    if let [value] = one.values.as_slice() { Some(value) } else { None }
}

/// A message whose signature is good.
pub(crate) struct Opened<'a> {
    pub(crate) info: &'a SignerInfo,
    /// The signer's certificate, and those that vouch for it as far as they are there.
    pub(crate) path: Vec<Certificate>,
    /// How many certificates there are.
    pub(crate) certificates: usize,
}

/// Checks the one signature of a message over `content`.
pub(crate) fn open<'a>(data: &'a SignedData, content: &[u8]) -> Result<Opened<'a>, String> {
    let [info] = data.signer_infos.0.as_slice() else { return Err("has not just one signer".to_owned()) };
    let mut pool = Vec::new();
    for one in data.certificates.iter().flat_map(|set| set.0.iter()) {
        let CertificateChoices::Certificate(one) = one else {
            return Err("has certificates of an unknown kind".to_owned());
        };
        pool.push(Certificate::from_x509(one).map_err(|error| format!("has a damaged certificate: {error}"))?);
    }
    let SignerIdentifier::IssuerAndSerialNumber(id) = &info.sid else {
        return Err("names its signer in an unknown way".to_owned());
    };
    let signer = pool
        .iter()
        .find(|one| *one.issuer() == id.issuer && one.x509.tbs_certificate.serial_number == id.serial_number);
    let signer = signer.ok_or("has not the certificate of its signer")?;
    let hash = info.digest_alg.oid.to_string();
    let algorithm = certificate::digest(&hash).ok_or("was hashed by an algorithm that is not trusted here")?;
    let attributes = info.signed_attrs.as_ref();
    let digest = ring::digest::digest(algorithm, content);
    let stated = attribute_of(attributes, MESSAGE_DIGEST).and_then(|value| value.decode_as::<OctetString>().ok());
    if stated.is_none_or(|stated| stated.as_bytes() != digest.as_ref()) {
        return Err("is the signature of something else".to_owned());
    }
    let kind = attribute_of(attributes, CONTENT_TYPE).and_then(|value| value.decode_as::<ObjectIdentifier>().ok());
    if kind != Some(data.encap_content_info.econtent_type) {
        return Err("is the signature of something of another kind".to_owned());
    }
    let signed = attributes.and_then(|all| all.to_der().ok()).unwrap_or_default();
    let by = certificate::algorithms(&info.signature_algorithm, Some(&hash));
    let by = by.ok_or("was signed by an algorithm that is not trusted here")?;
    if !by.iter().any(|by| signer.signed(*by, &signed, info.signature.as_bytes())) {
        return Err(format!("was not signed by {:?}: the signature is wrong", signer.name()));
    }
    Ok(Opened { info, path: certificate::path(signer, &pool), certificates: pool.len() })
}
