//! Which proxy a request goes through: the one reading of the variables that people set for it.

use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

/// Schemes of proxies.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];
/// The variables that say something of proxies; they are set in capitals too.
pub const PROXY_VARIABLES: [&str; 4] = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];
/// What this machine is called; for programs that do not know by themselves that it needs no proxy.
const THIS_MACHINE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The proxies for `http:` and `https:`, and the hosts that are reached without one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    except: Vec<String>,
}

/// A variable whose value is no address of a proxy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is no address of a proxy: {why}; set it to one such as http://proxy.example:3128, or unset it")]
pub struct ProxyFault {
    /// The variable.
    pub variable: String,
    /// What is wrong with it; the value itself may hold a password.
    pub why: String,
}

impl Proxies {
    /// What the environment says: `http_proxy`, `https_proxy`, `all_proxy` for both, and `no_proxy`; capitals count where
    /// small letters are not set.
    ///
    /// # Errors
    /// When a variable holds no address.
    pub fn from_environment() -> Result<Self, ProxyFault> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// The same, with variables from elsewhere.
    ///
    /// # Errors
    /// When a variable holds no address.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ProxyFault> {
        let set = |name: &str| {
            let capitals = name.to_uppercase();
            [name.to_owned(), capitals].into_iter().find_map(|n| {
                let value = variable(&n)?.trim().to_owned();
                (!value.is_empty()).then_some((n, value))
            })
        };
        let proxy = |name| set(name).or_else(|| set("all_proxy")).map(|(n, value)| address(&n, &value)).transpose();
        let except = set("no_proxy").map(|(_, list)| entries(&list)).unwrap_or_default();
        Ok(Self { http: proxy("http_proxy")?, https: proxy("https_proxy")?, except })
    }

    /// The proxy for an address; `None` when it is reached without one, as this machine always is.
    pub fn of(&self, url: &Url) -> Option<&Url> {
        let proxy = match url.scheme() {
            "http" => self.http.as_ref(),
            "https" => self.https.as_ref(),
            _ => None,
        }?;
        let (host, port) = (url.host()?, url.port_or_known_default());
        (!is_this_machine(url) && !self.except.iter().any(|entry| covers(entry, &host, port))).then_some(proxy)
    }

    /// The same, as messages show it: without its password.
    pub fn name_of(&self, url: &Url) -> Option<String> {
        self.of(url).map(shown)
    }

    /// The variables by which another program takes the same way: small letters, which every program reads. A program
    /// may understand less in `no_proxy`; those hosts of `urls` that are reached without a proxy stand there by name.
    pub fn variables<'a>(&self, urls: impl IntoIterator<Item = &'a Url>) -> Vec<(&'static str, String)> {
        let proxies = [("http_proxy", &self.http), ("https_proxy", &self.https)];
        let mut variables: Vec<_> =
            proxies.into_iter().filter_map(|(name, proxy)| Some((name, proxy.as_ref()?.to_string()))).collect();
        if !variables.is_empty() {
            let mut direct: Vec<String> = THIS_MACHINE.map(str::to_owned).to_vec();
            direct.extend(urls.into_iter().filter(|url| self.of(url).is_none()).filter_map(|u| u.host_str().map(bare)));
            direct.extend(self.except.iter().cloned());
            variables.push(("no_proxy", direct.join(",")));
        }
        variables
    }
}

/// An address without its password.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() {
        // Only what has no host takes none.
        let _ = url.set_password(Some("***"));
    }
    url.to_string()
}

/// Whether an address is one of this machine, by its name or number.
pub fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_local_name(name),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).to_canonical().is_loopback(),
        None => false,
    }
}

/// Whether a name is always this machine's (RFC 6761, 6.3).
pub(crate) fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// The address of a proxy, which people also write without a scheme.
fn address(variable: &str, value: &str) -> Result<Url, ProxyFault> {
    let fault = |why: String| ProxyFault { variable: variable.to_owned(), why };
    let value = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let mut url = Url::parse(&value).map_err(|e| fault(e.to_string()))?;
    if !SCHEMES.contains(&url.scheme()) {
        return Err(fault(format!("{}: proxies speak {}", url.scheme(), SCHEMES.join(", "))));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(fault("it names no host".to_owned()));
    }
    if url.port_or_known_default().is_none() {
        // The port of SOCKS; a host is there, so that it can be set.
        let _ = url.set_port(Some(1080));
    }
    Ok(url)
}

/// The entries of `no_proxy`, which commas, blanks or both separate.
fn entries(list: &str) -> Vec<String> {
    list.split([',', ' ', '\t', '\n']).filter(|e| !e.is_empty()).map(str::to_ascii_lowercase).collect()
}

/// Whether an entry of `no_proxy` is about a host: `*`, a network, an address or a domain with all below it, the last two
/// perhaps with a port.
fn covers(entry: &str, host: &Host<&str>, port: Option<u16>) -> bool {
    if entry == "*" {
        return true;
    }
    let (entry, only) = split_port(entry);
    if only.is_some() && only != port {
        return false;
    }
    let ip: Option<IpAddr> = match host {
        Host::Domain(_) => None,
        Host::Ipv4(ip) => Some((*ip).into()),
        Host::Ipv6(ip) => Some(IpAddr::from(*ip).to_canonical()),
    };
    match (ip, host) {
        (Some(ip), _) => {
            let network = entry.parse::<IpNet>().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
            network.is_ok_and(|network| network.contains(&ip))
        }
        (None, Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let domain = entry.trim_start_matches('*').trim_start_matches('.').trim_end_matches('.');
            let below = name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            !domain.is_empty() && below
        }
        (None, _) => false,
    }
}

/// An entry and the port that it is limited to. An IPv6 address has colons of its own, and a port only after brackets.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if entry.parse::<IpAddr>().is_ok() || entry.parse::<IpNet>().is_ok() {
        return (entry, None);
    }
    match entry.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) => (unbracketed(host), Some(port)),
        _ => (unbracketed(entry), None),
    }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host)
}

fn bare(host: &str) -> String {
    unbracketed(host).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        let find = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Proxies::from_variables(find).unwrap()
    }

    fn way(proxies: &Proxies, url: &str) -> Option<String> {
        proxies.of(&Url::parse(url).unwrap()).map(|u| u.host_str().unwrap_or_default().to_owned())
    }

    #[test]
    fn each_scheme_has_its_proxy_and_small_letters_come_first() {
        let both = proxies(&[("http_proxy", "http://a:1"), ("HTTP_PROXY", "http://b:1"), ("HTTPS_PROXY", "c:1")]);
        assert_eq!(way(&both, "http://x.example/"), Some("a".into()));
        assert_eq!(way(&both, "https://x.example/"), Some("c".into()));
        let plain = proxies(&[("http_proxy", "http://a:1")]);
        assert_eq!(way(&plain, "https://x.example/"), None, "http_proxy is for http: alone");
        let secure = proxies(&[("https_proxy", "http://a:1")]);
        assert_eq!(way(&secure, "http://x.example/"), None, "https_proxy is for https: alone");
        let rest = proxies(&[("https_proxy", "http://a:1"), ("ALL_PROXY", "socks5h://s"), ("http_proxy", " ")]);
        assert_eq!(way(&rest, "http://x.example/"), Some("s".into()));
        assert_eq!(way(&rest, "https://x.example/"), Some("a".into()));
        assert_eq!(rest.http.as_ref().and_then(Url::port), Some(1080));
    }

    #[test]
    fn this_machine_is_never_asked_through_a_proxy() {
        let all = proxies(&[("all_proxy", "http://a:1")]);
        for here in ["localhost:5000", "LOCALHOST", "reg.localhost", "127.9.8.7", "[::1]:80", "[::ffff:127.0.0.1]"] {
            assert_eq!(way(&all, &format!("http://{here}/")), None, "{here}");
        }
        for there in ["localhost.example", "128.0.0.1", "[::2]", "0.0.0.0"] {
            assert_eq!(way(&all, &format!("http://{there}/")), Some("a".into()), "{there}");
        }
    }

    #[test]
    fn no_proxy_knows_domains_networks_ports_blanks_and_the_star() {
        let list = "a.example, .b.example\t*.c.example 10.1.0.0/16,192.168.7.7,fd00::/8 [fd99::1]:81 d.example:8080,10.9.9.9:90,";
        let some = proxies(&[("http_proxy", "http://p:1"), ("NO_PROXY", list)]);
        let direct = [
            "a.example",
            "A.EXAMPLE.",
            "x.a.example",
            "b.example",
            "x.y.b.example",
            "x.c.example",
            "10.1.255.3",
            "192.168.7.7",
            "[fd12::5]",
            "d.example:8080",
            "x.d.example:8080",
            "10.9.9.9:90",
        ];
        for host in direct {
            assert_eq!(way(&some, &format!("http://{host}/")), None, "{host}");
        }
        for host in ["aa.example", "a.example.org", "10.2.0.1", "192.168.7.8", "[fe80::1]", "d.example", "10.9.9.9"] {
            assert_eq!(way(&some, &format!("http://{host}/")), Some("p".into()), "{host}");
        }
        let none = proxies(&[("http_proxy", "http://p:1"), ("no_proxy", "x.example *")]);
        assert_eq!(way(&none, "http://y.example/"), None);
    }

    #[test]
    fn other_programs_get_small_letters_and_the_hosts_that_need_no_proxy() {
        let some = proxies(&[("HTTP_PROXY", "p:3128"), ("NO_PROXY", "10.0.0.0/8 , a.example")]);
        let urls = ["http://10.1.2.3/debian", "http://m.example/debian"].map(|u| Url::parse(u).unwrap());
        let expected = [
            ("http_proxy", "http://p:3128/".to_owned()),
            ("no_proxy", "localhost,127.0.0.1,::1,10.1.2.3,10.0.0.0/8,a.example".to_owned()),
        ];
        assert_eq!(some.variables(&urls), expected);
        assert_eq!(proxies(&[("no_proxy", "a")]).variables(&urls), []);
    }

    #[test]
    fn what_is_no_proxy_is_told_without_its_password() {
        for (value, words) in
            [("ftp://u:secret@h", "proxies speak http"), ("http://u:secret@:80", ""), ("http://h:x", "port")]
        {
            let fault = Proxies::from_variables(|n| (n == "HTTPS_PROXY").then(|| value.to_owned())).unwrap_err();
            let text = fault.to_string();
            assert!(text.starts_with("HTTPS_PROXY is no address of a proxy") && text.contains(words), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
