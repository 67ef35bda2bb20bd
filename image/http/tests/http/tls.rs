//! Whom the client trusts.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use helix_http::{Client, Error, Fault, Settings, Trust, TrustFault};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::peer::{Request, answer};
use crate::{get, settings};

/// A certificate and its key, both in PEM.
struct Pair {
    certificate: String,
    key: String,
}

/// An authority of a company, and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority"))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn signs(&self, name: &str) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate").pem();
        Pair { certificate, key: key.serialize_pem() }
    }
}

/// What `openssl req -x509` makes: a server's certificate that calls itself an authority.
fn signed_by_itself(name: &str) -> Pair {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Pair { certificate: params.self_signed(&key).expect("a certificate").pem(), key: key.serialize_pem() }
}

/// A server by TLS, which wants a certificate by `clients` of who asks; returns its address by name.
fn serve(pair: &Pair, clients: Option<&Authority>) -> String {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.expect("versions of TLS");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(certificate(&authority.pem())).expect("an authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
    let config = builder.with_single_cert(vec![certificate(&pair.certificate)], key).expect("a server");
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).expect("a connection"), stream);
            if Request::read(&mut stream).is_some() {
                // The client may be gone.
                let _ = stream.write_all(&answer("200 OK", "", "by TLS")).and_then(|()| stream.flush());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    format!("https://localhost:{port}")
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

/// Asks with these files as the registry's folder.
fn ask(url: &str, files: &[(&str, &str)]) -> Result<String, Error> {
    let dir = tempfile::tempdir().expect("a folder");
    let trust = folder(dir.path(), files).expect("a folder of certificates");
    get(&Client::new(Settings { trust, ..settings(&[]) }).expect("a client"), url)
}

fn folder(dir: &Path, files: &[(&str, &str)]) -> Result<Trust, TrustFault> {
    for (name, text) in files {
        std::fs::write(dir.join(name), text).expect("a file");
    }
    Trust::of_machine().with_folder(dir)
}

#[test]
fn an_authority_of_the_registrys_folder_is_trusted() {
    let authority = Authority::new();
    let url = serve(&authority.signs("localhost"), None);
    let error = ask(&url, &[]).expect_err("nobody vouches for it");
    assert!(matches!(error.fault, Fault::Untrusted(_)) && error.to_string().contains("SSL_CERT_FILE"), "{error}");
    assert_eq!(ask(&url, &[("ca.crt", &authority.pem())]).expect("an answer"), "by TLS");
    let stranger = Authority::new();
    assert!(ask(&url, &[("ca.crt", &stranger.pem())]).is_err());
}

#[test]
fn a_certificate_that_vouches_for_itself_is_trusted_when_it_is_known_and_for_its_name_only() {
    let pair = signed_by_itself("localhost");
    let url = serve(&pair, None);
    assert!(matches!(ask(&url, &[]).expect_err("unknown").fault, Fault::Untrusted(_)));
    assert_eq!(ask(&url, &[("domain.crt", &pair.certificate)]).expect("an answer"), "by TLS");
    let pair = signed_by_itself("elsewhere.example");
    let error = ask(&serve(&pair, None), &[("domain.crt", &pair.certificate)]).expect_err("another name");
    assert!(matches!(error.fault, Fault::Untrusted(_)), "{error}");
}

#[test]
fn a_registry_may_want_to_know_who_asks() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let (url, us) = (serve(&servers.signs("localhost"), Some(&clients)), clients.signs("us.example"));
    let ca = ("ca.crt", servers.pem());
    assert!(ask(&url, &[(ca.0, &ca.1)]).is_err());
    let files = [(ca.0, ca.1.as_str()), ("client.cert", &us.certificate), ("client.key", &us.key)];
    assert_eq!(ask(&url, &files).expect("an answer"), "by TLS");
}

#[test]
fn half_a_pair_and_damage_are_told() {
    for (name, text, words) in [
        ("client.cert", "x", "client.key beside it"),
        ("client.key", "x", "client.cert beside it"),
        ("ca.crt", "x", "ca.crt: it holds no certificate"),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let fault = folder(dir.path(), &[(name, text)]).expect_err(name).to_string();
        assert!(fault.contains(words), "{fault}");
    }
    Trust::of_machine().with_folder(Path::new("/there/is/no/such/folder")).expect("nothing to add");
}

#[test]
fn other_programs_get_the_built_in_list_and_what_was_added() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    let pem = folder(dir.path(), &[("ca.crt", &authority.pem())]).expect("a folder of certificates").pem();
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().expect("certificates");
    assert!(all.contains(&certificate(&authority.pem())));
    // Mozilla's list has more than a hundred for years.
    assert!(all.len() > 100, "{}", all.len());
}
