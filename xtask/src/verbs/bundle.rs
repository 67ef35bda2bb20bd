//! `bundle` and `check-bundle`: what people download, made and looked at.

use std::time::Instant;

use helix_build::progress::Progress as _;
use helix_bundle::{CheckArgs, MakeArgs};
use serde_json::json;

use crate::exit::Failure;
use crate::ui::{Ui, out};

pub(crate) fn make(args: &MakeArgs, json: bool) -> Result<(), Failure> {
    let started = Instant::now();
    let made = helix_bundle::make(args, &super::sources()?, &Shown(Ui::new()))?;
    let seconds = started.elapsed().as_secs_f64();
    if json {
        super::print_json(&json!({ "bundle": made, "seconds": seconds }));
        return Ok(());
    }
    out(&format!("app        {} (signed {})", made.app.display(), made.signature));
    for file in &made.files {
        out(&format!("file       {} ({:.1} MB)", file.file.display(), file.size as f64 / 1e6));
        out(&format!("  sha256   {}", file.sha256));
    }
    eprintln!("({seconds:.1} s)");
    Ok(())
}

pub(crate) fn check(args: &CheckArgs, json: bool) -> Result<(), Failure> {
    let checked = helix_bundle::check(args)?;
    if json {
        super::print_json(&json!({ "checked": checked }));
    }
    let (mut bad, mut steps) = (0, Vec::new());
    for one in &checked {
        let path = one.path.display();
        if let Some(why) = &one.not_told {
            eprintln!("{why}");
            steps.push(path.to_string());
        } else if one.faults.is_empty() {
            let signed = one.signature.as_ref().map(|by| format!(", signed {by}")).unwrap_or_default();
            eprintln!("{path}: good{signed}");
        } else {
            bad += 1;
            eprintln!("{path}:");
            one.faults.iter().for_each(|fault| eprintln!("  {fault}"));
        }
    }
    match (bad, steps.is_empty()) {
        (0, true) => Ok(()),
        (0, false) => Err(helix_bundle::Error::NotRun { steps }.into()),
        _ => Err(Failure::Found(format!("{bad} of {} are not good", checked.len()))),
    }
}

/// The progress of a bundle, shown as that of a build.
struct Shown(Ui);

impl helix_bundle::Progress for Shown {
    fn begin(&self, step: &str) {
        self.0.begin(step, None);
    }

    fn at(&self, done: u64, all: u64) {
        self.0.at(done, all);
    }

    fn end(&self, summary: &str) {
        self.0.end(summary);
    }

    fn say(&self, text: &str) {
        self.0.advance(0, text);
    }
}
