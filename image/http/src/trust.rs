//! Whom a server's certificate must come from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// The authorities that are trusted, and who we are for servers that ask.
#[derive(Debug)]
pub struct Trust {
    /// Those of the machine, or added to them. They count as servers' own certificates too.
    known: Vec<CertificateDer<'static>>,
    own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    this_machine: bool,
}

/// A file of certificates or keys that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct TrustFault {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl Trust {
    /// The built-in list, which is Mozilla's, and the machine's store; `SSL_CERT_FILE` and `SSL_CERT_DIR` stand for the
    /// latter where they are set.
    pub fn of_machine() -> Self {
        let found = rustls_native_certs::load_native_certs();
        for fault in found.errors {
            tracing::warn!("reading this machine's trust store: {fault}");
        }
        Self { known: found.certs, own: None, this_machine: false }
    }

    /// Adds a folder as Docker's engine has one for each registry: authorities in `*.crt`, and who we are in `*.cert`
    /// with `*.key`. A folder that does not exist adds nothing.
    ///
    /// # Errors
    /// When a file cannot be read, or one of a pair is missing.
    pub fn with_folder(mut self, folder: &Path) -> Result<Self, TrustFault> {
        let entries = match std::fs::read_dir(folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(self),
            other => other.map_err(|e| fault(folder, e))?,
        };
        let mut files =
            entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(|e| fault(folder, e))?;
        files.sort();
        for file in &files {
            let other = |ending: &str| {
                let other = file.with_extension(ending);
                let why = format!("there is no {} beside it; authorities end in .crt", other.display());
                if files.contains(&other) { Ok(other) } else { Err(fault(file, why)) }
            };
            match file.extension().and_then(|e| e.to_str()) {
                Some("crt") => self.known.extend(certificates(file)?),
                Some("cert") => {
                    let key = other("key")?;
                    let key = PrivateKeyDer::from_pem_file(&key).map_err(|e| fault(&key, e))?;
                    self.own = Some((certificates(file)?, key));
                }
                Some("key") => drop(other("cert")?),
                _ => {}
            }
        }
        Ok(self)
    }

    /// Trusts this machine with any certificate, as engines do where a registry runs on it: plain HTTP would do as well.
    #[must_use]
    pub fn and_this_machine(self) -> Self {
        Self { this_machine: true, ..self }
    }

    /// All trusted authorities in PEM, for programs that read them from a file.
    pub fn pem(&self) -> String {
        let all = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().chain(&self.known);
        all.map(|certificate| pem("CERTIFICATE", certificate)).collect()
    }

    pub(crate) fn config(self) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        // Machines have certificates of old forms in their stores; those count for nothing.
        roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().chain(&self.known).cloned());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|e| rustls::Error::General(e.to_string()))?;
        let verifier = Verifier { authorities: verifier, known: self.known, this_machine: self.this_machine };
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        match self.own {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key),
            None => Ok(builder.with_no_client_auth()),
        }
    }
}

fn fault(path: &Path, why: impl std::fmt::Display) -> TrustFault {
    TrustFault { path: path.to_owned(), why: why.to_string() }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TrustFault> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read: Vec<_> = read.map_err(|e| fault(file, e))?;
    if read.is_empty() { Err(fault(file, "it holds no certificate")) } else { Ok(read) }
}

/// A block of PEM.
fn pem(kind: &str, bytes: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).expect("base64 is ASCII")).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}

/// Asks the authorities; a server whose very certificate is in the machine's store needs none. That is how people make
/// certificates for a registry of their own (`openssl req -x509`), and webpki refuses them, because they name themselves
/// an authority.
#[derive(Debug)]
struct Verifier {
    authorities: Arc<WebPkiServerVerifier>,
    known: Vec<CertificateDer<'static>>,
    this_machine: bool,
}

fn is_this_machine(name: &ServerName<'_>) -> bool {
    match name {
        ServerName::DnsName(name) => crate::proxies::is_local_name(name.as_ref()),
        ServerName::IpAddress(ip) => std::net::IpAddr::from(*ip).to_canonical().is_loopback(),
        _ => false,
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.this_machine && is_this_machine(name) {
            return Ok(ServerCertVerified::assertion());
        }
        let verdict = self.authorities.verify_server_cert(server, between, name, ocsp, now);
        if verdict.is_err() && self.known.iter().any(|known| known.as_ref() == server.as_ref()) {
            rustls::client::verify_server_name(&ParsedCertificate::try_from(server)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}
