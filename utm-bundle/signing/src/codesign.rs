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
    sign_by(Path::new(CODESIGN), app, identity)
}

fn sign_by(codesign: &Path, app: &Path, identity: &str) -> Result<(), Error> {
    let bundle = Bundle::read(app)?;
    let folder = tempfile::tempdir().map_err(Error::io("making a folder in", &std::env::temp_dir()))?;
    for code in bundle.codes() {
        let list = folder.path().join(code.name());
        if let Some(plist) = entitlements::as_plist(entitlements::of(code)) {
            std::fs::write(&list, plist).map_err(Error::io("writing", &list))?;
        }
        Cmd::new(codesign).args(arguments(app, code, identity, &list)).run()?;
    }
    Ok(Cmd::new(codesign).args(["--verify", "--deep", "--strict", "--verbose=2"]).arg(app).run()?)
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
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// An app of the shape that is signed, and beside it a program that writes down how it was called and keeps the entitlements.
    /// It refuses what has the name `bad`.
    fn world() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let info = |identifier: &str, executable: &str| {
            let pair = |key, value| format!("<key>{key}</key><string>{value}</string>");
            let pairs = [pair("CFBundleIdentifier", identifier), pair("CFBundleExecutable", executable)].concat();
            format!("<plist version=\"1.0\"><dict>{pairs}</dict></plist>")
        };
        write("Helix.app/Contents/Info.plist", &info("org.helix.app", "Helix"));
        for name in ["Helix", "helix-host-encoder", "qemu-img", "qemu-system-aarch64"] {
            write(&format!("Helix.app/Contents/MacOS/{name}"), "");
        }
        let version = "Helix.app/Contents/Frameworks/EGL.framework/Versions/A";
        write(&format!("{version}/EGL"), "");
        write(&format!("{version}/Resources/Info.plist"), &info("org.helix.app.EGL", "EGL"));
        let program = r#"#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/calls"
case "$3" in bad) echo "bad: no identity found" >&2; exit 1;; esac
while [ $# -gt 0 ]; do
    [ "$1" = --entitlements ] && cp "$2" "$here"
    shift
done
true
"#;
        write("codesign", program);
        fs::set_permissions(folder.path().join("codesign"), fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    fn sign(world: &Path, identity: &str) -> Result<(), Error> {
        sign_by(&world.join("codesign"), &world.join("Helix.app"), identity)
    }

    #[test]
    fn an_app_is_signed_from_the_inside_out_and_looked_at() {
        let world = world();
        sign(world.path(), "Me").unwrap();
        let app = world.path().join("Helix.app").display().to_string();
        let calls = fs::read_to_string(world.path().join("calls")).unwrap();
        let calls: Vec<String> = calls.lines().map(|line| line.replace(&app, "APP")).collect();
        let start = |name: &str| format!("--force --sign Me --identifier {name} --options runtime --timestamp");
        assert_eq!(calls.len(), 6, "{calls:?}");
        let library = format!("{} APP/Contents/Frameworks/EGL.framework/Versions/A", start("org.helix.app.EGL"));
        assert_eq!(calls[0], library);
        let encoder = start("org.helix.app.helix-host-encoder");
        assert_eq!(calls[1], format!("{encoder} APP/Contents/MacOS/helix-host-encoder"));
        for (call, name) in calls[2..4].iter().zip(["qemu-img", "qemu-system-aarch64"]) {
            let begin = format!("{} --entitlements /", start(&format!("org.helix.app.{name}")));
            assert!(call.starts_with(&begin), "{call}");
            assert!(call.ends_with(&format!("/{name} APP/Contents/MacOS/{name}")), "{call}");
        }
        assert!(calls[4].starts_with(&start("org.helix.app")) && calls[4].ends_with("/Helix APP"), "{}", calls[4]);
        assert_eq!(calls[5], "--verify --deep --strict --verbose=2 APP");
        for (name, wanted) in [("qemu-system-aarch64", 5), ("qemu-img", 1), ("Helix", 1)] {
            let list = plist::Value::from_file(world.path().join(name)).unwrap();
            let list = list.as_dictionary().unwrap();
            assert!(list.len() == wanted && list.values().all(|value| value.as_boolean() == Some(true)), "{list:?}");
            assert_eq!(list.contains_key("com.apple.security.hypervisor"), name == "qemu-system-aarch64");
        }
        assert!(!world.path().join("EGL").exists() && !world.path().join("helix-host-encoder").exists());
    }

    #[test]
    fn what_codesign_refuses_is_told_in_its_words() {
        let world = world();
        let error = sign(world.path(), "bad").unwrap_err();
        assert!(error.to_string().contains("bad: no identity found"), "{error}");
        assert_eq!(
            (error.exit_code(), fs::read_to_string(world.path().join("calls")).unwrap().lines().count()),
            (5, 1)
        );
        fs::remove_file(world.path().join("codesign")).unwrap();
        assert!(sign(world.path(), "Me").unwrap_err().to_string().contains("cannot start"));
    }

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
