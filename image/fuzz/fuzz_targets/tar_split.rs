//! Any text describes a layer's stream, or is refused.
#![no_main]

use std::io::{Read, Write};

use helix_docker_graph::assemble;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    packed.write_all(text).expect("memory");
    let packed = packed.finish().expect("memory");
    let open = |name: &[u8]| Ok(Box::new(std::io::Cursor::new(name.to_vec())) as Box<dyn Read>);
    let _ = assemble(&packed[..], open, &mut std::io::sink());
    // And as it is: the packing itself is foreign, too.
    let _ = assemble(text, open, &mut std::io::sink());
});
