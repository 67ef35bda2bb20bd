//! The proxy and the trust store of this computer, as a guest can use them.
//!
//! Proxies come from the variables that curl reads, on a Mac without them from the system's settings. A proxy on this computer's
//! loopback is the guest's gateway to it: QEMU's user network shows the host's 127.0.0.1 as 10.0.2.2. Of the trust store the
//! guest gets what somebody has added; the public authorities it has itself.
//!
//! The address of a proxy can hold a password. It is shown without, and the guest keeps it from other users.

mod guest;
mod trust;

use std::net::IpAddr;
use std::path::PathBuf;

use url::Url;

pub(crate) use guest::Settings;

use crate::platform;

/// This computer's loopback, as the guest reaches it.
const GATEWAY: &str = "10.0.2.2";
/// What a guest reaches without a proxy, whatever the computer says.
const ALWAYS_DIRECT: [&str; 4] = ["localhost", "127.0.0.1", "::1", GATEWAY];
/// Kinds of proxies that curl, apt or Docker know.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// The computer's settings cannot be handed on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of a proxy is none. It is not shown, because it can hold a password.
    #[error("the address of a proxy in {name} {reason}; write it as http://HOST:PORT, with %XX for special characters")]
    Proxy {
        /// Where it comes from.
        name: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Certificates cannot be read.
    #[error("reading the certificates of {}: {source}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What a guest takes over of this computer's network.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HostNetwork {
    /// The proxy for http.
    pub http: Option<String>,
    /// The proxy for https.
    pub https: Option<String>,
    /// The proxy for everything else.
    pub all: Option<String>,
    /// Hosts, domains and networks that are reached without a proxy.
    pub direct: Vec<String>,
    /// Certificates of authorities, in PEM, one a string.
    pub certificates: Vec<String>,
}

impl HostNetwork {
    /// The settings of this computer.
    ///
    /// # Errors
    /// When the address of a proxy is none, or certificates cannot be read.
    pub fn of_this_computer() -> Result<Self, Error> {
        let variable = |name: &str| std::env::var(name).ok();
        let mut network = Self::of_variables(&variable)?;
        if !network.has_proxy() {
            network = of_scutil(&platform::proxy_settings())?;
        }
        network.certificates = trust::added()?;
        Ok(network)
    }

    /// The proxies that variables name; small letters come first, as with curl.
    fn of_variables(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let either = |names: [&'static str; 2]| {
            let found = names.into_iter().find_map(|name| Some((name, get(name)?.trim().to_owned())));
            found.filter(|(_, value)| !value.is_empty())
        };
        let proxy = |names| either(names).map(|(name, value)| for_guest(name, &value)).transpose();
        Ok(Self {
            http: proxy(["http_proxy", "HTTP_PROXY"])?,
            https: proxy(["https_proxy", "HTTPS_PROXY"])?,
            all: proxy(["all_proxy", "ALL_PROXY"])?,
            direct: either(["no_proxy", "NO_PROXY"]).map(|(_, value)| words(&value)).unwrap_or_default(),
            certificates: Vec::new(),
        })
    }

    fn proxies(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [("http", &self.http), ("https", &self.https), ("all", &self.all)];
        all.into_iter().filter_map(|(name, proxy)| Some((name, proxy.as_deref()?)))
    }

    fn has_proxy(&self) -> bool {
        self.proxies().next().is_some()
    }

    /// Whether the address of a proxy has a user or password in it.
    fn has_secret(&self) -> bool {
        self.proxies().any(|(_, proxy)| proxy.contains('@'))
    }

    /// What is reached without a proxy, for the variable `no_proxy`.
    fn no_proxy(&self) -> String {
        let missing = ALWAYS_DIRECT.into_iter().filter(|&always| !self.direct.iter().any(|host| host == always));
        self.direct.iter().map(String::as_str).chain(missing).collect::<Vec<_>>().join(",")
    }

    /// Text that is another one for other settings. It holds their secrets.
    pub(crate) fn fingerprint(&self) -> String {
        let proxies = self.proxies().map(|(name, proxy)| format!("\n{name} {proxy}"));
        proxies.chain([format!("\n{}", self.no_proxy())]).chain(self.certificates.iter().cloned()).collect()
    }
}

/// For people, without secrets.
impl std::fmt::Display for HostNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts: Vec<String> =
            self.proxies().map(|(name, proxy)| format!("{name} by {}", shown(proxy))).collect();
        parts.extend((!self.certificates.is_empty()).then(|| format!("{} certificates", self.certificates.len())));
        if parts.is_empty() {
            return f.write_str("this computer has no proxy, and no certificates of its own");
        }
        write!(f, "the guest takes over this computer's network settings: {}", parts.join(", "))
    }
}

/// As [`Display`](std::fmt::Display): what is traced holds no secret either.
impl std::fmt::Debug for HostNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostNetwork({self})")
    }
}

fn shown(proxy: &str) -> String {
    match (proxy.split_once("://"), proxy.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://***@{place}"),
        _ => proxy.to_owned(),
    }
}

/// The address of a proxy as the guest reaches it.
fn for_guest(name: &'static str, value: &str) -> Result<String, Error> {
    let wrong = |reason: String| Error::Proxy { name, reason };
    // Without a scheme it is a proxy of http, for every program.
    let text = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let mut url = Url::parse(&text).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if !SCHEMES.contains(&url.scheme()) {
        return Err(wrong(format!("begins with {}://, which is no kind of proxy", url.scheme())));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("has no host".to_owned()))?;
    if is_loopback(host) {
        url.set_host(Some(GATEWAY)).map_err(|error| wrong(format!("cannot be changed for the guest: {error}")))?;
    }
    url.set_path("");
    url.set_query(None);
    url.set_fragment(None);
    let url = url.as_str().trim_end_matches('/').to_owned();
    // It goes into files of systemd, PAM and apt, and into shells.
    if !url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'\\`$#;&|<>()".contains(&byte)) {
        return Err(wrong("has characters that mean something to a shell".to_owned()));
    }
    Ok(url)
}

fn is_loopback(host: &str) -> bool {
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    let is_name = host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    // An address of all zeros is this computer too, for whoever connects to it.
    address.map_or(is_name, |address| address.to_canonical().is_loopback() || address.is_unspecified())
}

/// The words of a list; one that would be more than a word in the guest's files is left out.
fn words(list: &str) -> Vec<String> {
    let plain = |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:*/_-[]".contains(&byte));
    let words = list.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty());
    words.filter(plain).map(str::to_owned).collect()
}

/// The settings as `scutil --proxy` prints them on a Mac.
fn of_scutil(text: &str) -> Result<HostNetwork, Error> {
    let value = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(" : "));
        lines.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
    };
    let proxy = |kind: &str, scheme: &str| {
        let is_on = value(&format!("{kind}Enable")).as_deref() == Some("1");
        let (host, port) = (value(&format!("{kind}Proxy"))?, value(&format!("{kind}Port"))?);
        is_on.then(|| for_guest("the system's settings", &format!("{scheme}://{host}:{port}")))
    };
    let exceptions = text.lines().skip_while(|line| !line.contains("ExceptionsList")).skip(1);
    let exceptions = exceptions.take_while(|line| line.trim() != "}").filter_map(|line| line.split_once(" : "));
    Ok(HostNetwork {
        http: proxy("HTTP", "http").transpose()?,
        https: proxy("HTTPS", "http").transpose()?,
        all: proxy("SOCKS", "socks5h").transpose()?,
        direct: exceptions.flat_map(|(_, host)| words(host)).collect(),
        certificates: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<HostNetwork, Error> {
        let find = |name: &str| {
            let found = variables.iter().find(|(there, _)| *there == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        HostNetwork::of_variables(&find)
    }

    fn proxy(value: &str) -> String {
        of(&[("https_proxy", value)]).unwrap().https.unwrap()
    }

    #[test]
    fn a_proxy_on_loopback_is_behind_the_gateway() {
        for here in [
            "127.0.0.1",
            "127.8.9.1",
            "localhost",
            "LOCALHOST",
            "a.localhost",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "0.0.0.0",
        ] {
            assert_eq!(proxy(&format!("http://{here}:3128/")), "http://10.0.2.2:3128", "{here}");
            assert_eq!(proxy(&format!("{here}:3128")), "http://10.0.2.2:3128", "{here}");
            assert_eq!(proxy(&format!("socks5h://{here}:1080")), "socks5h://10.0.2.2:1080", "{here}");
        }
        assert_eq!(proxy("http://me:s%40x@localhost:8080/x?y#z"), "http://me:s%40x@10.0.2.2:8080");
        assert_eq!(proxy("proxy.example.org:3128"), "http://proxy.example.org:3128");
        assert_eq!(proxy("http://10.1.2.3"), "http://10.1.2.3");
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_being_shown() {
        for bad in [
            "http://",
            "ftp://secret@a",
            "http://me:secret@",
            "http://secret'@a",
            "http://me:secret$(x)@a",
            "http://a b:secret",
        ] {
            let error = of(&[("http_proxy", bad)]).unwrap_err().to_string();
            assert!(error.contains("in http_proxy") && !error.contains("secret"), "{bad}: {error}");
        }
    }

    #[test]
    fn small_letters_come_first_and_an_empty_one_is_none() {
        let network = of(&[
            ("HTTP_PROXY", "a:1"),
            ("https_proxy", ""),
            ("HTTPS_PROXY", "b:2"),
            ("no_proxy", "x, .y\n10.0.0.0/8,$z"),
        ]);
        let network = network.unwrap();
        assert_eq!((network.http.as_deref(), network.https.as_deref()), (Some("http://a:1"), None));
        assert_eq!(network.no_proxy(), "x,.y,10.0.0.0/8,localhost,127.0.0.1,::1,10.0.2.2");
    }

    #[test]
    fn what_is_shown_or_traced_holds_no_password() {
        let mut network = of(&[("https_proxy", "http://me:geheim@p:1"), ("all_proxy", "socks5://p:2")]).unwrap();
        network.certificates = vec!["one".into()];
        let text = "the guest takes over this computer's network settings: https by http://***@p:1, all by socks5://p:2, 1 certificates";
        assert_eq!(network.to_string(), text);
        assert!(!format!("{network:?}").contains("geheim"));
        assert!(HostNetwork::default().to_string().contains("no proxy"));
    }

    /// As `scutil --proxy` prints it.
    #[test]
    fn a_macs_settings_are_read() {
        let text = "<dictionary> {\n  ExceptionsList : <array> {\n    0 : *.local\n    1 : 169.254/16\n  }\n  HTTPEnable : 1\n  \
            HTTPPort : 8080\n  HTTPProxy : localhost\n  HTTPSEnable : 0\n  HTTPSPort : 8443\n  HTTPSProxy : p.example\n  \
            SOCKSEnable : 1\n  SOCKSPort : 1080\n  SOCKSProxy : s.example\n}\n";
        let network = of_scutil(text).unwrap();
        let expected = HostNetwork {
            http: Some("http://10.0.2.2:8080".into()),
            https: None,
            all: Some("socks5h://s.example:1080".into()),
            direct: vec!["*.local".into(), "169.254/16".into()],
            certificates: Vec::new(),
        };
        assert!(network == expected, "{network:?}");
        assert!(of_scutil("").unwrap() == HostNetwork::default());
    }
}
