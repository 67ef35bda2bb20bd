//! What the seed tells the guest of a proxy and of certificates.
//!
//! One file holds the variables; logins, by PAM, and Docker's engine read it, and apt has its own. A seed without settings takes
//! away what an earlier one brought.

use serde_json::{Value, json};

use super::HostNetwork;

/// The variables of proxies, in the guest.
const VARIABLES: &str = "/etc/helix/proxy.env";
/// The certificates that were handed on, in one file.
const CERTIFICATES: &str = "/etc/helix/host-certificates.pem";
/// What apt reads.
const APT: &str = "/etc/apt/apt.conf.d/80helix-proxy";
/// What Docker's engine is started with.
const DOCKER: &str = "/etc/systemd/system/docker.service.d/60-helix-proxy.conf";

/// Puts in force what the files say. `$1` is the user, `$2` the mode of what holds a proxy, `$3` and `$4` tell whether there is
/// a proxy, and whether there are certificates. Docker is not waited for: the boot waits for this.
const SETTLE: &str = r#"set -eu
variables=/etc/helix/proxy.env certificates=/etc/helix/host-certificates.pem trusted=/usr/local/share/ca-certificates
apt=/etc/apt/apt.conf.d/80helix-proxy docker=/etc/systemd/system/docker.service.d/60-helix-proxy.conf
login=/etc/environment
[ -e "$variables" ] || [ -e "$certificates" ] || exit 0
"$3" || rm -f "$variables" "$apt" "$docker"
"$4" || rm -f "$certificates"
touch "$login"
sed -i '/^# helix proxy: begin$/,/^# helix proxy: end$/d' "$login"
chown "root:$1" "$login"
chmod "$2" "$login"
if "$3"; then
	{ echo '# helix proxy: begin'; cat "$variables"; echo '# helix proxy: end'; } >>"$login"
fi
rm -f "$trusted"/helix-host-*.crt
mkdir -p "$trusted"
if "$4"; then
	awk -v name="$trusted/helix-host-" '/BEGIN/ { n++ } { print > (name n ".crt") }' "$certificates"
fi
update-ca-certificates
systemctl daemon-reload
systemctl --no-block try-restart docker.service
"#;

/// The settings for a guest whose user has this name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub(crate) network: Option<&'a HostNetwork>,
    pub(crate) user: &'a str,
}

impl Settings<'_> {
    /// cloud-init's `write_files`, deferred until the user is there.
    pub(crate) fn files(&self) -> Vec<Value> {
        let Some(network) = self.network else { return Vec::new() };
        let file = |path: &str, mode: &str, content: String| {
            let owner = format!("root:{}", self.user);
            json!({ "path": path, "permissions": mode, "owner": owner, "content": content, "defer": true })
        };
        let mut files = Vec::new();
        if network.has_proxy() {
            files.push(file(VARIABLES, self.mode(), variables(network)));
            files.push(file(APT, self.mode(), apt(network)));
            files.push(file(DOCKER, "0644", format!("[Service]\nEnvironmentFile=-{VARIABLES}\n")));
        }
        if !network.certificates.is_empty() {
            files.push(file(CERTIFICATES, "0644", network.certificates.concat()));
        }
        files
    }

    /// The command that puts the files in force, or takes away those of an earlier seed.
    pub(crate) fn command(&self) -> Value {
        let flag = |is: bool| if is { "true" } else { "false" };
        let proxy = self.network.is_some_and(HostNetwork::has_proxy);
        let certificates = self.network.is_some_and(|network| !network.certificates.is_empty());
        json!(["sh", "-c", SETTLE, "sh", self.user, self.mode(), flag(proxy), flag(certificates)])
    }

    /// The mode of a file with the address of a proxy: with a password in it, it is for root and the user alone.
    fn mode(&self) -> &'static str {
        if self.network.is_some_and(HostNetwork::has_secret) { "0640" } else { "0644" }
    }
}

/// In small letters and in capitals: programs differ in what they read.
fn variables(network: &HostNetwork) -> String {
    let none = network.no_proxy();
    let pairs = network.proxies().chain([("no", none.as_str())]).map(|(name, value)| (format!("{name}_proxy"), value));
    pairs.map(|(name, value)| format!("{name}={value}\n{}={value}\n", name.to_uppercase())).collect()
}

/// apt does not see the variables, because sudo takes them away. Of hosts that are reached directly it takes names only.
fn apt(network: &HostNetwork) -> String {
    let of_all = |proxy: &Option<String>| proxy.as_ref().or(network.all.as_ref()).cloned();
    let proxies = [("http", of_all(&network.http)), ("https", of_all(&network.https))];
    let proxies = proxies.into_iter().filter_map(|(kind, proxy)| Some((kind, proxy?)));
    let hosts = network.direct.iter().filter(|host| !host.contains(['*', '/', ':']) && !host.starts_with('.'));
    let hosts: Vec<&String> = hosts.collect();
    let lines = proxies.flat_map(|(kind, proxy)| {
        let direct = hosts.iter().map(move |host| format!("Acquire::{kind}::Proxy::{host} \"DIRECT\";\n"));
        std::iter::once(format!("Acquire::{kind}::Proxy \"{proxy}\";\n")).chain(direct)
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn network() -> HostNetwork {
        let certificate = |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        HostNetwork {
            http: Some("http://me:geheim@10.0.2.2:3128".into()),
            https: None,
            all: Some("socks5h://s.example:1080".into()),
            direct: vec!["intern.example".into(), ".corp".into(), "10.0.0.0/8".into()],
            certificates: vec![certificate("AAAA"), certificate("BBBB")],
        }
    }

    #[test]
    fn the_files_are_for_logins_apt_docker_and_openssl() {
        let network = network();
        let files = Settings { network: Some(&network), user: "helix" }.files();
        insta::assert_snapshot!(format!("{:#}", Value::from(files)));
    }

    #[test]
    fn only_a_proxy_with_a_password_is_kept_from_others() {
        let network = HostNetwork { http: Some("http://p:1".into()), ..HostNetwork::default() };
        let files = Settings { network: Some(&network), user: "helix" }.files();
        assert!(files.iter().all(|file| file["permissions"] == "0644"), "{files:?}");
        let none = HostNetwork::default();
        assert!(Settings { network: Some(&none), user: "helix" }.files().is_empty());
    }

    /// Runs the command with the files of the seed below `root`; what it runs of the guest is noted in `ran`.
    fn settle(root: &Path, network: Option<&HostNetwork>) {
        let settings = Settings { network, user: "somebody" };
        for file in settings.files() {
            let path = root.join(file["path"].as_str().unwrap().trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file["content"].as_str().unwrap()).unwrap();
        }
        let command = settings.command();
        let words: Vec<&str> = command.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let ran = root.join("ran").display().to_string();
        let stubs = format!(
            "chown() {{ :; }}; update-ca-certificates() {{ echo trust >> {ran}; }}; systemctl() {{ echo \"$*\" >> {ran}; }}\n"
        );
        let script = words[2].replace("=/etc/", &format!("={}/etc/", root.display()));
        let script = script.replace("=/usr/", &format!("={}/usr/", root.display()));
        helix_command::Cmd::new("bash").args(["-c", &(stubs + &script)]).args(&words[3..]).run().unwrap();
    }

    #[test]
    fn settings_come_change_and_go() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().unwrap();
        let read = |name: &str| std::fs::read_to_string(temp.path().join(name)).unwrap_or_default();
        std::fs::create_dir_all(temp.path().join("etc")).unwrap();
        std::fs::write(temp.path().join("etc/environment"), "MINE=1\n").unwrap();
        settle(temp.path(), None);
        assert_eq!((read("etc/environment"), read("ran")), ("MINE=1\n".into(), String::new()), "nothing to do");

        settle(temp.path(), Some(&network()));
        let mode = std::fs::metadata(temp.path().join("etc/environment")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(read("ran"), "trust\ndaemon-reload\n--no-block try-restart docker.service\n");
        assert!(
            read("etc/environment")
                .starts_with("MINE=1\n# helix proxy: begin\nhttp_proxy=http://me:geheim@10.0.2.2:3128\n")
        );
        assert!(read("usr/local/share/ca-certificates/helix-host-2.crt").contains("\nBBBB\n"));

        let changed = HostNetwork { certificates: network().certificates[..1].to_vec(), http: None, ..network() };
        settle(temp.path(), Some(&changed));
        let login = read("etc/environment");
        assert!(!login.contains("geheim") && login.matches("helix proxy: begin").count() == 1, "{login}");
        assert!(read("usr/local/share/ca-certificates/helix-host-1.crt").contains("\nAAAA\n"));
        assert_eq!(read("usr/local/share/ca-certificates/helix-host-2.crt"), "");

        settle(temp.path(), None);
        assert_eq!(read("etc/environment"), "MINE=1\n");
        for gone in [VARIABLES, APT, DOCKER, CERTIFICATES, "/usr/local/share/ca-certificates/helix-host-1.crt"] {
            assert!(!temp.path().join(gone.trim_start_matches('/')).exists(), "{gone}");
        }
    }
}
