//! `bench encode`: the way of frames to the host's encoder and back, beside the encoders of GStreamer.
//!
//! What measures is a program of the guest's elements, which link to GStreamer; this tool does not.

use std::process::Command;

use crate::cli::TestPart;
use crate::exit::Failure;
use crate::verbs::test::{ensure, needs, succeed};

pub(super) fn run() -> Result<(), Failure> {
    // What the elements are compiled with, and the encoders that their tests take.
    ensure(needs(TestPart::Unit)).map_err(Failure::Other)?;
    let root = crate::verbs::sources()?;
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&root).args(arguments);
        command
    };
    succeed(&mut cargo(&["build", "--release", "-p", "helix-host-encoder"])).map_err(Failure::Other)?;
    // Cargo puts it beside this program.
    let host = std::env::current_exe().map_err(|e| Failure::Other(format!("looking for this program: {e}")))?;
    let mut bench = cargo(&["bench", "-p", "helix-vsockenc", "--bench", "encode"]);
    succeed(bench.env("HELIX_HOST_ENCODER", host.with_file_name("helix-host-encoder"))).map_err(Failure::Other)
}
