//! The whole conversation with a server that checks what it is told, and all that can go wrong in it.

mod server;

use std::path::PathBuf;
use std::time::Duration;

use helix_notary::{Credentials, Error, Event, Patience, Service};
use tempfile::TempDir;

use crate::server::{ISSUER, KEY_ID, Server, Way, key, ticket};

const CD_HASH: [u8; 20] = [0xab; 20];

const PATIENCE: Patience = Patience {
    verdict: Duration::from_millis(300),
    interval: Duration::from_millis(20),
    pause: Duration::from_millis(5),
};

struct World {
    _folder: TempDir,
    archive: PathBuf,
    server: Server,
}

impl World {
    fn of(way: Way) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("Helix.zip");
        std::fs::write(&archive, b"an app, as far as the server knows".repeat(10_000)).unwrap();
        Self { _folder: folder, archive, server: Server::start(way) }
    }

    fn run(&self) -> (Result<Vec<u8>, Error>, Vec<Event>) {
        self.run_as(&key().0)
    }

    fn run_as(&self, pem: &str) -> (Result<Vec<u8>, Error>, Vec<Event>) {
        let credentials = credentials(Some(pem), Some(KEY_ID), Some(ISSUER)).unwrap();
        let service = Service::new(credentials, Some(&self.server.url), PATIENCE).unwrap();
        let mut events = Vec::new();
        let result = service.notarize(&self.archive, &CD_HASH, &mut |event| events.push(event));
        (result, events)
    }

    #[track_caller]
    fn fails(way: Way, code: u8, phrases: &[&str]) {
        let error = Self::of(way).run().0.unwrap_err();
        let text = format!("{error} {error:?}");
        assert_eq!(error.exit_code(), code, "{text}");
        for phrase in phrases {
            assert!(text.contains(phrase), "{way:?} says nothing of {phrase:?}: {text}");
        }
        for secret in ["SECRET", "TOKEN", "X-Amz", "PRIVATE KEY"] {
            assert!(!text.contains(secret), "{secret} is shown: {text}");
        }
    }
}

fn credentials(key: Option<&str>, id: Option<&str>, issuer: Option<&str>) -> Result<Credentials, Error> {
    Credentials::read(|name| {
        let value = match name {
            "APPLE_API_KEY" => key,
            "APPLE_API_KEY_ID" => id,
            _ => issuer,
        };
        value.map(str::to_owned)
    })
}

#[test]
fn an_app_gets_its_ticket() {
    let world = World::of(Way::Good);
    let (result, events) = world.run();
    assert_eq!(result.unwrap(), ticket());
    let size = std::fs::metadata(&world.archive).unwrap().len();
    assert!(events.contains(&Event::Uploaded(size, size)), "{events:?}");
    assert!(events.contains(&Event::Said("In Progress".to_owned())), "{events:?}");
    assert_eq!(world.server.uploads(), 1);
    assert_eq!(world.server.program(), "ab".repeat(20));
    // The next time there is nothing to send.
    assert_eq!(world.run().0.unwrap(), ticket());
    assert_eq!(world.server.uploads(), 1);
}

#[test]
fn what_goes_wrong_once_is_tried_again() {
    for way in [Way::BusyTwice, Way::CutTwice] {
        let world = World::of(way);
        assert_eq!(world.run().0.unwrap(), ticket(), "{way:?}");
    }
}

#[test]
fn what_goes_wrong_is_told() {
    World::fails(
        Way::Busy,
        5,
        &["sending the app: the server says 503", "at each of 4 attempts", "run the same again"],
    );
    World::fails(Way::Denied, 5, &["sending the app: the server says 403"]);
    World::fails(
        Way::Invalid,
        6,
        &[
            "Invalid, submission 2efe2717",
            "Helix.zip/Helix.app/Contents/MacOS/qemu-img: error: The binary is not signed.",
        ],
    );
    World::fails(Way::NoIssues, 6, &["Rejected, submission 2efe2717"]);
    World::fails(Way::Endless, 7, &["there is no verdict on the submission 2efe2717", "run the same again"]);
    World::fails(Way::NoTicket, 5, &["was accepted, and there is no ticket"]);
    World::fails(Way::OddTicket, 5, &["something else than a ticket"]);
    World::fails(Way::Garbage, 5, &["announcing the app: the answer is not as it should be"]);
    World::fails(Way::Huge, 5, &["the answer has more than 4194304 bytes"]);
    World::fails(Way::OddBucket, 5, &["the name of the bucket"]);
    World::fails(Way::Elsewhere, 5, &["302"]);
}

#[test]
fn another_key_is_refused() {
    let error = World::of(Way::Good).run_as(&server::another_key()).0.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("look at APPLE_API_KEY, APPLE_API_KEY_ID and APPLE_API_ISSUER"), "{text}");
    assert!(text.contains("Provide a properly configured and signed bearer token"), "{text}");
}

#[test]
fn all_that_the_environment_lacks_is_named() {
    let text = credentials(None, None, Some("")).unwrap_err().to_string();
    for name in ["APPLE_API_KEY is not set", "APPLE_API_KEY_ID is not set", "APPLE_API_ISSUER is not set"] {
        assert!(text.contains(name), "{text}");
    }
    let (good, _) = key();
    for bad in ["no key", &good.replace('M', "N"), &server::key_of_another_curve()] {
        let error = credentials(Some(bad), Some(KEY_ID), Some(ISSUER)).unwrap_err();
        assert!(error.to_string().contains("APPLE_API_KEY is no key of the curve P-256"), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
}

#[test]
fn secrets_are_not_shown() {
    let credentials = credentials(Some(&key().0), Some(KEY_ID), Some(ISSUER)).unwrap();
    assert_eq!(format!("{credentials:?}"), format!("Credentials({KEY_ID})"));
}

#[test]
fn only_a_server_on_this_machine_may_stand_for_apples() {
    for url in ["https://example.org", "http://10.0.0.1/", "http://127.0.0.1.example.org/", "text"] {
        let credentials = credentials(Some(&key().0), Some(KEY_ID), Some(ISSUER)).unwrap();
        let error = Service::new(credentials, Some(url), PATIENCE).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
    }
}

#[test]
fn a_ticket_is_put_into_the_app() {
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path().join("Helix.app");
    std::fs::create_dir_all(app.join("Contents")).unwrap();
    std::fs::write(app.join("Contents/Info.plist"), "").unwrap();
    helix_notary::staple(&app, &ticket()).unwrap();
    helix_notary::staple(&app, &ticket()).unwrap();
    assert_eq!(std::fs::read(app.join("Contents/CodeResources")).unwrap(), ticket());
    let left: Vec<_> = std::fs::read_dir(app.join("Contents")).unwrap().collect();
    assert_eq!(left.len(), 2);
    let error = helix_notary::staple(&folder.path().join("missing"), &ticket()).unwrap_err();
    assert!(error.to_string().contains("Contents/CodeResources"), "{error}");
}
