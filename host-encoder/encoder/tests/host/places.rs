//! Where clients come from, and where pixels can be.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Instant;

use helix_frame_protocol::*;
use helix_host_encoder::{Config, Endpoint, Server, SharedMemory, StartError, backend};

use crate::client::{Client, Host, PATIENCE, config, frame, wanted};
#[cfg(feature = "openh264")]
use crate::pictures::{decode, draw, expected, worst_psnr};

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

/// Blobs of a provider on shared memory.
#[cfg(feature = "openh264")]
#[test]
fn frames_travel_as_blobs_where_the_machine_lends_them() {
    let memory = Arc::new(SharedMemory::default());
    let host = Host::lending("openh264", memory.clone());
    let wanted = Configure { ways: Set::all(), ..wanted(PixelFormat::Nv12, 320, 180) };
    let mut client = host.connect();
    let welcome = client.hello(None);
    assert_eq!(welcome.capabilities.ways, Set::from([FrameWay::Blob, FrameWay::Pixels]));
    assert_eq!(welcome.refused.len(), 1);
    let wanted = Configure { ways: welcome.capabilities.ways, ..wanted };
    assert_eq!(client.configure(1, &wanted).way, FrameWay::Blob);
    let file = File::from(rustix::fs::memfd_create("frame", rustix::fs::MemfdFlags::CLOEXEC).expect("a memfd"));
    memory.insert(7, file.try_clone().expect("a twin"));
    let plane = |offset| Plane { offset, stride: 384 };
    let planes = [plane(4096), plane(4096 + 384 * 180), Plane::default()];
    let size = 4096 + 384 * 270;
    let blob = |id, size| Frame { source: Source::Blob { id, size }, planes, ..frame(&wanted, Some(3)) };
    let mut stream = Vec::new();
    for index in 0..5 {
        let data = draw(wanted.format, wanted.size, &planes, size as usize, index, wanted.colorimetry);
        file.write_all_at(&data, 0).expect("shared memory");
        stream.extend(client.encode(1, blob(7, size), &[]).1);
    }
    for (id, size) in [(8, size), (7, size + 1)] {
        client.ask(1, Message::Frame(blob(id, size)), &[]);
        let failure = client.answer().failure();
        assert_eq!((failure.code, failure.fatal), (ErrorCode::NoResource, false));
    }
    // A lost frame is no lost encoder.
    stream.extend(client.encode(1, blob(7, size), &[]).1);
    let decoded = decode(&stream);
    assert_eq!(decoded.frames.len(), 6);
    for (index, found) in decoded.frames.iter().enumerate() {
        let index = index.min(4) as u32;
        let psnr = worst_psnr(decoded.size, found, &expected(wanted.size, index, wanted.colorimetry));
        assert!(psnr > 35.0, "frame {index}: {psnr} dB");
    }
}

#[test]
fn without_a_machine_only_pixels_travel() {
    let host = Host::of("discard");
    let welcome = host.connect().hello(None);
    assert_eq!(welcome.capabilities.ways, Set::from([FrameWay::Pixels]));
    assert_eq!(welcome.refused.len(), 2);
}
