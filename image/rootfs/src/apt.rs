//! Asking apt which packages make a system, in a private configuration that knows nothing of the host's.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use helix_command::Cmd;
use helix_http::{Answer, Client, Fault, Proxies, Settings, Trust, Url};
use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::error::{ArchiveFault, ArchiveFaultKind, Error};

/// An archive to resolve packages from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// A short name, unique among the archives of one resolution.
    pub name: String,
    /// The address that holds `dists/` and `pool/`.
    pub mirror: String,
    /// Other addresses where it is when `mirror` does not have it; nothing here looks at them.
    pub also_at: Vec<String>,
    /// Suites, such as `trixie` and `trixie-updates`.
    pub suites: Vec<String>,
    /// Components, such as `main`.
    pub components: Vec<String>,
    /// The keyring that must have signed the Release files.
    pub key: PathBuf,
    /// Whether a Release file past its Valid-Until is accepted.
    pub allow_expired: bool,
    /// The packages that may come from it; empty when all may.
    pub only: Vec<String>,
}

impl Archive {
    /// The archive as a deb822 stanza, as in `/etc/apt/sources.list.d/NAME.sources`.
    pub fn stanza(&self, signed_by: &str) -> String {
        format!(
            "Types: deb\nURIs: {}\nSuites: {}\nComponents: {}\nSigned-By: {signed_by}\n",
            self.mirror,
            self.suites.join(" "),
            self.components.join(" "),
        )
    }

    /// The Release files, signed, of its suites; none for a mirror that is no server.
    fn releases(&self) -> impl Iterator<Item = Url> {
        let mirror = self.mirror.trim_end_matches('/');
        let addresses = self.suites.iter().map(move |suite| format!("{mirror}/dists/{suite}/InRelease"));
        addresses.filter_map(|url| Url::parse(&url).ok()).filter(|url| ["http", "https"].contains(&url.scheme()))
    }

    /// What keeps apt from taking other packages than [`Self::only`] from it, as in `/etc/apt/preferences.d`; `None` when
    /// all may be taken.
    pub fn preferences(&self) -> Option<String> {
        if self.only.is_empty() {
            return None;
        }
        let mut text = String::new();
        // A suite is called by its codename or its class; Release files of Debian have the former in n, the latter in a,
        // those of Ubuntu the suite's name in a.
        for pin in self.suites.iter().flat_map(|suite| [format!("n={suite}"), format!("a={suite}")]) {
            for (packages, priority) in [(self.only.join(" "), 500), ("*".to_owned(), -1)] {
                let _ = write!(text, "Package: {packages}\nPin: release {pin}\nPin-Priority: {priority}\n\n");
            }
        }
        Some(text)
    }
}

/// One package of a resolution: everything that is needed to fetch and to verify it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The package's name.
    pub name: String,
    /// Its full version, epoch included.
    pub version: String,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// The name of the archive it comes from.
    pub archive: String,
    /// Its path below the archive's mirror.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The sha256 of the file, in hexadecimal.
    pub sha256: String,
}

/// The file of all authorities that are trusted. apt looks for one where Debian has it, which other machines do not.
const AUTHORITIES: &str = "authorities.pem";

/// A private apt: its configuration, lists and state are in one folder.
pub struct Apt<'a> {
    dir: PathBuf,
    archives: &'a [Archive],
    run: &'a dyn Fn(&str) -> Cmd,
    proxies: Proxies,
}

impl<'a> Apt<'a> {
    /// Sets up apt for `arch` in `dir`; `run` makes a command for apt's programs.
    ///
    /// # Errors
    /// When the folder cannot be written, or the environment names no proxy where it should.
    pub fn new(dir: &Path, arch: Arch, archives: &'a [Archive], run: &'a dyn Fn(&str) -> Cmd) -> Result<Self, Error> {
        // Of an archive that the recipe had before, nothing may be left.
        let settings = dir.join("etc");
        match std::fs::remove_dir_all(&settings) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("removing", &settings, e)),
            _ => {}
        }
        for sub in ["etc/sources.list.d", "etc/preferences.d", "etc/apt.conf.d", "lists/partial", "archives/partial"] {
            let path = dir.join(sub);
            std::fs::create_dir_all(&path).map_err(|e| Error::io("creating", &path, e))?;
        }
        let proxies = Proxies::from_environment()
            .map_err(|e| Error::Archive(ArchiveFault { kind: ArchiveFaultKind::Proxy, said: e.to_string() }))?;
        let configuration = configuration(dir, arch) + &direct(&proxies, archives);
        let apt = Self { dir: dir.to_owned(), archives, run, proxies };
        apt.write("status", "")?;
        apt.write("apt.conf", &configuration)?;
        apt.write(AUTHORITIES, &Trust::of_machine().pem())?;
        for archive in archives {
            let mut stanza = archive.stanza(&archive.key.display().to_string());
            if archive.allow_expired {
                stanza.push_str("Check-Valid-Until: no\n");
            }
            apt.write(&format!("etc/sources.list.d/{}.sources", archive.name), &stanza)?;
            let preferences = archive.preferences().unwrap_or_default();
            apt.write(&format!("etc/preferences.d/{}.pref", archive.name), &preferences)?;
        }
        Ok(apt)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.dir.join(name);
        std::fs::write(&path, text).map_err(|e| Error::io("writing", &path, e))
    }

    fn get(&self) -> Cmd {
        let mut cmd = (self.run)("apt-get").env("APT_CONFIG", self.dir.join("apt.conf"));
        let releases: Vec<Url> = self.archives.iter().flat_map(Archive::releases).collect();
        for (name, value) in self.proxies.variables(&releases) {
            // apt knows SOCKS only as it is when the proxy looks names up.
            let value = value.strip_prefix("socks5:").map_or(value.clone(), |rest| format!("socks5h:{rest}"));
            cmd = cmd.env(name, value);
        }
        cmd
    }

    /// Downloads the archives' indexes and verifies their signatures.
    ///
    /// # Errors
    /// [`Error::Archive`] with the reason when an archive cannot be reached or trusted.
    pub fn update(&self) -> Result<(), Error> {
        match self.get().args(["-o", "APT::Update::Error-Mode=any", "update"]).run() {
            Err(helix_command::Error::Failed { stderr, .. }) => Err(Error::Archive(self.fault(stderr))),
            other => Ok(other?),
        }
    }

    /// Why the archives cannot be used. apt says of whatever it did not get that it is not there or not signed; our own
    /// client tells why it did not come.
    fn fault(&self, said: String) -> ArchiveFault {
        use ArchiveFaultKind::{NoSuchSuite, Other, Unreachable, Unsigned};
        let kind = classify(&said);
        if matches!(kind, NoSuchSuite | Other | Unreachable | Unsigned)
            && let Ok(settings) = Settings::of_machine(concat!("helix-image/", env!("CARGO_PKG_VERSION")))
            && let Ok(client) = Client::new(settings)
            && let Some((kind, why)) = obstacle(&client, self.archives)
        {
            return ArchiveFault { kind, said: format!("{why}\n{said}") };
        }
        ArchiveFault { kind, said }
    }

    /// Resolves `packages` to the full set to install, in an order that apt would install them in.
    ///
    /// # Errors
    /// [`Error::MissingPackages`] names every package that no archive has; [`Error::Unsolvable`] holds apt's reasons.
    pub fn solve(&self, packages: &[String]) -> Result<Vec<Package>, Error> {
        let cmd = self.get().args(["-qq", "--print-uris", "install"]).args(packages);
        let output = match cmd.output() {
            Err(helix_command::Error::Failed { stderr, .. }) => return Err(unsolved(&stderr)),
            other => other?,
        };
        output.text().lines().filter(|l| l.starts_with('\'')).map(|line| self.package(line)).collect()
    }

    /// Parses a line of `--print-uris`: `'URI' NAME_VERSION_ARCH.deb SIZE SHA256:DIGEST`.
    fn package(&self, line: &str) -> Result<Package, Error> {
        let unexpected = || Error::AptOutput(line.to_owned());
        let mut words = line.split(' ');
        let (uri, file, size, hash) = match (words.next(), words.next(), words.next(), words.next()) {
            (Some(a), Some(b), Some(c), Some(d)) => (a.trim_matches('\''), b, c, d),
            _ => return Err(unexpected()),
        };
        let uri = percent_decode(uri);
        let archive = self
            .archives
            .iter()
            .filter(|a| uri.strip_prefix(a.mirror.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/')))
            .max_by_key(|a| a.mirror.len())
            .ok_or_else(unexpected)?;
        let path = uri[archive.mirror.trim_end_matches('/').len() + 1..].to_owned();
        let mut parts = file.strip_suffix(".deb").ok_or_else(unexpected)?.splitn(3, '_').map(percent_decode);
        let (name, version, architecture) = match (parts.next(), parts.next(), parts.next()) {
            (Some(n), Some(v), Some(a)) => (n, v, a),
            _ => return Err(unexpected()),
        };
        let sha256 = hash.strip_prefix("SHA256:").ok_or_else(unexpected)?.to_owned();
        let size = size.parse().map_err(|_| unexpected())?;
        Ok(Package { name, version, architecture, archive: archive.name.clone(), path, size, sha256 })
    }

    /// The newest `Date` of the archives' Release files, in seconds since 1970: the time that the image claims to be of.
    ///
    /// # Errors
    /// When no Release file with a date is there.
    pub fn release_date(&self) -> Result<u64, Error> {
        let lists = self.dir.join("lists");
        let mut newest = None;
        for path in crate::read_dir_sorted(&lists)? {
            if path.to_string_lossy().ends_with("Release") {
                let text = std::fs::read_to_string(&path).map_err(|e| Error::io("reading", &path, e))?;
                newest = newest.max(date_field(&text));
            }
        }
        newest.ok_or_else(|| Error::AptOutput("no Release file with a Date".to_owned()))
    }
}

/// What stands between us and the first archive that does not come; `None` when all answer in some way.
fn obstacle(client: &Client, archives: &[Archive]) -> Option<(ArchiveFaultKind, String)> {
    archives.iter().flat_map(Archive::releases).find_map(|url| {
        let error = client.get(url.as_str()).send().and_then(Answer::accepted).err()?;
        let kind = match error.fault {
            Fault::Proxy { .. } => ArchiveFaultKind::Proxy,
            Fault::Untrusted(_) => ArchiveFaultKind::Untrusted,
            Fault::Refused(_) => ArchiveFaultKind::Refused,
            Fault::Silent(_) | Fault::Transfer(_) => ArchiveFaultKind::Unreachable,
            // An archive without this file may have its older form.
            _ => return None,
        };
        Some((kind, error.to_string()))
    })
}

/// Has apt reach without a proxy what our client reaches so: apt knows neither networks nor ports in `no_proxy`, and takes
/// `http_proxy` for https too.
fn direct(proxies: &Proxies, archives: &[Archive]) -> String {
    let releases: Vec<Url> = archives.iter().flat_map(Archive::releases).collect();
    let direct = releases.iter().filter(|url| proxies.of(url).is_none());
    let lines: BTreeSet<String> = direct
        .filter_map(|url| Some(format!("Acquire::{}::Proxy::{} \"DIRECT\";\n", url.scheme(), url.domain()?)))
        .collect();
    lines.into_iter().collect()
}

fn configuration(dir: &Path, arch: Arch) -> String {
    let mut text = String::new();
    // The host's own configuration must not leak in: every folder is named, and the host's parts are switched off.
    for (key, value) in [
        ("Dir::Etc", "etc"),
        ("Dir::State", "."),
        ("Dir::State::Lists", "lists"),
        ("Dir::State::status", "status"),
        ("Dir::Cache", "."),
        ("Dir::Cache::Archives", "archives"),
        ("Acquire::https::CAInfo", AUTHORITIES),
    ] {
        let _ = writeln!(text, "{key} \"{}\";", dir.join(value).display());
    }
    let _ = writeln!(text, "APT::Architecture \"{arch}\";\nAPT::Architectures {{ \"{arch}\"; }};");
    text.push_str(
        "APT::Install-Recommends \"false\";\nAPT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n\
         Acquire::ForceHash \"SHA256\";\nAcquire::Retries \"3\";\nAcquire::http::Timeout \"30\";\n\
         Acquire::https::Timeout \"30\";\nAPT::Cmd::Disable-Script-Warning \"true\";\n",
    );
    text
}

/// Finds out from apt's words why an archive was refused.
fn classify(said: &str) -> ArchiveFaultKind {
    let has = |words: &[&str]| words.iter().any(|w| said.contains(w));
    if has(&["is expired", "is not valid anymore", "Release file expired"]) {
        ArchiveFaultKind::Expired
    } else if has(&[
        "NO_PUBKEY",
        "Missing key",
        "couldn't be verified",
        "BADSIG",
        "bad signature",
        "EXPKEYSIG",
        "were invalid",
        // sqv of a file that was changed after it was signed; apt then says of the rest that it is not signed.
        "Signature verification failed",
    ]) {
        ArchiveFaultKind::WrongKey
    } else if has(&["is not signed", "Clearsigned file isn't valid", "NODATA"]) && !has(&["404", "File not found"]) {
        ArchiveFaultKind::Unsigned
    } else if has(&[
        "Could not resolve",
        "Could not connect",
        "Connection failed",
        "Unable to connect",
        "Connection timed out",
        "Temporary failure",
    ]) {
        ArchiveFaultKind::Unreachable
    } else if has(&[
        // All that apt says on standard error when a suite's files are answered with 404.
        "does not have a Release file",
        // The same, where the suite was there at an earlier time.
        "no longer has a Release file",
        "404",
        "File not found",
        "Unable to find expected entry",
        "doesn't have the component",
    ]) {
        ArchiveFaultKind::NoSuchSuite
    } else if has(&["Hash Sum mismatch", "unexpected size", "Mirror sync in progress"]) {
        ArchiveFaultKind::Corrupt
    } else {
        ArchiveFaultKind::Other
    }
}

fn unsolved(stderr: &str) -> Error {
    let missing: BTreeSet<String> = stderr
        .lines()
        .filter_map(|line| {
            let rest = line.strip_prefix("E: ")?;
            let name = rest
                .strip_prefix("Unable to locate package ")
                .or_else(|| rest.strip_prefix("Package '")?.strip_suffix("' has no installation candidate"))
                .or_else(|| rest.strip_prefix("Couldn't find any package by regex '")?.strip_suffix('\''))?;
            Some(name.to_owned())
        })
        .collect();
    if missing.is_empty() {
        return Error::Unsolvable(stderr.to_owned());
    }
    Error::MissingPackages { names: missing.into_iter().collect(), said: stderr.trim_end().to_owned() }
}

fn date_field(release: &str) -> Option<u64> {
    let date = release.lines().find_map(|l| l.strip_prefix("Date: "))?;
    // A Release file says UTC where HTTP says GMT; the rest is the same.
    let time = httpdate::parse_http_date(&date.trim().replace("UTC", "GMT").replace("+0000", "GMT")).ok()?;
    Some(time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
}

/// Undoes percent-encoding; a broken escape stays as it is.
fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(escape.unwrap_or(bytes[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(name: &str, mirror: &str) -> Archive {
        Archive {
            name: name.into(),
            mirror: mirror.into(),
            also_at: Vec::new(),
            suites: vec!["s".into()],
            components: vec!["main".into()],
            key: "/k".into(),
            allow_expired: false,
            only: Vec::new(),
        }
    }

    #[test]
    fn a_line_of_print_uris_becomes_a_package() {
        let archives = [archive("debian", "http://m/debian"), archive("security", "http://m/debian-security")];
        let run = |p: &str| Cmd::new(p);
        let apt = Apt { dir: "/x".into(), archives: &archives, run: &run, proxies: Proxies::default() };
        let line = format!(
            "'http://m/debian-security/pool/g/libc6_2.41-12%2bdeb13u4_arm64.deb' libc6_1%3a2.41-12+deb13u4_arm64.deb 77 SHA256:{}",
            "ab".repeat(32)
        );
        let package = apt.package(&line).unwrap();
        assert_eq!(package.archive, "security");
        assert_eq!(package.path, "pool/g/libc6_2.41-12+deb13u4_arm64.deb");
        assert_eq!((package.name.as_str(), package.version.as_str(), package.size), ("libc6", "1:2.41-12+deb13u4", 77));
        assert!(apt.package("'http://elsewhere/a_1_all.deb' a_1_all.deb 1 SHA256:00").is_err());
        assert!(apt.package(&line.replace("SHA256", "MD5Sum")).is_err());
    }

    #[test]
    fn an_archive_that_is_asked_no_more_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let run = |p: &str| Cmd::new(p);
        let names = || {
            let entries = std::fs::read_dir(dir.path().join("etc/sources.list.d")).expect("sources");
            let mut names: Vec<_> = entries.map(|e| e.expect("an entry").file_name()).collect();
            names.sort();
            names
        };
        let both = [archive("debian", "http://m/debian"), archive("security", "http://m/debian-security")];
        Apt::new(dir.path(), Arch::Arm64, &both, &run).expect("an apt");
        assert_eq!(names(), ["debian.sources", "security.sources"]);
        Apt::new(dir.path(), Arch::Arm64, &both[..1], &run).expect("an apt");
        assert_eq!(names(), ["debian.sources"]);
    }

    #[test]
    fn apt_goes_the_way_of_our_client() {
        let variable = |name: &str| match name {
            "http_proxy" => Some("http://p.example:3128".to_owned()),
            "NO_PROXY" => Some("m.example:80 , 10.0.0.0/8".to_owned()),
            _ => None,
        };
        let proxies = Proxies::from_variables(variable).unwrap();
        let archives = [
            archive("a", "http://m.example/debian"),
            archive("b", "http://far.example/debian"),
            // Not by the proxy for http.
            archive("c", "https://safe.example/debian/"),
            archive("d", "file:/srv/debian"),
        ];
        assert_eq!(
            direct(&proxies, &archives),
            "Acquire::http::Proxy::m.example \"DIRECT\";\nAcquire::https::Proxy::safe.example \"DIRECT\";\n"
        );
    }

    #[test]
    fn the_obstacle_is_told_from_a_missing_signature() {
        let of = |status: &'static str, headers: &'static str, through_proxy: bool| {
            let server = serve(status, headers);
            let (mirror, proxy) = if through_proxy {
                ("http://m.example/debian".to_owned(), Some(server))
            } else {
                (format!("{server}/debian"), None)
            };
            let proxies = Proxies::from_variables(|name| proxy.clone().filter(|_| name == "http_proxy")).unwrap();
            let settings = Settings { proxies, ..Settings::of_machine("test").unwrap() };
            obstacle(&Client::new(settings).unwrap(), &[archive("debian", &mirror)]).map(|(kind, _)| kind)
        };
        assert_eq!(of("502 Bad Gateway", "", true), Some(ArchiveFaultKind::Proxy));
        assert_eq!(of("407 Proxy Authentication Required", "", true), Some(ArchiveFaultKind::Proxy));
        assert_eq!(of("403 Forbidden", "X-Squid-Error: ERR_ACCESS_DENIED 0\r\n", true), Some(ArchiveFaultKind::Proxy));
        assert_eq!(of("403 Forbidden", "", true), Some(ArchiveFaultKind::Refused));
        assert_eq!(of("401 Unauthorized", "", false), Some(ArchiveFaultKind::Refused));
        assert_eq!(of("404 Not Found", "", false), None);
        assert_eq!(of("200 OK", "", false), None);
    }

    /// A server that answers one request.
    fn serve(status: &'static str, headers: &'static str) -> String {
        use std::io::{BufRead, BufReader, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            for _ in lines.take_while(|line| !line.is_empty()) {}
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n").unwrap();
        });
        format!("http://{address}")
    }

    #[test]
    fn every_missing_package_is_named() {
        let said = "E: Unable to locate package nope\nE: Package 'gone' has no installation candidate\n";
        let Error::MissingPackages { names, .. } = unsolved(said) else { panic!() };
        assert_eq!(names, ["gone", "nope"]);
        assert!(matches!(unsolved("E: Unable to correct problems"), Error::Unsolvable(_)));
    }

    #[test]
    fn dates_and_escapes_are_read() {
        assert_eq!(date_field("Suite: x\nDate: Thu, 01 Jan 1970 00:01:00 UTC\n"), Some(60));
        assert_eq!(date_field("Date: nonsense\n"), None);
        assert_eq!(percent_decode("a%2bb%3A%zz%"), "a+b:%zz%");
    }
}
