//! Apple's own program as the signer, on a Mac: its keychain has certificates whose keys never leave it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use helix_command::Cmd;

use crate::bundle::{Bundle, Code};
use crate::entitlements;
use crate::error::Error;

const CODESIGN: &str = "/usr/bin/codesign";
/// The identity that stands for nobody.
const AD_HOC: &str = "-";

/// Signs all code of an app by `codesign`, from the inside out and with the entitlements of [`crate::sign`], and has it look at the
/// result. `identity` is a name or hash of the keychain, or `-`.
///
/// # Errors
/// When it is no app; when `codesign` is not there (it is part of macOS), or refuses something.
pub fn sign_by_codesign(app: &Path, identity: &str) -> Result<(), Error> {
    let bundle = Bundle::read(app)?;
    let folder = tempfile::tempdir().map_err(Error::io("making a folder in", &std::env::temp_dir()))?;
    for code in bundle.codes() {
        let list = folder.path().join(code.name());
        if let Some(plist) = entitlements::as_plist(entitlements::of(code)) {
            std::fs::write(&list, plist).map_err(Error::io("writing", &list))?;
        }
        Cmd::new(CODESIGN).args(arguments(app, code, identity, &list)).run()?;
    }
    Ok(Cmd::new(CODESIGN).args(["--verify", "--deep", "--strict", "--verbose=2"]).arg(app).run()?)
}

/// How one program, framework or app is signed; `entitlements` is the file for those that have some. Never `--deep`: it would give
/// all code the entitlements of the app.
fn arguments(app: &Path, code: &Code, identity: &str, entitlements: &Path) -> Vec<OsString> {
    let mut all: Vec<OsString> =
        ["--force", "--sign", identity, "--identifier", &code.identifier].map(Into::into).into();
    if identity != AD_HOC {
        all.extend(["--options", "runtime", "--timestamp"].map(Into::into));
    }
    if !entitlements::of(code).is_empty() {
        all.extend(["--entitlements".into(), entitlements.into()]);
    }
    all.push(place(app, code).into());
    all
}

/// What codesign is told to sign: the app, the version of a framework, or a program.
fn place(app: &Path, code: &Code) -> PathBuf {
    match &code.sealed {
        Some((folder, _)) if folder == "Contents" => app.to_owned(),
        Some((folder, _)) => app.join(folder),
        None => app.join(&code.path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(path: &str, nested: &str, sealed: Option<&str>) -> Code {
        let sealed = sealed.map(|folder| (folder.to_owned(), "Info.plist"));
        Code { path: path.to_owned(), identifier: "org.example.this".to_owned(), nested: nested.to_owned(), sealed }
    }

    fn line(code: &Code, identity: &str) -> String {
        let all = arguments(Path::new("/Helix.app"), code, identity, Path::new("/list"));
        all.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_kind_of_code_is_signed_in_its_place() {
        let library = code(
            "Contents/Frameworks/EGL.framework/Versions/A/EGL",
            "Contents/Frameworks/EGL.framework",
            Some("Contents/Frameworks/EGL.framework/Versions/A"),
        );
        let start = "--force --sign Me --identifier org.example.this --options runtime --timestamp";
        assert_eq!(line(&library, "Me"), format!("{start} /Helix.app/Contents/Frameworks/EGL.framework/Versions/A"));
        let qemu = code("Contents/MacOS/qemu-system-aarch64", "Contents/MacOS/qemu-system-aarch64", None);
        let wanted = "--entitlements /list /Helix.app/Contents/MacOS/qemu-system-aarch64";
        assert_eq!(line(&qemu, "Me"), format!("{start} {wanted}"));
        let main = code("Contents/MacOS/Helix", "Contents/MacOS/Helix", Some("Contents"));
        let wanted = "--force --sign - --identifier org.example.this --entitlements /list /Helix.app";
        assert_eq!(line(&main, "-"), wanted);
    }
}
