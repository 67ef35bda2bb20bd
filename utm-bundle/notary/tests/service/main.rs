//! The whole conversation with a server that checks what it is told, and all that can go wrong in it.

mod server;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use helix_notary::{Credentials, Error, Event, Patience, Service};
use tempfile::TempDir;

use crate::server::{ISSUER, KEY_ID, Server, Way, key};

const CD_HASH: [u8; 20] = [0xab; 20];
const TICKET: &[u8] = b"s8ch and more";

const PATIENCE: Patience = Patience {
    verdict: Duration::from_secs(1),
    interval: Duration::from_millis(20),
    part: Duration::from_secs(1),
    pause: Duration::from_millis(5),
};

struct World {
    _folder: TempDir,
    archive: PathBuf,
    server: Server,
}

impl World {
    fn of(way: Way) -> Self {
        Self::with(way, &b"an app, as far as the server knows".repeat(10_000))
    }

    /// An app of three parts.
    fn large(way: Way) -> Self {
        Self::with(way, &b"a larger app, and a number that is odd".repeat(500_001))
    }

    fn with(way: Way, content: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("Helix.zip");
        std::fs::write(&archive, content).unwrap();
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
    fn fails(way: Way, code: u8, phrases: &[&str]) -> Self {
        let world = Self::of(way);
        let error = world.run().0.unwrap_err();
        let text = format!("{error} {error:?}");
        assert_eq!(error.exit_code(), code, "{text}");
        for phrase in phrases {
            assert!(text.contains(phrase), "{way:?} says nothing of {phrase:?}: {text}");
        }
        for secret in ["SECRET", "TOKEN", "X-Amz", "PRIVATE KEY"] {
            assert!(!text.contains(secret), "{secret} is shown: {text}");
        }
        world
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
    assert_eq!(result.unwrap(), world.server.ticket());
    let size = std::fs::metadata(&world.archive).unwrap().len();
    assert!(events.contains(&Event::Uploaded(size, size)), "{events:?}");
    assert!(events.contains(&Event::Said("In Progress".to_owned())), "{events:?}");
    assert_eq!(world.server.uploads(), 1);
    assert_eq!(world.server.program(), "ab".repeat(20));
    // The next time there is nothing to send.
    assert_eq!(world.run().0.unwrap(), world.server.ticket());
    assert_eq!(world.server.uploads(), 1);
    assert_eq!(world.server.sent(), (vec![1], 0));
}

#[test]
fn a_large_app_is_sent_in_parts() {
    let world = World::large(Way::Good);
    let (result, events) = world.run();
    assert_eq!(result.unwrap(), world.server.ticket());
    assert_eq!(world.server.sent(), (vec![1, 1, 1], 0));
    let done = events.iter().filter_map(|event| if let Event::Uploaded(done, _) = event { Some(*done) } else { None });
    assert!(done.is_sorted(), "{events:?}");
}

/// What is there already is not sent again.
#[test]
fn a_cut_costs_one_part() {
    let world = World::large(Way::CutInPart);
    assert_eq!(world.run().0.unwrap(), world.server.ticket());
    assert_eq!(world.server.sent(), (vec![1, 3, 1], 0));
}

#[test]
fn a_server_that_reads_nothing_is_given_up() {
    let started = Instant::now();
    let world = World::large(Way::Silent);
    let error = world.run().0.unwrap_err().to_string();
    assert!(
        error.contains("sending the app: nothing came for 1 s") && error.contains("at each of 4 attempts"),
        "{error}"
    );
    assert_eq!(world.server.sent(), (vec![], 1));
    // Four attempts of a second each.
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn an_outage_is_waited_for_as_long_as_the_verdict() {
    let world = World::of(Way::Outage);
    let (result, events) = world.run();
    assert_eq!(result.unwrap(), world.server.ticket());
    let said = Event::Said("the server says 503 Service Unavailable".to_owned());
    assert_eq!(events.iter().filter(|event| **event == said).count(), 1, "{events:?}");
    let end = ["no verdict on the submission 2efe2717", "the last answer: the server says 503", "run the same again"];
    World::fails(Way::Away, 7, &end);
}

/// Nothing is asked or sent then: the file has a size and no content.
#[test]
fn an_app_that_is_too_large_is_refused_first() {
    let world = World::of(Way::Good);
    std::fs::File::create(&world.archive).unwrap().set_len(10_000 * (8 << 20) + 1).unwrap();
    let error = world.run().0.unwrap_err();
    assert!(error.to_string().contains("83886080001 bytes; the service takes 83886080000 at most"), "{error}");
    assert_eq!((error.exit_code(), world.server.program()), (3, String::new()));
    assert!(helix_notary::check_size(&world.archive, 10_000 * (8 << 20)).is_ok());
}

#[test]
fn what_goes_wrong_once_is_tried_again() {
    for way in [Way::BusyTwice, Way::CutTwice] {
        let world = World::of(way);
        assert_eq!(world.run().0.unwrap(), world.server.ticket(), "{way:?}");
    }
}

#[test]
fn what_goes_wrong_is_told() {
    World::fails(
        Way::Busy,
        5,
        &["sending the app: the server says 503", "at each of 4 attempts", "run the same again"],
    );
    let world = World::fails(Way::Denied, 5, &["sending the app: the server says 403"]);
    assert_eq!(world.server.sent(), (vec![1], 1), "the upload is given up");
    let world = World::fails(Way::Apart, 5, &["sending the app: the server does not put the parts together"]);
    assert_eq!(world.server.sent(), (vec![1], 1));
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
    World::fails(Way::Wordless, 5, &["announcing the app: the server says 400 Bad Request; run the same again"]);
    World::fails(Way::OtherTicket, 5, &["the ticket is that of another app"]);
    let key = "asking for the verdict: the service does not accept the key; look at APPLE_API_KEY";
    World::fails(Way::KeyTakenBack, 5, &[key, "(the server says 401 Unauthorized)"]);
    World::fails(
        Way::OpenLog,
        6,
        &["Invalid, submission 2efe2717", "why is not known", "at a place that is not protected"],
    );
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
    helix_notary::staple(&app, TICKET).unwrap();
    helix_notary::staple(&app, TICKET).unwrap();
    assert_eq!(std::fs::read(app.join("Contents/CodeResources")).unwrap(), TICKET);
    let left: Vec<_> = std::fs::read_dir(app.join("Contents")).unwrap().collect();
    assert_eq!(left.len(), 2);
    let error = helix_notary::staple(&folder.path().join("missing"), TICKET).unwrap_err();
    assert!(error.to_string().contains("Contents/CodeResources"), "{error}");
}
