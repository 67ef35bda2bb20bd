//! `check-host-encoder`: known frames in, what a decoder makes of them, and how fast.

use helix_host_encoder_artifacts::{CheckArgs, check};

use super::test::host;
use crate::exit::Failure;

pub(crate) fn run(args: &CheckArgs, json: bool) -> Result<(), Failure> {
    host::ensure(&[("ffmpeg", "ffmpeg")]).map_err(helix_build::Error::Host)?;
    let checked = check(args, &super::sources()?, &|text| eprintln!("{text}"))?;
    if json {
        super::print_json(&checked);
    } else {
        crate::ui::out(&format!("{}, {}: {} kinds of frames", checked.daemon, checked.encoder, checked.kinds.len()));
    }
    Ok(checked.verdict()?)
}
