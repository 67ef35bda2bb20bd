//! `diff`: what differs between two images.

use crate::cli::DiffArgs;
use crate::exit::Failure;

/// How many files of a kind are listed for people; `--json` has all.
const SHOWN: usize = 40;

pub(crate) fn run(args: &DiffArgs, json: bool) -> Result<(), Failure> {
    let d = helix_build::diff::diff(&args.before, &args.after)?;
    if json {
        super::print_json(&d);
        return Ok(());
    }
    for (sign, what, items) in [
        ('+', "packages added", &d.packages_added),
        ('-', "packages removed", &d.packages_removed),
        ('~', "packages changed", &d.packages_changed),
        ('+', "files added", &d.files_added),
        ('-', "files removed", &d.files_removed),
        ('~', "files changed", &d.files_changed),
    ] {
        crate::ui::out(&format!("{what}: {}", items.len()));
        for item in items.iter().take(SHOWN) {
            crate::ui::out(&format!("  {sign} {item}"));
        }
        if items.len() > SHOWN {
            crate::ui::out(&format!("  … and {} more (see --json)", items.len() - SHOWN));
        }
    }
    crate::ui::out(&format!("size: {:+.1} MB", d.size_change as f64 / 1e6));
    Ok(())
}
