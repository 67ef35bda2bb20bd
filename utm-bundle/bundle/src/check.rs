//! What is wrong with what somebody made.

use std::path::{Path, PathBuf};

use helix_archives::Udif;
use serde::Serialize;

use crate::args::CheckArgs;
use crate::error::Error;

/// What was found.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// What was looked at.
    pub path: PathBuf,
    /// Who vouches for it; only an app says so.
    pub signature: Option<String>,
    /// Everything that is wrong with it.
    pub faults: Vec<String>,
    /// Why it cannot be told here whether it is good, where that is so.
    pub not_told: Option<String>,
}

/// Looks at each path for what its name says that it is: an app with its signatures, a package for UTM, a disk image.
///
/// # Errors
/// When a path has another name, or cannot be read.
pub fn check(args: &CheckArgs) -> Result<Vec<Checked>, Error> {
    args.paths.iter().map(|path| look(path)).collect()
}

fn look(path: &Path) -> Result<Checked, Error> {
    let checked = |faults| Ok(Checked { path: path.to_owned(), signature: None, faults, not_told: None });
    std::fs::metadata(path).map_err(Error::io("looking at", path))?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("app") => {
            let mut faults: Vec<String> = helix_app::check(path).iter().map(ToString::to_string).collect();
            let report = helix_signing::verify(path)?;
            faults.extend(report.faults.iter().map(ToString::to_string));
            let ticket = if report.ticket { ", with a ticket" } else { "" };
            let signature = format!("{}{ticket}", report.authority);
            Ok(Checked { signature: Some(signature), ..checked(faults)? })
        }
        Some("utm") => checked(helix_utm_package::inspect(path).iter().map(ToString::to_string).collect()),
        Some("dmg") => match Udif::open(path).and_then(|image| image.unpack(&mut std::io::sink())) {
            Ok(()) => checked(Vec::new()),
            Err(error @ helix_archives::Error::Io { .. }) => Err(error.into()),
            Err(error @ helix_archives::Error::Foreign { .. }) => {
                Ok(Checked { not_told: Some(error.to_string()), ..checked(Vec::new())? })
            }
            Err(error) => checked(vec![error.to_string()]),
        },
        _ => Err(Error::Place {
            path: path.to_owned(),
            why: "is no Helix.app, no package NAME.utm and no disk image NAME.dmg; unpack archives first",
        }),
    }
}
