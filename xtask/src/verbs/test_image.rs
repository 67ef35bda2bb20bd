//! `test-image`: boots an image that was built, and runs its checks.

use helix_build::host;
use helix_build::manifest::Manifest;
use helix_build::store::Store;
use helix_build::verify::test_image;
use helix_rootfs::Arch;

use crate::cli::TestImageArgs;
use crate::exit::{Failure, watch_interrupts};
use crate::ui::Ui;

pub(crate) fn run(args: &TestImageArgs, json: bool) -> Result<(), Failure> {
    let workspace = super::workspace()?;
    let manifest = Manifest::read(&args.dir)?;
    let target = if manifest.architecture == Arch::Amd64.debian_name() { Arch::Amd64 } else { Arch::Arm64 };
    watch_interrupts();
    if args.host_encoder.is_some() {
        super::test::host::ensure(&[("ffmpeg", "ffmpeg")]).map_err(helix_build::Error::Host)?;
    }
    host::ensure(target, &workspace.cache, &|text| eprintln!("{text}"))?;
    helix_rootfs::namespace::enter().map_err(helix_build::Error::from)?;
    let store = Store::open(&workspace.cache)?;
    let ui = Ui::new();
    let deadline = std::time::Duration::from_secs(args.boot_timeout);
    let report = test_image(&workspace, &store, &args.dir, target, deadline, args.host_encoder.as_deref(), &ui)?;
    if json {
        super::print_json(&report);
    }
    eprintln!("{} checks passed", report.checks.len());
    Ok(())
}
