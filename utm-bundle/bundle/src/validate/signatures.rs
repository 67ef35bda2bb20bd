//! Signatures, entitlements and libraries, as Apple's programs see them.

use std::collections::BTreeSet;

use helix_command::Cmd;
use helix_signing::Authority;

use super::{Bundle, Said, Stop, failed};

/// The whole app, with everything in it.
pub(super) fn codesign(bundle: &Bundle) -> Said {
    Cmd::new("codesign").args(["--verify", "--deep", "--strict", "--verbose=4"]).arg(&bundle.app).run()?;
    Ok(String::new())
}

/// Each program has just the entitlements that it must have: an app signed with `--deep` has lost QEMU's.
pub(super) fn entitlements(bundle: &Bundle) -> Said {
    let (mut faults, mut count) = (Vec::new(), 0);
    for code in codes(bundle)? {
        let display = ["--display", "--entitlements", "-", "--xml"];
        let text = Cmd::new("codesign").args(display).arg(bundle.app.join(&code.path)).output()?.stdout;
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

/// The names of entitlements that are granted; none where nothing was printed.
fn granted(text: &[u8]) -> Option<BTreeSet<String>> {
    // Some versions end the list with a zero.
    let text = text.trim_ascii_end().strip_suffix(b"\0").unwrap_or(text.trim_ascii_end());
    if text.is_empty() {
        return Some(BTreeSet::new());
    }
    let list = helix_property_list::dictionary(text).ok()?;
    let granted = list.iter().filter(|(_, value)| value.as_boolean() == Some(true));
    Some(granted.map(|(name, _)| name.clone()).collect())
}

/// What macOS says to somebody who opens the app: an ad hoc signature is refused, and so is one that was not notarised.
pub(super) fn gatekeeper(bundle: &Bundle) -> Said {
    let report = helix_signing::verify(&bundle.app).map_err(|error| Stop::NotRun(error.to_string()))?;
    let assessed = Cmd::new("spctl").args(["--assess", "--type", "execute", "--verbose=4"]).arg(&bundle.app).run();
    match (assessed, report.authority) {
        (Err(error @ helix_command::Error::Start { .. }), _) => Err(error.into()),
        (Err(_), Authority::AdHoc) => Ok("refused, as every ad hoc signature is".to_owned()),
        (Ok(()), Authority::AdHoc) => {
            Err(Stop::NotRun("accepted although ad hoc: Gatekeeper is switched off".to_owned()))
        }
        (Err(error), _) => failed(error.to_string()),
        (Ok(()), _) => {
            Cmd::new("xcrun").args(["stapler", "validate"]).arg(&bundle.app).run()?;
            Ok("accepted, with its ticket".to_owned())
        }
    }
}

/// What each program and library loads is in the app or is macOS.
pub(super) fn libraries(bundle: &Bundle) -> Said {
    let (mut faults, mut count) = (Vec::new(), 0);
    for code in codes(bundle)? {
        let text = Cmd::new("otool").arg("-L").arg(bundle.app.join(&code.path)).output()?.text();
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
    match name.strip_prefix("@rpath/") {
        Some(below) => bundle.app.join("Contents/Frameworks").join(below).is_file(),
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
    fn only_what_is_granted_counts() {
        let list = |text: &str| granted(text.as_bytes()).map(|all| all.into_iter().collect::<Vec<_>>().join(" "));
        assert_eq!(list("\n").unwrap(), "");
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\">";
        let two = format!("{head}<dict><key>b</key><true/><key>a</key><true/><key>c</key><false/></dict></plist>\0");
        assert_eq!(list(&two).unwrap(), "a b");
        assert_eq!(list("[Dict]\n\t[Key] a"), None);
    }
}
