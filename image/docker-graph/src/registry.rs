//! Images from a registry, by the OCI distribution specification.
//!
//! Blobs are kept in a folder by their digests, shared between images, and a transfer that broke off goes on where it
//! was, in this run or the next. Nothing has its name before its digest is proven. Credentials are those of Docker's own
//! configuration and its helpers; they go to the registry and to the token server that it names, nowhere else.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use base64::Engine;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_spec::distribution::Reference;
use serde::Deserialize;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::digest::Digest;
use crate::error::Error;
use crate::image::{Blob, Image, MAX_DOCUMENT};
use crate::layer::Limits;
use crate::manifest::{Finder, Named, NotThis, Parts, Platform};

/// The longest that a registry may make us wait between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How many blobs are fetched at the same time; Docker's default.
const PARALLEL: NonZeroUsize = NonZeroUsize::new(3).expect("three is not zero");
/// The kinds of documents that a name may stand for.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// How patient one is with a registry.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long a name, a connection, an answer or the next bytes may take.
    pub stall: Duration,
    /// How often a transfer is tried again before it is given up.
    pub retries: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self { stall: Duration::from_secs(30), retries: 4 }
    }
}

/// A folder of blobs from registries, by their digests.
#[derive(Debug, Clone)]
pub struct BlobCache {
    folder: PathBuf,
    offline: bool,
}

impl BlobCache {
    /// Uses `folder`, which is made when the first blob comes. With `offline`, only what is there can be had.
    pub fn new(folder: &Path, offline: bool) -> Self {
        Self { folder: folder.to_owned(), offline }
    }

    fn refuse_offline(&self, url: &str) -> Result<(), String> {
        if self.offline { Err(format!("{url} is not in the cache, and --offline forbids to fetch it")) } else { Ok(()) }
    }

    /// A manifest that is there.
    fn document(&self, digest: &Digest) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let small = path.metadata().is_ok_and(|stat| stat.len() <= MAX_DOCUMENT);
        std::fs::read(path).ok().filter(|bytes| small && Digest::of(bytes) == *digest)
    }

    /// Keeps a manifest.
    fn keep(&self, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.path(&Digest::of(bytes));
        let folder = path.parent().expect("a blob lies in a folder");
        std::fs::create_dir_all(folder)?;
        let mut aside = tempfile::Builder::new().prefix(".partial-").tempfile_in(folder)?;
        aside.write_all(bytes)?;
        aside.persist(&path).map_err(|e| e.error).map(drop)
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        digest.below(&self.folder)
    }

    /// What has come of a blob so far.
    fn partial(&self, digest: &Digest) -> PathBuf {
        self.folder.join("sha256").join(format!(".partial-{}", digest.hex()))
    }
}

/// Fetches an image; `name` replaces its names. `done` is told the size of each blob when it is there.
///
/// # Errors
/// When the registry cannot be reached, knows nothing of the image, wants other credentials, or sends something else
/// than it should. What has come by then is used by the next run.
pub fn pull(
    reference: &Reference,
    name: Option<&Reference>,
    platform: &Platform,
    cache: &BlobCache,
    patience: Patience,
    done: &(dyn Fn(u64) + Sync),
) -> Result<Image, Error> {
    let origin = format!("registry:{reference}");
    let told = |reason: String| Error::image(&origin, reason);
    let refused = |refusal: Refusal| refusal.of(&origin);
    let client = Client::new(reference, patience);
    let pinned: Option<Digest> = reference.digest().map(str::parse).transpose().map_err(told)?;
    let what = reference.digest().or(reference.tag()).unwrap_or("latest");
    let document = client.kept_manifest(what, pinned.as_ref(), cache).map_err(refused)?;
    let digest = Digest::of(&document);
    let mut fetch = |digest: &Digest| client.kept_manifest(&digest.to_string(), Some(digest), cache);
    let mut finder = Finder { platform, fetch: &mut fetch, accept: &mut |parts, _| Ok(Ok(parts)), looked_at: 0 };
    let found = finder.document(&document).map_err(refused)?;
    let Parts { config, layers } = found.map_err(|NotThis(why)| told(why))?;
    let limit = Limits::default().bytes;
    if let Some(layer) = layers.iter().find(|layer| layer.size > limit) {
        return Err(told(format!("layer {} has {} bytes; at most {limit} are fetched", layer.digest, layer.size)));
    }
    if config.size > MAX_DOCUMENT {
        return Err(told(format!("its configuration has {} bytes; at most {MAX_DOCUMENT} are read", config.size)));
    }
    let mut wanted: Vec<&Named> = vec![&config];
    for layer in &layers {
        if !wanted.iter().any(|w| w.digest == layer.digest) {
            wanted.push(layer);
        }
    }
    let results =
        parallel(&wanted, PARALLEL, |blob| client.blob(blob, cache).map_err(refused).inspect(|()| done(blob.size)));
    results.into_iter().collect::<Result<Vec<()>, Error>>()?;
    let config_file = cache.path(&config.digest);
    let config = std::fs::read(&config_file).map_err(Error::io("reading", &config_file))?;
    let blobs = layers.iter().map(|layer| {
        let file = Arc::new(cache.path(&layer.digest));
        Some(Blob { file, offset: 0, length: layer.size, digest: Some(layer.digest.clone()) })
    });
    let names = match name {
        Some(name) => vec![name.clone()],
        // Like the engine: under its tag, if it has one, and under its digest.
        None => {
            let (registry, repository) = (reference.registry().to_owned(), reference.repository().to_owned());
            let tag = reference.tag().map(|t| Reference::with_tag(registry.clone(), repository.clone(), t.to_owned()));
            tag.into_iter().chain([Reference::with_digest(registry, repository, digest.to_string())]).collect()
        }
    };
    let mut image = Image::new(&origin, config, blobs.collect(), names).map_err(told)?;
    image.runs_on(platform).map_err(told)?;
    image.pulled_from = Some(Reference::with_digest(
        reference.registry().to_owned(),
        reference.repository().to_owned(),
        digest.to_string(),
    ));
    Ok(image)
}

/// The digest of what a reference stands for now.
///
/// # Errors
/// Those of [`pull`].
pub fn digest_of(reference: &Reference, patience: Patience) -> Result<Digest, Error> {
    let what = reference.digest().or(reference.tag()).unwrap_or("latest");
    let document = Client::new(reference, patience).manifest(what, None);
    document.map(|bytes| Digest::of(&bytes)).map_err(|refusal| refusal.of(&format!("registry:{reference}")))
}

/// One repository of one registry.
struct Client {
    agent: Agent,
    /// `https://HOST/v2/REPOSITORY`.
    base: String,
    registry: String,
    repository: String,
    retries: usize,
    /// The header that the registry asked for.
    authorization: Mutex<Option<String>>,
}

/// Why a request did not do what it should.
enum Refusal {
    /// It may work later; after this pause, if the registry names one.
    Later(String, Option<Duration>),
    /// It will not work.
    Never(String),
}

impl Refusal {
    /// The error for an image.
    fn of(self, image: &str) -> Error {
        let image = image.to_owned();
        match self {
            Self::Later(reason, _) => Error::Transfer { image, reason },
            Self::Never(reason) => Error::Image { image, reason },
        }
    }
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Never(reason)
    }
}

/// What a token server answers.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Client {
    fn new(reference: &Reference, patience: Patience) -> Self {
        let stall = Some(patience.stall);
        let host = match reference.registry() {
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        let agent = Agent::config_builder()
            .user_agent(concat!("helix-docker-graph/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(stall)
            .timeout_connect(stall)
            .timeout_recv_response(stall)
            .timeout_per_read(stall)
            .http_status_as_error(false)
            .build()
            .into();
        let scheme = if is_loopback(host) { "http" } else { "https" };
        let repository = reference.repository().to_owned();
        let base = format!("{scheme}://{host}/v2/{repository}");
        let registry = reference.registry().to_owned();
        Self { agent, base, registry, repository, retries: patience.retries, authorization: Mutex::new(None) }
    }

    /// A manifest or index, from the cache if it has the digest.
    fn kept_manifest(&self, what: &str, expected: Option<&Digest>, cache: &BlobCache) -> Result<Vec<u8>, Refusal> {
        if let Some(bytes) = expected.and_then(|digest| cache.document(digest)) {
            return Ok(bytes);
        }
        cache.refuse_offline(&format!("{}/manifests/{what}", self.base))?;
        let bytes = self.manifest(what, expected)?;
        cache.keep(&bytes).map_err(|e| format!("keeping the manifest: {e}"))?;
        Ok(bytes)
    }

    /// A manifest or index by tag or digest.
    fn manifest(&self, what: &str, expected: Option<&Digest>) -> Result<Vec<u8>, Refusal> {
        let url = format!("{}/manifests/{what}", self.base);
        let bytes = retried(self.retries, || {
            let response = self.get(&url, &[("Accept", ACCEPT.to_owned())])?;
            let mut bytes = Vec::new();
            let mut body = response.into_body().into_reader().take(MAX_DOCUMENT + 1);
            body.read_to_end(&mut bytes).map_err(|e| Refusal::Later(format!("{url}: {e}"), None))?;
            Ok(bytes)
        })?;
        if bytes.len() as u64 > MAX_DOCUMENT {
            return Err(format!("{url}: a manifest of more than {MAX_DOCUMENT} bytes").into());
        }
        match expected {
            Some(expected) if Digest::of(&bytes) != *expected => {
                Err(format!("{url}: the registry sent {}; nothing of it was used", Digest::of(&bytes)).into())
            }
            _ => Ok(bytes),
        }
    }

    /// Fetches a blob into the cache, if it is not there.
    fn blob(&self, blob: &Named, cache: &BlobCache) -> Result<(), Refusal> {
        let path = cache.path(&blob.digest);
        if let Ok(there) = File::open(&path) {
            if Digest::of_reader(there).is_ok_and(|digest| digest == blob.digest) {
                return Ok(());
            }
            std::fs::remove_file(&path).map_err(|e| format!("removing the damaged {}: {e}", path.display()))?;
        }
        let url = format!("{}/blobs/{}", self.base, blob.digest);
        cache.refuse_offline(&url)?;
        let folder = path.parent().expect("a blob lies in a folder");
        std::fs::create_dir_all(folder).map_err(|e| format!("making {}: {e}", folder.display()))?;
        let partial = cache.partial(&blob.digest);
        let open = File::options().read(true).write(true).create(true).truncate(false).open(&partial);
        let mut file = open.map_err(|e| format!("writing {}: {e}", partial.display()))?;
        // Another run may be at the same blob.
        file.lock().map_err(|e| format!("locking {}: {e}", partial.display()))?;
        if path.exists() {
            return Ok(());
        }
        retried(self.retries, || self.go_on(&url, blob, &mut file, &partial))?;
        file.rewind().map_err(|e| format!("reading {}: {e}", partial.display()))?;
        let actual = Digest::of_reader(&file).map_err(|e| format!("reading {}: {e}", partial.display()))?;
        if actual != blob.digest {
            // Emptied, not removed: another run may wait for its lock.
            file.set_len(0).map_err(|e| format!("writing {}: {e}", partial.display()))?;
            return Err(format!("{url}: the registry sent {actual}; nothing of it was kept").into());
        }
        file.sync_data().map_err(|e| format!("writing {}: {e}", partial.display()))?;
        std::fs::rename(&partial, &path).map_err(|e| format!("writing {}: {e}", path.display()).into())
    }

    /// Fetches what is missing at the end of `file`.
    fn go_on(&self, url: &str, blob: &Named, file: &mut File, path: &Path) -> Result<(), Refusal> {
        let write = |e: std::io::Error| Refusal::Never(format!("writing {}: {e}", path.display()));
        let mut there = file.seek(SeekFrom::End(0)).map_err(write)?;
        if there > blob.size {
            file.set_len(0).map_err(write)?;
            there = file.seek(SeekFrom::Start(0)).map_err(write)?;
        }
        if there == blob.size {
            return Ok(());
        }
        let range = if there > 0 { vec![("Range", format!("bytes={there}-{}", blob.size - 1))] } else { Vec::new() };
        let response = self.get(url, &range)?;
        if response.status() != 206 && there > 0 {
            // A registry without ranges sends it from the beginning.
            file.set_len(0).map_err(write)?;
            there = file.seek(SeekFrom::Start(0)).map_err(write)?;
        }
        let mut body = response.into_body().into_reader().take(blob.size - there + 1);
        let mut buffer = vec![0; 128 << 10];
        loop {
            let n = body.read(&mut buffer).map_err(|e| Refusal::Later(format!("{url}: {e}"), None))?;
            if n == 0 {
                break;
            }
            file.write_all(&buffer[..n]).map_err(write)?;
            there += n as u64;
        }
        match there.cmp(&blob.size) {
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Less => Err(Refusal::Later(format!("{url}: broke off after {there} bytes"), None)),
            std::cmp::Ordering::Greater => {
                file.set_len(0).map_err(write)?;
                Err(Refusal::Never(format!("{url}: has more than the {} bytes that the manifest says", blob.size)))
            }
        }
    }

    /// A request that succeeds, with the authorization that the registry asks for.
    fn get(&self, url: &str, headers: &[(&str, String)]) -> Result<Response<Body>, Refusal> {
        let mut response = self.send(url, headers)?;
        if response.status() == 401 {
            let challenge =
                response.headers().get("www-authenticate").and_then(|v| v.to_str().ok()).unwrap_or_default();
            let header = self.authorize(challenge)?;
            *self.authorization.lock().expect("no holder panics") = Some(header);
            response = self.send(url, headers)?;
        }
        let status = response.status().as_u16();
        let reason = |what: &str| format!("{url}: the registry answers {status}{what}");
        match status {
            200 | 206 => Ok(response),
            401 | 403 => Err(Refusal::Never(reason(&format!(
                ": it wants other credentials, or there is no such image; log in with\n    docker login {}",
                self.registry
            )))),
            404 => Err(Refusal::Never(reason(": there is no such image"))),
            429 => Err(Refusal::Later(reason(": too many requests"), pause(&response))),
            416 | 500..=599 => Err(Refusal::Later(reason(""), pause(&response))),
            _ => Err(Refusal::Never(reason(""))),
        }
    }

    fn send(&self, url: &str, headers: &[(&str, String)]) -> Result<Response<Body>, Refusal> {
        let mut request = self.agent.get(url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(authorization) = &*self.authorization.lock().expect("no holder panics") {
            request = request.header("Authorization", authorization);
        }
        request.call().map_err(|e| Refusal::Later(format!("{url}: {}", reasons(&e)), None))
    }

    /// The header that answers a challenge.
    fn authorize(&self, challenge: &str) -> Result<String, Refusal> {
        let credential = credential(&self.registry)?;
        let (scheme, fields) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            let missing = || {
                Refusal::Never(format!("the registry wants a user; log in with\n    docker login {}", self.registry))
            };
            return credential.as_ref().and_then(basic).ok_or_else(missing);
        }
        let field = |key: &str| challenge_field(fields, key);
        let realm = field("realm").filter(|_| scheme.eq_ignore_ascii_case("bearer")).ok_or_else(|| {
            Refusal::Never(format!("the registry asks for an authorization that is not known here: {challenge:?}"))
        })?;
        let host = realm.strip_prefix("http://").map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
        if !realm.starts_with("https://") && !host.is_some_and(is_loopback) {
            return Err(Refusal::Never(format!("the registry's token server {realm:?} is not reached by TLS")));
        }
        let scope = field("scope").unwrap_or_else(|| format!("repository:{}:pull", self.repository));
        let service = field("service").unwrap_or_default();
        let answer = match &credential {
            Some(DockerCredential::IdentityToken(token)) => self.agent.post(&realm).send_form([
                ("grant_type", "refresh_token"),
                ("refresh_token", token.as_str()),
                ("client_id", "helix-docker-graph"),
                ("service", service.as_str()),
                ("scope", scope.as_str()),
            ]),
            other => {
                let mut request = self.agent.get(&realm).query("service", &service).query("scope", &scope);
                if let Some(header) = other.as_ref().and_then(basic) {
                    request = request.header("Authorization", &header);
                }
                request.call()
            }
        };
        let mut response = answer.map_err(|e| Refusal::Later(format!("{realm}: {}", reasons(&e)), None))?;
        let status = response.status().as_u16();
        match status {
            200 => {}
            429 | 500..=599 => return Err(Refusal::Later(format!("{realm}: answers {status}"), pause(&response))),
            _ => {
                let registry = &self.registry;
                return Err(Refusal::Never(format!(
                    "{realm}: answers {status}; log in with\n    docker login {registry}"
                )));
            }
        }
        let token: Token = response
            .body_mut()
            .with_config()
            .limit(MAX_DOCUMENT)
            .read_json()
            .map_err(|e| Refusal::Never(format!("{realm}: its answer holds no token: {e}")))?;
        let token = token.token.or(token.access_token).filter(|t| !t.is_empty());
        let token = token.ok_or_else(|| Refusal::Never(format!("{realm}: its answer holds no token")))?;
        Ok(format!("Bearer {token}"))
    }
}

/// Tries again what may work later, after growing pauses, or longer ones where the registry asks for them.
fn retried<T>(retries: usize, mut attempt: impl FnMut() -> Result<T, Refusal>) -> Result<T, Refusal> {
    let growing = ExponentialBuilder::default().with_min_delay(Duration::from_millis(500)).with_max_times(retries);
    let mut pauses = growing.build();
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(Refusal::Never(why)) => return Err(Refusal::Never(why)),
            Err(Refusal::Later(why, asked)) => {
                let Some(planned) = pauses.next() else {
                    return Err(Refusal::Later(format!("{why}, after {retries} more tries"), None));
                };
                let pause = planned.max(asked.unwrap_or_default());
                tracing::warn!("{why}; next try in {:.1} s", pause.as_secs_f32());
                std::thread::sleep(pause);
            }
        }
    }
}

/// How long the registry asks to wait, in seconds.
fn pause(response: &Response<Body>) -> Option<Duration> {
    let text = response.headers().get("retry-after")?.to_str().ok()?;
    text.trim().parse().ok().map(|seconds| Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

/// Who one is for a registry, by Docker's configuration; nobody, when it does not say.
fn credential(registry: &str) -> Result<Option<DockerCredential>, Refusal> {
    use CredentialRetrievalError::{ConfigNotFound, ConfigReadError, HelperCommunicationError, NoCredentialConfigured};
    let server = if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry };
    match docker_credential::get_credential(server) {
        Ok(credential) => Ok(Some(credential)),
        Err(ConfigNotFound | NoCredentialConfigured) => Ok(None),
        Err(ConfigReadError) if !configuration().is_some_and(|file| file.exists()) => Ok(None),
        Err(HelperCommunicationError) => Err(Refusal::Never(format!(
            "the credential helper that Docker's configuration names for {server} cannot be run, or ended before it was \
             asked; is it installed?"
        ))),
        // What a helper printed may hold a secret.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
            Err(Refusal::Never(format!("the credential helper {helper} failed for {server}")))
        }
        Err(e) => Err(Refusal::Never(format!("the credentials for {server} in Docker's configuration: {e}"))),
    }
}

/// Where Docker's configuration is.
fn configuration() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")));
    folder.map(|folder| folder.join("config.json"))
}

fn basic(credential: &DockerCredential) -> Option<String> {
    let DockerCredential::UsernamePassword(user, password) = credential else { return None };
    let both = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    Some(format!("Basic {both}"))
}

/// A value of `key="value",…`.
fn challenge_field(fields: &str, key: &str) -> Option<String> {
    let mut rest = fields;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').map_or((after, ""), |(value, _)| (value, &after[value.len()..])),
        };
        if name.trim_matches([' ', ',']).eq_ignore_ascii_case(key) {
            return Some(value.to_owned());
        }
        rest = next;
    }
    None
}

/// Whether a host, perhaps with a port, is this machine: only there is HTTP good enough.
fn is_loopback(host: &str) -> bool {
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(n, _)| n);
    name == "localhost" || name.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback()) || name == "[::1]"
}

/// An error with all its causes on one line.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text = format!("{text}: {e}");
        cause = e.source();
    }
    text
}

/// Does `work` on all `items`, some at the same time; results in the order of the items. After an error, what is not
/// begun is left.
fn parallel<T: Sync, R: Send>(
    items: &[T],
    threads: NonZeroUsize,
    work: impl Fn(&T) -> Result<R, Error> + Sync,
) -> Vec<Result<R, Error>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.get().min(items.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let result = work(item);
                    if result.is_err() {
                        next.store(items.len(), Ordering::Relaxed);
                    }
                    results.lock().expect("no holder panics").push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no holder panics");
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_with_and_without_quotes() {
        let fields =
            r#"realm="https://auth.example/token?a=b,c",service="registry.example", scope=repository:a/b:pull"#;
        assert_eq!(challenge_field(fields, "realm").as_deref(), Some("https://auth.example/token?a=b,c"));
        assert_eq!(challenge_field(fields, "service").as_deref(), Some("registry.example"));
        assert_eq!(challenge_field(fields, "scope").as_deref(), Some("repository:a/b:pull"));
        assert_eq!(challenge_field(fields, "error"), None);
    }

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "registry.example:5000", "10.0.0.1", "127.0.0.1.example"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
