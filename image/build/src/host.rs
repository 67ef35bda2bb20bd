//! What the host must have, what it lacks, and how it gets it: `doctor`, and the first thing every build does.

use std::path::Path;

use helix_command::Cmd;
use helix_rootfs::Arch;
use rustix::fs::StatVfsMountFlags;
use serde::Serialize;

use crate::Error;

/// One finding about the host.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found, or what is missing.
    pub detail: String,
    /// The Debian package that helps, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<&'static str>,
    /// The command that helps, where a package does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// Looks at everything that building an image for `target` needs from the host.
pub fn examine(target: Arch, cache: &Path) -> Vec<Finding> {
    let mut findings = vec![architecture(), program("apt-get", "apt"), program("dpkg-deb", "dpkg")];
    if !rustix::process::geteuid().is_root() {
        findings.push(program("newuidmap", "uidmap"));
        findings.push(user_namespaces());
    }
    if Arch::host().is_some_and(|host| host != target) {
        findings.push(emulation(target));
    }
    findings.push(programs_in(cache));
    findings.push(free_space(cache));
    findings
}

/// Does what a build asks of the kernel: the namespace, its mounts, the registration of an emulator. This process is inside
/// the namespace afterwards.
pub fn attempt(target: Arch, cache: &Path) -> Vec<Finding> {
    let tried = |what: &str, result: Result<(), String>| match result {
        Ok(()) => finding(what, true, "tried, as a build does"),
        Err(why) => finding(what, false, why),
    };
    let entered = helix_rootfs::namespace::enter().map_err(|e| e.to_string());
    let mut findings = vec![tried("namespaces", entered)];
    if !findings[0].ok {
        return findings;
    }
    let work = match tempfile::Builder::new().prefix(".doctor-").tempdir_in(nearest(cache)) {
        Ok(work) => work,
        Err(e) => {
            return [findings, vec![finding("cache", false, format!("{}: {e}", nearest(cache).display()))]].concat();
        }
    };
    findings.push(tried("mounts", helix_rootfs::attempt_mounts(work.path()).map_err(|e| e.to_string())));
    if Arch::host().is_some_and(|host| host != target) {
        let registered = helix_rootfs::emulation::attempt(target, work.path()).map_err(|e| e.to_string());
        findings.push(tried(&format!("registering {target} programs"), registered));
    }
    findings
}

/// The folder, or the nearest above it that exists.
fn nearest(folder: &Path) -> &Path {
    folder.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"))
}

/// Programs of trees and tools run where the cache is.
fn programs_in(cache: &Path) -> Finding {
    let existing = nearest(cache);
    let refused = rustix::fs::statvfs(existing).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::NOEXEC));
    let detail = match refused {
        true => format!(
            "{} is mounted noexec, and a build runs programs there; name a folder on another file system in HELIX_CACHE",
            existing.display()
        ),
        false => format!("programs run at {}", existing.display()),
    };
    finding("cache", !refused, detail)
}

fn finding(what: &str, ok: bool, detail: impl Into<String>) -> Finding {
    Finding { what: what.to_owned(), ok, detail: detail.into(), package: None, command: None }
}

fn architecture() -> Finding {
    match Arch::host() {
        Some(arch) => finding("architecture", true, arch.debian_name()),
        None => {
            finding("architecture", false, format!("{} is not supported; use x86_64 or arm64", std::env::consts::ARCH))
        }
    }
}

fn program(name: &str, package: &'static str) -> Finding {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file());
    match found {
        Some(path) => finding(name, true, path.display().to_string()),
        None => Finding { package: Some(package), ..finding(name, false, "is missing") },
    }
}

fn user_namespaces() -> Finding {
    let restricted = std::fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    let off = std::fs::read_to_string("/proc/sys/user/max_user_namespaces").is_ok_and(|n| n.trim() == "0");
    let command = if restricted.is_ok_and(|v| v.trim() == "1") {
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    } else if off {
        "sudo sysctl -w user.max_user_namespaces=63000"
    } else {
        return finding("user namespaces", true, "allowed");
    };
    Finding {
        command: Some(command.to_owned()),
        ..finding("user namespaces", false, "are not allowed for ordinary users")
    }
}

fn emulation(target: Arch) -> Finding {
    let what = format!("running {target} programs");
    if kernel_at_least(6, 7) {
        return finding(&what, true, "by a registration of our own (Linux 6.7 or newer)");
    }
    if helix_rootfs::emulation::host_registration(target) {
        return finding(&what, true, "by the host's registration of qemu-user; slower than with Linux 6.7 or newer");
    }
    Finding {
        package: Some("qemu-user-static"),
        ..finding(&what, false, "needs the host's registration of qemu-user on Linux older than 6.7")
    }
}

fn kernel_at_least(major: u32, minor: u32) -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<u32>().ok());
    let (a, b) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (a, b) >= (major, minor)
}

/// What a build of quickstart takes, with cache and result.
const NEEDED_GIB: u64 = 6;

fn free_space(cache: &Path) -> Finding {
    let existing = nearest(cache);
    match rustix::fs::statvfs(existing) {
        Ok(stat) => {
            let gib = (stat.f_bavail * stat.f_frsize) >> 30;
            finding(
                "free space",
                gib >= NEEDED_GIB,
                format!("{gib} GiB free at {}, {NEEDED_GIB} GiB are needed", existing.display()),
            )
        }
        Err(e) => finding("free space", false, format!("{}: {e}", existing.display())),
    }
}

/// Brings the host into order: installs missing packages where that is allowed, else says what to do.
///
/// # Errors
/// [`Error::Host`] with everything that is missing and the one command for each.
pub fn ensure(target: Arch, cache: &Path, say: &dyn Fn(&str)) -> Result<(), Error> {
    let missing: Vec<Finding> = examine(target, cache).into_iter().filter(|f| !f.ok).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().filter_map(|f| f.package).collect();
    packages.dedup();
    if !packages.is_empty() && missing.iter().all(|f| f.package.is_some()) && install(&packages, say)? {
        let still: Vec<Finding> = examine(target, cache).into_iter().filter(|f| !f.ok).collect();
        return if still.is_empty() { Ok(()) } else { Err(Error::Host(describe(&still))) };
    }
    Err(Error::Host(describe(&missing)))
}

/// Installs packages as root or by sudo without a password; `false` when neither is to be had.
///
/// # Errors
/// When apt fails.
pub fn install(packages: &[&str], say: &dyn Fn(&str)) -> Result<bool, Error> {
    let root = rustix::process::geteuid().is_root();
    if !root && Cmd::new("sudo").args(["-n", "true"]).run().is_err() {
        return Ok(false);
    }
    let cmd = |args: &[&str]| {
        let words =
            ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"].into_iter().chain(args.iter().copied());
        if root { Cmd::new("env").args(words.skip(1)) } else { Cmd::new("sudo").arg("-n").args(words) }
    };
    say(&format!("installing on this machine: {}", packages.join(" ")));
    let failed = |e: helix_command::Error| Error::Host(format!("installing {}: {e}", packages.join(" ")));
    cmd(&["update"]).run().map_err(failed)?;
    cmd(&[&["install", "--no-install-recommends"], packages].concat()).run().map_err(failed)?;
    Ok(true)
}

/// The missing ones among the findings, each with what helps.
pub fn describe(findings: &[Finding]) -> String {
    let mut text = String::from("this machine is not ready:");
    let missing: Vec<&Finding> = findings.iter().filter(|f| !f.ok).collect();
    for f in &missing {
        text.push_str(&format!("\n  {}: {}", f.what, f.detail));
        if let Some(command) = &f.command {
            text.push_str(&format!("\n    {command}"));
        }
    }
    let packages: Vec<&str> = missing.iter().filter_map(|f| f.package).collect();
    if !packages.is_empty() {
        text.push_str(&format!("\n  install what is missing with\n    sudo apt-get install {}", packages.join(" ")));
    }
    text
}

/// The host's own mirror for what a recipe asks of `mirror`: the same archive, nearer by.
///
/// Debian's archives have every suite, so that any mirror the host uses will do; of Ubuntu's, one that the host uses
/// for the same suite.
pub fn own_mirror(mirror: &str, suites: &[String], debian: bool) -> Option<String> {
    let wanted = mirror.trim_end_matches('/').rsplit('/').next()?.to_owned();
    apt_sources().into_iter().find_map(|(uri, suite)| {
        let uri = uri.trim_end_matches('/').to_owned();
        let same_archive = uri.rsplit('/').next() == Some(&wanted);
        let frozen = uri.contains("snapshot.");
        (same_archive && !frozen && (debian || suites.contains(&suite))).then_some(uri)
    })
}

/// Address and suite of every archive in the host's apt configuration.
fn apt_sources() -> Vec<(String, String)> {
    let mut files = vec![std::path::PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = std::fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.filter_map(|e| Some(e.ok()?.path())));
    }
    files.sort();
    files.iter().filter_map(|f| std::fs::read_to_string(f).ok()).flat_map(|text| parse_sources(&text)).collect()
}

fn parse_sources(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for line in text.lines().filter_map(|l| l.trim().strip_prefix("deb ")) {
        // One-line form: deb [options] URI SUITE COMPONENT…
        let rest = line.trim_start();
        let rest = rest.strip_prefix('[').and_then(|r| r.split_once(']')).map_or(rest, |(_, after)| after);
        let mut words = rest.split_whitespace();
        if let (Some(uri), Some(suite)) = (words.next(), words.next()) {
            found.push((uri.to_owned(), suite.to_owned()));
        }
    }
    for stanza in text.split("\n\n") {
        let field = |name: &str| -> Vec<String> {
            let line = stanza.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
        };
        for uri in field("URIs").iter().filter(|u| u.starts_with("http")) {
            found.extend(field("Suites").into_iter().map(|suite| (uri.clone(), suite)));
        }
    }
    found.retain(|(uri, _)| uri.starts_with("http"));
    found
}

#[cfg(test)]
mod tests {
    use super::parse_sources;

    #[test]
    fn both_forms_of_apt_sources_are_read() {
        let old = "# deb http://no/x y main\ndeb [arch=amd64 signed-by=/k] http://m/debian trixie main\ndeb-src http://s/debian trixie main\n";
        assert_eq!(parse_sources(old), [("http://m/debian".into(), "trixie".into())]);
        let new = "Types: deb\n# URIs: http://no/x\nURIs: http://m/debian\nSuites: a b\nComponents: main\n\nTypes: deb\nURIs: cdrom:x\nSuites: c\n";
        assert_eq!(
            parse_sources(new),
            [("http://m/debian".into(), "a".into()), ("http://m/debian".into(), "b".into())]
        );
    }
}
