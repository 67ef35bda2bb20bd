//! Tickets: what Apple knows of a program, to be put into the app so that a Mac without a network knows it too.

use std::io::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::error::Error;

/// A ticket begins so.
const MAGIC: &[u8] = b"s8ch";
/// More than any ticket has, in bytes.
const LARGEST: usize = 1 << 20;
/// Where it is in an app.
const PLACE: &str = "Contents/CodeResources";

/// The question for the ticket of a program: of version 2, by a hash of kind 2, which is the beginning of a SHA-256.
pub(crate) fn question(cd_hash: &[u8; 20]) -> Value {
    let hash: String = cd_hash.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "records": [{ "recordName": format!("2/2/{hash}") }] })
}

/// The ticket of a program in an answer; none where Apple has none.
pub(crate) fn of_answer(answer: &Value, cd_hash: &[u8; 20]) -> Result<Option<Vec<u8>>, &'static str> {
    let record = answer.pointer("/records/0").ok_or("the answer is about nothing")?;
    if record.get("serverErrorCode").and_then(Value::as_str) == Some("NOT_FOUND") {
        return Ok(None);
    }
    let text =
        record.pointer("/fields/signedTicket/value").and_then(Value::as_str).ok_or("the answer has no ticket")?;
    let ticket = STANDARD.decode(text).map_err(|_| "the ticket is damaged")?;
    if !ticket.starts_with(MAGIC) || ticket.len() > LARGEST {
        return Err("the answer has something else than a ticket");
    }
    if !ticket.windows(cd_hash.len()).any(|part| part == cd_hash) {
        return Err("the ticket is that of another app: the hash of the code directory is not in it");
    }
    Ok(Some(ticket))
}

/// Puts a ticket into an app. It is not part of what is signed.
///
/// # Errors
/// When it cannot be written.
pub fn staple(app: &Path, ticket: &[u8]) -> Result<(), Error> {
    let place = app.join(PLACE);
    let folder = app.join("Contents");
    let write = || -> std::io::Result<()> {
        // All of an app has one time.
        let modified = std::fs::metadata(folder.join("Info.plist"))?.modified()?;
        let mut aside = tempfile::Builder::new().prefix(".stapling-").tempfile_in(&folder)?;
        aside.write_all(ticket)?;
        aside.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        aside.as_file().set_modified(modified)?;
        aside.as_file().sync_all()?;
        aside.persist(&place)?;
        std::fs::File::open(&folder)?.set_modified(modified)
    };
    write().map_err(Error::io("writing", &place))
}
