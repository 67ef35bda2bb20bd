//! Where clients come from.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::Instant;

use helix_frame_protocol::*;
use helix_host_encoder::{Config, Endpoint, Server, StartError, backend};

use crate::client::{Client, Host, PATIENCE, config, frame, wanted};

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

/// The test plays QEMU: a character device that listens, to which the guest's bytes come and go.
#[test]
fn a_character_device_is_connected_to_again_and_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chardev");
    // The server is first, and waits for the machine.
    let server = start(Endpoint::VirtioSerial(path.clone())).expect("a server");
    let machine = UnixListener::bind(&path).expect("a device");
    for round in 0..3 {
        let (device, _) = machine.accept().expect("the server comes");
        if round == 0 {
            // A guest that is not there yet: longer than any time-out but that for connecting again.
            std::thread::sleep(std::time::Duration::from_millis(600));
        }
        let (mut client, wanted) = (Client::new(device), wanted(PixelFormat::I420, 16, 16));
        client.hello(None);
        client.configure(1, &wanted);
        client.encode(1, frame(&wanted, None), &[0; 384]);
        if round == 1 {
            // The guest's program begins anew without a word.
            client.session = Session::new(Role::Client);
            client.ask(0, crate::client::hello(None), &[]);
            client.write.flush().expect("it is sent");
            client.session = Session::new(Role::Client);
            assert!(client.end().is_some());
        }
    }
    let begun = Instant::now();
    assert!(server.stop());
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn without_a_machine_only_pixels_travel() {
    let host = Host::of("discard");
    let welcome = host.connect().hello(None);
    assert_eq!(welcome.capabilities.ways, Set::from([FrameWay::Pixels]));
    assert_eq!(welcome.refused.len(), 2);
}
