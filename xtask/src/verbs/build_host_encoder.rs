//! `build-host-encoder`: the daemon and the library for C, built and inspected.

use std::time::Instant;

use helix_host_encoder_artifacts::{BuildArgs, build};
use helix_products::{Artifact, Target};
use serde_json::json;

use super::test::host;
use crate::exit::Failure;

pub(crate) fn run(args: &BuildArgs, json: bool) -> Result<(), Failure> {
    let started = Instant::now();
    if args.target != Some(Target::Mac) {
        // OpenH264 is compiled from its source.
        host::ensure(&[("g++", "g++"), ("nasm", "nasm")]).map_err(helix_build::Error::Host)?;
    }
    let made = build(args, &super::sources()?, &|text| eprintln!("{text}"))?;
    let seconds = started.elapsed().as_secs_f64();
    if json {
        super::print_json(&json!({ "artifacts": made, "seconds": seconds }));
        return Ok(());
    }
    made.iter().for_each(show);
    eprintln!("({seconds:.1} s)");
    Ok(())
}

fn show(artifact: &Artifact) {
    crate::ui::out(&format!("file          {}", artifact.file.display()));
    crate::ui::out(&format!("size          {:.2} MB", artifact.size as f64 / 1e6));
    crate::ui::out(&format!("sha256        {}", artifact.sha256));
    let Some(mac) = &artifact.macos else { return };
    crate::ui::out(&format!("macOS         {} and later", mac.minimum));
    if let Some(name) = &mac.install_name {
        crate::ui::out(&format!("install name  {name}"));
    }
    crate::ui::out(&format!("signature     ad hoc, of {}", mac.identifier));
    crate::ui::out(&format!("imports       {} from", mac.imports));
    mac.libraries.iter().for_each(|name| crate::ui::out(&format!("  {name}")));
}
