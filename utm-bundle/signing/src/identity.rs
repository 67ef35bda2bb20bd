//! Who signs: nobody, or the holder of a certificate.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use der::asn1::ObjectIdentifier;
use der::{Any, Decode};
use pkcs8::{EncryptedPrivateKeyInfo, PrivateKeyInfo};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaKeyPair;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::certificate::{self, CODE_SIGNING, Certificate};
use crate::error::Error;
use crate::requirement::Signer;
use crate::timestamp;

/// Apple's authority for timestamps, which codesign asks too.
const APPLES_TIMESTAMPS: &str = "http://timestamp.apple.com/ts01";
/// More than any file of keys and certificates has, in bytes.
const LARGEST: u64 = 1 << 20;
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

/// Where a certificate and its key are.
#[derive(Debug, Clone, Copy)]
pub struct CertificateFiles<'a> {
    /// PKCS #12 with all, or PEM with the certificate and those that vouch for it, up to the root.
    pub certificate: &'a Path,
    /// PEM with the key, where it is not in the file of the certificate.
    pub key: Option<&'a Path>,
    /// The password of the key, or of PKCS #12.
    pub password: Option<&'a str>,
}

/// Where timestamps come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamps<'a> {
    /// From Apple for a certificate of Developer ID; none for others.
    Usual,
    /// From nowhere.
    None,
    /// From the authority at this URL.
    From(&'a str),
}

/// Who signs an app.
#[derive(Debug)]
pub struct Identity(Option<Holder>);

/// The holder of a certificate.
#[derive(Debug)]
struct Holder {
    signer: Signer,
    key: Key,
    timestamps: Option<String>,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    Ec(Box<EcdsaKeyPair>),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Identity {
    /// Nobody: the signature says that nothing was changed, not who made it.
    pub fn ad_hoc() -> Self {
        Self(None)
    }

    /// The holder of a certificate.
    ///
    /// # Errors
    /// When a file cannot be read, and when the certificate cannot sign code now: with all reasons.
    pub fn load(files: &CertificateFiles<'_>, timestamps: Timestamps<'_>) -> Result<Self, Error> {
        let refuse = |faults| Error::Certificate { file: files.certificate.to_owned(), faults };
        Found::read(files).and_then(|found| Self::of(found, timestamps).map_err(refuse))
    }

    /// As [`Self::load`], of the content of one file that has all.
    ///
    /// # Errors
    /// When the certificate cannot sign code now: with all reasons.
    pub fn from_bytes(data: &[u8], password: Option<&str>, timestamps: Timestamps<'_>) -> Result<Self, Vec<String>> {
        let mut found = Found::default();
        found.add(data, password).map_err(|why| vec![why])?;
        Self::of(found, timestamps)
    }

    fn of(found: Found, timestamps: Timestamps<'_>) -> Result<Self, Vec<String>> {
        let Found { mut certificates, keys } = found;
        let key = match &keys[..] {
            [key] => Key::read(key).map_err(|why| vec![why])?,
            [] => return Err(vec!["there is no key; name its file by --certificate-key".to_owned()]),
            _ => return Err(vec!["there is more than one key".to_owned()]),
        };
        let Some(at) = certificates.iter().position(|one| one.public_key() == key.public()) else {
            let names: Vec<String> = certificates.iter().map(|one| format!("{:?}", one.name())).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(vec![format!("the key belongs to no certificate that is there ({names})")]);
        };
        let leaf = certificates.swap_remove(at);
        let path = certificate::path(&leaf, &certificates);
        let mut faults = certificate::faults(&path, CODE_SIGNING, now());
        if leaf.is_developer_id() && leaf.team().is_none() {
            faults.push("the certificate names no team".to_owned());
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let timestamps = match timestamps {
            Timestamps::From(url) => Some(url.to_owned()),
            Timestamps::Usual if leaf.is_developer_id() => Some(APPLES_TIMESTAMPS.to_owned()),
            Timestamps::Usual | Timestamps::None => None,
        };
        Ok(Self(Some(Holder { signer: Signer { path }, key, timestamps })))
    }

    /// Who vouches; nobody for an ad hoc signature.
    pub(crate) fn vouching(&self) -> Option<&Signer> {
        self.0.as_ref().map(|holder| &holder.signer)
    }

    fn holder(&self) -> &Holder {
        self.0.as_ref().expect("only a holder of a certificate makes messages")
    }

    pub(crate) fn signer(&self) -> &Signer {
        &self.holder().signer
    }

    pub(crate) fn timestamp_url(&self) -> Option<&str> {
        self.holder().timestamps.as_deref()
    }

    /// By what [`Self::sign`] signs.
    pub(crate) fn algorithm(&self) -> AlgorithmIdentifierOwned {
        match self.holder().key {
            Key::Rsa(_) => AlgorithmIdentifierOwned { oid: RSA, parameters: Some(Any::null()) },
            Key::Ec(_) => AlgorithmIdentifierOwned { oid: ECDSA_SHA256, parameters: None },
        }
    }

    pub(crate) fn sign(&self, data: &[u8]) -> Result<Vec<u8>, Error> {
        let random = SystemRandom::new();
        let signature = match &self.holder().key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, data, &mut signature).map(|()| signature)
            }
            Key::Ec(key) => key.sign(&random, data).map(|signature| signature.as_ref().to_vec()),
        };
        signature.map_err(|_| Error::Key { why: "it does not sign".to_owned() })
    }

    /// The most bytes that a message of this signer has beside what depends on the app.
    pub(crate) fn message_room(&self) -> usize {
        let Some(holder) = &self.0 else { return 0 };
        let certificates: usize = holder.signer.path.iter().map(Certificate::length).sum();
        // The attributes have less than 1 KiB, the signature of the longest key 512 bytes, the rest repeats the issuer's name.
        let fixed = 2 << 10;
        certificates + holder.signer.leaf().length() + fixed + holder.timestamps.as_ref().map_or(0, |_| timestamp::ROOM)
    }
}

impl Key {
    fn read(der: &[u8]) -> Result<Self, String> {
        let kinds = "keys for signing are of RSA with 2048 to 4096 bits, or of the curve P-256";
        let info = PrivateKeyInfo::from_der(der).map_err(|error| format!("the key is damaged: {error}"))?;
        if info.algorithm.oid == RSA {
            let key =
                RsaKeyPair::from_pkcs8(der).map_err(|error| format!("the key cannot be used ({error}); {kinds}"))?;
            return Ok(Self::Rsa(Box::new(key)));
        }
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &SystemRandom::new());
        Ok(Self::Ec(Box::new(key.map_err(|error| format!("the key cannot be used ({error}); {kinds}"))?)))
    }

    fn public(&self) -> &[u8] {
        match self {
            Self::Rsa(key) => key.public_key().as_ref(),
            Self::Ec(key) => key.public_key().as_ref(),
        }
    }
}

/// What was in the files.
#[derive(Default)]
struct Found {
    certificates: Vec<Certificate>,
    /// As PKCS #8 has them.
    keys: Vec<Vec<u8>>,
}

impl Found {
    fn read(files: &CertificateFiles<'_>) -> Result<Self, Error> {
        let mut found = Self::default();
        let mut faults = Vec::new();
        for file in [Some(files.certificate), files.key].into_iter().flatten() {
            if let Err(why) = found.add(&content(file)?, files.password) {
                faults.push(if files.key.is_some() { format!("{}: {why}", file.display()) } else { why });
            }
        }
        if faults.is_empty() {
            Ok(found)
        } else {
            Err(Error::Certificate { file: files.certificate.to_owned(), faults })
        }
    }

    fn add(&mut self, data: &[u8], password: Option<&str>) -> Result<(), String> {
        let damaged = |error: der::Error| format!("a certificate in it is damaged: {error}");
        if data.first() == Some(&0x30) {
            if Certificate::from_der(data).is_ok() {
                return Err("this is a certificate as DER; make PEM of it by\n    openssl x509 -inform der -in FILE -out FILE.pem\n  and add those of its authorities".to_owned());
            }
            return self.add_pkcs12(data, password.unwrap_or_default());
        }
        let blocks = pem::parse_many(data).map_err(|error| format!("this is neither PEM nor PKCS #12: {error}"))?;
        if blocks.is_empty() {
            return Err("this is neither PEM nor PKCS #12".to_owned());
        }
        for block in blocks {
            match block.tag() {
                "CERTIFICATE" => self.certificates.push(Certificate::from_der(block.contents()).map_err(damaged)?),
                "PRIVATE KEY" => self.keys.push(block.into_contents()),
                "ENCRYPTED PRIVATE KEY" => self.keys.push(decrypt(block.contents(), password)?),
                "RSA PRIVATE KEY" | "EC PRIVATE KEY" => {
                    return Err("the key is of an older form; bring it into that of PKCS #8 by\n    openssl pkcs8 -topk8 -in KEY -out KEY.pk8".to_owned());
                }
                // Parameters of curves and requests do no harm.
                _ => {}
            }
        }
        Ok(())
    }

    fn add_pkcs12(&mut self, data: &[u8], password: &str) -> Result<(), String> {
        let store = p12_keystore::KeyStore::from_pkcs12(data, password).map_err(|error| match error {
            p12_keystore::error::Error::MacError(_) if password.is_empty() => needs_password(),
            p12_keystore::error::Error::MacError(_) => "the password is wrong".to_owned(),
            error => format!("this is no certificate as PKCS #12, or a damaged one: {error}"),
        })?;
        let mut ders: Vec<Vec<u8>> = Vec::new();
        for (_, entry) in store.entries() {
            match entry {
                p12_keystore::KeyStoreEntry::PrivateKeyChain(chain) => {
                    self.keys.push(chain.key().to_vec());
                    ders.extend(chain.chain().iter().map(|one| one.as_der().to_vec()));
                }
                p12_keystore::KeyStoreEntry::Certificate(one) => ders.push(one.as_der().to_vec()),
                _ => {}
            }
        }
        for der in ders {
            let one =
                Certificate::from_der(&der).map_err(|error| format!("a certificate in it is damaged: {error}"))?;
            if !self.certificates.contains(&one) {
                self.certificates.push(one);
            }
        }
        Ok(())
    }
}

fn needs_password() -> String {
    "it needs a password: name its file by --certificate-password-file, or set HELIX_CERTIFICATE_PASSWORD".to_owned()
}

fn decrypt(der: &[u8], password: Option<&str>) -> Result<Vec<u8>, String> {
    let key = EncryptedPrivateKeyInfo::from_der(der).map_err(|error| format!("the key is damaged: {error}"))?;
    let password = password.ok_or_else(needs_password)?;
    let key = key.decrypt(password).map_err(|_| "the password is wrong, or the key was encrypted in an unknown way")?;
    Ok(key.as_bytes().to_vec())
}

fn content(file: &Path) -> Result<Vec<u8>, Error> {
    use std::io::Read;
    let mut data = Vec::new();
    let opened = std::fs::File::open(file).map_err(Error::io("reading", file))?;
    opened.take(LARGEST + 1).read_to_end(&mut data).map_err(Error::io("reading", file))?;
    if data.len() as u64 > LARGEST {
        return Err(Error::Certificate {
            file: PathBuf::from(file),
            faults: vec!["this is too large for a certificate".to_owned()],
        });
    }
    Ok(data)
}

/// Now, since 1970.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
