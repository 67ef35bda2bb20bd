//! Who one is for a registry, by Docker's configuration and the helpers that it names.

use std::path::PathBuf;

use docker_credential::{CredentialRetrievalError as Fault, DockerCredential, get_credential_from_reader};
use serde_json::Value;

/// Credentials for a registry; or none, and why not where the configuration means to have some. As with engines, their
/// absence is no error: many images are for everybody.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) credential: Option<DockerCredential>,
    pub(super) note: Option<String>,
}

/// Looks for credentials for `registry`.
pub(super) fn find(registry: &str) -> Found {
    let server = if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry };
    let Some(file) = configuration() else { return none(None) };
    match std::fs::read(&file) {
        Ok(text) => of_configuration(&text, server, &|config| get_credential_from_reader(config, server)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => none(None),
        Err(e) => none(Some(format!("{}: {e}", file.display()))),
    }
}

fn none(note: Option<String>) -> Found {
    Found { credential: None, note }
}

/// Where Docker's configuration is.
fn configuration() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("DOCKER_CONFIG").or_else(|| Some(set("HOME")?.join(".docker")));
    folder.map(|folder| folder.join("config.json"))
}

fn of_configuration(text: &[u8], server: &str, get: &dyn Fn(&[u8]) -> Result<DockerCredential, Fault>) -> Found {
    let mut config: Value = match serde_json::from_slice(text) {
        Ok(config) => config,
        Err(e) => return none(Some(format!("Docker's configuration cannot be read: {e}"))),
    };
    let helper = helper(&config, server);
    let had_entry = drop_empty(&mut config);
    let helper = || helper.as_deref().unwrap_or("the credential helper");
    let note = match get(config.to_string().as_bytes()) {
        Ok(DockerCredential::UsernamePassword(user, password)) if user.is_empty() && password.is_empty() => {
            format!("{} has no entry for it", helper())
        }
        Ok(credential) => return Found { credential: Some(credential), note: None },
        Err(Fault::NoCredentialConfigured | Fault::ConfigNotFound) if had_entry => {
            "its entry in Docker's configuration is empty".to_owned()
        }
        Err(Fault::NoCredentialConfigured | Fault::ConfigNotFound) => return none(None),
        Err(Fault::HelperCommunicationError) => {
            format!("{}, which Docker's configuration names, cannot be run; is it installed?", helper())
        }
        // What a helper prints may hold a secret. These are the words of all helpers of Docker's own.
        Err(Fault::HelperFailure { stdout, .. }) if stdout.contains("credentials not found") => {
            format!("{} has no entry for it", helper())
        }
        Err(Fault::HelperFailure { .. } | Fault::MalformedHelperResponse) => format!("{} failed", helper()),
        Err(e) => format!("Docker's configuration: {e}"),
    };
    none(Some(note))
}

/// The program that the configuration names for a server.
fn helper(config: &Value, server: &str) -> Option<String> {
    let name = |value: &Value| value.as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    let own = config.get("credHelpers").and_then(|all| all.get(server)).and_then(name);
    own.or_else(|| config.get("credsStore").and_then(name)).map(|name| format!("docker-credential-{name}"))
}

/// Drops what says nothing: Docker Desktop and others write empty entries where a helper has the credentials. Says
/// whether there was any.
fn drop_empty(config: &mut Value) -> bool {
    let says_nothing = |value: &Value| value.is_null() || value.as_str() == Some("");
    let Some(fields) = config.as_object_mut() else { return false };
    let before = fields.len();
    fields.retain(|_, value| !says_nothing(value));
    let mut dropped = before != fields.len();
    let Some(entries) = fields.get_mut("auths").and_then(Value::as_object_mut) else { return dropped };
    for entry in entries.values_mut() {
        if entry.is_null() {
            *entry = Value::Object(serde_json::Map::new());
        }
        if let Some(entry) = entry.as_object_mut() {
            entry.retain(|_, value| !says_nothing(value));
            dropped |= entry.is_empty();
        }
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Found {
        of_configuration(text.as_bytes(), "reg.example:5000", &|c| get_credential_from_reader(c, "reg.example:5000"))
    }

    #[test]
    fn what_says_nothing_is_nobody_with_a_note() {
        let empty = "entry in Docker's configuration is empty";
        for (text, words) in [
            ("", "cannot be read"),
            ("{\"auths\": {\"", "cannot be read"),
            (r#"{"auths": {"reg.example:5000": {}}}"#, empty),
            (r#"{"auths": {"reg.example:5000": {"auth": ""}}}"#, empty),
            (r#"{"auths": {"https://reg.example:5000/v1/": {"auth": "", "identitytoken": ""}}}"#, empty),
            (r#"{"auths": {"reg.example:5000": null}}"#, empty),
            (r#"{"credsStore": ""}"#, empty),
            (
                r#"{"credsStore": "no-such-store"}"#,
                "docker-credential-no-such-store, which Docker's configuration names",
            ),
            (r#"{"credHelpers": {"reg.example:5000": "none-here"}}"#, "docker-credential-none-here"),
            (r#"{"auths": {"reg.example:5000": {"auth": "%%%"}}}"#, "Unable to decode"),
        ] {
            let found = found(text);
            assert_eq!(found.credential, None, "{text}");
            assert!(found.note.as_deref().is_some_and(|note| note.contains(words)), "{text}: {:?}", found.note);
        }
        for text in ["{}", r#"{"auths": {}}"#, r#"{"auths": {"other.example": {"auth": "YTpi"}}}"#] {
            let found = found(text);
            assert_eq!((found.credential, found.note), (None, None), "{text}");
        }
    }

    #[test]
    fn an_empty_entry_beside_a_store_leaves_it_to_the_store() {
        let text = br#"{"auths": {"reg.example:5000": {"auth": ""}}, "credsStore": "desktop"}"#;
        let seen = std::cell::RefCell::new(Value::Null);
        let found = of_configuration(text, "reg.example:5000", &|config| {
            *seen.borrow_mut() = serde_json::from_slice(config).expect("JSON");
            Ok(DockerCredential::UsernamePassword("us".into(), "secret".into()))
        });
        assert!(found.credential.is_some() && found.note.is_none());
        assert_eq!(*seen.borrow(), serde_json::json!({"auths": {"reg.example:5000": {}}, "credsStore": "desktop"}));
    }

    #[test]
    fn a_helper_without_an_entry_is_nobody() {
        let failing = |stdout: &str| Fault::HelperFailure {
            helper: "docker-credential-x".into(),
            stdout: stdout.into(),
            stderr: "secret".into(),
        };
        let text = br#"{"credsStore": "x"}"#;
        let note = |answer: &dyn Fn() -> Result<DockerCredential, Fault>| {
            let found = of_configuration(text, "reg.example", &|_| answer());
            assert_eq!(found.credential, None);
            found.note.expect("a note")
        };
        let missing = "docker-credential-x has no entry for it";
        assert_eq!(note(&|| Err(failing("credentials not found in native keychain\n"))), missing);
        assert_eq!(note(&|| Ok(DockerCredential::UsernamePassword(String::new(), String::new()))), missing);
        assert_eq!(note(&|| Err(failing("the keychain is locked: secret"))), "docker-credential-x failed");
        assert_eq!(note(&|| Err(Fault::MalformedHelperResponse)), "docker-credential-x failed");
    }

    #[test]
    fn an_entry_is_found_by_its_address_too() {
        let found = found(r#"{"auths": {"https://reg.example:5000/v2/": {"auth": "dXM6cmlnaHQ="}}}"#);
        assert_eq!(found.credential, Some(DockerCredential::UsernamePassword("us".into(), "right".into())));
    }
}
