//! The key of App Store Connect, and the tokens that it signs.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::error::Error;

const KEY: &str = "APPLE_API_KEY";
const KEY_ID: &str = "APPLE_API_KEY_ID";
const ISSUER: &str = "APPLE_API_ISSUER";
/// How long a token is good; Apple takes 20 minutes at most.
const GOOD_FOR: Duration = Duration::from_secs(600);

/// Who asks.
pub struct Credentials {
    key: EncodingKey,
    key_id: String,
    issuer: String,
}

impl std::fmt::Debug for Credentials {
    /// Nothing of the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.key_id)
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: u64,
    exp: u64,
    aud: &'static str,
}

impl Credentials {
    /// What the environment has: the text of the key's file (`.p8`) in `APPLE_API_KEY`, its identifier in `APPLE_API_KEY_ID`, and
    /// whose it is in `APPLE_API_ISSUER`.
    ///
    /// # Errors
    /// When something is missing, or the key is none; all of it is named.
    pub fn from_environment() -> Result<Self, Error> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// As [`Self::from_environment`], of other variables.
    ///
    /// # Errors
    /// The same.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let mut faults = Vec::new();
        let mut get = |name: &str, what: &str| {
            let found = variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
            if found.is_none() {
                faults.push(format!("{name} is not set; it is {what}"));
            }
            found.unwrap_or_default()
        };
        let key = get(KEY, "the text of the key's file, AuthKey_….p8, from App Store Connect");
        let key_id = get(KEY_ID, "the identifier of the key, of 10 letters and digits");
        let issuer = get(ISSUER, "the issuer's identifier, a UUID above the list of keys");
        let parsed = EncodingKey::from_ec_pem(key.as_bytes());
        if parsed.is_err() && !key.is_empty() {
            faults.push(format!(
                "{KEY} is no key of the curve P-256 as PEM (PKCS #8): it begins with -----BEGIN PRIVATE KEY-----"
            ));
        }
        match parsed {
            Ok(key) if faults.is_empty() => {
                let credentials = Self { key, key_id, issuer };
                // A key of another curve is found out only when it signs.
                credentials
                    .token()
                    .map_err(|_| Error::Credentials(vec![format!("{KEY} is no key of the curve P-256")]))?;
                Ok(credentials)
            }
            _ => Err(Error::Credentials(faults)),
        }
    }

    /// A token for the next requests.
    pub(crate) fn token(&self) -> Result<String, Error> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let claims = Claims {
            iss: &self.issuer,
            iat: now.as_secs(),
            exp: (now + GOOD_FOR).as_secs(),
            aud: "appstoreconnect-v1",
        };
        let header = Header { kid: Some(self.key_id.clone()), ..Header::new(Algorithm::ES256) };
        let failed = |_| Error::Failed { doing: "signing a token", why: format!("the key in {KEY} does not sign") };
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(failed)
    }
}
