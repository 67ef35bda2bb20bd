//! Certificates, as far as signing code asks of them: whose they are, what they are for, and who signed them.
//!
//! The path is checked here, not by rustls-webpki: Apple's certificates have critical extensions of Apple's own, and webpki
//! refuses every one that it does not know.

use std::time::Duration;

use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use sha1::Digest;
use x509_cert::Certificate as X509;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_cert::name::Name;
use x509_cert::spki::AlgorithmIdentifierOwned;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
pub(crate) const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
pub(crate) const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// Only Developer ID Application certificates have it.
const DEVELOPER_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113635.100.6.1.13");
const RSA_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5");
/// All that is Apple's own.
const APPLE: &str = "1.2.840.113635.100.";
/// The sha256 of the certificate "Apple Root CA", as <https://www.apple.com/certificateauthority/> has it.
const APPLE_ROOT: [u8; 32] = [
    0xb0, 0xb1, 0x73, 0x0e, 0xcb, 0xc7, 0xff, 0x45, 0x05, 0x14, 0x2c, 0x49, 0xf1, 0x29, 0x5e, 0x6e, 0xda, 0x6b, 0xca,
    0xed, 0x7e, 0x2c, 0x68, 0xc5, 0xbe, 0x91, 0xb5, 0xa1, 0x10, 0x01, 0xf0, 0x24,
];
/// Extensions whose meaning is heeded here, or does not matter for signing.
const KNOWN: [ObjectIdentifier; 4] = [
    ObjectIdentifier::new_unwrap("2.5.29.15"),
    ObjectIdentifier::new_unwrap("2.5.29.19"),
    ObjectIdentifier::new_unwrap("2.5.29.32"),
    ObjectIdentifier::new_unwrap("2.5.29.37"),
];
/// More certificates than any path has.
const LONGEST: usize = 8;

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) x509: X509,
    der: Vec<u8>,
}

impl Certificate {
    pub(crate) fn from_der(der: &[u8]) -> der::Result<Self> {
        Ok(Self { x509: X509::from_der(der)?, der: der.to_vec() })
    }

    pub(crate) fn from_x509(x509: &X509) -> der::Result<Self> {
        Ok(Self { x509: x509.clone(), der: x509.to_der()? })
    }

    pub(crate) fn subject(&self) -> &Name {
        &self.x509.tbs_certificate.subject
    }

    pub(crate) fn issuer(&self) -> &Name {
        &self.x509.tbs_certificate.issuer
    }

    /// The common name of the subject, or the whole subject.
    pub(crate) fn name(&self) -> String {
        common_name(self.subject())
    }

    /// The team that Apple gave the certificate to.
    pub(crate) fn team(&self) -> Option<String> {
        let extensions = self.x509.tbs_certificate.extensions.iter().flatten();
        let apples = extensions.map(|one| one.extn_id.to_string()).any(|id| id.starts_with(APPLE));
        if apples { attribute(self.subject(), UNIT) } else { None }
    }

    pub(crate) fn is_developer_id(&self) -> bool {
        self.x509.tbs_certificate.extensions.iter().flatten().any(|one| one.extn_id == DEVELOPER_ID)
    }

    pub(crate) fn is_apples_root(&self) -> bool {
        crate::directory::sha256(&self.der) == APPLE_ROOT
    }

    pub(crate) fn sha1(&self) -> [u8; 20] {
        sha1::Sha1::digest(&self.der).into()
    }

    /// Its hash by the algorithm with this identifier, where that is one of those that name certificates.
    pub(crate) fn hash(&self, algorithm: &str) -> Option<Vec<u8>> {
        match algorithm {
            SHA1 => Some(self.sha1().to_vec()),
            _ => digest(algorithm).map(|by| ring::digest::digest(by, &self.der).as_ref().to_vec()),
        }
    }

    /// Its length in bytes.
    pub(crate) fn length(&self) -> usize {
        self.der.len()
    }

    /// The public key, as its algorithm has it.
    pub(crate) fn public_key(&self) -> &[u8] {
        self.x509.tbs_certificate.subject_public_key_info.subject_public_key.raw_bytes()
    }

    pub(crate) fn is_self_signed(&self) -> bool {
        self.subject() == self.issuer()
    }

    /// Whether it is made for this purpose, by name.
    pub(crate) fn is_for(&self, purpose: ObjectIdentifier) -> bool {
        let usage = self.x509.tbs_certificate.get::<ExtendedKeyUsage>();
        matches!(usage, Ok(Some((_, usage))) if usage.0.contains(&purpose))
    }

    /// Why it cannot sign at this time, in seconds since 1970.
    pub(crate) fn out_of_date(&self, time: Duration) -> Option<String> {
        let validity = &self.x509.tbs_certificate.validity;
        let name = self.name();
        if time < validity.not_before.to_unix_duration() {
            return Some(format!("the certificate {name:?} is valid from {} only", validity.not_before));
        }
        self.expired(time)
    }

    /// When it expired, as seen at a time, in seconds since 1970.
    pub(crate) fn expired(&self, time: Duration) -> Option<String> {
        let end = &self.x509.tbs_certificate.validity.not_after;
        let over = time > end.to_unix_duration();
        over.then(|| format!("the certificate {:?} expired at {end}", self.name()))
    }

    /// Whether `signature` over `data` is by this certificate's key.
    pub(crate) fn signed(&self, algorithm: &'static dyn VerificationAlgorithm, data: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(algorithm, self.public_key()).verify(data, signature).is_ok()
    }

    /// Why `self` does not vouch for `other`, which names it as its issuer.
    fn refuses(&self, other: &Self, below: usize, alone: bool) -> Option<String> {
        let (name, others) = (self.name(), other.name());
        let fault = |why: &str| Some(format!("the certificate {name:?}, which signed {others:?}, {why}"));
        let tbs = &self.x509.tbs_certificate;
        // One that nobody else vouches for need not be an authority.
        match tbs.get::<BasicConstraints>() {
            _ if alone => {}
            Ok(Some((_, limits))) if limits.ca => {
                if limits.path_len_constraint.is_some_and(|longest| usize::from(longest) < below) {
                    return fault("may not stand so far above");
                }
            }
            _ => return fault("is not one of an authority"),
        }
        if !alone && matches!(tbs.get::<KeyUsage>(), Ok(Some((_, usage))) if !usage.key_cert_sign()) {
            return fault("may not sign certificates");
        }
        let Ok(signed) = other.x509.tbs_certificate.to_der() else { return fault("is damaged") };
        let algorithm = of_certificate(&other.x509.signature_algorithm, self == other);
        let signature = other.x509.signature.raw_bytes();
        match algorithm {
            Some(by) if by.iter().any(|by| self.signed(*by, &signed, signature)) => None,
            Some(_) => fault("did not sign it: the signature is wrong"),
            None => fault("did so by an algorithm that is not trusted here"),
        }
    }
}

/// The common name in a name, or all of it.
pub(crate) fn common_name(name: &Name) -> String {
    attribute(name, COMMON_NAME).unwrap_or_else(|| name.to_string())
}

fn attribute(name: &Name, kind: ObjectIdentifier) -> Option<String> {
    let mut all = name.0.iter().flat_map(|part| part.0.iter());
    let found = all.find(|one| one.oid == kind)?;
    std::str::from_utf8(found.value.value()).ok().map(str::to_owned)
}

type Algorithms = Vec<&'static dyn VerificationAlgorithm>;

/// The algorithms by which a certificate may be signed; SHA-1 is good for a root's own signature only, which nobody relies on.
fn of_certificate(algorithm: &AlgorithmIdentifierOwned, own: bool) -> Option<Algorithms> {
    if own && algorithm.oid == RSA_SHA1 {
        return Some(vec![&signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY]);
    }
    algorithms(algorithm, None)
}

/// The algorithms that an identifier stands for: the curve is that of the key. In a message, `digest` is the hash that it must be
/// with, and the one where the identifier names none.
pub(crate) fn algorithms(algorithm: &AlgorithmIdentifierOwned, digest: Option<&str>) -> Option<Algorithms> {
    if algorithm.parameters.as_ref().is_some_and(|parameters| !parameters.is_null()) {
        return None;
    }
    let (kind, hash) = match algorithm.oid.to_string().as_str() {
        "1.2.840.113549.1.1.1" => ("RSA", digest?),
        "1.2.840.113549.1.1.11" => ("RSA", SHA256),
        "1.2.840.113549.1.1.12" => ("RSA", SHA384),
        "1.2.840.113549.1.1.13" => ("RSA", SHA512),
        "1.2.840.10045.4.3.2" => ("EC", SHA256),
        "1.2.840.10045.4.3.3" => ("EC", SHA384),
        _ => return None,
    };
    match (kind, hash) {
        _ if digest.is_some_and(|digest| digest != hash) => None,
        ("RSA", SHA256) => Some(vec![&signature::RSA_PKCS1_2048_8192_SHA256]),
        ("RSA", SHA384) => Some(vec![&signature::RSA_PKCS1_2048_8192_SHA384]),
        ("RSA", SHA512) => Some(vec![&signature::RSA_PKCS1_2048_8192_SHA512]),
        ("EC", SHA256) => Some(vec![&signature::ECDSA_P256_SHA256_ASN1, &signature::ECDSA_P384_SHA256_ASN1]),
        ("EC", SHA384) => Some(vec![&signature::ECDSA_P384_SHA384_ASN1, &signature::ECDSA_P256_SHA384_ASN1]),
        _ => None,
    }
}

/// The hash with this identifier, where it is trusted here.
pub(crate) fn digest(algorithm: &str) -> Option<&'static ring::digest::Algorithm> {
    match algorithm {
        SHA256 => Some(&ring::digest::SHA256),
        SHA384 => Some(&ring::digest::SHA384),
        SHA512 => Some(&ring::digest::SHA512),
        _ => None,
    }
}

/// The identifiers of hashes.
pub(crate) const SHA1: &str = "1.3.14.3.2.26";
pub(crate) const SHA256: &str = "2.16.840.1.101.3.4.2.1";
pub(crate) const SHA384: &str = "2.16.840.1.101.3.4.2.2";
pub(crate) const SHA512: &str = "2.16.840.1.101.3.4.2.3";

/// The certificates that vouch for `leaf`, itself the first, as far as they are in `pool`.
pub(crate) fn path(leaf: &Certificate, pool: &[Certificate]) -> Vec<Certificate> {
    let mut path = vec![leaf.clone()];
    while let Some(last) = path.last()
        && !last.is_self_signed()
        && path.len() < LONGEST
        && let Some(next) = pool.iter().find(|one| one.subject() == last.issuer() && !path.contains(one))
    {
        path.push(next.clone());
    }
    path
}

/// What is wrong with a path at a time, in seconds since 1970: each certificate must be signed by the next, and the last be a root.
pub(crate) fn faults(path: &[Certificate], purpose: ObjectIdentifier, time: Duration) -> Vec<String> {
    let mut faults: Vec<String> = path.iter().filter_map(|one| one.out_of_date(time)).collect();
    let leaf = &path[0];
    if !leaf.is_for(purpose) {
        let what = if purpose == CODE_SIGNING { "signing code" } else { "timestamps" };
        faults.push(format!("the certificate {:?} is not for {what}", leaf.name()));
    }
    if matches!(leaf.x509.tbs_certificate.get::<KeyUsage>(), Ok(Some((_, usage))) if !usage.digital_signature()) {
        faults.push(format!("the certificate {:?} may not make signatures", leaf.name()));
    }
    for one in path {
        let critical = one.x509.tbs_certificate.extensions.iter().flatten().filter(|extension| extension.critical);
        let unknown = critical.map(|extension| extension.extn_id);
        let unknown = unknown.filter(|id| !KNOWN.contains(id) && !id.to_string().starts_with(APPLE));
        faults.extend(
            unknown.map(|id| {
                format!("the certificate {:?} has the critical extension {id}, which is not known", one.name())
            }),
        );
    }
    for (at, pair) in path.windows(2).enumerate() {
        faults.extend(pair[1].refuses(&pair[0], at, false));
    }
    match path.last() {
        Some(root) if root.is_self_signed() => faults.extend(root.refuses(root, 0, path.len() == 1)),
        Some(last) => faults.push(format!(
            "the certificate {:?}, which signed {:?}, is missing",
            common_name(last.issuer()),
            last.name()
        )),
        None => {}
    }
    faults
}
