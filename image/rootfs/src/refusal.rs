//! Why the kernel refuses namespaces or mounts here, and what helps: a container, a setting, a chroot.

use std::path::Path;

/// The bit of CAP_SYS_ADMIN in a set of capabilities (`linux/capability.h`).
const SYS_ADMIN: u64 = 1 << 21;

/// What the system shows of the reasons.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Evidence {
    /// What says that this is a container.
    container: Option<String>,
    /// A filter of system calls is in force.
    seccomp: bool,
    root: bool,
    sys_admin: bool,
    /// Ubuntu's setting.
    apparmor_restricts: bool,
    /// There may be no more user namespaces.
    none_allowed: bool,
}

/// What most likely refused it, and the command that helps.
pub(crate) fn advice() -> String {
    Evidence::of_this_machine().advice()
}

impl Evidence {
    fn of_this_machine() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let status = read("/proc/self/status");
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        let capabilities = u64::from_str_radix(field("CapEff:"), 16).unwrap_or_default();
        Self {
            container: container(&read("/proc/1/cgroup"), |path| Path::new(path).exists()),
            seccomp: field("Seccomp:") == "2",
            root: rustix::process::geteuid().is_root(),
            sys_admin: capabilities & SYS_ADMIN != 0,
            apparmor_restricts: read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").trim() == "1",
            none_allowed: read("/proc/sys/user/max_user_namespaces").trim() == "0",
        }
    }

    fn advice(&self) -> String {
        if self.none_allowed {
            return "this machine allows no user namespaces; allow them with\n    sudo sysctl -w user.max_user_namespaces=63000".to_owned();
        }
        if let Some(container) = &self.container {
            let mut reasons = Vec::new();
            if self.seccomp {
                reasons.push("a seccomp filter is in force");
            }
            if self.root && !self.sys_admin {
                reasons.push("root has no CAP_SYS_ADMIN");
            }
            let reasons = if reasons.is_empty() { String::new() } else { format!("; {}", reasons.join(", ")) };
            return format!(
                "this is a container ({container}{reasons}), and its engine forbids it; start the container with\n    \
                 --privileged\n  or with\n    --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
            );
        }
        if self.apparmor_restricts && !self.root {
            return "this machine allows them to root alone, as Ubuntu does by default; allow them with\n    \
                    sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0\n  or run the command as root"
                .to_owned();
        }
        if self.seccomp {
            return "a seccomp filter is in force: this runs in a sandbox or a service (RestrictNamespaces=, SystemCallFilter=); \
                    start it outside"
                .to_owned();
        }
        "the kernel refuses it in a chroot, and where a security module forbids it; see\n    dmesg".to_owned()
    }
}

/// What says that this process is in a container: files that engines leave, else the control group of the first process.
fn container(cgroup: &str, exists: impl Fn(&str) -> bool) -> Option<String> {
    for file in ["/run/.containerenv", "/.dockerenv"] {
        if exists(file) {
            return Some(format!("{file} exists"));
        }
    }
    let marks = ["docker", "kubepods", "containerd", "libpod", "lxc", "crio"];
    let line = cgroup.lines().find(|line| marks.iter().any(|mark| line.contains(mark)))?;
    Some(format!("/proc/1/cgroup says {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_named_as_the_cause_with_its_reasons() {
        let restricted = Evidence {
            container: container("0::/kubepods/besteffort/pod7\n", |_| false),
            seccomp: true,
            root: true,
            apparmor_restricts: true,
            ..Evidence::default()
        };
        let advice = restricted.advice();
        for part in
            ["container (/proc/1/cgroup says 0::/kubepods", "seccomp filter", "no CAP_SYS_ADMIN", "--privileged"]
        {
            assert!(advice.contains(part), "{advice}");
        }
        assert!(!advice.contains("Ubuntu") && !advice.contains("run the command as root"), "{advice}");
        let files = container("0::/\n", |path| path == "/run/.containerenv");
        assert_eq!(files.as_deref(), Some("/run/.containerenv exists"));
        assert_eq!(container("0::/init.scope\n", |_| false), None);
    }

    #[test]
    fn outside_of_containers_the_setting_is_named() {
        let of = |evidence: Evidence| evidence.advice();
        let ubuntu = of(Evidence { apparmor_restricts: true, ..Evidence::default() });
        assert!(ubuntu.contains("apparmor_restrict_unprivileged_userns=0") && ubuntu.contains("as root"), "{ubuntu}");
        assert!(of(Evidence { none_allowed: true, ..Evidence::default() }).contains("max_user_namespaces=63000"));
        let root = of(Evidence { apparmor_restricts: true, root: true, sys_admin: true, ..Evidence::default() });
        assert!(root.contains("chroot") && !root.contains("as root"), "{root}");
        assert!(of(Evidence { seccomp: true, ..Evidence::default() }).contains("sandbox"));
    }
}
