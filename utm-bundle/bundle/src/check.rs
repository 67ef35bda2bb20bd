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

/// What a path's name says that it is, whatever the case of its letters: file systems of Macs ignore it.
enum Kind {
    App,
    Package,
    DiskImage,
}

/// Looks at each path for what its name says that it is: an app with its signatures, a package for UTM, a disk image.
///
/// # Errors
/// When a path does not exist or is something else, with all such paths; and when one cannot be read.
pub fn check(args: &CheckArgs) -> Result<Vec<Checked>, Error> {
    let (mut kinds, mut wrong) = (Vec::new(), Vec::new());
    for path in &args.paths {
        match kind(path) {
            Ok(kind) => kinds.push((path, kind)),
            Err(error) => wrong.push(error),
        }
    }
    match wrong.len() {
        0 => kinds.into_iter().map(|(path, kind)| look(path, &kind)).collect(),
        1 => Err(wrong.remove(0)),
        _ => Err(Error::Several(wrong)),
    }
}

fn kind(path: &Path) -> Result<Kind, Error> {
    let refuse = |why| Error::Place { path: path.to_owned(), why };
    let is_folder = match std::fs::metadata(path) {
        Ok(metadata) => metadata.is_dir(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(refuse("does not exist")),
        Err(error) => return Err(Error::io("looking at", path)(error)),
    };
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match (extension.as_str(), is_folder) {
        ("app", true) => Ok(Kind::App),
        ("utm", true) => Ok(Kind::Package),
        ("dmg", false) => Ok(Kind::DiskImage),
        ("app" | "utm", false) => Err(refuse("is a file, and an app or a package is a folder; unpack archives first")),
        ("dmg", true) => Err(refuse("is a folder, and a disk image is a file")),
        _ => Err(refuse("is no Helix.app, no package NAME.utm and no disk image NAME.dmg; unpack archives first")),
    }
}

fn look(path: &Path, kind: &Kind) -> Result<Checked, Error> {
    let checked = |faults| Ok(Checked { path: path.to_owned(), signature: None, faults, not_told: None });
    match kind {
        Kind::App => {
            let mut faults: Vec<String> = helix_app::check(path).iter().map(ToString::to_string).collect();
            let report = helix_signing::verify(path)?;
            faults.extend(report.faults.iter().map(ToString::to_string));
            let ticket = if report.ticket { ", with a ticket" } else { "" };
            let signature = format!("{}{ticket}", report.authority);
            Ok(Checked { signature: Some(signature), ..checked(faults)? })
        }
        Kind::Package => checked(helix_utm_package::inspect(path).iter().map(ToString::to_string).collect()),
        Kind::DiskImage => match Udif::open(path).and_then(|image| image.unpack(&mut std::io::sink())) {
            Ok(()) => checked(Vec::new()),
            Err(error @ helix_archives::Error::Io { .. }) => Err(error.into()),
            Err(error @ helix_archives::Error::Foreign { .. }) => {
                Ok(Checked { not_told: Some(error.to_string()), ..checked(Vec::new())? })
            }
            Err(error) => checked(vec![error.to_string()]),
        },
    }
}
