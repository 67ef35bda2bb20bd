//! The conversation with the service.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use helix_http::{Client, Settings};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;
use uuid::Uuid;

use crate::answers::{Data, Log, Logs, State, Submission, json_of};
use crate::attempt::{Attempt, judge};
use crate::credentials::Credentials;
use crate::error::{Error, Issue};
use crate::ticket;
use crate::upload::check_size;

/// The variable with another server instead of Apple's three; only one on this machine is taken. It is there for tests.
pub const URL_VARIABLE: &str = "HELIX_NOTARY_URL";
const API: &str = "https://appstoreconnect.apple.com";
const TICKETS: &str = "https://api.apple-cloudkit.com";
/// The kind of what is asked.
const JSON: &str = "application/json";
/// How often something is tried that may go better the next time.
const ATTEMPTS: u32 = 4;
/// How long an answer may take.
pub(crate) const STALL: Duration = Duration::from_secs(60);

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the verdict, in all. Apple says that most take less than 15 minutes.
    pub verdict: Duration,
    /// Between two questions for the verdict.
    pub interval: Duration,
    /// For sending one part of 8 MiB, in all.
    pub part: Duration,
    /// After a first failure; after each further one twice as long.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        // A part is there in time at 46 KiB in a second.
        Self { verdict: seconds(60 * 60), interval: seconds(15), part: seconds(180), pause: seconds(2) }
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
    http: Client,
    credentials: Credentials,
    /// A server that stands for all of Apple's.
    instead: Option<Url>,
    patience: Patience,
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
        let unusable =
            |fault: helix_http::Fault| Error::Failed { doing: "setting up the way to Apple", why: fault.to_string() };
        let settings = Settings::of_machine(concat!("helix-notary/", env!("CARGO_PKG_VERSION"))).map_err(unusable)?;
        // What is sent is for the server that was named, and for no other.
        let settings = Settings { stall: STALL, redirects: false, ..settings };
        let http = Client::new(settings).map_err(unusable)?;
        Ok(Self { http, credentials, instead, patience })
    }

    /// The ticket for an app, by the hash of its own program's code directory. `archive` has the app; it is sent, and the verdict
    /// waited for, when there is no ticket yet.
    ///
    /// # Errors
    /// When the app is refused, with what is wrong with it; when a server cannot be reached or says something strange; when there is
    /// no verdict in time.
    pub fn notarize(&self, archive: &Path, cd_hash: &[u8; 20], hear: &mut dyn FnMut(Event)) -> Result<Vec<u8>, Error> {
        let size = std::fs::metadata(archive).map_err(Error::io("looking at", archive))?.len();
        check_size(archive, size)?;
        if let Some(ticket) = self.ticket(cd_hash)? {
            hear(Event::Said("Apple has a ticket for just this code already".to_owned()));
            return Ok(ticket);
        }
        let id = self.submit(archive, size, hear)?;
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

    fn submit(&self, archive: &Path, size: u64, hear: &mut dyn FnMut(Event)) -> Result<Uuid, Error> {
        let mut file = File::open(archive).map_err(Error::io("reading", archive))?;
        let digest = sha256(&mut file).map_err(Error::io("reading", archive))?;
        let name = archive.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let question = json!({ "sha256": digest, "submissionName": name, "notifications": [] });
        let submission: Data<Submission> = self.api("announcing the app", "submissions", Some(&question))?;
        let Submission { id, attributes } = submission.data;
        self.upload(archive, size, &attributes, hear)?;
        Ok(id)
    }

    /// Waits for the verdict. An outage is waited for as well: the verdict comes without our asking.
    fn wait(&self, id: Uuid, hear: &mut dyn FnMut(Event)) -> Result<(), Error> {
        let started = Instant::now();
        let mut last = String::new();
        loop {
            let (over, now) = match self.status(id) {
                Ok(status) => (status != "In Progress", status),
                Err(Attempt::Again(why)) => (false, why),
                Err(Attempt::Never(error)) => return Err(error),
            };
            match now.as_str() {
                "Accepted" if over => return Ok(()),
                _ if over => {
                    return Err(Error::Refused { id: id.to_string(), issues: self.complaints(id), status: now });
                }
                _ => {}
            }
            if now != last {
                hear(Event::Said(now.clone()));
                last = now;
            }
            if started.elapsed() + self.patience.interval > self.patience.verdict {
                let minutes = self.patience.verdict.as_secs() / 60;
                return Err(Error::Unfinished { id: id.to_string(), minutes, last });
            }
            std::thread::sleep(self.patience.interval);
        }
    }

    fn status(&self, id: Uuid) -> Result<String, Attempt> {
        const DOING: &str = "asking for the verdict";
        let answer = self.ask(DOING, &format!("submissions/{id}"), None)?;
        let state: Data<State> = json_of(DOING, &answer).map_err(Attempt::Never)?;
        Ok(state.data.attributes.status)
    }

    /// Why a submission was refused. That the log is not to be had does not hide that it was.
    fn complaints(&self, id: Uuid) -> Vec<Issue> {
        let unknown =
            |error: Error| Issue { path: None, message: format!("why is not known: {error}"), severity: None };
        self.issues(id).unwrap_or_else(|error| vec![unknown(error)])
    }

    /// What the log of a submission complains about.
    fn issues(&self, id: Uuid) -> Result<Vec<Issue>, Error> {
        const DOING: &str = "getting the log";
        let logs: Data<Logs> = self.api(DOING, &format!("submissions/{id}/logs"), None)?;
        let url = logs.data.attributes.developer_log_url;
        let own = self.instead.as_ref().is_some_and(|own| own.origin() == url.origin());
        if url.scheme() != "https" && !own {
            return Err(Error::Failed { doing: DOING, why: "it is at a place that is not protected".to_owned() });
        }
        let answer = self.patiently(DOING, |http| judge(DOING, http.get(url.as_str()).send()))?;
        let log: Log = json_of(DOING, &answer)?;
        Ok(log.issues.unwrap_or_default())
    }

    /// The ticket for a program, where there is one.
    fn ticket(&self, cd_hash: &[u8; 20]) -> Result<Option<Vec<u8>>, Error> {
        const DOING: &str = "looking for the ticket";
        let base = self.instead.as_ref().map_or(TICKETS, |url| url.as_str().trim_end_matches('/'));
        let url = format!("{base}/database/1/com.apple.gk.ticket-delivery/production/public/records/lookup");
        let question = ticket::question(cd_hash).to_string();
        let answer = self.patiently(DOING, |http| {
            judge(DOING, http.post(&url).header("content-type", JSON).body(question.as_str()).send())
        })?;
        let answer: Value = json_of(DOING, &answer)?;
        ticket::of_answer(&answer, cd_hash).map_err(|why| Error::Failed { doing: DOING, why: why.to_owned() })
    }

    /// Asks the service itself.
    fn api<T: DeserializeOwned>(&self, doing: &'static str, path: &str, question: Option<&Value>) -> Result<T, Error> {
        json_of(doing, &self.patiently(doing, |_| self.ask(doing, path, question))?)
    }

    /// Asks it once.
    fn ask(&self, doing: &'static str, path: &str, question: Option<&Value>) -> Result<Vec<u8>, Attempt> {
        let base = self.instead.as_ref().map_or(API, |url| url.as_str().trim_end_matches('/'));
        let url = format!("{base}/notary/v2/{path}");
        let bearer = format!("Bearer {}", self.credentials.token().map_err(Attempt::Never)?);
        let request = match question.map(Value::to_string) {
            Some(text) => self.http.post(&url).header("content-type", JSON).body(text),
            None => self.http.get(&url),
        };
        judge(doing, request.header("authorization", &bearer).send())
    }

    pub(crate) fn http(&self) -> &Client {
        &self.http
    }

    pub(crate) fn instead(&self) -> Option<&Url> {
        self.instead.as_ref()
    }

    pub(crate) fn patience(&self) -> Patience {
        self.patience
    }

    /// Tries a request until it succeeds, or fails in a way that stays.
    pub(crate) fn patiently(
        &self,
        doing: &'static str,
        mut request: impl FnMut(&Client) -> Result<Vec<u8>, Attempt>,
    ) -> Result<Vec<u8>, Error> {
        let mut attempt = 1;
        loop {
            match request(&self.http) {
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
