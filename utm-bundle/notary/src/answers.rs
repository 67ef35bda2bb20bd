//! What the service answers.

use rusty_s3::actions::{CompleteMultipartUploadResponse, CreateMultipartUpload};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::error::{Error, Issue};
use crate::ticket;

#[derive(Deserialize)]
pub(crate) struct Data<T> {
    pub(crate) data: T,
}

#[derive(Deserialize)]
pub(crate) struct Submission {
    pub(crate) id: Uuid,
    pub(crate) attributes: Upload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Upload {
    pub(crate) aws_access_key_id: String,
    pub(crate) aws_secret_access_key: String,
    pub(crate) aws_session_token: String,
    pub(crate) bucket: String,
    pub(crate) object: String,
}

#[derive(Deserialize)]
pub(crate) struct State {
    pub(crate) attributes: Status,
}

#[derive(Deserialize)]
pub(crate) struct Status {
    pub(crate) status: String,
}

#[derive(Deserialize)]
pub(crate) struct Logs {
    pub(crate) attributes: LogPlace,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogPlace {
    pub(crate) developer_log_url: Url,
}

#[derive(Deserialize)]
pub(crate) struct Log {
    #[serde(default)]
    pub(crate) issues: Option<Vec<Issue>>,
}

/// As which answers these bytes can be taken, by what such an answer has. The ticket must be that of the program with this hash.
pub fn kinds_of_answer(bytes: &[u8], cd_hash: &[u8; 20]) -> Vec<&'static str> {
    fn is<T: DeserializeOwned>(bytes: &[u8]) -> bool {
        json_of::<T>("reading", bytes).is_ok()
    }
    let ticket =
        json_of::<Value>("reading", bytes).is_ok_and(|it| matches!(ticket::of_answer(&it, cd_hash), Ok(Some(_))));
    let kinds = [
        ("submission", is::<Data<Submission>>(bytes)),
        ("verdict", is::<Data<State>>(bytes)),
        ("place of the log", is::<Data<Logs>>(bytes)),
        ("issues", is::<Log>(bytes)),
        ("ticket", ticket),
        ("words", !said(bytes).is_empty()),
        ("upload", upload_id(bytes).is_some()),
        ("end of an upload", is_complete(bytes)),
    ];
    kinds.into_iter().filter(|(_, is_it)| *is_it).map(|(kind, _)| kind).collect()
}

/// By what S3 knows an upload that began.
pub(crate) fn upload_id(answer: &[u8]) -> Option<String> {
    let answer = CreateMultipartUpload::parse_response(std::str::from_utf8(answer).ok()?).ok()?;
    Some(answer.upload_id().to_owned()).filter(|id| !id.is_empty())
}

/// Whether S3 has put the parts of an upload together: it begins to answer before it knows, and may say no in the end.
pub(crate) fn is_complete(answer: &[u8]) -> bool {
    std::str::from_utf8(answer).is_ok_and(|text| CompleteMultipartUploadResponse::parse(text.trim_start()).is_ok())
}

pub(crate) fn json_of<T: DeserializeOwned>(doing: &'static str, answer: &[u8]) -> Result<T, Error> {
    // What the parser says may repeat what was sent.
    let strange = |error: serde_json::Error| Error::Failed {
        doing,
        why: format!("the answer is not as it should be, at line {}, column {}", error.line(), error.column()),
    };
    serde_json::from_slice(answer).map_err(strange)
}

/// The words of an answer of App Store Connect that is a no.
pub(crate) fn said(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let words = value.pointer("/errors/0/detail").and_then(Value::as_str).unwrap_or_default();
    let words: String = words.chars().filter(|letter| !letter.is_control()).take(300).collect();
    if words.is_empty() { words } else { format!(": {words}") }
}
