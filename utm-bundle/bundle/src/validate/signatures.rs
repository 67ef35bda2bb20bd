//! Signatures, entitlements and libraries, as Apple's programs see them.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use helix_command::Error;

use super::{Bundle, Said, Stop, failed, program};

/// How spctl ends for an app that it refuses.
const REFUSED: i32 = 3;

/// The whole app, with everything in it.
pub(super) fn codesign(bundle: &Bundle) -> Said {
    program("codesign").args(["--verify", "--deep", "--strict", "--verbose=4"]).arg(&bundle.app).run()?;
    Ok(String::new())
}

/// Each program has just the entitlements that it must have: an app signed with `--deep` has lost QEMU's.
pub(super) fn entitlements(bundle: &Bundle) -> Said {
    let (mut faults, mut count) = (Vec::new(), 0);
    for code in codes(bundle)? {
        let display = ["--display", "--entitlements", "-", "--xml"];
        let text = program("codesign").args(display).arg(bundle.app.join(&code.path)).output()?.stdout;
        let wanted: BTreeSet<&str> = code.entitlements.iter().copied().collect();
        match granted(&text) {
            Some(has) if has.iter().map(String::as_str).eq(wanted.iter().copied()) => count += has.len(),
            Some(has) => faults.push(format!("{} has {has:?} instead of {wanted:?}", code.path)),
            None => {
                faults.push(format!("codesign tells the entitlements of {} in a form that is not known", code.path))
            }
        }
    }
    if faults.is_empty() { Ok(format!("{count} entitlements")) } else { failed(faults.join("; ")) }
}

/// The names of entitlements, with their values where these are not just `true`; none where nothing was printed.
fn granted(text: &[u8]) -> Option<BTreeSet<String>> {
    // Some versions end the list with a zero.
    let text = text.trim_ascii_end().strip_suffix(b"\0").unwrap_or(text.trim_ascii_end());
    if text.is_empty() {
        return Some(BTreeSet::new());
    }
    let list = helix_property_list::dictionary(text).ok()?;
    let said = |(name, value): (&String, &plist::Value)| match value.as_boolean() {
        Some(true) => name.clone(),
        // Whatever it grants, it is none of ours.
        _ => format!("{name} = {value:?}"),
    };
    Some(list.iter().map(said).collect())
}

/// What macOS says to somebody who opens the app: an ad hoc signature is refused, and so is one that was not notarised.
pub(super) fn gatekeeper(bundle: &Bundle) -> Said {
    // It tells of signatures on standard error.
    let script = "exec codesign --display --verbose=2 \"$0\" 2>&1";
    let signature = program("sh").args(["-c", script]).arg(&bundle.app).output()?.text();
    let ad_hoc = signature.lines().any(|line| line == "Signature=adhoc");
    let assessed = program("spctl").args(["--assess", "--type", "execute", "--verbose=4"]).arg(&bundle.app).run();
    match assessed {
        // Its code for what it was asked about; others are for spctl's own troubles.
        Err(Error::Failed { status, .. }) if ad_hoc && status.code() == Some(REFUSED) => {
            Ok("refused, as every ad hoc signature is".to_owned())
        }
        Err(Error::Failed { status, argv, stderr, .. }) if status.code() != Some(REFUSED) => {
            Err(Stop::NotRun(format!("{argv} ended with {status}: {}", stderr.trim())))
        }
        Err(error) => Err(error.into()),
        Ok(()) if ad_hoc => Err(Stop::NotRun("accepted although ad hoc: Gatekeeper is switched off".to_owned())),
        Ok(()) => {
            program("xcrun").args(["stapler", "validate"]).arg(&bundle.app).run()?;
            Ok("accepted, with its ticket".to_owned())
        }
    }
}

/// What each program and library loads is in the app or is macOS.
pub(super) fn libraries(bundle: &Bundle) -> Said {
    let (mut faults, mut count) = (Vec::new(), 0);
    for code in codes(bundle)? {
        let text = program("otool").arg("-L").arg(bundle.app.join(&code.path)).output()?.text();
        // The first line names the file itself; a library's own name is among the others.
        for name in text.lines().skip(1).filter_map(|line| line.trim().split(" (compatibility").next()) {
            count += 1;
            if !loads(bundle, name) {
                faults.push(format!("{} loads {name}", code.path));
            }
        }
    }
    if faults.is_empty() { Ok(format!("{count} load commands")) } else { failed(faults.join("; ")) }
}

fn loads(bundle: &Bundle, name: &str) -> bool {
    if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::RootDir)) {
        return false;
    }
    match name.strip_prefix("@rpath/") {
        Some(below) => !below.starts_with('/') && bundle.app.join("Contents/Frameworks").join(below).is_file(),
        None => name.starts_with("/usr/lib/") || name.starts_with("/System/Library/"),
    }
}

fn codes(bundle: &Bundle) -> Result<Vec<helix_signing::CodeFile>, Stop> {
    helix_signing::code_files(&bundle.app).map_err(|error| Stop::Failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_granted_is_told_with_any_value() {
        let list = |text: &str| granted(text.as_bytes()).map(|all| all.into_iter().collect::<Vec<_>>().join(" "));
        assert_eq!(list("\n").unwrap(), "");
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\">";
        let two = format!("{head}<dict><key>b</key><true/><key>a</key><true/><key>c</key><false/></dict></plist>\0");
        assert_eq!(list(&two).unwrap(), "a b c = Boolean(false)");
        assert_eq!(list("[Dict]\n\t[Key] a"), None);
    }
}
