//! Frames that do not travel on the wire.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use helix_frame_protocol::*;
use helix_host_encoder::{Config, SharedMemory, backend};

use crate::client::{Host, config, frame, wanted};
use crate::pictures::{decode, draw, expected, worst_psnr};

#[test]
fn frames_travel_as_blobs_where_the_machine_lends_them() {
    let memory = Arc::new(SharedMemory::default());
    let host = Host::start(Config {
        provider: Some(memory.clone()),
        ..config(backend::backend("openh264").expect("an encoder"))
    });
    let wanted = Configure { ways: Set::all(), ..wanted(PixelFormat::Nv12, 320, 180) };
    let mut client = host.connect();
    let welcome = client.hello(None);
    assert_eq!(welcome.capabilities.ways, Set::from([FrameWay::Blob, FrameWay::Pixels]));
    assert_eq!(welcome.refused.len(), 1);
    let wanted = Configure { ways: welcome.capabilities.ways, ..wanted };
    assert_eq!(client.configure(1, &wanted).way, FrameWay::Blob);
    let file = tempfile::tempfile().expect("a file");
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
