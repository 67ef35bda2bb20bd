//! The archive goes to S3 in parts, each with its own time and attempts: a line that is cut costs one part, and one that is silent is
//! given up soon.

use std::fs::File;
use std::io::{Cursor, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use helix_http::Client;
use rusty_s3::actions::{AbortMultipartUpload, CompleteMultipartUpload, CreateMultipartUpload, S3Action, UploadPart};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use url::Url;

use crate::answers::{Upload, is_complete, upload_id};
use crate::attempt::{Attempt, judge};
use crate::error::Error;
use crate::service::{Event, STALL, Service};

pub(crate) const DOING: &str = "sending the app";
/// Where Apple's bucket is.
const REGION: &str = "us-west-2";
/// The size of a part in bytes: S3 takes 5 MiB at least, but for the last one.
const PART: u64 = 8 << 20;
/// What S3 takes in all: 10,000 parts. Apple names no limit.
const LARGEST: u64 = 10_000 * PART;

/// Whether the service takes an archive of so many bytes, which `file` is or will be.
///
/// # Errors
/// When it does not.
pub fn check_size(file: &Path, size: u64) -> Result<(), Error> {
    if size > LARGEST { Err(Error::Large { file: file.to_owned(), size, most: LARGEST }) } else { Ok(()) }
}

/// What is sent, and where to.
struct Sending<'a> {
    service: &'a Service,
    archive: &'a Path,
    file: File,
    size: u64,
    bucket: Bucket,
    key: Credentials,
    object: &'a str,
}

impl Service {
    /// Sends an archive of so many bytes.
    pub(crate) fn upload(
        &self,
        archive: &Path,
        size: u64,
        to: &Upload,
        hear: &mut dyn FnMut(Event),
    ) -> Result<(), Error> {
        let file = File::open(archive).map_err(Error::io("reading", archive))?;
        let bucket = bucket(&to.bucket, self.instead())?;
        let key = Credentials::new_with_token(&to.aws_access_key_id, &to.aws_secret_access_key, &to.aws_session_token);
        let sending = Sending { service: self, archive, file, size, bucket, key, object: &to.object };
        let id = sending.begin()?;
        let sent = sending.parts(&id, hear).and_then(|tags| sending.complete(&id, &tags));
        if sent.is_err() {
            sending.abort(&id);
        }
        sent
    }
}

fn bucket(name: &str, instead: Option<&Url>) -> Result<Bucket, Error> {
    let strange = |why: &str| Error::Failed { doing: DOING, why: format!("the place for it is none: {why}") };
    let (endpoint, style) = match instead {
        Some(url) => (url.clone(), UrlStyle::Path),
        None => {
            let url = format!("https://s3.{REGION}.amazonaws.com");
            (Url::parse(&url).map_err(|_| strange("the region"))?, UrlStyle::VirtualHost)
        }
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(strange("the name of the bucket"));
    }
    Bucket::new(endpoint, style, name.to_owned(), REGION).map_err(|_| strange("the bucket"))
}

impl Sending<'_> {
    /// How long one request may take, and how long its URL is good.
    fn time(&self) -> Duration {
        self.service.patience().part
    }

    /// A URL for an action. It has secrets in it, and is never shown.
    fn url<'a>(&'a self, action: impl S3Action<'a>) -> Url {
        action.sign(self.time() + STALL)
    }

    fn begin(&self) -> Result<String, Error> {
        let answer = self.service.patiently(DOING, |http| {
            let url = self.url(CreateMultipartUpload::new(&self.bucket, Some(&self.key), self.object));
            judge(DOING, http.post(url.as_str()).body("").send())
        })?;
        let strange = || Error::Failed { doing: DOING, why: "the answer names no upload".to_owned() };
        upload_id(&answer).ok_or_else(strange)
    }

    /// Sends all parts, and says by what each is known.
    fn parts(&self, id: &str, hear: &mut dyn FnMut(Event)) -> Result<Vec<String>, Error> {
        let mut tags = Vec::new();
        for (number, start) in (1..).zip((0..self.size.max(1)).step_by(PART as usize)) {
            let mut bytes = vec![0; PART.min(self.size - start) as usize];
            self.file.read_exact_at(&mut bytes, start).map_err(Error::io("reading", self.archive))?;
            tags.push(self.part(id, number, start, &bytes, hear)?);
        }
        Ok(tags)
    }

    fn part(
        &self,
        id: &str,
        number: u16,
        start: u64,
        bytes: &[u8],
        hear: &mut dyn FnMut(Event),
    ) -> Result<String, Error> {
        let mut tag = None;
        self.service.patiently(DOING, |http| {
            let url = self.url(UploadPart::new(&self.bucket, Some(&self.key), self.object, number, id));
            let (counts, counted) = channel();
            let body = Counted { bytes: Cursor::new(bytes.to_vec()), counts };
            let request = http.put(url.as_str()).patience(self.time()).body_of(body, bytes.len() as u64);
            let answer = std::thread::scope(|scope| {
                let sending = scope.spawn(|| request.send());
                // It ends with the body, which ends with the request.
                for done in counted {
                    hear(Event::Uploaded(start + done, self.size));
                }
                sending.join().expect("sending does not panic")
            });
            if let Ok(answer) = &answer {
                tag = answer.header("etag").map(str::to_owned);
            }
            judge(DOING, answer)
        })?;
        tag.ok_or_else(|| Error::Failed { doing: DOING, why: "the answer to a part has no ETag".to_owned() })
    }

    fn complete(&self, id: &str, tags: &[String]) -> Result<(), Error> {
        let send = |http: &Client| {
            let tags = tags.iter().map(String::as_str);
            let action = CompleteMultipartUpload::new(&self.bucket, Some(&self.key), self.object, id, tags);
            let (url, body) = (self.url(action.clone()), action.body());
            // Putting a large file together takes S3 minutes.
            let answer = judge(DOING, http.post(url.as_str()).patience(self.time()).body(body).send())?;
            let failed = || Attempt::Again("the server does not put the parts together".to_owned());
            if is_complete(&answer) { Ok(answer) } else { Err(failed()) }
        };
        self.service.patiently(DOING, send).map(drop)
    }

    /// Has the parts thrown away. When that fails too, they are thrown away later, by whoever owns the bucket.
    fn abort(&self, id: &str) {
        let url = self.url(AbortMultipartUpload::new(&self.bucket, Some(&self.key), self.object, id));
        let _ = self.service.http().delete(url.as_str()).send();
    }
}

/// The bytes of a part, which tell how many of them were read.
struct Counted {
    bytes: Cursor<Vec<u8>>,
    counts: Sender<u64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        // Who counts stays until the end.
        let _ = self.counts.send(self.bytes.position());
        Ok(read)
    }
}
