//! Where clients come from.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use helix_frame_protocol::*;
use helix_host_encoder::{Config, Endpoint, Server, StartError, backend};

use crate::client::{Host, config};

fn start(endpoint: Endpoint) -> Result<Server, StartError> {
    Server::start(Config { endpoints: vec![endpoint], ..config(backend::backend("discard").expect("an encoder")) })
}

#[test]
fn a_unix_socket_is_for_its_owner_and_replaces_only_a_stale_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    drop(UnixListener::bind(&path).expect("a stale socket"));
    let server = start(Endpoint::Unix(path.clone())).expect("a server");
    let mode = std::fs::metadata(&path).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(matches!(start(Endpoint::Unix(path.clone())), Err(StartError::InUse(_))));
    assert!(path.exists());
    assert!(server.stop());
    assert!(!path.exists());
    std::fs::write(&path, "precious").expect("a file");
    assert!(matches!(start(Endpoint::Unix(path.clone())), Err(StartError::NoSocket(_))));
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), "precious");
    assert!(matches!(start(Endpoint::Unix(folder.path().join("no/such/folder"))), Err(StartError::Listen { .. })));
}

#[test]
fn without_a_machine_only_pixels_travel() {
    let host = Host::of("discard");
    let welcome = host.connect().hello(None);
    assert_eq!(welcome.capabilities.ways, Set::from([FrameWay::Pixels]));
    assert_eq!(welcome.refused.len(), 2);
}
