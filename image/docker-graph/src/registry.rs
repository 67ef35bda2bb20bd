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
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use base64::Engine;
use docker_credential::DockerCredential;
use helix_http::{Answer, Fault, Retries, Settings, Trust, Url};
use oci_spec::distribution::Reference;
use serde::Deserialize;

use crate::digest::Digest;
use crate::error::Error;
use crate::image::{Blob, Image, MAX_DOCUMENT};
use crate::layer::Limits;
use crate::manifest::{Finder, Named, NotThis, Parts, Platform};

mod challenge;
mod credentials;

use challenge::{Challenge, challenges};

/// Where engines have the certificates of registries, a folder for each.
const CERTIFICATES: &str = "/etc/docker/certs.d";
/// How long a registry on this machine may take to show whether it speaks TLS.
const TRIAL: Duration = Duration::from_secs(5);
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

/// What happens during a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A blob of so many bytes is there.
    Bytes(u64),
    /// Something that people should know.
    Note(String),
}

/// Who hears of it.
type Hear<'a> = &'a (dyn Fn(News) + Sync);

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

/// Fetches an image; `name` replaces its names. `hear` is told of each blob that is there, and of missing credentials.
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
    hear: Hear<'_>,
) -> Result<Image, Error> {
    let origin = format!("registry:{reference}");
    let told = |reason: String| Error::image(&origin, reason);
    let refused = |refusal: Refusal| refusal.of(&origin);
    let client = Client::new(reference, patience, hear).map_err(refused)?;
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
    let results = parallel(&wanted, PARALLEL, |blob| {
        client.blob(blob, cache).map_err(refused).inspect(|()| hear(News::Bytes(blob.size)))
    });
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
pub fn digest_of(reference: &Reference, patience: Patience, hear: Hear<'_>) -> Result<Digest, Error> {
    let what = reference.digest().or(reference.tag()).unwrap_or("latest");
    let document = Client::new(reference, patience, hear).and_then(|client| client.manifest(what, None));
    document.map(|bytes| Digest::of(&bytes)).map_err(|refusal| refusal.of(&format!("registry:{reference}")))
}

/// One repository of one registry.
struct Client<'a> {
    http: helix_http::Client,
    /// Where it is asked: `registry.example:5000`.
    host: String,
    /// `https`, or what a registry on this machine speaks; it is asked when it is first needed.
    scheme: OnceLock<&'static str>,
    registry: String,
    repository: String,
    patience: Patience,
    /// The header that the registry asked for.
    authorization: Mutex<Option<String>>,
    /// Who one is, once the registry has asked.
    credential: OnceLock<Option<DockerCredential>>,
    hear: Hear<'a>,
}

/// Why a request did not do what it should.
#[derive(Debug)]
enum Refusal {
    /// It may work later; after this pause, if the registry names one.
    Later(String, Option<Duration>),
    /// The way there is at fault, and stays so: a proxy, a certificate, a setting.
    Unreachable(String),
    /// It will not work.
    Never(String),
}

impl Refusal {
    /// The error for an image.
    fn of(self, image: &str) -> Error {
        let image = image.to_owned();
        match self {
            Self::Later(reason, _) | Self::Unreachable(reason) => Error::Transfer { image, reason },
            Self::Never(reason) => Error::Image { image, reason },
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Later(reason, _) | Self::Unreachable(reason) | Self::Never(reason)) = self;
        f.write_str(reason)
    }
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Never(reason)
    }
}

impl From<helix_http::Error> for Refusal {
    fn from(error: helix_http::Error) -> Self {
        let reason = error.to_string();
        match error.fault {
            fault if fault.is_temporary() => Self::Later(reason, fault.pause()),
            Fault::Large(_) | Fault::Status { .. } | Fault::Refused(_) | Fault::Gone(_) => Self::Never(reason),
            _ => Self::Unreachable(reason),
        }
    }
}

/// What a token server answers.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl<'a> Client<'a> {
    fn new(reference: &Reference, patience: Patience, hear: Hear<'a>) -> Result<Self, Refusal> {
        let host = match reference.registry() {
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        let unusable = |why: String| Refusal::Unreachable(format!("{host}: {why}"));
        let trust = Trust::of_machine().with_folder(&Path::new(CERTIFICATES).join(host));
        let trust = trust.map_err(|e| unusable(e.to_string()))?.and_this_machine();
        let agent = concat!("helix-docker-graph/", env!("CARGO_PKG_VERSION"));
        let settings = Settings::of_machine(agent).map_err(|e| unusable(e.to_string()))?;
        let settings = Settings { trust, stall: patience.stall, ..settings };
        Ok(Self {
            http: helix_http::Client::new(settings).map_err(|e| unusable(e.to_string()))?,
            host: host.to_owned(),
            scheme: OnceLock::new(),
            registry: reference.registry().to_owned(),
            repository: reference.repository().to_owned(),
            patience,
            authorization: Mutex::new(None),
            credential: OnceLock::new(),
            hear,
        })
    }

    /// The address of something of the repository; with `scheme` it is only for messages.
    fn url(&self, scheme: &str, what: &str) -> String {
        format!("{scheme}://{}/v2/{}/{what}", self.host, self.repository)
    }

    /// `https`; on this machine, as with engines, HTTP where no TLS is spoken. A server for TLS says 400 to plain HTTP, or
    /// nothing, so that slowness is never taken for its absence.
    fn scheme(&self) -> &'static str {
        self.scheme.get_or_init(|| {
            let address = |scheme| Url::parse(&format!("{scheme}://{}/v2/", self.host));
            let (Ok(secure), Ok(plain)) = (address("https"), address("http")) else { return "https" };
            if !helix_http::is_this_machine(&plain) {
                return "https";
            }
            let ask = |url: &Url| self.http.get(url.as_str()).patience(self.patience.stall.min(TRIAL)).send();
            let Err(error) = ask(&secure) else { return "https" };
            let is_plain = match ask(&plain) {
                Ok(answer) => answer.status() != 400,
                // Slow with HTTP, and quick to refuse TLS.
                Err(silent) => matches!((error.fault, silent.fault), (Fault::Transfer(_), Fault::Silent(_))),
            };
            if is_plain { "http" } else { "https" }
        })
    }

    /// Tries again what may work later, after growing pauses, or longer ones where the registry asks for them.
    fn retried<T>(&self, attempt: impl FnMut() -> Result<T, Refusal>) -> Result<T, Refusal> {
        let times = self.patience.retries;
        let again = |refusal: &Refusal| if let Refusal::Later(_, pause) = refusal { Some(*pause) } else { None };
        Retries { times, pause: Duration::from_millis(500) }.run(attempt, again).map_err(|refusal| match refusal {
            Refusal::Later(why, _) => Refusal::Later(format!("{why}, after {times} more tries"), None),
            other => other,
        })
    }

    /// A manifest or index, from the cache if it has the digest.
    fn kept_manifest(&self, what: &str, expected: Option<&Digest>, cache: &BlobCache) -> Result<Vec<u8>, Refusal> {
        if let Some(bytes) = expected.and_then(|digest| cache.document(digest)) {
            return Ok(bytes);
        }
        cache.refuse_offline(&self.url("https", &format!("manifests/{what}")))?;
        let bytes = self.manifest(what, expected)?;
        cache.keep(&bytes).map_err(|e| format!("keeping the manifest: {e}"))?;
        Ok(bytes)
    }

    /// A manifest or index by tag or digest.
    fn manifest(&self, what: &str, expected: Option<&Digest>) -> Result<Vec<u8>, Refusal> {
        let url = self.url(self.scheme(), &format!("manifests/{what}"));
        let bytes = self.retried(|| Ok(self.get(&url, &[("Accept", ACCEPT.to_owned())])?.bytes(MAX_DOCUMENT)?))?;
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
        let what = format!("blobs/{}", blob.digest);
        cache.refuse_offline(&self.url("https", &what))?;
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
        let url = self.url(self.scheme(), &what);
        self.retried(|| self.go_on(&url, blob, &mut file, &partial))?;
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
        let mut body = response.take(blob.size - there + 1);
        let mut buffer = vec![0; 128 << 10];
        loop {
            let n =
                body.read(&mut buffer).map_err(|e| Refusal::Later(format!("{url}: {}", Fault::of_body(e)), None))?;
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
    fn get(&self, url: &str, headers: &[(&str, String)]) -> Result<Answer, Refusal> {
        let mut answer = self.send(url, headers)?;
        // Where another server asks, behind a redirect, the registry's credentials are not for it.
        let own = Url::parse(url).is_ok_and(|url| url.origin() == answer.url().origin());
        if answer.status() == 401 && own {
            let header = self.authorize(&challenges(&answer.headers("www-authenticate")))?;
            *self.authorization.lock().expect("no holder panics") = Some(header);
            answer = self.send(url, headers)?;
        }
        let out_of_range = answer.status() == 416;
        answer.accepted().map_err(|error| {
            let says = |status: &str, what: &str| format!("{url}: the registry answers {status}{what}");
            match &error.fault {
                Fault::Refused(status) => Refusal::Never(says(
                    status,
                    &format!(
                        ": it wants other credentials, or there is no such image; log in with\n    docker login {}",
                        self.registry
                    ),
                )),
                Fault::Gone(status) => Refusal::Never(says(status, ": there is no such image")),
                Fault::Status { status, temporary, pause } if *temporary || out_of_range => {
                    Refusal::Later(says(status, ""), *pause)
                }
                Fault::Status { status, .. } => Refusal::Never(says(status, "")),
                _ => error.into(),
            }
        })
    }

    fn send(&self, url: &str, headers: &[(&str, String)]) -> Result<Answer, Refusal> {
        let mut request = self.http.get(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = &*self.authorization.lock().expect("no holder panics") {
            request = request.header("Authorization", authorization);
        }
        Ok(request.send()?)
    }

    /// Who one is for the registry; that it is nobody is told once.
    fn credential(&self) -> Option<&DockerCredential> {
        let look = || {
            let found = credentials::find(&self.registry);
            if let Some(why) = found.note {
                let note = format!("there are no credentials for {}: {why}; it is asked without", self.registry);
                (self.hear)(News::Note(note));
            }
            found.credential
        };
        self.credential.get_or_init(look).as_ref()
    }

    /// The header that answers one of the challenges. A token comes first: it is for this repository alone.
    fn authorize(&self, challenges: &[Challenge]) -> Result<String, Refusal> {
        let bearer = challenges.iter().filter(|c| c.scheme == "bearer").find_map(|c| Some((c, c.field("realm")?)));
        if let Some((challenge, realm)) = bearer {
            return self.token(challenge, realm);
        }
        if challenges.iter().any(|c| c.scheme == "basic") {
            let missing = || format!("the registry wants a user; log in with\n    docker login {}", self.registry);
            return self.credential().and_then(basic).ok_or_else(|| missing().into());
        }
        let named: Vec<&str> = challenges.iter().map(|c| c.scheme.as_str()).collect();
        let named = if named.is_empty() { "none".to_owned() } else { named.join(", ") };
        Err(format!("the registry asks for an authorization that is not known here: {named}").into())
    }

    /// A token of the server that a registry names for it.
    fn token(&self, challenge: &Challenge, realm: &str) -> Result<String, Refusal> {
        let server = Url::parse(realm).map_err(|e| format!("the registry's token server {realm:?}: {e}"))?;
        if server.scheme() != "https" && !helix_http::is_this_machine(&server) {
            return Err(format!("the registry's token server {realm:?} is not reached by TLS").into());
        }
        let own_scope = format!("repository:{}:pull", self.repository);
        let scope = challenge.field("scope").unwrap_or(&own_scope);
        let service = challenge.field("service").unwrap_or_default();
        let request = match self.credential() {
            Some(DockerCredential::IdentityToken(token)) => {
                let form = helix_http::Form::new(String::new())
                    .append_pair("grant_type", "refresh_token")
                    .append_pair("refresh_token", token)
                    .append_pair("client_id", "helix-docker-graph")
                    .append_pair("service", service)
                    .append_pair("scope", scope)
                    .finish();
                self.http.post(realm).header("Content-Type", "application/x-www-form-urlencoded").body(form)
            }
            other => {
                let mut url = server.clone();
                url.query_pairs_mut().append_pair("service", service).append_pair("scope", scope);
                let request = self.http.get(url.as_str());
                match other.and_then(basic) {
                    Some(header) => request.header("Authorization", &header),
                    None => request,
                }
            }
        };
        let answer = request.send().and_then(Answer::accepted).map_err(|error| {
            let login = format!("{error}; log in with\n    docker login {}", self.registry);
            match Refusal::from(error) {
                Refusal::Never(_) => Refusal::Never(login),
                other => other,
            }
        })?;
        let holds_none = |why: &str| Refusal::Never(format!("{realm}: its answer holds no token{why}"));
        let token: Token =
            serde_json::from_slice(&answer.bytes(MAX_DOCUMENT)?).map_err(|e| holds_none(&format!(": {e}")))?;
        // Servers state both, and either may be empty.
        let token = [token.token, token.access_token].into_iter().flatten().find(|token| !token.is_empty());
        token.map(|token| format!("Bearer {token}")).ok_or_else(|| holds_none(""))
    }
}

fn basic(credential: &DockerCredential) -> Option<String> {
    let DockerCredential::UsernamePassword(user, password) = credential else { return None };
    let both = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    Some(format!("Basic {both}"))
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
