//! The conversation with the service.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use rusty_s3::actions::{PutObject, S3Action};
use rusty_s3::{Bucket, UrlStyle};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use ureq::http::Response;
use ureq::{Agent, Body, SendBody};
use url::Url;
use uuid::Uuid;

use crate::credentials::Credentials;
use crate::error::{Error, Issue};
use crate::ticket;

/// The variable with another server instead of Apple's three; only one on this machine is taken. It is there for tests.
pub const URL_VARIABLE: &str = "HELIX_NOTARY_URL";
const API: &str = "https://appstoreconnect.apple.com";
const TICKETS: &str = "https://api.apple-cloudkit.com";
/// Where Apple's bucket is.
const REGION: &str = "us-west-2";
/// More than any answer has, in bytes.
const LARGEST_ANSWER: u64 = 4 << 20;
/// What S3 takes in one piece, in bytes.
const LARGEST_FILE: u64 = 5 << 30;
/// The slowest upload that is waited for, in bytes per second.
const SLOWEST: u64 = 32 << 10;
/// How often something is tried that may go better the next time.
const ATTEMPTS: u32 = 4;
/// How long an answer may take.
const STALL: Duration = Duration::from_secs(60);

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the verdict, in all. Apple says that most take less than 15 minutes.
    pub verdict: Duration,
    /// Between two questions for the verdict.
    pub interval: Duration,
    /// After a first failure; after each further one twice as long.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { verdict: seconds(60 * 60), interval: seconds(15), pause: seconds(2) }
    }
}

/// What happens meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// So many bytes of so many are there.
    Uploaded(u64, u64),
    /// Something to be told.
    Said(String),
}

/// Apple's notary service.
#[derive(Debug)]
pub struct Service {
    agent: Agent,
    credentials: Credentials,
    /// A server that stands for all of Apple's.
    instead: Option<Url>,
    patience: Patience,
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct Submission {
    id: Uuid,
    attributes: Upload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Upload {
    aws_access_key_id: String,
    aws_secret_access_key: String,
    aws_session_token: String,
    bucket: String,
    object: String,
}

#[derive(Deserialize)]
struct State {
    attributes: Status,
}

#[derive(Deserialize)]
struct Status {
    status: String,
}

#[derive(Deserialize)]
struct Logs {
    attributes: LogPlace,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogPlace {
    developer_log_url: Url,
}

#[derive(Deserialize)]
struct Log {
    #[serde(default)]
    issues: Option<Vec<Issue>>,
}

/// Why a request did not succeed.
enum Attempt {
    /// It may the next time.
    Again(String),
    Never(Error),
}

impl Service {
    /// The service, or what [`URL_VARIABLE`] names, asked by whom the environment says.
    ///
    /// # Errors
    /// When the environment lacks something.
    pub fn from_environment() -> Result<Self, Error> {
        let instead = std::env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty());
        Self::new(Credentials::from_environment()?, instead.as_deref(), Patience::default())
    }

    /// The service; `instead` is a server on this machine that stands for it.
    ///
    /// # Errors
    /// When that is no server on this machine.
    pub fn new(credentials: Credentials, instead: Option<&str>, patience: Patience) -> Result<Self, Error> {
        let instead = instead.map(on_this_machine).transpose()?;
        let agent = Agent::config_builder()
            .user_agent(concat!("helix-notary/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(STALL))
            .timeout_recv_response(Some(STALL))
            .timeout_recv_body(Some(STALL))
            .max_redirects(0)
            .http_status_as_error(false)
            .build()
            .new_agent();
        Ok(Self { agent, credentials, instead, patience })
    }

    /// The ticket for an app, by the hash of its own program's code directory. `archive` has the app; it is sent, and the verdict
    /// waited for, when there is no ticket yet.
    ///
    /// # Errors
    /// When the app is refused, with what is wrong with it; when a server cannot be reached or says something strange; when there is
    /// no verdict in time.
    pub fn notarize(&self, archive: &Path, cd_hash: &[u8; 20], hear: &mut dyn FnMut(Event)) -> Result<Vec<u8>, Error> {
        if let Some(ticket) = self.ticket(cd_hash)? {
            hear(Event::Said("Apple has a ticket for just this code already".to_owned()));
            return Ok(ticket);
        }
        let id = self.submit(archive, hear)?;
        hear(Event::Said(format!("submission {id}")));
        self.wait(id, hear)?;
        // It is not everywhere at once.
        for attempt in 0..=ATTEMPTS {
            if let Some(ticket) = self.ticket(cd_hash)? {
                return Ok(ticket);
            }
            std::thread::sleep(self.patience.pause * 2_u32.pow(attempt));
        }
        let why = format!("the submission {id} was accepted, and there is no ticket for this app");
        Err(Error::Failed { doing: "getting the ticket", why })
    }

    fn submit(&self, archive: &Path, hear: &mut dyn FnMut(Event)) -> Result<Uuid, Error> {
        let mut file = File::open(archive).map_err(Error::io("reading", archive))?;
        let size = file.metadata().map_err(Error::io("looking at", archive))?.len();
        if size > LARGEST_FILE {
            return Err(Error::Large { file: archive.to_owned(), size });
        }
        let digest = sha256(&mut file).map_err(Error::io("reading", archive))?;
        let name = archive.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let question = json!({ "sha256": digest, "submissionName": name, "notifications": [] });
        let submission: Data<Submission> = self.api("announcing the app", "submissions", Some(&question))?;
        let Submission { id, attributes } = submission.data;
        self.upload(archive, size, &attributes, hear)?;
        Ok(id)
    }

    fn upload(&self, archive: &Path, size: u64, to: &Upload, hear: &mut dyn FnMut(Event)) -> Result<(), Error> {
        const DOING: &str = "sending the app";
        let strange = |why: &str| Error::Failed { doing: DOING, why: format!("the place for it is none: {why}") };
        let (endpoint, style) = match &self.instead {
            Some(url) => (url.clone(), UrlStyle::Path),
            None => {
                let url = format!("https://s3.{REGION}.amazonaws.com");
                (Url::parse(&url).map_err(|_| strange("the region"))?, UrlStyle::VirtualHost)
            }
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        if to.bucket.is_empty() || !to.bucket.bytes().all(plain) {
            return Err(strange("the name of the bucket"));
        }
        let bucket = Bucket::new(endpoint, style, to.bucket.clone(), REGION).map_err(|_| strange("the bucket"))?;
        let key = rusty_s3::Credentials::new_with_token(
            &to.aws_access_key_id,
            &to.aws_secret_access_key,
            &to.aws_session_token,
        );
        let limit = STALL + Duration::from_secs(size / SLOWEST);
        self.patiently(DOING, |agent| {
            let url = PutObject::new(&bucket, Some(&key), &to.object).sign(limit);
            let file = File::open(archive).map_err(|error| Attempt::Never(Error::io("reading", archive)(error)))?;
            let mut file = Counted { file, done: 0, size, hear };
            let request = agent.put(url.as_str()).config().timeout_send_body(Some(limit)).build();
            let request = request.header("content-length", size.to_string());
            let answer = request.send(SendBody::from_reader(&mut file));
            // The URL has secrets in it: it is never shown.
            judge(DOING, answer.map_err(|error| without_url(&error))?)
        })
        .map(drop)
    }

    fn wait(&self, id: Uuid, hear: &mut dyn FnMut(Event)) -> Result<(), Error> {
        let started = Instant::now();
        let mut last = String::new();
        loop {
            let state: Data<State> = self.api("asking for the verdict", &format!("submissions/{id}"), None)?;
            let status = state.data.attributes.status;
            match status.as_str() {
                "Accepted" => return Ok(()),
                "In Progress" => {}
                _ => return Err(Error::Refused { id: id.to_string(), issues: self.issues(id)?, status }),
            }
            if status != last {
                hear(Event::Said(status.clone()));
                last = status;
            }
            if started.elapsed() + self.patience.interval > self.patience.verdict {
                let minutes = self.patience.verdict.as_secs() / 60;
                return Err(Error::Unfinished { id: id.to_string(), minutes });
            }
            std::thread::sleep(self.patience.interval);
        }
    }

    /// What the log of a submission complains about.
    fn issues(&self, id: Uuid) -> Result<Vec<Issue>, Error> {
        const DOING: &str = "getting the log";
        let logs: Data<Logs> = self.api(DOING, &format!("submissions/{id}/logs"), None)?;
        let url = logs.data.attributes.developer_log_url;
        if url.scheme() != "https" && self.instead.is_none() {
            return Err(Error::Failed { doing: DOING, why: "it is at a place that is not protected".to_owned() });
        }
        let answer = self.patiently(DOING, |agent| {
            judge(DOING, agent.get(url.as_str()).call().map_err(|error| without_url(&error))?)
        })?;
        let log: Log = json_of(DOING, &answer)?;
        Ok(log.issues.unwrap_or_default())
    }

    /// The ticket for a program, where there is one.
    fn ticket(&self, cd_hash: &[u8; 20]) -> Result<Option<Vec<u8>>, Error> {
        const DOING: &str = "looking for the ticket";
        let base = self.instead.as_ref().map_or(TICKETS, |url| url.as_str().trim_end_matches('/'));
        let url = format!("{base}/database/1/com.apple.gk.ticket-delivery/production/public/records/lookup");
        let question = ticket::question(cd_hash).to_string();
        let answer = self.patiently(DOING, |agent| {
            let request = agent.post(&url).content_type("application/json");
            judge(DOING, request.send(&question).map_err(|error| without_url(&error))?)
        })?;
        let answer: Value = json_of(DOING, &answer)?;
        ticket::of_answer(&answer).map_err(|why| Error::Failed { doing: DOING, why: why.to_owned() })
    }

    /// Asks the service itself.
    fn api<T: DeserializeOwned>(&self, doing: &'static str, path: &str, question: Option<&Value>) -> Result<T, Error> {
        let base = self.instead.as_ref().map_or(API, |url| url.as_str().trim_end_matches('/'));
        let url = format!("{base}/notary/v2/{path}");
        let question = question.map(Value::to_string);
        let answer = self.patiently(doing, |agent| {
            let bearer = format!("Bearer {}", self.credentials.token().map_err(Attempt::Never)?);
            let answer = match &question {
                Some(text) => {
                    agent.post(&url).header("authorization", bearer).content_type("application/json").send(text)
                }
                None => agent.get(&url).header("authorization", bearer).call(),
            };
            judge(doing, answer.map_err(|error| without_url(&error))?)
        })?;
        json_of(doing, &answer)
    }

    /// Tries a request until it succeeds, or fails in a way that stays.
    fn patiently(
        &self,
        doing: &'static str,
        mut request: impl FnMut(&Agent) -> Result<Vec<u8>, Attempt>,
    ) -> Result<Vec<u8>, Error> {
        let mut attempt = 1;
        loop {
            match request(&self.agent) {
                Ok(answer) => return Ok(answer),
                Err(Attempt::Never(error)) => return Err(error),
                Err(Attempt::Again(why)) if attempt == ATTEMPTS => {
                    return Err(Error::Failed { doing, why: format!("{why}, at each of {ATTEMPTS} attempts") });
                }
                Err(Attempt::Again(_)) => std::thread::sleep(self.patience.pause * 2_u32.pow(attempt - 1)),
            }
            attempt += 1;
        }
    }
}

fn on_this_machine(text: &str) -> Result<Url, Error> {
    let refuse = |why| Error::Url { url: text.to_owned(), why };
    let url = Url::parse(text).map_err(|_| refuse("this is no URL"))?;
    let here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    if !here || url.scheme() != "http" {
        return Err(refuse("HELIX_NOTARY_URL is for tests, and takes a server on this machine only"));
    }
    Ok(url)
}

/// The whole of an answer, when it is a yes.
fn judge(doing: &'static str, mut answer: Response<Body>) -> Result<Vec<u8>, Attempt> {
    let status = answer.status();
    let body = answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec();
    if status.is_server_error() || status.as_u16() == 429 {
        return Err(Attempt::Again(format!("the server says {status}")));
    }
    let body = body.map_err(|error| match error {
        ureq::Error::BodyExceedsLimit(_) => {
            Attempt::Never(Error::Failed { doing, why: format!("the answer has more than {LARGEST_ANSWER} bytes") })
        }
        error => without_url(&error),
    })?;
    if status.is_success() {
        return Ok(body);
    }
    let why = format!("the server says {status}{}", said(&body));
    let unauthorized = status.as_u16() == 401 && doing != "sending the app";
    Err(Attempt::Never(if unauthorized { Error::Unauthorized { doing, why } } else { Error::Failed { doing, why } }))
}

/// The words of an answer of App Store Connect that is a no.
fn said(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let words = value.pointer("/errors/0/detail").and_then(Value::as_str).unwrap_or_default();
    let words: String = words.chars().filter(|letter| !letter.is_control()).take(300).collect();
    if words.is_empty() { words } else { format!(": {words}") }
}

/// An error without the URL, which may have secrets in it.
fn without_url(error: &ureq::Error) -> Attempt {
    Attempt::Again(match error {
        ureq::Error::BadUri(_) => "the address is none".to_owned(),
        error => error.to_string(),
    })
}

fn json_of<T: DeserializeOwned>(doing: &'static str, answer: &[u8]) -> Result<T, Error> {
    // What the parser says may repeat what was sent.
    let strange = |error: serde_json::Error| Error::Failed {
        doing,
        why: format!("the answer is not as it should be, at line {}, column {}", error.line(), error.column()),
    };
    serde_json::from_slice(answer).map_err(strange)
}

fn sha256(file: &mut File) -> std::io::Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            read => digest.update(&buffer[..read]),
        }
    }
}

/// A file that tells how much of it was read.
struct Counted<'a> {
    file: File,
    done: u64,
    size: u64,
    hear: &'a mut dyn FnMut(Event),
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.done += read as u64;
        (self.hear)(Event::Uploaded(self.done, self.size));
        Ok(read)
    }
}
