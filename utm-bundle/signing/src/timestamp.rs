//! Timestamps (RFC 3161): an authority's word for when a signature existed. They keep it good when the certificate expires, and
//! Apple notarises nothing without one.

use std::time::Duration;

use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use der::asn1::{Int, ObjectIdentifier, OctetString};
use der::{Any, Decode, Encode};
use ring::rand::{SecureRandom, SystemRandom};
use x509_cert::spki::AlgorithmIdentifier;
use x509_tsp::{MessageImprint, TimeStampReq, TimeStampResp, TspVersion, TstInfo};

use crate::certificate::{self, SHA256, TIME_STAMPING};
use crate::directory::sha256;
use crate::error::Error;
use crate::message;

/// The room that is kept for a timestamp, in bytes. Those of public authorities have 3 to 7 KB.
pub(crate) const ROOM: usize = 12 << 10;
/// How long an authority may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked, with a second more between each.
const ATTEMPTS: u32 = 3;
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

fn imprint(signature: &[u8]) -> der::Result<MessageImprint> {
    let null = Some(Any::null());
    let hash_algorithm = AlgorithmIdentifier { oid: ObjectIdentifier::new_unwrap(SHA256), parameters: null };
    Ok(MessageImprint { hash_algorithm, hashed_message: OctetString::new(sha256(signature))? })
}

/// The token of the authority at `url` about a signature.
///
/// # Errors
/// When there is no answer, or one that is no good.
pub(crate) fn ask(url: &str, signature: &[u8]) -> Result<Any, Error> {
    let refuse = |why: String| Error::Timestamp { url: url.to_owned(), why };
    let mut nonce = [0; 8];
    SystemRandom::new().fill(&mut nonce).map_err(|_| refuse("there are no random numbers".to_owned()))?;
    // Neither negative, nor with a zero that DER would leave out.
    nonce[0] = nonce[0] & 0x7f | 0x40;
    let request = |nonce: &Int| {
        let message_imprint = imprint(signature)?;
        let request = TimeStampReq {
            version: TspVersion::V1,
            message_imprint,
            req_policy: None,
            nonce: Some(nonce.clone()),
            cert_req: true,
            extensions: None,
        };
        request.to_der()
    };
    let nonce = Int::new(&nonce).map_err(|error| refuse(error.to_string()))?;
    let request = request(&nonce).map_err(|error| refuse(error.to_string()))?;
    let answer = post(url, &request).map_err(refuse)?;
    let damaged = |error: der::Error| refuse(format!("its answer is damaged: {error}"));
    let answer = TimeStampResp::from_der(&answer).map_err(damaged)?;
    // 0 and 1 are the two forms of yes.
    if answer.status.status as u8 > 1 {
        return Err(refuse(format!("it refuses: {:?}", answer.status.status)));
    }
    let token = answer.time_stamp_token.ok_or_else(|| refuse("its answer has no timestamp".to_owned()))?;
    let token = Any::encode_from(&token).map_err(damaged)?;
    let info = open(&token, signature).map_err(|why| refuse(format!("its timestamp {why}")))?;
    if info.nonce != Some(nonce) {
        return Err(refuse("its timestamp answers another question".to_owned()));
    }
    Ok(token)
}

fn post(url: &str, request: &[u8]) -> Result<Vec<u8>, String> {
    let agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().new_agent();
    let send = || {
        let mut answer = agent.post(url).content_type("application/timestamp-query").send(request)?;
        answer.body_mut().with_config().limit(ROOM as u64).read_to_vec()
    };
    let mut attempt = 1;
    loop {
        match send() {
            Ok(body) => return Ok(body),
            Err(error) if attempt == ATTEMPTS => return Err(error.to_string()),
            Err(_) => std::thread::sleep(Duration::from_secs(attempt.into())),
        }
        attempt += 1;
    }
}

/// Looks at a token about a signature, and says of when it is, in time since 1970.
pub(crate) fn read(token: &Any, signature: &[u8]) -> Result<Duration, String> {
    let info = open(token, signature).map_err(|why| format!("its timestamp {why}"))?;
    Ok(info.gen_time.to_unix_duration())
}

fn open(token: &Any, signature: &[u8]) -> Result<TstInfo, String> {
    let damaged = |error: der::Error| format!("is damaged: {error}");
    let token: ContentInfo = token.decode_as().map_err(damaged)?;
    let data: SignedData = token.content.decode_as().map_err(damaged)?;
    let content =
        data.encap_content_info.econtent.as_ref().filter(|_| data.encap_content_info.econtent_type == TST_INFO);
    let content = content.ok_or("is about no time")?.value();
    let info = TstInfo::from_der(content).map_err(damaged)?;
    let opened = message::open(&data, content)?;
    let ours = imprint(signature).map_err(damaged)?;
    let theirs = &info.message_imprint;
    if theirs.hash_algorithm.oid != ours.hash_algorithm.oid || theirs.hashed_message != ours.hashed_message {
        return Err("is of another signature".to_owned());
    }
    let mut faults = certificate::faults(&opened.path, TIME_STAMPING, info.gen_time.to_unix_duration());
    // Authorities may leave out their root.
    if opened.path.last().is_some_and(|last| !last.is_self_signed()) && opened.path.len() > 1 {
        faults.pop();
    }
    if faults.is_empty() { Ok(info) } else { Err(format!("is not good: {}", faults.join("; "))) }
}
